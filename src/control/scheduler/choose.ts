import type { ObservedPod } from "../pod_state.ts";
import { type Misfit, matchesNodeSelection, misfit } from "./filter.ts";
import type { NodeView } from "./node_view.ts";
import { bestNode } from "./score.ts";
import { topologyMisfit } from "./topology.ts";

export type Choice =
  | { readonly nodeName: string; readonly message?: undefined }
  | { readonly nodeName?: undefined; readonly message: string };

/** A node for the pod, or Kubernetes' message that says why there is none. */
export function chooseNode(pod: ObservedPod, views: readonly NodeView[]): Choice {
  if (views.length === 0) return { message: "no nodes available to schedule pods" };
  const eligible = (view: NodeView) => matchesNodeSelection(pod, view);
  const misfits: Misfit[] = [];
  const fitting: NodeView[] = [];
  for (const view of views) {
    const why = misfit(pod, view) ?? topologyMisfit(pod, view, views, eligible);
    if (why === undefined) fitting.push(view);
    else misfits.push(why);
  }
  const best = bestNode(pod, fitting);
  return best === undefined ? { message: fitError(views.length, misfits) } : { nodeName: best.node.metadata.name };
}

function fitError(nodes: number, misfits: readonly Misfit[]): string {
  const head = `0/${nodes} nodes are available`;
  const helped = misfits.map(({ resolvable }) =>
    resolvable ? "No preemption victims found for incoming pod" : "Preemption is not helpful for scheduling",
  );
  const why = counted(misfits.flatMap(({ reasons }) => reasons));
  return `${head}: ${why}. preemption: ${head}: ${counted(helped)}.`;
}

/** "1 Insufficient cpu, 2 node(s) were unschedulable" */
function counted(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts]
    .map(([text, count]) => `${count} ${text}`)
    .sort()
    .join(", ");
}
