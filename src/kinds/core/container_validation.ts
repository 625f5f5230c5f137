import {
  configKeyProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  envNameProblems,
  portNameProblems,
} from "../names.ts";
import type { DeepReadonly } from "../schema.ts";
import {
  duplicateValue,
  forbiddenValue,
  invalidValue,
  notFoundValue,
  notSupportedValue,
  requiredValue,
} from "../status_error.ts";
import {
  checkLocalPath,
  checkName,
  checkNoBacksteps,
  checkOneOf,
  checkPortNumber,
  checkQualifiedName,
  type Errors,
  protocols,
  requireName,
} from "../validation.ts";
import type { Container, ContainerPort, EnvFromSource, EnvVar, EphemeralContainer } from "./container.ts";
import { validateProbes } from "./probe_validation.ts";
import type { ObjectFieldSelector, ResourceFieldSelector } from "./reference.ts";
import { validateResources } from "./resource_validation.ts";
import { validateContainerSecurity } from "./security_validation.ts";
import type { Volume } from "./volume.ts";

/** What the containers of one pod share. */
export interface ContainerSurroundings {
  readonly volumes: ReadonlyMap<string, DeepReadonly<Volume>>;
  readonly claimNames: ReadonlySet<string>;
  readonly graceSeconds: number | undefined;
  readonly restartPolicy: string | undefined;
  /** A pod, not the template of one. */
  readonly isPod: boolean;
}

type Any = DeepReadonly<Container> | DeepReadonly<EphemeralContainer>;

export function validateContainers(
  containers: readonly DeepReadonly<Container>[],
  around: ContainerSurroundings,
  path: string,
): Errors {
  if (containers.length === 0) return [requiredValue(path)];
  const errors: Errors = [];
  const names = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`;
    errors.push(...validateContainer(container, around, at));
    if (names.has(container.name)) errors.push(duplicateValue(`${at}.name`, container.name));
    names.add(container.name);
    errors.push(...validateProbes(container, around.graceSeconds, at));
    errors.push(
      ...checkOneOf(container.restartPolicy, ["Always", "Never", "OnFailure"], `${at}.restartPolicy`, "optional"),
    );
  }
  return [...errors, ...checkHostPorts(containers, path)];
}

export function validateInitContainers(
  containers: readonly DeepReadonly<Container>[],
  regular: readonly DeepReadonly<Container>[],
  around: ContainerSurroundings,
  path: string,
): Errors {
  const errors: Errors = [];
  const names = new Set(regular.map(({ name }) => name));
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`;
    errors.push(...validateContainer(container, around, at));
    errors.push(
      ...checkOneOf(container.restartPolicy, ["Always", "Never", "OnFailure"], `${at}.restartPolicy`, "optional"),
    );
    if (names.has(container.name)) errors.push(duplicateValue(`${at}.name`, container.name));
    else if (container.name !== "") names.add(container.name);
    // One after another: each alone may not want a port twice.
    errors.push(...checkHostPorts([container], path));
    if (container.restartPolicy === "Always") {
      errors.push(...validateProbes(container, around.graceSeconds, at));
      continue;
    }
    for (const field of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const)
      if (container[field] !== undefined)
        errors.push(
          forbiddenValue(`${at}.${field}`, "may not be set for init containers without restartPolicy=Always"),
        );
  }
  return errors;
}

const ephemeralMayNot = [
  "ports",
  "lifecycle",
  "livenessProbe",
  "readinessProbe",
  "startupProbe",
  "resizePolicy",
  "restartPolicy",
] as const;

