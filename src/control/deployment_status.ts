import { rfc3339 } from "../env/clock.ts";
import type { Deployment, DeploymentCondition, DeploymentStatus } from "../kinds/apps/deployment.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import { timeMs } from "../kinds/timestamp.ts";
import { type Draft, type Drafts, fenceposts, totalReplicas, wantedReplicas } from "./deployment_rollout.ts";

/** A deadline of this many seconds is none. */
const noDeadline = 2 ** 31 - 1;

export function hasProgressDeadline(deployment: Observed<Deployment>): boolean {
  const { progressDeadlineSeconds } = deployment.spec;
  return progressDeadlineSeconds !== undefined && progressDeadlineSeconds !== noDeadline;
}

/** What the sizes of the ReplicaSets say, with the conditions of before and Available brought up to date. */
export function countStatus(
  deployment: Observed<Deployment>,
  drafts: Drafts,
  newDraft: Draft | undefined,
  nowMs: number,
): DeploymentStatus {
  const sum = (count: (draft: Draft) => number | undefined) => drafts.reduce((n, draft) => n + (count(draft) ?? 0), 0);
  const available = sum(({ observed }) => observed.status.availableReplicas);
  const { collisionCount, conditions = [] } = deployment.status;
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation,
    ...nonZero({
      replicas: sum(({ observed }) => observed.status.replicas),
      updatedReplicas: newDraft?.observed.status.replicas ?? 0,
      readyReplicas: sum(({ observed }) => observed.status.readyReplicas),
      availableReplicas: available,
      unavailableReplicas: Math.max(0, totalReplicas(drafts) - available),
    }),
    terminatingReplicas: sum(({ observed }) => observed.status.terminatingReplicas),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: editable(conditions),
  };
  const isAvailable = available >= wantedReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  setCondition(
    status,
    isAvailable
      ? {
          type: "Available",
          status: "True",
          reason: "MinimumReplicasAvailable",
          message: "Deployment has minimum availability.",
        }
      : {
          type: "Available",
          status: "False",
          reason: "MinimumReplicasUnavailable",
          message: "Deployment does not have minimum availability.",
        },
    nowMs,
  );
  return status;
}

/** Kubernetes leaves counts that are zero out of a status. */
export function nonZero<Counts extends Readonly<Record<string, number>>>(counts: Counts): Partial<Counts> {
  // Sound: some of the entries of `counts`.
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<Counts>;
}

export function getCondition(
  status: { readonly conditions?: readonly DeploymentCondition[] | undefined },
  type: string,
) {
  return status.conditions?.find((condition) => condition.type === type);
}

/** Nothing changes where status and reason are the same; the time of transition only where the status differs. */
export function setCondition(
  status: DeploymentStatus,
  condition: { readonly type: string; readonly status: string; readonly reason: string; readonly message: string },
  nowMs: number,
  /** Also where status and reason are the same: there was progress now. */
  refresh = false,
): void {
  const before = getCondition(status, condition.type);
  if (before?.status === condition.status && before.reason === condition.reason && !refresh) return;
  const now = rfc3339(nowMs);
  const transition = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  removeCondition(status, condition.type);
  status.conditions?.push({ ...condition, lastUpdateTime: now, lastTransitionTime: transition });
}

export function removeCondition(status: DeploymentStatus, type: string): void {
  status.conditions = (status.conditions ?? []).filter((condition) => condition.type !== type);
}

/** Everything is new, there, and available. */
export function isComplete(deployment: Observed<Deployment>, status: DeploymentStatus): boolean {
  const wanted = wantedReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed(before: Observed<Deployment>["status"], status: DeploymentStatus): boolean {
  const old = (counts: { readonly replicas?: number | undefined; readonly updatedReplicas?: number | undefined }) =>
    (counts.replicas ?? 0) - (counts.updatedReplicas ?? 0);
  return (
    (status.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(status) < old(before) ||
    (status.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

/** When lack of progress since the last progress becomes a failure. Milliseconds since the epoch. */
function deadlineMs(deployment: Observed<Deployment>, status: DeploymentStatus): number | undefined {
  const progressing = getCondition(status, "Progressing");
  if (!hasProgressDeadline(deployment) || progressing === undefined) return undefined;
  if (progressing.reason === "NewReplicaSetAvailable" || progressing.reason === "DeploymentPaused") return undefined;
  const sinceMs = timeMs(progressing.lastUpdateTime);
  return sinceMs === undefined ? undefined : sinceMs + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
}

/** Brings Progressing and ReplicaFailure up to date during a rollout, with Kubernetes' reasons and messages. */
export function judgeProgress(
  deployment: Observed<Deployment>,
  status: DeploymentStatus,
  drafts: Drafts,
  newDraft: Draft | undefined,
  nowMs: number,
): void {
  const subject =
    newDraft === undefined
      ? `Deployment "${deployment.metadata.name}"`
      : `ReplicaSet "${newDraft.observed.metadata.name}"`;
  const set = (value: string, reason: string, what: string, refresh = false) =>
    setCondition(status, { type: "Progressing", status: value, reason, message: `${subject} ${what}` }, nowMs, refresh);
  const present = getCondition(status, "Progressing");
  const done = status.replicas === status.updatedReplicas && present?.reason === "NewReplicaSetAvailable";
  if (!hasProgressDeadline(deployment)) removeCondition(status, "Progressing");
  else if (!done) {
    const deadline = deadlineMs(deployment, status);
    if (isComplete(deployment, status)) set("True", "NewReplicaSetAvailable", "has successfully progressed.");
    else if (hasProgressed(deployment.status, status)) set("True", "ReplicaSetUpdated", "is progressing.", true);
    else if (present?.reason === "ProgressDeadlineExceeded" || (deadline !== undefined && deadline < nowMs))
      set("False", "ProgressDeadlineExceeded", "has timed out progressing.");
  }

  const failing = [...(newDraft === undefined ? [] : [newDraft]), ...drafts]
    .flatMap(({ observed }) => observed.status.conditions ?? [])
    .find(({ type }) => type === "ReplicaFailure");
  if (failing === undefined) removeCondition(status, "ReplicaFailure");
  else {
    const { type, reason = "", message = "" } = failing;
    setCondition(status, { type, status: failing.status, reason, message }, nowMs);
  }
}

/** When the deployment must be looked at again though nothing happens: its deadline. Milliseconds from now. */
export function untilDeadlineMs(
  deployment: Observed<Deployment>,
  status: DeploymentStatus,
  nowMs: number,
): number | undefined {
  const deadline = deadlineMs(deployment, status);
  const reason = getCondition(status, "Progressing")?.reason;
  if (deadline === undefined || reason === "ProgressDeadlineExceeded" || isComplete(deployment, status))
    return undefined;
  return Math.max(0, deadline - nowMs) + 1000;
}
