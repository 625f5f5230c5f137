import { dnsLabelProblems } from "../names.ts";
import { parseQuantity } from "../quantity.ts";
import type { DeepReadonly } from "../schema.ts";
import { duplicateValue, forbiddenValue, invalidValue, requiredValue } from "../status_error.ts";
import { checkLocalPath, checkNoBacksteps, checkOneOf, type Errors, requireName } from "../validation.ts";
import { validateFieldRef, validateResourceFieldRef } from "./container_validation.ts";
import type { DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource, Volume } from "./volume.ts";

export function validateVolumes(volumes: readonly DeepReadonly<Volume>[], path: string): Errors {
  const errors: Errors = [];
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const at = `${path}[${index}]`;
    errors.push(...validateSource(volume, at), ...requireName(dnsLabelProblems, volume.name, `${at}.name`));
    if (names.has(volume.name)) errors.push(duplicateValue(`${at}.name`, volume.name));
    names.add(volume.name);
  }
  return errors;
}

function validateSource(volume: DeepReadonly<Volume>, path: string): Errors {
  const sources = Object.entries(volume).filter(([field, value]) => field !== "name" && value !== undefined);
  if (sources.length === 0) return [requiredValue(path, "must specify a volume type")];
  const errors: Errors = sources
    .slice(1)
    .map(([field]) => forbiddenValue(`${path}.${field}`, "may not specify more than 1 volume type"));
  const need = (value: string | undefined, field: string) => {
    if (!value) errors.push(requiredValue(`${path}.${field}`));
  };
  const { hostPath, emptyDir, secret, configMap, downwardAPI, projected, persistentVolumeClaim, nfs } = volume;
  if (hostPath !== undefined) {
    need(hostPath.path, "hostPath.path");
    errors.push(...checkNoBacksteps(hostPath.path, `${path}.hostPath.path`));
    errors.push(...checkOneOf(hostPath.type, hostPathTypes, `${path}.hostPath.type`, "optional"));
  }
  if (emptyDir?.sizeLimit !== undefined && parseQuantity(emptyDir.sizeLimit).nanos < 0n)
    errors.push(forbiddenValue(`${path}.emptyDir.sizeLimit`, "SizeLimit field must be a valid resource quantity"));
  if (secret !== undefined) {
    need(secret.secretName, "secret.secretName");
    errors.push(...validateFiles(secret, `${path}.secret`));
  }
  if (configMap !== undefined) {
    need(configMap.name, "configMap.name");
    errors.push(...validateFiles(configMap, `${path}.configMap`));
  }
  if (downwardAPI !== undefined) {
    errors.push(...checkMode(downwardAPI.defaultMode, `${path}.downwardAPI.defaultMode`));
    errors.push(...validateDownward(downwardAPI.items ?? [], `${path}.downwardAPI`));
  }
  if (projected !== undefined) errors.push(...validateProjected(projected, `${path}.projected`));
  if (persistentVolumeClaim !== undefined) need(persistentVolumeClaim.claimName, "persistentVolumeClaim.claimName");
  if (nfs !== undefined) {
    need(nfs.server, "nfs.server");
    need(nfs.path, "nfs.path");
    if (nfs.path !== "" && !nfs.path.startsWith("/"))
      errors.push(invalidValue(`${path}.nfs.path`, nfs.path, "must be an absolute path"));
  }
  if (volume.csi !== undefined) need(volume.csi.driver, "csi.driver");
  return errors;
}

const hostPathTypes = ["BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

function checkMode(mode: number | undefined, path: string): Errors {
  return mode !== undefined && (mode < 0 || mode > 0o777)
    ? [invalidValue(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")]
    : [];
}

function checkFilePath(file: string, path: string): Errors {
  if (file === "") return [requiredValue(path)];
  const errors = checkLocalPath(file, path);
  // Names that start so are the kubelet's own.
  if (errors.length === 0 && file.startsWith("..")) errors.push(invalidValue(path, file, "must not start with '..'"));
  return errors;
}

interface Files {
  readonly defaultMode?: number | undefined;
  readonly items?: readonly DeepReadonly<KeyToPath>[] | undefined;
}

function validateFiles({ defaultMode, items = [] }: Files, path: string): Errors {
  const errors = checkMode(defaultMode, `${path}.defaultMode`);
  for (const [index, { key, path: file, mode }] of items.entries()) {
    const at = `${path}.items[${index}]`;
    if (key === "") errors.push(requiredValue(`${at}.key`));
    errors.push(...checkFilePath(file, `${at}.path`), ...checkMode(mode, `${at}.mode`));
  }
  return errors;
}

const downwardFields = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];

function validateDownward(items: readonly DeepReadonly<DownwardAPIVolumeFile>[], path: string): Errors {
  const errors: Errors = [];
  for (const { path: file, fieldRef, resourceFieldRef, mode } of items) {
    errors.push(...checkFilePath(file, `${path}.path`));
    if (fieldRef !== undefined) {
      errors.push(...validateFieldRef(fieldRef, downwardFields, `${path}.fieldRef`));
      if (resourceFieldRef !== undefined)
        errors.push(
          invalidValue(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"),
        );
    } else if (resourceFieldRef !== undefined)
      errors.push(...validateResourceFieldRef(resourceFieldRef, `${path}.resourceFieldRef`, true));
    else errors.push(requiredValue(path, "one of fieldRef and resourceFieldRef is required"));
    errors.push(...checkMode(mode, `${path}.mode`));
  }
  return errors;
}

function validateProjected({ defaultMode, sources = [] }: DeepReadonly<ProjectedVolumeSource>, path: string): Errors {
  const errors = checkMode(defaultMode, `${path}.defaultMode`);
  for (const [index, source] of sources.entries()) {
    const at = `${path}.sources[${index}]`;
    const { secret, configMap, downwardAPI, serviceAccountToken } = source;
    for (const [field] of Object.entries(source)
      .filter(([, value]) => value !== undefined)
      .slice(1))
      errors.push(forbiddenValue(`${at}.${field}`, "may not specify more than 1 volume type"));
    for (const [field, reference] of Object.entries({ secret, configMap })) {
      if (reference === undefined) continue;
      if (!reference.name) errors.push(requiredValue(`${at}.${field}.name`));
      errors.push(...validateFiles({ items: reference.items }, `${at}.${field}`));
    }
    if (downwardAPI !== undefined) errors.push(...validateDownward(downwardAPI.items ?? [], `${at}.downwardAPI`));
    if (serviceAccountToken === undefined) continue;
    const token = `${at}.serviceAccountToken`;
    const seconds = serviceAccountToken.expirationSeconds ?? 3600;
    if (seconds < 600)
      errors.push(
        invalidValue(`${token}.expirationSeconds`, seconds, "may not specify a duration less than 10 minutes"),
      );
    if (seconds > 2 ** 32)
      errors.push(
        invalidValue(`${token}.expirationSeconds`, seconds, "may not specify a duration larger than 2^32 seconds"),
      );
    errors.push(...checkFilePath(serviceAccountToken.path, `${token}.path`));
  }
  return errors;
}
