import type { Deployment, DeploymentStatus } from "../kinds/apps/deployment.ts";
import type { ReplicaSet } from "../kinds/apps/replica_set.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import {
  byCreation,
  type Draft,
  desiredReplicasAnnotation,
  fenceposts,
  growNew,
  isRollingUpdate,
  maxReplicasAnnotation,
  newReplicaSetSize,
  scaleInProportion,
  shrinkOld,
  totalReplicas,
  wantedReplicas,
} from "./deployment_rollout.ts";
import {
  countStatus,
  getCondition,
  hasProgressDeadline,
  isComplete,
  judgeProgress,
  setCondition,
  untilDeadlineMs,
} from "./deployment_status.ts";
import { controllerOf, controllerReference } from "./ownership.ts";
import { isPodTerminal, type ObservedPod } from "./pod_state.ts";
import { sameTemplate, templateHash, templateHashLabel } from "./template_hash.ts";

export const revisionAnnotation = "deployment.kubernetes.io/revision";
const revisionHistoryAnnotation = "deployment.kubernetes.io/revision-history";

/** Annotations that a ReplicaSet does not take over from its Deployment. */
const ownAnnotations: ReadonlySet<string> = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  "deprecated.deployment.rollback.to",
]);

export interface DeploymentView {
  readonly deployment: Observed<Deployment>;
  /** Managed by it and matching its selector. */
  readonly replicaSets: readonly Observed<ReplicaSet>[];
  /** Of these ReplicaSets. */
  readonly pods: readonly ObservedPod[];
  readonly nowMs: number;
}

/** What to do, in this order; each step is safe when the ones before it failed. */
export interface DeploymentPlan {
  readonly create?: ReplicaSet;
  readonly updates: readonly {
    readonly replicaSet: ReplicaSet & { metadata: { name: string } };
    readonly from: number;
    readonly to: number;
  }[];
  readonly remove: readonly Observed<ReplicaSet>[];
  /** For the Deployment's own annotation. */
  readonly revision?: string;
  readonly status: DeploymentStatus;
  readonly requeueAfterMs?: number;
}

/** One step towards what the Deployment wants; called again when its effect is seen. */
export function planDeployment({ deployment, replicaSets, pods, nowMs }: DeploymentView): DeploymentPlan {
  const drafts: Draft[] = replicaSets
    .map((observed) => ({ observed, replicas: observed.spec.replicas ?? 1 }))
    .sort(byCreation);
  const newDraft = drafts.find(({ observed }) => sameTemplate(deployment.spec.template, observed.spec.template ?? {}));
  const old = drafts.filter((draft) => draft !== newDraft);

  const deleting = deployment.metadata.deletionTimestamp !== undefined;
  const paused = deployment.spec.paused === true;
  const scaling = drafts.some(({ observed, replicas }) => {
    const noted = observed.metadata.annotations?.[desiredReplicasAnnotation];
    return replicas > 0 && noted !== undefined && Number(noted) !== wantedReplicas(deployment);
  });
  const rollout = !deleting && !paused && !scaling;

  let create: ReplicaSet | undefined;
  let clean = paused && !deleting;
  if (!deleting && (paused || scaling)) scaleInProportion(deployment, newDraft, old);
  else if (rollout && isRollingUpdate(deployment)) {
    if (newDraft === undefined)
      create = newReplicaSet(deployment, newReplicaSetSize(deployment, 0, totalReplicas(old)), old);
    else if (!growNew(deployment, newDraft, drafts) && !shrinkOld(deployment, newDraft, old)) clean = true;
  } else if (rollout) {
    const shrinks = totalReplicas(old) > 0;
    for (const draft of old) draft.replicas = 0;
    if (!shrinks && !anyOldPodRuns(old, newDraft, pods)) {
      if (newDraft === undefined) create = newReplicaSet(deployment, wantedReplicas(deployment), old);
      else if (newDraft.replicas !== wantedReplicas(deployment)) newDraft.replicas = wantedReplicas(deployment);
      else clean = true;
    }
  }

  const revision = newDraft === undefined ? undefined : revisionOf(newDraft, old);
  const status = countStatus(deployment, drafts, newDraft, nowMs);
  if (!deleting) judgePause(deployment, status, nowMs);
  if (rollout) {
    if (hasProgressDeadline(deployment)) {
      const name = create?.metadata?.name ?? newDraft?.observed.metadata.name;
      if (create !== undefined)
        noteProgress(status, "NewReplicaSetCreated", `Created new replica set "${name}"`, nowMs);
      else if (newDraft !== undefined && getCondition(status, "Progressing") === undefined)
        noteProgress(status, "FoundNewReplicaSet", `Found new replica set "${name}"`, nowMs);
    }
    if (create === undefined) judgeProgress(deployment, status, drafts, newDraft, nowMs);
  }
  const mayClean = clean && (paused || isComplete(deployment, status));
  const requeueAfterMs = rollout ? untilDeadlineMs(deployment, status, nowMs) : undefined;
  const ownRevision = create === undefined ? revision : create.metadata?.annotations?.[revisionAnnotation];
  return {
    ...(create === undefined ? {} : { create }),
    updates: drafts.flatMap((draft) => updateOf(deployment, draft, draft === newDraft ? revision : undefined, scaling)),
    remove: mayClean ? beyondHistory(deployment, old) : [],
    ...(ownRevision === undefined || ownRevision === deployment.metadata.annotations?.[revisionAnnotation]
      ? {}
      : { revision: ownRevision }),
    status,
    ...(requeueAfterMs === undefined ? {} : { requeueAfterMs }),
  };
}

