/** One pod's files on this node: its volumes, its name files, and what of them each container sees. */
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import type { Mount } from "./container_runtime.ts";
import type { AnyContainer, EnvironmentSources } from "./pod_environment.ts";
import { hostsFile, resolvConf } from "./pod_name_files.ts";
import { readSources } from "./pod_sources.ts";
import { makeVolume, volumeMounts } from "./pod_volumes.ts";
import { terminationFile } from "./termination_messages.ts";
import type { WorkedPod } from "./worked_pod.ts";

export interface PreparedVolumes {
  /** Where each volume lies. */
  readonly paths: ReadonlyMap<string, string>;
  readonly sources: EnvironmentSources;
}

const encoder = new TextEncoder();

export class PodFolder {
  readonly #worked: WorkedPod;
  #prepared: Promise<PreparedVolumes> | undefined;

  constructor(worked: WorkedPod) {
    this.#worked = worked;
  }

  /** A new sandbox is a new address, and sees what the objects say then. */
  renew(): void {
    this.#prepared = undefined;
  }

  /** Makes the pod's volumes and name files, once a sandbox. */
  prepare(pod: Observed<Pod>, podIp: string): Promise<PreparedVolumes> {
    const making = this.#prepared ?? this.#make(pod, podIp);
    this.#prepared = making;
    making.catch(() => {
      if (this.#prepared === making) this.#prepared = undefined;
    });
    return making;
  }

  async #make(pod: Observed<Pod>, podIp: string): Promise<PreparedVolumes> {
    const { context, root } = this.#worked;
    const { files, facts, dns } = context;
    const sources = await readSources(context, pod, podIp);
    const paths = new Map<string, string>();
    const hosts = hostsFile(pod, podIp, facts.hosts, dns.clusterDomain);
    await Promise.all([
      files.writeFile(`${root}/etc-hosts`, encoder.encode(hosts), 0o644),
      files.writeFile(`${root}/resolv.conf`, encoder.encode(resolvConf(pod, dns)), 0o644),
      ...(pod.spec.volumes ?? []).map(async (volume) => {
        paths.set(volume.name, await makeVolume(files, root, volume, sources));
      }),
    ]);
    return { paths, sources };
  }

  /** What one instance of a container mounts; the files and folders are there then. */
  async mounts(
    pod: Observed<Pod>,
    container: AnyContainer,
    attempt: number,
    paths: ReadonlyMap<string, string>,
    env: readonly { readonly name: string; readonly value: string }[],
  ): Promise<Mount[]> {
    const { context, root } = this.#worked;
    const { files } = context;
    const mounts = volumeMounts(pod, container, paths, env);
    for (const [index, { hostPath }] of mounts.entries()) {
      const name = container.volumeMounts?.[index]?.name;
      const volume = pod.spec.volumes?.find((one) => one.name === name);
      if (!volume || (!volume.emptyDir && !volume.hostPath)) continue;
      if ((await files.kindOf(hostPath)) !== undefined) continue;
      // A subPath that is not there yet is open to whom its volume is open to.
      const group = volume.emptyDir ? pod.spec.securityContext?.fsGroup : undefined;
      await files.makeDirectory(hostPath, volume.emptyDir ? (group === undefined ? 0o777 : 0o2777) : 0o755, group);
    }
    const taken = new Set(mounts.map(({ containerPath }) => containerPath));
    const own: readonly [string, string][] = [
      [`${root}/etc-hosts`, "/etc/hosts"],
      [`${root}/resolv.conf`, "/etc/resolv.conf"],
    ];
    for (const [hostPath, containerPath] of own)
      if (!taken.has(containerPath)) mounts.push({ hostPath, containerPath, readOnly: false });
    const messagePath = container.terminationMessagePath ?? "/dev/termination-log";
    if (messagePath !== "" && !taken.has(messagePath)) {
      const hostPath = terminationFile(root, container.name, attempt);
      await files.writeFile(hostPath, new Uint8Array(), 0o666);
      mounts.push({ hostPath, containerPath: messagePath, readOnly: false });
    }
    return mounts;
  }

  async remove(): Promise<void> {
    await this.#worked.context.files.removeTree(this.#worked.root);
  }
}
