/** The volumes of a pod: what they hold (pure), and how they come to lie under the pod's folder. */
import type { ConfigMap } from "../kinds/core/config_map.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Secret } from "../kinds/core/secret.ts";
import type { Volume } from "../kinds/core/volume.ts";
import type { Observed } from "../kinds/kind.ts";
import { integerValue, parseQuantity } from "../kinds/quantity.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import type { Mount } from "./container_runtime.ts";
import type { PodFiles } from "./machine_link.ts";
import {
  type AnyContainer,
  ConfigError,
  type EnvironmentSources,
  expand,
  fieldOf,
  resourceOf,
} from "./pod_environment.ts";

export type AnyVolume = DeepReadonly<Volume>;

/** A volume that cannot be made; the pod waits, and tries again. The text reaches clients. */
export class VolumeError extends Error {
  override readonly name = "VolumeError";
  readonly volume: string;

  constructor(volume: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.volume = volume;
  }
}

export interface VolumeFile {
  /** Relative to the volume. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
}

/** Names of the objects whose keys become files. */
export function volumeReferences(volumes: readonly AnyVolume[]): { configMaps: string[]; secrets: string[] } {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const volume of volumes) {
    if (volume.configMap?.name) configMaps.add(volume.configMap.name);
    if (volume.secret?.secretName) secrets.add(volume.secret.secretName);
    for (const source of volume.projected?.sources ?? []) {
      if (source.configMap?.name) configMaps.add(source.configMap.name);
      if (source.secret?.name) secrets.add(source.secret.name);
    }
  }
  return { configMaps: [...configMaps], secrets: [...secrets] };
}

type Items = DeepReadonly<{ key: string; path: string; mode?: number | undefined }[]> | undefined;

const encoder = new TextEncoder();
const fromBase64 = (text: string) => new Uint8Array(Buffer.from(text, "base64"));

function pick(
  content: ReadonlyMap<string, Uint8Array>,
  items: Items,
  mode: number,
  optional: boolean | undefined,
  volume: string,
): VolumeFile[] {
  if (items === undefined || items.length === 0)
    return [...content].map(([path, bytes]) => ({ path, content: bytes, mode }));
  return items.flatMap((item) => {
    const bytes = content.get(item.key);
    if (bytes !== undefined) return [{ path: item.path, content: bytes, mode: item.mode ?? mode }];
    if (optional) return [];
    throw new VolumeError(volume, `references non-existent config key: ${item.key}`);
  });
}

function configMapContent(object: Observed<ConfigMap> | undefined): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ...Object.entries(object?.data ?? {}).map(([key, text]): [string, Uint8Array] => [key, encoder.encode(text)]),
    ...Object.entries(object?.binaryData ?? {}).map(([key, text]): [string, Uint8Array] => [key, fromBase64(text)]),
  ]);
}

function secretContent(object: Observed<Secret> | undefined): ReadonlyMap<string, Uint8Array> {
  return new Map(
    Object.entries(object?.data ?? {}).map(([key, text]): [string, Uint8Array] => [key, fromBase64(text)]),
  );
}

type DownwardItems = NonNullable<NonNullable<AnyVolume["downwardAPI"]>["items"]>;

function downwardFiles(
  items: DownwardItems | undefined,
  mode: number,
  sources: EnvironmentSources,
  volume: string,
): VolumeFile[] {
  return (items ?? []).map((item) => {
    let text = "";
    if (item.fieldRef) text = fieldOf(sources.pod, item.fieldRef.fieldPath, sources);
    else if (item.resourceFieldRef) {
      const { containerName, resource, divisor } = item.resourceFieldRef;
      const container = [...sources.pod.spec.containers, ...(sources.pod.spec.initContainers ?? [])].find(
        ({ name }) => name === containerName,
      );
      if (!container) throw new VolumeError(volume, `container ${containerName ?? ""} not found`);
      text = resourceOf(container, resource, divisor, sources.allocatable);
    }
    return { path: item.path, content: encoder.encode(text), mode: item.mode ?? mode };
  });
}

/** The files of a volume whose content comes from the API; undefined for one of another kind. Throws VolumeError. */
export function volumeFiles(volume: AnyVolume, sources: EnvironmentSources): VolumeFile[] | undefined {
  const { namespace = "default" } = sources.pod.metadata;
  const needConfigMap = (name: string | undefined, optional: boolean | undefined) => {
    const found = sources.configMap(name ?? "");
    if (!found && !optional) throw new VolumeError(volume.name, `configmap "${name}" not found`);
    return configMapContent(found);
  };
  const needSecret = (name: string | undefined, optional: boolean | undefined) => {
    const found = sources.secret(name ?? "");
    if (!found && !optional) throw new VolumeError(volume.name, `secret "${name}" not found`);
    return secretContent(found);
  };
  if (volume.configMap) {
    const { name, items, defaultMode = 0o644, optional } = volume.configMap;
    return pick(needConfigMap(name, optional), items, defaultMode, optional, volume.name);
  }
  if (volume.secret) {
    const { secretName, items, defaultMode = 0o644, optional } = volume.secret;
    return pick(needSecret(secretName, optional), items, defaultMode, optional, volume.name);
  }
  if (volume.downwardAPI)
    return downwardFiles(volume.downwardAPI.items, volume.downwardAPI.defaultMode ?? 0o644, sources, volume.name);
  if (volume.projected) {
    const mode = volume.projected.defaultMode ?? 0o644;
    return (volume.projected.sources ?? []).flatMap((source) => {
      const { configMap, secret, downwardAPI } = source;
      if (configMap)
        return pick(
          needConfigMap(configMap.name, configMap.optional),
          configMap.items,
          mode,
          configMap.optional,
          volume.name,
        );
      if (secret)
        return pick(needSecret(secret.name, secret.optional), secret.items, mode, secret.optional, volume.name);
      if (downwardAPI) return downwardFiles(downwardAPI.items, mode, sources, volume.name);
      const kind = Object.keys(source)[0] ?? "empty";
      throw new VolumeError(volume.name, `projected source ${kind} is not supported yet (namespace ${namespace})`);
    });
  }
  return undefined;
}

