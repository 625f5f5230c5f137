import type { Taint } from "../../kinds/core/node.ts";
import type { NodeSelectorRequirement, NodeSelectorTerm, Toleration } from "../../kinds/core/node_selector.ts";
import type { DeepReadonly } from "../../kinds/schema.ts";
import type { ObservedPod } from "../pod_state.ts";
import type { NodeView } from "./node_view.ts";
import { podRequests } from "./requests.ts";

export interface Misfit {
  /** Kubernetes' own words, counted in the message that people read. */
  readonly reasons: readonly string[];
  /** Removing pods from the node could help. */
  readonly resolvable: boolean;
}

const unschedulableTaint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** Why the pod cannot run on the node; undefined: it can. The first rule that is broken decides, as in Kubernetes. */
export function misfit(pod: ObservedPod, view: NodeView): Misfit | undefined {
  const { node } = view;
  const tolerations = pod.spec.tolerations ?? [];
  if (node.spec.unschedulable && !tolerates(tolerations, unschedulableTaint))
    return { reasons: ["node(s) were unschedulable"], resolvable: false };
  const taint = (node.spec.taints ?? []).find(
    (each) => (each.effect === "NoSchedule" || each.effect === "NoExecute") && !tolerates(tolerations, each),
  );
  if (taint !== undefined)
    return { reasons: [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`], resolvable: false };
  if (!matchesNodeSelection(pod, view))
    return { reasons: ["node(s) didn't match Pod's node affinity/selector"], resolvable: false };
  if (hostPortTaken(pod, view))
    return { reasons: ["node(s) didn't have free ports for the requested pod ports"], resolvable: true };
  return insufficient(pod, view);
}

export function tolerates(tolerations: DeepReadonly<Toleration[]>, taint: DeepReadonly<Taint>): boolean {
  return tolerations.some(({ key = "", operator = "Equal", value = "", effect = "" }) => {
    if (effect !== "" && effect !== taint.effect) return false;
    if (key === "") return operator === "Exists";
    if (key !== taint.key) return false;
    return operator === "Exists" || value === (taint.value ?? "");
  });
}

export function matchesNodeSelection(pod: ObservedPod, view: NodeView): boolean {
  const labels = view.node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) if (labels[key] !== value) return false;
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, view));
}

/** All requirements of a term must hold; a term without any matches no node. */
export function matchesTerm(term: DeepReadonly<NodeSelectorTerm>, { node }: NodeView): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  const fields: Readonly<Record<string, string>> = { "metadata.name": node.metadata.name };
  return (
    matchExpressions.every((requirement) => holds(requirement, labels[requirement.key])) &&
    matchFields.every((requirement) => holds(requirement, fields[requirement.key]))
  );
}

function holds({ operator, values = [] }: DeepReadonly<NodeSelectorRequirement>, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
    case "Lt": {
      const [bound = ""] = values;
      if (value === undefined || !/^-?\d+$/.test(value) || !/^-?\d+$/.test(bound)) return false;
      return operator === "Gt" ? Number(value) > Number(bound) : Number(value) < Number(bound);
    }
    default:
      return false;
  }
}

interface HostPort {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
}

function hostPorts(pod: ObservedPod): HostPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...pod.spec.containers, ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort, hostIP, protocol = "TCP" }) => {
      const port = hostPort || (pod.spec.hostNetwork ? containerPort : 0);
      return port ? [{ ip: hostIP || "0.0.0.0", port, protocol }] : [];
    }),
  );
}

function hostPortTaken(pod: ObservedPod, view: NodeView): boolean {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return false;
  const taken = view.pods.flatMap(hostPorts);
  return wanted.some((mine) =>
    taken.some(
      (other) =>
        mine.port === other.port &&
        mine.protocol === other.protocol &&
        (mine.ip === other.ip || mine.ip === "0.0.0.0" || other.ip === "0.0.0.0"),
    ),
  );
}

function insufficient(pod: ObservedPod, view: NodeView): Misfit | undefined {
  const reasons: string[] = [];
  const podsAllowed = view.allocatable.get("pods");
  if (podsAllowed !== undefined && view.pods.length + 1 > podsAllowed) reasons.push("Too many pods");
  let resolvable = true;
  for (const [name, amount] of podRequests(pod)) {
    const allocatable = view.allocatable.get(name) ?? 0;
    if (amount === 0 || amount <= allocatable - (view.requested.get(name) ?? 0)) continue;
    reasons.push(`Insufficient ${name}`);
    if (amount > allocatable) resolvable = false;
  }
  return reasons.length > 0 ? { reasons, resolvable } : undefined;
}
