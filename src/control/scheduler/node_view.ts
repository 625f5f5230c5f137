import type { Node } from "../../kinds/core/node.ts";
import type { Observed } from "../../kinds/kind.ts";
import type { ObservedPod } from "../pod_state.ts";
import { type Amounts, add, amountsOf, podRequests } from "./requests.ts";

/** A node with what runs on it, or is about to. */
export interface NodeView {
  readonly node: Observed<Node>;
  readonly pods: readonly ObservedPod[];
  readonly allocatable: Amounts;
  readonly requested: Amounts;
}

export function nodeView(node: Observed<Node>, pods: readonly ObservedPod[]): NodeView {
  const requested = new Map<string, number>();
  for (const pod of pods) add(requested, podRequests(pod));
  return { node, pods, allocatable: amountsOf(node.status.allocatable), requested };
}
