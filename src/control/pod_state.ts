import type { Pod, PodCondition } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import { timeMs } from "../kinds/timestamp.ts";

export type ObservedPod = Observed<Pod>;

export function podCondition(pod: ObservedPod, type: string): DeepReadonly<PodCondition> | undefined {
  return pod.status.conditions?.find((condition) => condition.type === type);
}

export function isPodReady(pod: ObservedPod): boolean {
  return podCondition(pod, "Ready")?.status === "True";
}

/** It has ended for good. */
export function isPodTerminal(pod: ObservedPod): boolean {
  return pod.status.phase === "Succeeded" || pod.status.phase === "Failed";
}

/** It counts as a replica: neither ended nor being deleted. */
export function isPodActive(pod: ObservedPod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/**
 * How long until the pod has been ready for `minReadySeconds`: 0 when it has (it is available), undefined when it is not
 * ready. Milliseconds.
 */
export function untilAvailableMs(pod: ObservedPod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = podCondition(pod, "Ready");
  if (ready?.status !== "True") return undefined;
  if (minReadySeconds === 0) return 0;
  const sinceMs = timeMs(ready.lastTransitionTime);
  if (sinceMs === undefined) return minReadySeconds * 1000;
  return Math.max(0, sinceMs + minReadySeconds * 1000 - nowMs);
}
