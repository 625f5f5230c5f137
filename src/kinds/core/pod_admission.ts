import { compareQuantities, tryParseQuantity } from "../quantity.ts";
import type { DeepReadonly } from "../schema.ts";
import type { Container, ResourceRequirements } from "./container.ts";
import type { Toleration } from "./node_selector.ts";
import type { PodSpec } from "./pod_spec.ts";
import type { PodStatus } from "./pod_status.ts";

/**
 * What a new pod gets besides defaults: its first status, and what the standard admission plugins of Kubernetes write
 * (ServiceAccount's name, Priority without classes, DefaultTolerationSeconds). Pods only, never templates. The token
 * volume of ServiceAccount admission is not written here, because it needs the API's own knowledge.
 */
export function preparePod(pod: { spec?: PodSpec | undefined; status?: PodStatus | undefined }): void {
  const spec = pod.spec;
  if (spec === undefined) return;
  spec.serviceAccountName ||= "default";
  spec.serviceAccount = spec.serviceAccountName;
  spec.priority ??= 0;
  spec.preemptionPolicy ??= "PreemptLowerPriority";
  tolerateLostNodes(spec);
  pod.status = { phase: "Pending", qosClass: qosClass(spec) };
  if (spec.schedulingGates !== undefined && spec.schedulingGates.length > 0)
    pod.status.conditions = [
      {
        type: "PodScheduled",
        status: "False",
        reason: "SchedulingGated",
        message: "Scheduling is blocked due to non-empty scheduling gates",
      },
    ];
}

/** What an update may leave out, because nobody writes it into a manifest. */
export function preparePodUpdate(
  pod: { spec?: PodSpec | undefined },
  old: { readonly spec: DeepReadonly<PodSpec> },
): void {
  if (pod.spec === undefined) return;
  pod.spec.priority ??= old.spec.priority;
  pod.spec.preemptionPolicy ??= old.spec.preemptionPolicy;
  tolerateLostNodes(pod.spec);
}

/** A pod stays five minutes on a node that is not heard of, unless it says otherwise. */
function tolerateLostNodes(spec: PodSpec): void {
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    if (spec.tolerations?.some((toleration) => covers(toleration, key)) === true) continue;
    spec.tolerations ??= [];
    spec.tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
  }
}

function covers({ key = "", effect = "" }: Toleration, wanted: string): boolean {
  return (key === wanted || key === "") && (effect === "NoExecute" || effect === "");
}

/** Which pods a node that runs out of memory ends first. */
export function qosClass(spec: DeepReadonly<PodSpec>): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers: readonly { readonly resources?: DeepReadonly<ResourceRequirements> | undefined }[] =
    spec.resources !== undefined && hasResources(spec.resources)
      ? [{ resources: spec.resources }]
      : [...spec.containers, ...(spec.initContainers ?? [])];
  if (!containers.some(({ resources }) => resources !== undefined && hasResources(resources))) return "BestEffort";
  return containers.every(isGuaranteed) ? "Guaranteed" : "Burstable";
}

function hasResources({ limits, requests }: DeepReadonly<ResourceRequirements>): boolean {
  return ["cpu", "memory"].some((name) => isPositive(limits?.[name]) || isPositive(requests?.[name]));
}

function isPositive(text: string | undefined): boolean {
  const quantity = tryParseQuantity(text ?? "");
  return quantity !== undefined && quantity.nanos > 0n;
}

function isGuaranteed({ resources }: Pick<DeepReadonly<Container>, "resources">): boolean {
  return ["cpu", "memory"].every((name) => {
    const limit = tryParseQuantity(resources?.limits?.[name] ?? "");
    const request = tryParseQuantity(resources?.requests?.[name] ?? resources?.limits?.[name] ?? "");
    if (limit === undefined || request === undefined || limit.nanos === 0n) return false;
    return compareQuantities(limit, request) === 0;
  });
}
