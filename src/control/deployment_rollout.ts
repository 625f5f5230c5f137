import type { Deployment } from "../kinds/apps/deployment.ts";
import type { ReplicaSet } from "../kinds/apps/replica_set.ts";
import type { Observed } from "../kinds/kind.ts";

/**
 * The arithmetic of rolling updates, scaling and recreation: pure functions from what is observed to how many replicas each
 * ReplicaSet shall have. Names and rules are those of Kubernetes' deployment controller.
 */

export const desiredReplicasAnnotation = "deployment.kubernetes.io/desired-replicas";
export const maxReplicasAnnotation = "deployment.kubernetes.io/max-replicas";

/** A ReplicaSet with the size that it is about to get. */
export interface Draft {
  readonly observed: Observed<ReplicaSet>;
  replicas: number;
}

export type Drafts = readonly Draft[];

export function wantedReplicas(deployment: Observed<Deployment>): number {
  return deployment.spec.replicas ?? 1;
}

export function isRollingUpdate(deployment: Observed<Deployment>): boolean {
  return deployment.spec.strategy?.type !== "Recreate";
}

/** Absolute or "25%" of `total`. */
function scaled(value: number | string | undefined, total: number, round: (x: number) => number): number {
  if (value === undefined) return round(total * 0.25);
  if (typeof value === "number") return value;
  const percent = Number.parseInt(value, 10);
  return Number.isNaN(percent) ? 0 : round((total * percent) / 100);
}