export function validateEphemeralContainers(
  containers: readonly DeepReadonly<EphemeralContainer>[],
  others: readonly DeepReadonly<Container>[],
  around: ContainerSurroundings,
  path: string,
): Errors {
  const errors: Errors = [];
  const targets = new Set(others.map(({ name }) => name));
  const names = new Set(targets);
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`;
    const forbid = (field: string) =>
      errors.push(forbiddenValue(`${at}.${field}`, "cannot be set for an Ephemeral Container"));
    errors.push(...validateContainer(container, around, at));
    if (names.has(container.name)) errors.push(duplicateValue(`${at}.name`, container.name));
    names.add(container.name);
    const target = container.targetContainerName ?? "";
    if (target !== "" && !targets.has(target)) errors.push(notFoundValue(`${at}.targetContainerName`, target));
    for (const field of ephemeralMayNot) if (container[field] !== undefined) forbid(field);
    if (Object.keys(container.resources ?? {}).length > 0) forbid("resources");
    for (const [mountIndex, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath) forbid(`volumeMounts[${mountIndex}].subPath`);
      if (mount.subPathExpr) forbid(`volumeMounts[${mountIndex}].subPathExpr`);
    }
  }
  return errors;
}

function validateContainer(container: Any, around: ContainerSurroundings, path: string): Errors {
  const image = container.image ?? "";
  const errors = requireName(dnsLabelProblems, container.name, `${path}.name`);
  if (image === "") errors.push(requiredValue(`${path}.image`));
  else if (around.isPod && image !== image.trim())
    errors.push(invalidValue(`${path}.image`, image, "must not have leading or trailing whitespace"));
  errors.push(
    ...checkOneOf(
      container.terminationMessagePolicy,
      ["FallbackToLogsOnError", "File"],
      `${path}.terminationMessagePolicy`,
      "required",
    ),
    ...validatePorts(container.ports ?? [], `${path}.ports`),
    ...validateEnv(container.env ?? [], `${path}.env`),
    ...validateEnvFrom(container.envFrom ?? [], `${path}.envFrom`),
    ...validateMounts(container, around, path),
    ...checkOneOf(
      container.imagePullPolicy,
      ["Always", "IfNotPresent", "Never"],
      `${path}.imagePullPolicy`,
      "required",
    ),
    ...validateResources(container.resources, `${path}.resources`, around.claimNames),
    ...validateResizePolicy(container, around, `${path}.resizePolicy`),
    ...validateContainerSecurity(container.securityContext, `${path}.securityContext`),
  );
  return errors;
}

function validatePorts(ports: readonly DeepReadonly<ContainerPort>[], path: string): Errors {
  const errors: Errors = [];
  const names = new Set<string>();
  for (const [index, { name = "", containerPort, hostPort = 0, protocol }] of ports.entries()) {
    const at = `${path}[${index}]`;
    if (name !== "") {
      const problems = checkName(portNameProblems, name, `${at}.name`);
      if (problems.length > 0) errors.push(...problems);
      else if (names.has(name)) errors.push(duplicateValue(`${at}.name`, name));
      names.add(name);
    }
    if (containerPort === 0) errors.push(requiredValue(`${at}.containerPort`));
    else errors.push(...checkPortNumber(containerPort, `${at}.containerPort`));
    if (hostPort !== 0) errors.push(...checkPortNumber(hostPort, `${at}.hostPort`));
    errors.push(...checkOneOf(protocol, protocols, `${at}.protocol`, "required"));
  }
  return errors;
}

function checkHostPorts(containers: readonly DeepReadonly<Container>[], path: string): Errors {
  const errors: Errors = [];
  const taken = new Set<string>();
  for (const [index, { ports = [] }] of containers.entries()) {
    for (const [portIndex, { hostPort = 0, hostIP = "", protocol }] of ports.entries()) {
      if (hostPort === 0) continue;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (taken.has(key)) errors.push(duplicateValue(`${path}[${index}].ports[${portIndex}].hostPort`, key));
      taken.add(key);
    }
  }
  return errors;
}

const envFields = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];

function validateEnv(variables: readonly DeepReadonly<EnvVar>[], path: string): Errors {
  const errors: Errors = [];
  for (const [index, { name, value = "", valueFrom }] of variables.entries()) {
    const at = `${path}[${index}]`;
    errors.push(...requireName(envNameProblems, name, `${at}.name`));
    if (valueFrom === undefined) continue;
    const from = `${at}.valueFrom`;
    const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
    if (fieldRef !== undefined) errors.push(...validateFieldRef(fieldRef, envFields, `${from}.fieldRef`));
    if (resourceFieldRef !== undefined)
      errors.push(...validateResourceFieldRef(resourceFieldRef, `${from}.resourceFieldRef`, false));
    for (const [kind, reference] of Object.entries({ configMapKeyRef, secretKeyRef })) {
      if (reference === undefined) continue;
      errors.push(...checkName(dnsSubdomainProblems, reference.name ?? "", `${from}.${kind}.name`));
      errors.push(...requireName(configKeyProblems, reference.key, `${from}.${kind}.key`));
    }
    const sources = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef];
    const count = sources.filter((source) => source !== undefined).length;
    if (count === 0)
      errors.push(
        invalidValue(
          from,
          "",
          "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
      );
    else if (value !== "") errors.push(invalidValue(from, "", "may not be specified when `value` is not empty"));
    else if (count > 1) errors.push(invalidValue(from, "", "may not have more than one field specified at a time"));
  }
  return errors;
}

function validateEnvFrom(sources: readonly DeepReadonly<EnvFromSource>[], path: string): Errors {
  const errors: Errors = [];
  for (const [index, { prefix = "", configMapRef, secretRef }] of sources.entries()) {
    const at = `${path}[${index}]`;
    if (prefix !== "") errors.push(...checkName(envNameProblems, prefix, `${at}.prefix`));
    if (configMapRef !== undefined)
      errors.push(...requireName(dnsSubdomainProblems, configMapRef.name, `${at}.configMapRef.name`));
    if (secretRef !== undefined)
      errors.push(...requireName(dnsSubdomainProblems, secretRef.name, `${at}.secretRef.name`));
    if (configMapRef === undefined && secretRef === undefined)
      errors.push(invalidValue(path, "", "must specify one of: `configMapRef` or `secretRef`"));
    if (configMapRef !== undefined && secretRef !== undefined)
      errors.push(invalidValue(path, "", "may not have more than one field specified at a time"));
  }
  return errors;
}

/** `allowed`: the paths without a subscript; labels and annotations may be asked for one by one. */
export function validateFieldRef(
  { apiVersion = "", fieldPath }: DeepReadonly<ObjectFieldSelector>,
  allowed: readonly string[],
  path: string,
): Errors {
  if (apiVersion === "") return [requiredValue(`${path}.apiVersion`)];
  if (fieldPath === "") return [requiredValue(`${path}.fieldPath`)];
  if (apiVersion !== "v1")
    return [
      invalidValue(
        `${path}.fieldPath`,
        fieldPath,
        `error converting fieldPath: unsupported pod version: ${apiVersion}`,
      ),
    ];
  const [, map, key] = /^([^[]*)\['(.*)'\]$/.exec(fieldPath) ?? [];
  if (map === "metadata.annotations") return checkQualifiedName((key ?? "").toLowerCase(), path);
  if (map === "metadata.labels") return checkQualifiedName(key ?? "", path);
  if (map !== undefined)
    return [
      invalidValue(
        `${path}.fieldPath`,
        fieldPath,
        "error converting fieldPath: field label does not support subscript",
      ),
    ];
  return allowed.includes(fieldPath) ? [] : [notSupportedValue(`${path}.fieldPath`, fieldPath, allowed)];
}

const resourceFields = ["cpu", "memory", "ephemeral-storage"].flatMap((name) => [`limits.${name}`, `requests.${name}`]);
const byteDivisors = [
  "1",
  ...["", "i"].flatMap((binary) => [...(binary ? "KMGTPE" : "kMGTPE")].map((unit) => `1${unit}${binary}`)),
];

export function validateResourceFieldRef(
  { containerName = "", resource, divisor = "0" }: DeepReadonly<ResourceFieldSelector>,
  path: string,
  inVolume: boolean,
): Errors {
  if (inVolume && containerName === "") return [requiredValue(`${path}.containerName`)];
  if (resource === "") return [requiredValue(`${path}.resource`)];
  if (!resourceFields.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource))
    return [notSupportedValue(`${path}.resource`, resource, resourceFields)];
  if (divisor === "0" || divisor === "") return [];
  const cpu = resource.endsWith(".cpu");
  if ((cpu ? ["1m", "1"] : byteDivisors).includes(divisor)) return [];
  const what = resource.endsWith(".memory")
    ? "memory"
    : resource.endsWith("storage")
      ? "local ephemeral storage"
      : "hugepages";
  return [
    invalidValue(
      `${path}.divisor`,
      resource,
      cpu
        ? "only divisor's values 1m and 1 are supported with the cpu resource"
        : `only divisor's values ${byteDivisors.join(", ")} are supported with the ${what} resource`,
    ),
  ];
}

