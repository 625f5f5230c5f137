import type { PodAffinityTerm, TopologySpreadConstraint } from "../../kinds/core/node_selector.ts";
import { matchesSelector } from "../../kinds/label_selector.ts";
import type { DeepReadonly } from "../../kinds/schema.ts";
import type { ObservedPod } from "../pod_state.ts";
import type { Misfit } from "./filter.ts";
import type { NodeView } from "./node_view.ts";

/**
 * Rules about where other pods are: affinity, anti-affinity (also of the pods that are there), and even spreading over
 * domains. Only what is required; preferences are not weighed. A namespaceSelector that is not empty is not looked up.
 */
export function topologyMisfit(
  pod: ObservedPod,
  view: NodeView,
  views: readonly NodeView[],
  /** Whether the pod's node selector and affinity allow a node at all. */
  eligible: (view: NodeView) => boolean,
): Misfit | undefined {
  const because = (reason: string, resolvable = true): Misfit => ({ reasons: [reason], resolvable });
  const spread = pod.spec.topologySpreadConstraints?.filter((each) => each.whenUnsatisfiable === "DoNotSchedule") ?? [];
  for (const constraint of spread) {
    if (domainOf(view, constraint.topologyKey) === undefined)
      return because("node(s) didn't match pod topology spread constraints (missing required label)", false);
    const among = views.filter(
      (each) => eligible(each) && spread.every(({ topologyKey }) => domainOf(each, topologyKey) !== undefined),
    );
    if (skewOf(pod, view, among, constraint) > constraint.maxSkew)
      return because("node(s) didn't match pod topology spread constraints");
  }
  if (!affinityHolds(pod, view, views)) return because("node(s) didn't match pod affinity rules", false);
  const mine = pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  for (const term of mine) {
    const domain = domainOf(view, term.topologyKey);
    if (domain !== undefined && inDomain(views, term.topologyKey, domain).some((each) => means(term, pod, each)))
      return because("node(s) didn't match pod anti-affinity rules");
  }
  for (const other of views) {
    for (const there of other.pods) {
      for (const term of there.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
        const domain = domainOf(other, term.topologyKey);
        if (domain !== undefined && domain === domainOf(view, term.topologyKey) && means(term, there, pod))
          return because("node(s) didn't satisfy existing pods anti-affinity rules");
      }
    }
  }
  return undefined;
}

function domainOf({ node }: NodeView, topologyKey: string): string | undefined {
  return node.metadata.labels?.[topologyKey];
}

function inDomain(views: readonly NodeView[], topologyKey: string, domain: string): ObservedPod[] {
  return views.filter((view) => domainOf(view, topologyKey) === domain).flatMap(({ pods }) => pods);
}

/** Whether `owner`'s term is about `other`. */
function means(term: DeepReadonly<PodAffinityTerm>, owner: ObservedPod, other: ObservedPod): boolean {
  const { namespaces = [], namespaceSelector, labelSelector } = term;
  const { matchLabels = {}, matchExpressions = [] } = namespaceSelector ?? {};
  const everywhere = namespaceSelector !== undefined && Object.keys(matchLabels).length + matchExpressions.length === 0;
  const home = owner.metadata.namespace ?? "";
  const named = namespaces.length > 0 ? namespaces : [home];
  if (!everywhere && !named.includes(other.metadata.namespace ?? "")) return false;
  return matchesSelector(labelSelector, other.metadata.labels);
}

function affinityHolds(pod: ObservedPod, view: NodeView, views: readonly NodeView[]): boolean {
  const terms = pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  if (terms.length === 0) return true;
  if (terms.some(({ topologyKey }) => domainOf(view, topologyKey) === undefined)) return false;
  const holds = terms.every(({ topologyKey, ...term }) => {
    const domain = domainOf(view, topologyKey) ?? "";
    return inDomain(views, topologyKey, domain).some((each) => means({ topologyKey, ...term }, pod, each));
  });
  if (holds) return true;
  // The first of a group that wants to be together must be able to begin somewhere.
  const anyone = views.some(({ pods }) => pods.some((each) => terms.every((term) => means(term, pod, each))));
  return !anyone && terms.every((term) => means(term, pod, pod));
}

/** How many more matching pods the node's domain would have than the emptiest one. */
function skewOf(
  pod: ObservedPod,
  view: NodeView,
  among: readonly NodeView[],
  constraint: DeepReadonly<TopologySpreadConstraint>,
): number {
  const { topologyKey, labelSelector, matchLabelKeys = [], minDomains = 1 } = constraint;
  const counted = (other: ObservedPod) =>
    other.metadata.deletionTimestamp === undefined &&
    other.metadata.namespace === pod.metadata.namespace &&
    matchesSelector(labelSelector, other.metadata.labels) &&
    matchLabelKeys.every((key) => other.metadata.labels?.[key] === pod.metadata.labels?.[key]);
  const counts = new Map<string, number>();
  for (const each of among) {
    const domain = domainOf(each, topologyKey) ?? "";
    counts.set(domain, (counts.get(domain) ?? 0) + each.pods.filter(counted).length);
  }
  const fewest = counts.size < minDomains ? 0 : Math.min(...counts.values());
  const here = counts.get(domainOf(view, topologyKey) ?? "") ?? 0;
  return here + (counted(pod) ? 1 : 0) - fewest;
}
