import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf, splitKey } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { describeError } from "../env/log.ts";
import { type ReplicaSet, replicaSetKind } from "../kinds/apps/replica_set.ts";
import { podKind } from "../kinds/core/pod.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import { matchesSelector } from "../kinds/label_selector.ts";
import { isNotFound } from "../kinds/status_error.ts";
import { type ControlContext, eventRecorder } from "./context.ts";
import { byControllerUid, claim, controllerOf, controllerUids, enforceClaims } from "./ownership.ts";
import { Pending } from "./pending.ts";
import { isPodActive, type ObservedPod } from "./pod_state.ts";
import {
  type Failure,
  planReplicaSet,
  podFromTemplate,
  replicaSetStatus,
  untilNextAvailableMs,
} from "./replica_set_plan.ts";
import { same } from "./same.ts";

/** Keeps as many pods as a ReplicaSet wants. The decisions are in replica_set_plan.ts. */
export function runReplicaSetController(context: ControlContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = context;
  const replicaSets = informers.of(replicaSetKind);
  const pods = informers.of(podKind);
  replicaSets.addIndex(byControllerUid, controllerUids);
  pods.addIndex(byControllerUid, controllerUids);
  const events = eventRecorder(context, "replicaset-controller");
  const queue = new WorkQueue(clock);
  const pending = new Pending(pods);

  const enqueue = (replicaSet: Observed<ReplicaSet>) => queue.add(keyOf(replicaSet));
  replicaSets.on({ add: enqueue, update: enqueue, delete: enqueue });
  const enqueueOwner = (pod: ObservedPod) => {
    const { namespace, labels } = pod.metadata;
    const owner = controllerOf(pod);
    if (owner?.kind === "ReplicaSet") queue.add(`${namespace}/${owner.name}`);
    else if (owner === undefined && labels !== undefined) {
      for (const replicaSet of replicaSets.list(namespace))
        if (matchesSelector(replicaSet.spec.selector, labels)) enqueue(replicaSet);
    }
  };
  pods.on({
    add: enqueueOwner,
    update: (pod, old) => {
      if (controllerOf(old)?.uid !== controllerOf(pod)?.uid) enqueueOwner(old);
      enqueueOwner(pod);
    },
    delete: enqueueOwner,
  });

  const reconcile: ControllerOptions["reconcile"] = async (key) => {
    const { namespace, name } = splitKey(key);
    const replicaSet = replicaSets.get(namespace, name);
    if (replicaSet === undefined) {
      pending.forget(key);
      return;
    }
    const claims = claim(replicaSet, replicaSet.spec.selector, pods.list(namespace));
    if (claims.adopt.length + claims.release.length > 0) {
      await enforceClaims(client, replicaSetKind, replicaSet, podKind, claims);
      return;
    }
    let failure: Failure | undefined;
    let cause: unknown;
    const settled = pending.isSettled(key);
    if (settled) {
      const plan = planReplicaSet({
        replicaSet,
        pods: claims.owned.filter(({ metadata }) => !pending.isBeingDeleted(metadata.uid)),
        relatedOnNode: () => relatedOnNode(replicaSet),
      });
      try {
        failure = { reason: "FailedCreate", message: "" };
        await createPods(key, replicaSet, plan.create);
        failure = { reason: "FailedDelete", message: "" };
        await deletePods(replicaSet, plan.remove);
        failure = undefined;
      } catch (error) {
        cause = error;
        if (failure !== undefined) failure = { ...failure, message: describeError(error) };
      }
    } else failure = failureOf(replicaSet);
    await writeStatus(replicaSet, claims.owned, failure);
    if (cause !== undefined) throw cause;
    // The cache is behind the pods that were just created: their events call again, or else the clock.
    if (!settled) return { requeueAfterMs: 1000 };
    return { requeueAfterMs: untilNextAvailableMs(replicaSet, claims.owned, clock.now()) };
  };

  /** In batches of 1, 2, 4 ..., so that a pod that cannot be created is not tried 500 times. */
  const createPods = async (key: string, replicaSet: Observed<ReplicaSet>, count: number) => {
    let left = count;
    for (let batch = 1; left > 0; batch *= 2) {
      const size = Math.min(batch, left);
      const results = await Promise.allSettled(Array.from({ length: size }, () => createPod(key, replicaSet)));
      const failed = results.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      left -= size;
    }
  };
  const createPod = async (key: string, replicaSet: Observed<ReplicaSet>) => {
    try {
      const pod = await client.create(podKind, podFromTemplate(replicaSet));
      pending.created(key, pod);
      events.report(replicaSet, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata.name}`);
    } catch (error) {
      events.report(replicaSet, "Warning", "FailedCreate", `Error creating: ${describeError(error)}`);
      throw error;
    }
  };

  const deletePods = async (replicaSet: Observed<ReplicaSet>, victims: readonly ObservedPod[]) => {
    const results = await Promise.allSettled(
      victims.map(async ({ metadata }) => {
        pending.deleting(metadata.uid);
        try {
          await client.delete(podKind, metadata, { preconditions: { uid: metadata.uid } });
        } catch (error) {
          pending.deletionFailed(metadata.uid);
          if (isNotFound(error)) return;
          events.report(replicaSet, "Warning", "FailedDelete", `Error deleting: ${describeError(error)}`);
          throw error;
        }
        events.report(replicaSet, "Normal", "SuccessfulDelete", `Deleted pod: ${metadata.name}`);
      }),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  };

  const relatedOnNode = (replicaSet: Observed<ReplicaSet>): ReadonlyMap<string, number> => {
    const owner = controllerOf(replicaSet);
    const family = owner === undefined ? [replicaSet] : replicaSets.byIndex(byControllerUid, owner.uid);
    const counts = new Map<string, number>();
    for (const member of family) {
      for (const pod of pods.byIndex(byControllerUid, member.metadata.uid)) {
        const node = pod.spec.nodeName;
        if (node && isPodActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
      }
    }
    return counts;
  };

  const writeStatus = async (
    replicaSet: Observed<ReplicaSet>,
    owned: readonly ObservedPod[],
    failure: Failure | undefined,
  ) => {
    const status = replicaSetStatus(replicaSet, owned, failure, clock.now());
    if (same(status, replicaSet.status)) return;
    const copy = editable(replicaSet);
    copy.status = status;
    await client.updateStatus(replicaSetKind, copy);
  };

  const synced = [replicaSets.synced, pods.synced];
  return runController({ ...context, name: "replicaset-controller", queue, synced, workers: 5, reconcile }, signal);
}

/** The failure that stands in the status, kept while nothing new was tried. */
function failureOf(replicaSet: Observed<ReplicaSet>): Failure | undefined {
  const before = replicaSet.status.conditions?.find(({ type }) => type === "ReplicaFailure");
  if (before === undefined) return undefined;
  return { reason: before.reason === "FailedDelete" ? "FailedDelete" : "FailedCreate", message: before.message ?? "" };
}