const hostPathKinds: Readonly<Record<string, { readonly kind: string; readonly shown: string }>> = {
  Directory: { kind: "directory", shown: "directory" },
  File: { kind: "file", shown: "file" },
  Socket: { kind: "socket", shown: "socket" },
  CharDevice: { kind: "characterDevice", shown: "character device" },
  BlockDevice: { kind: "blockDevice", shown: "block device" },
};

/** Makes the volume true under `root` and resolves to the path that containers mount. Rejects with VolumeError. */
export async function makeVolume(
  files: PodFiles,
  root: string,
  volume: AnyVolume,
  sources: EnvironmentSources,
): Promise<string> {
  const group = sources.pod.spec.securityContext?.fsGroup;
  try {
    if (volume.hostPath) return await checkHostPath(files, volume.name, volume.hostPath);
    if (volume.emptyDir) {
      const path = `${root}/volumes/kubernetes.io~empty-dir/${volume.name}`;
      await files.makeDirectory(path, group === undefined ? 0o777 : 0o2777, group);
      const { medium, sizeLimit } = volume.emptyDir;
      if (medium === "Memory")
        await files.mountMemory(path, sizeLimit ? integerValue(parseQuantity(sizeLimit)) : undefined);
      return path;
    }
    const content = volumeFiles(volume, sources);
    if (content !== undefined) {
      const path = `${root}/volumes/kubernetes.io~projected/${volume.name}`;
      await files.makeDirectory(path, 0o755, group);
      for (const file of content) {
        if (file.path.startsWith("/") || file.path.split("/").includes(".."))
          throw new VolumeError(volume.name, `the path "${file.path}" leaves the volume`);
        await files.writeFile(`${path}/${file.path}`, file.content, file.mode, group);
      }
      return path;
    }
  } catch (error) {
    if (error instanceof VolumeError) throw error;
    if (error instanceof ConfigError) throw new VolumeError(volume.name, error.message, error);
    throw new VolumeError(volume.name, error instanceof Error ? error.message : String(error), error);
  }
  const kind = Object.keys(volume).find((key) => key !== "name") ?? "empty";
  throw new VolumeError(volume.name, `volumes of type ${kind} are not supported yet`);
}

async function checkHostPath(
  files: PodFiles,
  name: string,
  source: NonNullable<AnyVolume["hostPath"]>,
): Promise<string> {
  const { path, type = "" } = source;
  if (type === "" || type === "DirectoryOrCreate") {
    const kind = await files.kindOf(path);
    if (kind === undefined) await files.makeDirectory(path, 0o755);
    else if (type !== "" && kind !== "directory")
      throw new VolumeError(name, `hostPath type check failed: ${path} is not a directory`);
    return path;
  }
  if (type === "FileOrCreate") {
    if ((await files.kindOf(path)) === undefined) await files.writeFile(path, new Uint8Array(), 0o644);
    return path;
  }
  const wanted = hostPathKinds[type];
  if (wanted === undefined) throw new VolumeError(name, `unknown hostPath type "${type}"`);
  if ((await files.kindOf(path)) !== wanted.kind)
    throw new VolumeError(name, `hostPath type check failed: ${path} is not a ${wanted.shown}`);
  return path;
}

/** A container's mounts of its pod's volumes. Throws ConfigError. */
export function volumeMounts(
  pod: Observed<Pod>,
  container: AnyContainer,
  paths: ReadonlyMap<string, string>,
  env: readonly { readonly name: string; readonly value: string }[],
): Mount[] {
  const variables = new Map(env.map(({ name, value }) => [name, value]));
  return (container.volumeMounts ?? []).map((mount) => {
    const base = paths.get(mount.name);
    const volume = (pod.spec.volumes ?? []).find(({ name }) => name === mount.name);
    if (base === undefined || volume === undefined)
      throw new ConfigError(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
    const subPath = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, variables);
    if (subPath?.split("/").includes("..") || subPath?.startsWith("/"))
      throw new ConfigError(`subPath "${subPath}" of the volume "${mount.name}" leaves the volume`);
    const fromApi = volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected;
    const propagation =
      mount.mountPropagation === "HostToContainer"
        ? "rslave"
        : mount.mountPropagation === "Bidirectional"
          ? "rshared"
          : "private";
    return {
      hostPath: subPath ? `${base}/${subPath}` : base,
      containerPath: mount.mountPath.startsWith("/") ? mount.mountPath : `/${mount.mountPath}`,
      // What the API says is the API's to change.
      readOnly: (mount.readOnly ?? false) || fromApi !== undefined,
      propagation,
    };
  });
}
