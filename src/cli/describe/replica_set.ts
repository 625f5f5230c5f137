import { replicaSetKind } from "../../kinds/apps/replica_set.ts";
import { podKind } from "../../kinds/core/pod.ts";
import { selectorString } from "../../kinds/label_selector.ts";
import { readList, readObject } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, controlledBy, pairLines } from "./lines.ts";
import { podTemplateLines } from "./pod_template.ts";
import type { Subject } from "./subject.ts";

export async function describeReplicaSet({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const { metadata, spec, status } = await readObject(api, replicaSetKind, namespace, name);
  const labelSelector = selectorString(spec.selector);
  const pods = (await readList(api, podKind, namespace, { labelSelector })).filter(
    ({ metadata: { ownerReferences } }) => ownerReferences?.some(({ uid }) => uid === metadata.uid),
  );
  const inPhase = (phase: string) => pods.filter((pod) => (pod.status.phase ?? "Pending") === phase).length;
  const lines = [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    `Selector:\t${labelSelector}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    ...controlledBy(metadata),
    `Replicas:\t${status.replicas ?? 0} current / ${spec.replicas ?? 1} desired`,
    `Pods Status:\t${inPhase("Running")} Running / ${inPhase("Pending")} Waiting / ${inPhase("Succeeded")} Succeeded / ${inPhase("Failed")} Failed`,
    "Pod Template:",
    ...podTemplateLines(spec.template, "  "),
  ];
  if ((status.conditions?.length ?? 0) > 0)
    lines.push(
      "Conditions:",
      "  Type\tStatus\tReason",
      "  ----\t------\t------",
      ...(status.conditions ?? []).map(({ type, status: state, reason }) => `  ${type} \t${state}\t${reason ?? ""}`),
    );
  const about = { kind: "ReplicaSet", namespace: metadata.namespace, name, uids: [metadata.uid] };
  return [...lines, ...(await eventLines(api, about, nowMs))];
}