function validateMounts(container: Any, { volumes }: ContainerSurroundings, path: string): Errors {
  const errors: Errors = [];
  const devices = container.volumeDevices ?? [];
  const mounts = container.volumeMounts ?? [];
  const mountPaths = new Set<string>();
  for (const [index, mount] of mounts.entries()) {
    const { name, mountPath, subPath = "", subPathExpr = "", mountPropagation } = mount;
    const at = `${path}.volumeMounts[${index}]`;
    if (name === "") errors.push(requiredValue(`${at}.name`));
    const volume = volumes.get(name);
    if (volume === undefined) errors.push(notFoundValue(`${at}.name`, name));
    if (mountPath === "") errors.push(requiredValue(`${at}.mountPath`));
    if (mountPaths.has(mountPath)) errors.push(invalidValue(`${at}.mountPath`, mountPath, "must be unique"));
    mountPaths.add(mountPath);
    if (devices.some((device) => device.name === name))
      errors.push(invalidValue(`${at}.name`, name, "must not already exist in volumeDevices"));
    if (devices.some((device) => device.devicePath === mountPath))
      errors.push(invalidValue(`${at}.mountPath`, mountPath, "must not already exist as a path in volumeDevices"));
    if (subPath !== "") errors.push(...checkLocalPath(subPath, `${at}.subPath`));
    if (subPathExpr !== "") {
      if (subPath !== "")
        errors.push(invalidValue(`${at}.subPathExpr`, subPathExpr, "subPathExpr and subPath are mutually exclusive"));
      errors.push(...checkLocalPath(subPathExpr, `${at}.subPathExpr`));
    }
    errors.push(
      ...checkOneOf(
        mountPropagation,
        ["Bidirectional", "HostToContainer", "None"],
        `${at}.mountPropagation`,
        "optional",
      ),
    );
    if (mountPropagation === "Bidirectional" && container.securityContext?.privileged !== true)
      errors.push(
        forbiddenValue(
          `${at}.mountPropagation`,
          "Bidirectional mount propagation is available only to privileged containers",
        ),
      );
  }
  const devicePaths = new Set<string>();
  const deviceNames = new Set<string>();
  for (const [index, { name, devicePath }] of devices.entries()) {
    const at = `${path}.volumeDevices[${index}]`;
    const volume = volumes.get(name);
    if (name === "") errors.push(requiredValue(`${at}.name`));
    if (deviceNames.has(name)) errors.push(invalidValue(`${at}.name`, name, "must be unique"));
    deviceNames.add(name);
    if (volume === undefined) errors.push(notFoundValue(`${at}.name`, name));
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined)
      errors.push(
        invalidValue(
          `${at}.name`,
          name,
          "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
        ),
      );
    if (devicePath === "") errors.push(requiredValue(`${at}.devicePath`));
    if (devicePaths.has(devicePath)) errors.push(invalidValue(`${at}.devicePath`, devicePath, "must be unique"));
    devicePaths.add(devicePath);
    errors.push(...checkNoBacksteps(devicePath, `${at}.devicePath`));
  }
  return errors;
}

function validateResizePolicy(container: Any, around: ContainerSurroundings, path: string): Errors {
  const errors: Errors = [];
  const seen = new Set<string>();
  for (const [index, { resourceName, restartPolicy }] of (container.resizePolicy ?? []).entries()) {
    if (seen.has(resourceName)) errors.push(duplicateValue(`${path}[${index}]`, resourceName));
    seen.add(resourceName);
    errors.push(
      ...checkOneOf(resourceName, ["cpu", "memory"], path, "required"),
      ...checkOneOf(restartPolicy, ["NotRequired", "RestartContainer"], path, "required"),
    );
    if (around.restartPolicy === "Never" && restartPolicy !== "NotRequired")
      errors.push(invalidValue(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"));
  }
  return errors;
}