function noteProgress(status: DeploymentStatus, reason: string, message: string, nowMs: number): void {
  setCondition(status, { type: "Progressing", status: "True", reason, message }, nowMs);
}

/** A pause stops the clock of the progress deadline, and its end starts it again. */
function judgePause(deployment: Observed<Deployment>, status: DeploymentStatus, nowMs: number): void {
  if (!hasProgressDeadline(deployment)) return;
  const present = getCondition(status, "Progressing");
  if (present?.reason === "ProgressDeadlineExceeded") return;
  const set = (reason: string, message: string) =>
    setCondition(status, { type: "Progressing", status: "Unknown", reason, message }, nowMs);
  if (deployment.spec.paused && present?.reason !== "DeploymentPaused") set("DeploymentPaused", "Deployment is paused");
  else if (!deployment.spec.paused && present?.reason === "DeploymentPaused")
    set("DeploymentResumed", "Deployment is resumed");
}

function anyOldPodRuns(old: readonly Draft[], newDraft: Draft | undefined, pods: readonly ObservedPod[]): boolean {
  if (old.some(({ observed }) => (observed.status.replicas ?? 0) > 0)) return true;
  const newUid = newDraft?.observed.metadata.uid;
  return pods.some((pod) => controllerOf(pod)?.uid !== newUid && !isPodTerminal(pod));
}

const revisionNumber = ({ observed }: Draft) => Number(observed.metadata.annotations?.[revisionAnnotation] ?? 0) || 0;
const highestRevision = (drafts: readonly Draft[]) => Math.max(0, ...drafts.map(revisionNumber));

/** One more than the highest of the others; a ReplicaSet that is rolled back to gets a new number. */
function revisionOf(newDraft: Draft, old: readonly Draft[]): string {
  return String(Math.max(revisionNumber(newDraft), highestRevision(old) + 1));
}

function sizeAnnotations(deployment: Observed<Deployment>): Record<string, string> {
  const wanted = wantedReplicas(deployment);
  return {
    [desiredReplicasAnnotation]: String(wanted),
    [maxReplicasAnnotation]: String(wanted + fenceposts(deployment).maxSurge),
  };
}

function takenOver(deployment: Observed<Deployment>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !ownAnnotations.has(key)),
  );
}

/** The change of one ReplicaSet, if there is any: size, annotations, minReadySeconds. */
function updateOf(
  deployment: Observed<Deployment>,
  draft: Draft,
  revision: string | undefined,
  scaling: boolean,
): DeploymentPlan["updates"] {
  const { observed } = draft;
  const from = observed.spec.replicas ?? 1;
  const before = observed.metadata.annotations ?? {};
  const annotations: Record<string, string> = { ...before };
  if (scaling || draft.replicas !== from) Object.assign(annotations, sizeAnnotations(deployment));
  if (revision !== undefined) {
    Object.assign(annotations, takenOver(deployment));
    const last = before[revisionAnnotation];
    if (last !== undefined && last !== revision)
      annotations[revisionHistoryAnnotation] = [before[revisionHistoryAnnotation], last].filter(Boolean).join(",");
    annotations[revisionAnnotation] = revision;
  }
  const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
  const readinessDiffers = revision !== undefined && (observed.spec.minReadySeconds ?? 0) !== minReadySeconds;
  const same = Object.keys(annotations).every((key) => annotations[key] === before[key]);
  if (same && draft.replicas === from && !readinessDiffers) return [];
  const copy = editable(observed);
  copy.metadata.annotations = annotations;
  copy.spec.replicas = draft.replicas;
  if (readinessDiffers) copy.spec.minReadySeconds = minReadySeconds;
  return [{ replicaSet: copy, from, to: draft.replicas }];
}

function newReplicaSet(deployment: Observed<Deployment>, replicas: number, old: readonly Draft[]): ReplicaSet {
  const hash = templateHash(deployment.spec.template, deployment.status.collisionCount);
  const template = editable(deployment.spec.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [templateHashLabel]: hash } };
  const selector = editable(deployment.spec.selector);
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels: template.metadata.labels,
      annotations: {
        ...takenOver(deployment),
        ...sizeAnnotations(deployment),
        [revisionAnnotation]: String(highestRevision(old) + 1),
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: deployment.spec.minReadySeconds ?? 0,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [templateHashLabel]: hash } },
      template,
    },
  };
}

/** Old ReplicaSets that revisionHistoryLimit no longer covers, the lowest revisions first; never one with pods. */
function beyondHistory(deployment: Observed<Deployment>, old: readonly Draft[]): Observed<ReplicaSet>[] {
  const limit = deployment.spec.revisionHistoryLimit;
  const alive = old.filter(({ observed }) => observed.metadata.deletionTimestamp === undefined);
  if (limit === undefined || alive.length <= limit) return [];
  return alive
    .sort((a, b) => revisionNumber(a) - revisionNumber(b) || byCreation(a, b))
    .slice(0, alive.length - limit)
    .filter(
      ({ observed, replicas }) =>
        replicas === 0 &&
        (observed.status.replicas ?? 0) === 0 &&
        (observed.status.observedGeneration ?? 0) >= (observed.metadata.generation ?? 0),
    )
    .map(({ observed }) => observed);
}
