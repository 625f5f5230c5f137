import { deploymentKind } from "../../kinds/apps/deployment.ts";
import type { ReplicaSet } from "../../kinds/apps/replica_set.ts";
import type { Observed } from "../../kinds/kind.ts";
import { selectorString } from "../../kinds/label_selector.ts";
import { readObject } from "../object.ts";
import { revisionAnnotation, revisionsOf } from "../rollout.ts";
import { eventLines } from "./events.ts";
import { annotationLines, longTime, pairLines } from "./lines.ts";
import { podTemplateLines } from "./pod_template.ts";
import type { Subject } from "./subject.ts";

export async function describeDeployment({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const deployment = await readObject(api, deploymentKind, namespace, name);
  const { metadata, spec, status } = deployment;
  const { rollingUpdate } = spec.strategy ?? {};
  const counts = [
    `${spec.replicas ?? 1} desired`,
    `${status.updatedReplicas ?? 0} updated`,
    `${status.replicas ?? 0} total`,
    `${status.availableReplicas ?? 0} available`,
    `${status.unavailableReplicas ?? 0} unavailable`,
  ];
  const lines = [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    `CreationTimestamp:\t${longTime(metadata.creationTimestamp)}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    `Selector:\t${selectorString(spec.selector)}`,
    `Replicas:\t${counts.join(" | ")}`,
    `StrategyType:\t${spec.strategy?.type ?? ""}`,
    `MinReadySeconds:\t${spec.minReadySeconds ?? 0}`,
    ...(rollingUpdate
      ? [`RollingUpdateStrategy:\t${rollingUpdate.maxUnavailable} max unavailable, ${rollingUpdate.maxSurge} max surge`]
      : []),
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
  const revisions = await revisionsOf({ api, namespace: metadata.namespace ?? "" }, deployment);
  const current = revisions.find(({ number }) => String(number) === metadata.annotations?.[revisionAnnotation]);
  const old = revisions.filter((revision) => revision !== current).map(({ replicaSet }) => replicaSet);
  lines.push(
    `OldReplicaSets:\t${old.length === 0 ? "<none>" : old.map(created).join(", ")}`,
    `NewReplicaSet:\t${current === undefined ? "<none>" : created(current.replicaSet)}`,
  );
  const about = { kind: "Deployment", namespace: metadata.namespace, name, uids: [metadata.uid] };
  return [...lines, ...(await eventLines(api, about, nowMs))];
}

function created({ metadata, spec, status }: Observed<ReplicaSet>): string {
  return `${metadata.name} (${status.replicas ?? 0}/${spec.replicas ?? 1} replicas created)`;
}
