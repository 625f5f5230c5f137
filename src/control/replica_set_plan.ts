import { rfc3339 } from "../env/clock.ts";
import type { ReplicaSet, ReplicaSetStatus } from "../kinds/apps/replica_set.ts";
import type { Pod } from "../kinds/core/pod.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import { matchesMap } from "../kinds/label_selector.ts";
import { timeMs } from "../kinds/timestamp.ts";
import { nonZero } from "./deployment_status.ts";
import { controllerReference } from "./ownership.ts";
import {
  isPodActive,
  isPodReady,
  isPodTerminal,
  type ObservedPod,
  podCondition,
  untilAvailableMs,
} from "./pod_state.ts";

/** So many pods are created or deleted in one go. */
export const burstReplicas = 500;

export interface ReplicaSetView {
  readonly replicaSet: Observed<ReplicaSet>;
  /** Managed by it; without those whose deletion was asked for already. */
  readonly pods: readonly ObservedPod[];
  /** Pods on each node that belong to the same owner (a Deployment's other ReplicaSets too). */
  relatedOnNode(): ReadonlyMap<string, number>;
}

export interface ReplicaSetPlan {
  readonly create: number;
  readonly remove: readonly ObservedPod[];
}

export function planReplicaSet(view: ReplicaSetView): ReplicaSetPlan {
  const { replicaSet, pods } = view;
  if (replicaSet.metadata.deletionTimestamp !== undefined) return { create: 0, remove: [] };
  const active = pods.filter(isPodActive);
  const missing = (replicaSet.spec.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(missing, burstReplicas), remove: [] };
  const relatedOnNode = view.relatedOnNode();
  const ranked = [...active].sort((a, b) => deletionOrder(a, b, relatedOnNode));
  return { create: 0, remove: ranked.slice(0, Math.min(-missing, burstReplicas)) };
}

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Negative when `a` should go before `b`: what is worth least goes first. The criteria and their order are Kubernetes'. */
function deletionOrder(a: ObservedPod, b: ObservedPod, relatedOnNode: ReadonlyMap<string, number>): number {
  const by = (value: (pod: ObservedPod) => number) => value(a) - value(b);
  const crowd = (pod: ObservedPod) => relatedOnNode.get(pod.spec.nodeName ?? "") ?? 0;
  return (
    by((pod) => (pod.spec.nodeName ? 1 : 0)) ||
    by((pod) => phaseRank[pod.status.phase ?? "Pending"] ?? 0) ||
    by((pod) => (isPodReady(pod) ? 1 : 0)) ||
    by(deletionCost) ||
    -by(crowd) ||
    (isPodReady(a) && isPodReady(b) ? -by(readySinceMs) : 0) ||
    -by(restarts) ||
    -by((pod) => timeMs(pod.metadata.creationTimestamp) ?? 0) ||
    (a.metadata.name < b.metadata.name ? -1 : 1)
  );
}

function deletionCost(pod: ObservedPod): number {
  const text = pod.metadata.annotations?.["controller.kubernetes.io/pod-deletion-cost"];
  return text === undefined ? 0 : Number.parseInt(text, 10) || 0;
}

const readySinceMs = (pod: ObservedPod) => timeMs(podCondition(pod, "Ready")?.lastTransitionTime) ?? 0;

/** Of the container that restarted most. */
const restarts = (pod: ObservedPod) =>
  Math.max(0, ...(pod.status.containerStatuses ?? []).map(({ restartCount }) => restartCount));

export interface Failure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly message: string;
}

/** What the pods say. `failure`: what kept the last attempt from working. */
export function replicaSetStatus(
  replicaSet: Observed<ReplicaSet>,
  pods: readonly ObservedPod[],
  failure: Failure | undefined,
  nowMs: number,
): ReplicaSetStatus {
  const active = pods.filter(isPodActive);
  const minReadySeconds = replicaSet.spec.minReadySeconds ?? 0;
  const templateLabels = replicaSet.spec.template?.metadata?.labels;
  const others = editable(replicaSet.status.conditions ?? []).filter(({ type }) => type !== "ReplicaFailure");
  const before = replicaSet.status.conditions?.find(({ type }) => type === "ReplicaFailure");
  const conditions = [...others];
  if (failure !== undefined) {
    const since = before?.lastTransitionTime ?? rfc3339(nowMs);
    conditions.push({ type: "ReplicaFailure", status: "True", lastTransitionTime: since, ...failure });
  }
  return {
    replicas: active.length,
    ...nonZero({
      fullyLabeledReplicas: active.filter(({ metadata }) => matchesMap(templateLabels, metadata.labels)).length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: active.filter((pod) => untilAvailableMs(pod, minReadySeconds, nowMs) === 0).length,
    }),
    terminatingReplicas: pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isPodTerminal(pod))
      .length,
    observedGeneration: replicaSet.metadata.generation,
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

/** When the next ready pod becomes available. Milliseconds from now. */
export function untilNextAvailableMs(
  replicaSet: Observed<ReplicaSet>,
  pods: readonly ObservedPod[],
  nowMs: number,
): number | undefined {
  const waits = pods
    .filter(isPodActive)
    .flatMap((pod) => untilAvailableMs(pod, replicaSet.spec.minReadySeconds ?? 0, nowMs) ?? [])
    .filter((ms) => ms > 0);
  return waits.length > 0 ? Math.min(...waits) : undefined;
}

export function podFromTemplate(replicaSet: Observed<ReplicaSet>): Pod {
  const { metadata, spec } = editable(replicaSet.spec.template ?? {});
  return {
    metadata: {
      generateName: `${replicaSet.metadata.name}-`,
      ...(replicaSet.metadata.namespace === undefined ? {} : { namespace: replicaSet.metadata.namespace }),
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ...(metadata?.finalizers === undefined ? {} : { finalizers: metadata.finalizers }),
      ownerReferences: [controllerReference(replicaSet)],
    },
    ...(spec === undefined ? {} : { spec }),
  };
}
