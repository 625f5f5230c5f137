import { controllerOf } from "../ownership.ts";
import type { ObservedPod } from "../pod_state.ts";
import { matchesTerm, tolerates } from "./filter.ts";
import type { NodeView } from "./node_view.ts";
import { podRequests } from "./requests.ts";

/** What a container that asks for nothing is taken to need, so that such pods spread too. */
const assumed: Readonly<Record<string, number>> = { cpu: 100, memory: 200 * 1024 * 1024 };

/** The best node for the pod, of nodes that it fits on. Equal nodes are told apart by name. undefined: no node. */
export function bestNode(pod: ObservedPod, views: readonly NodeView[]): NodeView | undefined {
  const parts: readonly [weight: number, values: readonly number[]][] = [
    [1, views.map((view) => leastAllocated(pod, view))],
    [2, inverted(views.map((view) => siblings(pod, view)))],
    [3, inverted(views.map((view) => untoleratedPreferences(pod, view)))],
    [2, normalized(views.map((view) => preferredAffinity(pod, view)))],
  ];
  let best: NodeView | undefined;
  let bestScore = -1;
  views.forEach((view, n) => {
    const score = parts.reduce((sum, [weight, values]) => sum + weight * (values[n] ?? 0), 0);
    const first = best === undefined || view.node.metadata.name < best.node.metadata.name;
    if (score > bestScore || (score === bestScore && first)) {
      best = view;
      bestScore = score;
    }
  });
  return best;
}

/** How much of processor and memory would still be free, 0 to 100. */
function leastAllocated(pod: ObservedPod, view: NodeView): number {
  const free = ["cpu", "memory"].map((name) => {
    const allocatable = view.allocatable.get(name) ?? 0;
    if (allocatable === 0) return 0;
    const fallback = assumed[name] ?? 0;
    const used = [...view.pods, pod].reduce((sum, each) => sum + (podRequests(each).get(name) || fallback), 0);
    return Math.max(0, ((allocatable - used) * 100) / allocatable);
  });
  return free.reduce((sum, each) => sum + each, 0) / free.length;
}

/** Pods of the same owner on the node. */
function siblings(pod: ObservedPod, view: NodeView): number {
  const owner = controllerOf(pod)?.uid;
  return owner === undefined ? 0 : view.pods.filter((each) => controllerOf(each)?.uid === owner).length;
}

function untoleratedPreferences(pod: ObservedPod, view: NodeView): number {
  const tolerations = pod.spec.tolerations ?? [];
  return (view.node.spec.taints ?? []).filter(
    (taint) => taint.effect === "PreferNoSchedule" && !tolerates(tolerations, taint),
  ).length;
}

function preferredAffinity(pod: ObservedPod, view: NodeView): number {
  const terms = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return terms.reduce((sum, { preference, weight }) => sum + (matchesTerm(preference, view) ? weight : 0), 0);
}

/** 0 to 100, the largest is 100. */
function normalized(values: readonly number[]): number[] {
  const largest = Math.max(...values, 0);
  return values.map((value) => (largest === 0 ? 0 : (value * 100) / largest));
}

/** 0 to 100, the largest is 0. */
function inverted(values: readonly number[]): number[] {
  return normalized(values).map((value) => 100 - value);
}
