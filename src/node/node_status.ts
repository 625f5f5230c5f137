/** What a Node says of itself. Pure; the texts are Kubernetes' own. */
import { rfc3339 } from "../env/clock.ts";
import type { NodeCondition, NodeStatus } from "../kinds/core/node.ts";
import { canonicalQuantity } from "../kinds/quantity.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import type { ObservedImage, RuntimeVersion } from "./container_runtime.ts";
import type { HostFacts } from "./machine_link.ts";

export interface NodeStatusInput {
  readonly facts: HostFacts;
  readonly nodeIp: string;
  readonly nodeName: string;
  /** "v1.35.0+wherry.0.1.0" */
  readonly kubeletVersion: string;
  readonly runtime: RuntimeVersion | undefined;
  readonly images: readonly ObservedImage[];
  /** Why the node cannot run pods; empty when it can. */
  readonly problems: readonly string[];
  readonly nowMs: number;
}

export const mostPods = 110;
const reservedMemoryBytes = 100 * 1024 * 1024;
const mostImages = 50;

export function allocatableOf(facts: HostFacts): { cpuMillis: number; memoryBytes: number; storageBytes: number } {
  return {
    cpuMillis: facts.cpus * 1000,
    // What is left when the kubelet would begin to evict.
    memoryBytes: Math.max(facts.memoryBytes - reservedMemoryBytes, 0),
    storageBytes: Math.floor(facts.storageBytes * 0.9),
  };
}

/** In the form in which the API gives it back: 8Gi, not 8388608Ki, else every look at the status would find a difference. */
const kibibytes = (bytes: number) => canonicalQuantity(`${Math.floor(bytes / 1024)}Ki`);

export function nodeLabels(nodeName: string, facts: HostFacts): Record<string, string> {
  return {
    "beta.kubernetes.io/arch": facts.architecture,
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": facts.architecture,
    "kubernetes.io/hostname": nodeName,
    "kubernetes.io/os": "linux",
  };
}

/** Conditions and parts of the status that others wrote are kept. */
export function nodeStatus(input: NodeStatusInput, old: DeepReadonly<NodeStatus>): NodeStatus {
  const { facts } = input;
  const now = rfc3339(input.nowMs);
  const before = new Map((old.conditions ?? []).map((condition) => [condition.type, condition]));
  const condition = (type: string, holds: boolean, reason: string, message: string): NodeCondition => {
    const status = holds ? "True" : "False";
    const was = before.get(type);
    before.delete(type);
    return {
      type,
      status,
      lastHeartbeatTime: now,
      lastTransitionTime: was?.status === status && was.lastTransitionTime ? was.lastTransitionTime : now,
      reason,
      message,
    };
  };
  const ready = input.problems.length === 0;
  const own = [
    condition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    condition(
      "Ready",
      ready,
      ready ? "KubeletReady" : "KubeletNotReady",
      ready ? "kubelet is posting ready status" : input.problems.join("; "),
    ),
  ];
  const allocatable = allocatableOf(facts);
  const runtime = input.runtime;
  const known = old.nodeInfo?.containerRuntimeVersion;
  return {
    capacity: {
      cpu: String(facts.cpus),
      "ephemeral-storage": kibibytes(facts.storageBytes),
      memory: kibibytes(facts.memoryBytes),
      pods: String(mostPods),
    },
    allocatable: {
      cpu: String(facts.cpus),
      "ephemeral-storage": canonicalQuantity(String(allocatable.storageBytes)),
      memory: kibibytes(allocatable.memoryBytes),
      pods: String(mostPods),
    },
    conditions: [...own, ...[...before.values()].map((other) => ({ ...other }))],
    addresses: [
      { type: "InternalIP", address: input.nodeIp },
      { type: "Hostname", address: input.nodeName },
    ],
    images: [...input.images]
      .filter(({ tags }) => tags.length > 0)
      .sort((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, mostImages)
      .map(({ tags, sizeBytes }) => ({ names: [...tags], sizeBytes })),
    nodeInfo: {
      machineID: facts.machineId,
      systemUUID: facts.systemUuid,
      bootID: facts.bootId,
      kernelVersion: facts.kernelVersion,
      osImage: facts.osImage,
      containerRuntimeVersion: runtime ? `${runtime.name}://${runtime.version}` : (known ?? "docker://unknown"),
      kubeletVersion: input.kubeletVersion,
      kubeProxyVersion: "",
      operatingSystem: "linux",
      architecture: facts.architecture,
    },
  };
}

/** Do two statuses differ in more than the time of their heartbeat? */
export function differs(a: DeepReadonly<NodeStatus>, b: DeepReadonly<NodeStatus>): boolean {
  const relevant = (status: DeepReadonly<NodeStatus>) =>
    JSON.stringify(
      [
        status.capacity,
        status.allocatable,
        status.addresses,
        status.nodeInfo,
        status.images,
        (status.conditions ?? []).map(({ lastHeartbeatTime: _, ...rest }) => sorted(rest)),
      ].map((part) => sorted(part)),
    );
  return relevant(a) !== relevant(b);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .sort(([x], [y]) => (x < y ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
