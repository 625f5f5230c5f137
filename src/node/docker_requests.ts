/** Bodies of `POST /containers/create`, from what the kubelet wants. Pure, and the same for Engines 20.10 to 29. */
import type { ContainerConfig, ContainerSecurity, SandboxConfig } from "./container_runtime.ts";
import { labels, type PodIdentity, sandboxName } from "./docker_names.ts";
import { pauseImage } from "./pause_image.ts";

function identityLabels(pod: PodIdentity, container: string, clusterUid: string): Record<string, string> {
  return {
    [labels.podName]: pod.name,
    [labels.podNamespace]: pod.namespace,
    [labels.podUid]: pod.uid,
    [labels.containerName]: container,
    [labels.cluster]: clusterUid,
  };
}

/** What of the machine bounds a request. */
export interface EngineLimits {
  /** Lowest oom_score_adj that may be set: without CAP_SYS_RESOURCE nothing below that of the Engine starts. */
  readonly lowestOomScore: number;
  /** The kernel has IPv6, so that a setting of it can be made. */
  readonly hasIpv6: boolean;
}

/** Pods have IPv4 addresses only: a neighbour's router advertisement must not give them a route. */
const withoutIpv6 = { "net.ipv6.conf.all.disable_ipv6": "1" };

export function sandboxBody(config: SandboxConfig, clusterUid: string, limits: EngineLimits): Record<string, unknown> {
  return {
    Image: pauseImage,
    // The containers of the pod take this name over; on the host's network it is the host's.
    // We wire the namespace. Docker's own network code would only cost: it starts a process for each new namespace, a third
    // of a pod's start. The Engine makes one without that too, and containers join it.
    ...(config.network === "pod" ? { Hostname: config.hostname, NetworkDisabled: true } : {}),
    Labels: {
      ...config.labels,
      ...identityLabels(config.pod, sandboxName, clusterUid),
      [labels.type]: "podsandbox",
      ...(config.shareProcessNamespace ? { [labels.shareProcesses]: "true" } : {}),
      [labels.attempt]: String(config.attempt),
      ...(config.podAddress === undefined ? {} : { [labels.podAddress]: config.podAddress }),
    },
    HostConfig: {
      NetworkMode: config.network === "host" ? "host" : "none",
      PidMode: config.hostPid ? "host" : "",
      IpcMode: config.hostIpc ? "host" : "shareable",
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" },
      ReadonlyRootfs: true,
      SecurityOpt: ["no-new-privileges"],
      CapDrop: ["ALL"],
      // The sandbox holds the pod's namespaces: the kernel shall take it last.
      OomScoreAdj: Math.max(-998, limits.lowestOomScore),
      CpuShares: 2,
      Sysctls: { ...(config.network === "pod" && limits.hasIpv6 ? withoutIpv6 : {}), ...config.sysctls },
    },
  };
}

/** What the namespaces of a pod's containers follow from. */
export interface SandboxNamespaces {
  readonly hostPid: boolean;
  readonly hostIpc: boolean;
  readonly shareProcessNamespace: boolean;
}

function securityOptions(security: ContainerSecurity, seccomp: string | undefined): string[] {
  const options: string[] = [];
  if (security.noNewPrivileges) options.push("no-new-privileges");
  if (seccomp !== undefined) options.push(`seccomp=${seccomp}`);
  return options;
}

/** `seccomp`: "unconfined" or the profile's JSON; undefined is the Engine's default profile. */
export function containerBody(
  sandboxId: string,
  namespaces: SandboxNamespaces,
  config: ContainerConfig,
  clusterUid: string,
  limits: EngineLimits,
  seccomp: string | undefined,
): Record<string, unknown> {
  const { resources, security } = config;
  const joined = `container:${sandboxId}`;
  const user =
    security.runAsUser === undefined
      ? undefined
      : `${security.runAsUser}${security.runAsGroup === undefined ? "" : `:${security.runAsGroup}`}`;
  return {
    Image: config.image,
    ...(config.command ? { Entrypoint: config.command } : {}),
    ...(config.args ? { Cmd: config.args } : {}),
    ...(config.workingDir ? { WorkingDir: config.workingDir } : {}),
    ...(user === undefined ? {} : { User: user }),
    Env: config.env.map(({ name, value }) => `${name}=${value}`),
    OpenStdin: config.stdin,
    StdinOnce: config.stdinOnce,
    Tty: config.tty,
    // Probes are the kubelet's.
    Healthcheck: { Test: ["NONE"] },
    Labels: {
      ...config.labels,
      ...identityLabels(config.pod, config.name, clusterUid),
      [labels.type]: "container",
      [labels.attempt]: String(config.attempt),
      [labels.sandbox]: sandboxId,
      [labels.image]: config.image,
    },
    HostConfig: {
      NetworkMode: joined,
      IpcMode: namespaces.hostIpc ? "host" : joined,
      PidMode: namespaces.hostPid ? "host" : namespaces.shareProcessNamespace ? joined : "",
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "5" } },
      RestartPolicy: { Name: "no" },
      Mounts: config.mounts.map((mount) => ({
        Type: "bind",
        Source: mount.hostPath,
        Target: mount.containerPath,
        ReadOnly: mount.readOnly,
        BindOptions: { Propagation: mount.propagation === "private" ? "rprivate" : (mount.propagation ?? "rprivate") },
      })),
      ...(resources.cpuShares === undefined ? {} : { CpuShares: resources.cpuShares }),
      ...(resources.cpuQuotaMicros === undefined ? {} : { CpuPeriod: 100_000, CpuQuota: resources.cpuQuotaMicros }),
      ...(resources.memoryLimitBytes === undefined
        ? {}
        : { Memory: resources.memoryLimitBytes, MemorySwap: resources.memoryLimitBytes }),
      OomScoreAdj: Math.max(resources.oomScoreAdjust, limits.lowestOomScore),
      Privileged: security.privileged,
      ReadonlyRootfs: security.readOnlyRootFilesystem,
      CapAdd: security.addCapabilities,
      CapDrop: security.dropCapabilities,
      GroupAdd: security.supplementalGroups.map(String),
      SecurityOpt: securityOptions(security, seccomp),
    },
  };
}