/** Pods above the wanted number, and pods that may be missing; not both 0, or nothing could ever move. */
export function fenceposts(deployment: Observed<Deployment>): {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
} {
  if (!isRollingUpdate(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const replicas = wantedReplicas(deployment);
  const rolling = deployment.spec.strategy?.rollingUpdate;
  const maxSurge = scaled(rolling?.maxSurge, replicas, Math.ceil);
  let maxUnavailable = scaled(rolling?.maxUnavailable, replicas, Math.floor);
  if (maxSurge === 0 && maxUnavailable === 0) maxUnavailable = 1;
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

export const totalReplicas = (drafts: Drafts) => drafts.reduce((sum, draft) => sum + draft.replicas, 0);
/**
 * Never more than the size that was asked for: a ReplicaSet that was told to shrink and has not done so yet will lose pods that
 * its status still counts. (Kubernetes counts them, and may so fall below its bound.)
 */
export const availableOf = (draft: Draft) => Math.min(draft.observed.status.availableReplicas ?? 0, draft.replicas);
export const totalAvailable = (drafts: Drafts) => drafts.reduce((sum, draft) => sum + availableOf(draft), 0);

/** Oldest first. */
export function byCreation(a: Draft, b: Draft): number {
  const [first, second] = [a.observed.metadata, b.observed.metadata];
  if (first.creationTimestamp !== second.creationTimestamp)
    return first.creationTimestamp < second.creationTimestamp ? -1 : 1;
  return first.name < second.name ? -1 : 1;
}

/** How large the new ReplicaSet may be now, if it is `present` large and all together are `total`. */
export function newReplicaSetSize(deployment: Observed<Deployment>, present: number, total: number): number {
  const wanted = wantedReplicas(deployment);
  if (!isRollingUpdate(deployment)) return wanted;
  const maxTotal = wanted + fenceposts(deployment).maxSurge;
  if (total >= maxTotal) return present;
  return present + Math.min(maxTotal - total, wanted - present);
}

/** True when the new ReplicaSet's size was changed. */
export function growNew(deployment: Observed<Deployment>, newDraft: Draft, drafts: Drafts): boolean {
  const wanted = wantedReplicas(deployment);
  const before = newDraft.replicas;
  newDraft.replicas = before > wanted ? wanted : newReplicaSetSize(deployment, before, totalReplicas(drafts));
  return newDraft.replicas !== before;
}

/**
 * Shrinks old ReplicaSets: first what is not available anyway, then available pods as far as at least
 * (replicas - maxUnavailable) stay. True when something was changed.
 */
export function shrinkOld(deployment: Observed<Deployment>, newDraft: Draft | undefined, old: Drafts): boolean {
  if (totalReplicas(old) === 0) return false;
  const all = newDraft === undefined ? old : [...old, newDraft];
  const minAvailable = wantedReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  const newUnavailable = newDraft === undefined ? 0 : newDraft.replicas - availableOf(newDraft);
  const maxScaledDown = totalReplicas(all) - minAvailable - newUnavailable;
  if (maxScaledDown <= 0) return false;

  const sorted = [...old].sort(byCreation);
  let cleaned = 0;
  for (const draft of sorted) {
    if (cleaned >= maxScaledDown) break;
    const unavailable = draft.replicas - availableOf(draft);
    if (draft.replicas === 0 || unavailable <= 0) continue;
    const count = Math.min(maxScaledDown - cleaned, unavailable);
    draft.replicas -= count;
    cleaned += count;
  }

  let spare = Math.min(totalAvailable(all) - minAvailable, maxScaledDown - cleaned);
  let removed = 0;
  for (const draft of sorted) {
    if (spare <= 0) break;
    const count = Math.min(draft.replicas, spare);
    draft.replicas -= count;
    spare -= count;
    removed += count;
  }
  return cleaned + removed > 0;
}

/** Every size follows a change of the wanted number, in proportion; used when `kubectl scale` meets a running rollout. */
export function scaleInProportion(deployment: Observed<Deployment>, newDraft: Draft | undefined, old: Drafts): void {
  const wanted = wantedReplicas(deployment);
  const all = newDraft === undefined ? old : [...old, newDraft];
  const active = all.filter((draft) => draft.replicas > 0);
  if (active.length <= 1) {
    const only = active[0] ?? newDraft ?? [...old].sort(byCreation).at(-1);
    if (only !== undefined) only.replicas = wanted;
    return;
  }
  if (newDraft !== undefined && isSaturated(deployment, newDraft)) {
    for (const draft of old) draft.replicas = 0;
    return;
  }
  if (!isRollingUpdate(deployment)) return;
  const allowed = wanted > 0 ? wanted + fenceposts(deployment).maxSurge : 0;
  const toAdd = allowed - totalReplicas(active);
  // The largest first; of equals the newer when growing, the older when shrinking.
  const ordered = [...active].sort(
    (a, b) => b.replicas - a.replicas || (toAdd > 0 ? -byCreation(a, b) : byCreation(a, b)),
  );
  let added = 0;
  for (const draft of ordered) {
    const share = proportion(deployment, draft, toAdd, added, allowed);
    draft.replicas += share;
    added += share;
  }
  const first = ordered[0];
  if (first !== undefined) first.replicas = Math.max(0, first.replicas + toAdd - added);
}

function proportion(
  deployment: Observed<Deployment>,
  draft: Draft,
  toAdd: number,
  added: number,
  allowed: number,
): number {
  if (toAdd === 0 || toAdd === added) return 0;
  if (wantedReplicas(deployment) === 0) return -draft.replicas;
  const noted = Number(draft.observed.metadata.annotations?.[maxReplicasAnnotation] ?? Number.NaN);
  const before = noted > 0 ? noted : (deployment.status.replicas ?? 0);
  if (before === 0) return 0;
  const fraction = Math.round((draft.replicas * allowed) / before) - draft.replicas;
  return toAdd > 0 ? Math.min(fraction, toAdd - added) : Math.max(fraction, toAdd - added);
}

/** The new ReplicaSet has reached the size it was last told, and all of it is available. */
function isSaturated(deployment: Observed<Deployment>, draft: Draft): boolean {
  const desired = Number(draft.observed.metadata.annotations?.[desiredReplicasAnnotation] ?? Number.NaN);
  const wanted = wantedReplicas(deployment);
  return draft.replicas === wanted && desired === wanted && availableOf(draft) === wanted;
}
