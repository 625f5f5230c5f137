/** A container of a pod as the runtime is asked for it, and its sandbox. Pure. */
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { integerValue, milliValue, parseQuantity } from "../kinds/quantity.ts";
import type {
  ContainerConfig,
  ContainerResources,
  ContainerSecurity,
  Mount,
  SandboxConfig,
} from "./container_runtime.ts";
import { type AnyContainer, ConfigError, expand } from "./pod_environment.ts";

export const graceLabel = "io.kubernetes.pod.terminationGracePeriod";

export function identityOf(pod: Observed<Pod>): { namespace: string; name: string; uid: string } {
  return { namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name, uid: pod.metadata.uid };
}

/** What `hostname` says in the pod: spec.hostname, else the pod's name, cut to what Linux takes. */
export function hostnameOf(pod: Observed<Pod>): string {
  const name = pod.spec.hostnameOverride ?? pod.spec.hostname ?? pod.metadata.name;
  return name.length <= 63 ? name : name.slice(0, 63).replace(/[-.]+$/, "");
}

export function sandboxConfig(pod: Observed<Pod>, attempt: number, podAddress: string | undefined): SandboxConfig {
  const { spec } = pod;
  return {
    pod: identityOf(pod),
    attempt,
    hostname: hostnameOf(pod),
    network: spec.hostNetwork ? "host" : "pod",
    hostPid: spec.hostPID ?? false,
    hostIpc: spec.hostIPC ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    ...(podAddress === undefined ? {} : { podAddress }),
    sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
    labels: {},
  };
}

function resourcesOf(
  container: AnyContainer,
  qosClass: string | undefined,
  nodeMemoryBytes: number,
): ContainerResources {
  const { limits, requests } = container.resources ?? {};
  const cpuLimit = limits?.cpu;
  const memoryLimit = limits?.memory;
  const cpuRequest = requests?.cpu ?? cpuLimit;
  const millis = cpuRequest === undefined ? 0 : milliValue(parseQuantity(cpuRequest));
  const quota = cpuLimit === undefined ? undefined : Math.max(1000, milliValue(parseQuantity(cpuLimit)) * 100);
  return {
    cpuShares: Math.min(262_144, Math.max(2, Math.floor((millis * 1024) / 1000))),
    ...(quota === undefined ? {} : { cpuQuotaMicros: quota }),
    ...(memoryLimit === undefined ? {} : { memoryLimitBytes: integerValue(parseQuantity(memoryLimit)) }),
    oomScoreAdjust: oomScore(container, qosClass, nodeMemoryBytes),
  };
}

/** Who is ended first when memory runs out: best effort first, then who uses more than it asked for. */
function oomScore(container: AnyContainer, qosClass: string | undefined, nodeMemoryBytes: number): number {
  if (qosClass === "Guaranteed") return -997;
  if (qosClass === "BestEffort") return 1000;
  const request = container.resources?.requests?.memory ?? container.resources?.limits?.memory;
  const bytes = request === undefined ? 0 : integerValue(parseQuantity(request));
  const score = 1000 - Math.floor((1000 * bytes) / Math.max(nodeMemoryBytes, 1));
  return Math.min(999, Math.max(3, score));
}

function securityOf(pod: Observed<Pod>, container: AnyContainer, profileRoot: string): ContainerSecurity {
  const own = container.securityContext ?? {};
  const shared = pod.spec.securityContext ?? {};
  const profile = own.seccompProfile ?? shared.seccompProfile;
  const user = own.runAsUser ?? shared.runAsUser;
  const group = own.runAsGroup ?? shared.runAsGroup;
  const groups = [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])];
  const capability = (name: string) => name.replace(/^CAP_/, "");
  return {
    privileged: own.privileged ?? false,
    ...(user === undefined ? {} : { runAsUser: user }),
    ...(group === undefined ? {} : { runAsGroup: group }),
    supplementalGroups: groups,
    readOnlyRootFilesystem: own.readOnlyRootFilesystem ?? false,
    addCapabilities: (own.capabilities?.add ?? []).map(capability),
    dropCapabilities: (own.capabilities?.drop ?? []).map(capability),
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    ...(profile === undefined
      ? {}
      : {
          seccompProfile:
            profile.type === "Unconfined"
              ? "unconfined"
              : profile.type === "Localhost"
                ? { localhost: `${profileRoot}/${profile.localhostProfile ?? ""}` }
                : "default",
        }),
  };
}

export interface ContainerConfigInput {
  readonly pod: Observed<Pod>;
  readonly container: AnyContainer;
  readonly attempt: number;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly Mount[];
  readonly nodeMemoryBytes: number;
  /** Where localhost seccomp profiles lie. */
  readonly profileRoot: string;
  /** The image's USER. */
  readonly imageUser: string;
}

/** Throws ConfigError where the pod forbids what the image would do. */
export function containerConfig(input: ContainerConfigInput): ContainerConfig {
  const { pod, container } = input;
  const variables = new Map(input.env.map(({ name, value }) => [name, value]));
  const words = (list: readonly string[] | undefined) => list?.map((word) => expand(word, variables));
  const command = words(container.command);
  const args = words(container.args);
  refuseRoot(pod, container, input.imageUser);
  return {
    pod: identityOf(pod),
    name: container.name,
    attempt: input.attempt,
    image: container.image ?? "",
    ...(command && command.length > 0 ? { command } : {}),
    ...(args && args.length > 0 ? { args } : {}),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    env: input.env,
    mounts: input.mounts,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    resources: resourcesOf(container, pod.status.qosClass, input.nodeMemoryBytes),
    security: securityOf(pod, container, input.profileRoot),
    labels: { [graceLabel]: String(pod.spec.terminationGracePeriodSeconds ?? 30) },
  };
}

function refuseRoot(pod: Observed<Pod>, container: AnyContainer, imageUser: string): void {
  if (!(container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot)) return;
  const user = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  if (user === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`);
  if (user !== undefined) return;
  const named = imageUser.split(":")[0] ?? "";
  if (named === "" || named === "0" || named === "root")
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  if (!/^\d+$/.test(named))
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${named}), cannot verify user is non-root ${where}`,
    );
}
