import { type ControllerOptions, runController } from "../client/controller.ts";
import type { Informer } from "../client/informer.ts";
import { type AnyObserved, keyOf } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import type { AnyKind, KubeObject } from "../kinds/kind.ts";
import { isConflict, isNotFound } from "../kinds/status_error.ts";
import type { ControlContext } from "./context.ts";
import { setOwners } from "./ownership.ts";

const foreground = "foregroundDeletion";
const orphan = "orphan";
const byOwnerUid = "ownerUid";

/** How an object stands to the owners it names. */
export type OwnerState =
  /** There, and not waiting for this object. */
  | "solid"
  /** Nowhere to be found. */
  | "absent"
  /** Being deleted, after what it owns. */
  | "waiting";

export type Verdict =
  | { readonly action: "keep" }
  /** Some owners are gone, others are there: only the references to the former go. */
  | { readonly action: "release"; readonly from: readonly string[] }
  | { readonly action: "delete"; readonly policy: "Background" | "Foreground" | "Orphan" };

/** What becomes of an object, from what its owners are. `hasDependents`: it owns something itself. */
export function judge(object: AnyObserved, states: ReadonlyMap<string, OwnerState>, hasDependents: boolean): Verdict {
  const gone = [...states].filter(([, state]) => state !== "solid").map(([uid]) => uid);
  if (states.size === 0 || gone.length === 0) return { action: "keep" };
  if (gone.length < states.size) return { action: "release", from: gone };
  const waiting = [...states.values()].includes("waiting");
  if (waiting && hasDependents) return { action: "delete", policy: "Foreground" };
  const { finalizers = [] } = object.metadata;
  if (finalizers.includes(orphan)) return { action: "delete", policy: "Orphan" };
  return { action: "delete", policy: finalizers.includes(foreground) ? "Foreground" : "Background" };
}

interface Place {
  readonly kind: AnyKind;
  readonly informer: Informer<KubeObject>;
  readonly key: string;
}

/**
 * Deletes what is owned by objects that are gone, lets objects go that waited for what they owned (foreground), and frees
 * what an owner leaves behind (orphan). An owner counts as gone only when the server itself says so.
 */
export function runGarbageCollector(
  context: ControlContext & { readonly kinds: () => readonly AnyKind[] },
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock } = context;
  const queue = new WorkQueue(clock);
  const places = new Map<string, Place>();
  const kinds = context.kinds().filter(isCollected);
  const followed = kinds.map((kind) => ({ kind, informer: informers.of(kind) }));

  for (const { kind, informer } of followed) {
    informer.addIndex(byOwnerUid, ({ metadata }) => (metadata.ownerReferences ?? []).map(({ uid }) => uid));
    const look = (object: AnyObserved) => {
      const { uid, ownerReferences = [], deletionTimestamp } = object.metadata;
      places.set(uid, { kind, informer, key: keyOf(object) });
      if (ownerReferences.length > 0 || deletionTimestamp !== undefined) queue.add(uid);
    };
    const tellOwners = ({ metadata }: AnyObserved) => {
      for (const { uid } of metadata.ownerReferences ?? []) if (places.has(uid)) queue.add(uid);
    };
    informer.on({
      add: look,
      update: (object, old) => {
        const { ownerReferences, deletionTimestamp, finalizers } = object.metadata;
        const before = old.metadata;
        const ownersChanged = JSON.stringify(ownerReferences) !== JSON.stringify(before.ownerReferences);
        if (ownersChanged) tellOwners(old);
        const goesNow = deletionTimestamp !== before.deletionTimestamp;
        const finalizersChanged = JSON.stringify(finalizers) !== JSON.stringify(before.finalizers);
        if (ownersChanged || goesNow || finalizersChanged) look(object);
      },
      delete: (object) => {
        const { uid } = object.metadata;
        places.delete(uid);
        tellOwners(object);
        for (const dependent of dependentsOf(uid)) queue.add(dependent.metadata.uid);
      },
    });
  }

  const dependentsOf = (uid: string): AnyObserved[] =>
    followed.flatMap(({ informer }) => informer.byIndex(byOwnerUid, uid));

  const reconcile: ControllerOptions["reconcile"] = async (uid) => {
    const place = places.get(uid);
    const object = place?.informer.byKey(place.key);
    if (place === undefined || object?.metadata.uid !== uid) return;
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    if (deletionTimestamp !== undefined) {
      if (finalizers.includes(orphan)) await leaveBehind(place.kind, object);
      else if (finalizers.includes(foreground)) await endForeground(place.kind, object);
      return;
    }
    if ((object.metadata.ownerReferences ?? []).length > 0) await collect(place.kind, object);
  };

  const collect = async (kind: AnyKind, cached: AnyObserved) => {
    const states = await ownerStates(cached);
    if ([...states.values()].every((state) => state === "solid")) return;
    const latest: AnyObserved = await client.get(kind, cached.metadata);
    if (latest.metadata.uid !== cached.metadata.uid || latest.metadata.deletionTimestamp !== undefined) return;
    const owners = latest.metadata.ownerReferences ?? [];
    if (owners.some(({ uid }) => !states.has(uid)) || owners.length !== states.size) {
      queue.addRateLimited(cached.metadata.uid);
      return;
    }
    const verdict = judge(latest, states, dependentsOf(latest.metadata.uid).length > 0);
    if (verdict.action === "release") {
      const left = owners.filter(({ uid }) => !verdict.from.includes(uid));
      await setOwners(client, kind, latest, left);
    } else if (verdict.action === "delete") {
      const { uid, resourceVersion } = latest.metadata;
      // With the version: an owner that was added meanwhile saves the object.
      await client.delete(kind, latest.metadata, {
        preconditions: { uid, resourceVersion },
        propagationPolicy: verdict.policy,
      });
    }
  };

  const ownerStates = async (object: AnyObserved): Promise<Map<string, OwnerState>> => {
    const states = new Map<string, OwnerState>();
    for (const { uid, apiVersion, kind: kindName, name } of object.metadata.ownerReferences ?? []) {
      const place = places.get(uid);
      const kind = place?.kind ?? kinds.find((each) => each.apiVersion === apiVersion && each.kind === kindName);
      // A kind that is not served now may be again; a cluster-scoped object cannot name an owner in a namespace.
      if (kind === undefined || (kind.namespaced && object.metadata.namespace === undefined)) {
        states.set(uid, "solid");
        continue;
      }
      const owner = place?.informer.byKey(place.key) ?? (await find(kind, object.metadata.namespace, name));
      const reachable = !kind.namespaced || owner?.metadata.namespace === object.metadata.namespace;
      if (owner?.metadata.uid !== uid || !reachable) states.set(uid, "absent");
      else states.set(uid, isEndingForeground(owner) ? "waiting" : "solid");
    }
    return states;
  };

  const find = async (kind: AnyKind, namespace: string | undefined, name: string): Promise<AnyObserved | undefined> => {
    try {
      return await client.get(kind, { namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  const endForeground = async (kind: AnyKind, owner: AnyObserved) => {
    const { uid } = owner.metadata;
    const blocking = dependentsOf(uid).filter(({ metadata }) =>
      metadata.ownerReferences?.some((reference) => reference.uid === uid && reference.blockOwnerDeletion === true),
    );
    if (blocking.length === 0) await removeFinalizer(kind, owner, foreground);
    for (const { metadata } of blocking) if (metadata.deletionTimestamp === undefined) queue.add(metadata.uid);
  };

  /** From the server itself, not from caches: a dependent that is missed here would be deleted afterwards. */
  const leaveBehind = async (kind: AnyKind, owner: AnyObserved) => {
    const { uid, namespace } = owner.metadata;
    for (const each of kinds) {
      if (kind.namespaced && !each.namespaced) continue;
      const { items } = await client.listAll(each, kind.namespaced ? { namespace } : {});
      for (const item of items) {
        const owners = item.metadata.ownerReferences ?? [];
        const left = owners.filter((reference) => reference.uid !== uid);
        if (left.length === owners.length) continue;
        try {
          await setOwners(client, each, item, left);
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      }
    }
    await removeFinalizer(kind, owner, orphan);
  };

  const removeFinalizer = async (kind: AnyKind, object: AnyObserved, finalizer: string) => {
    const { uid, resourceVersion, finalizers = [] } = object.metadata;
    const left = finalizers.filter((each) => each !== finalizer);
    try {
      await client.patch(kind, object.metadata, "application/merge-patch+json", {
        metadata: { uid, resourceVersion, finalizers: left.length > 0 ? left : null },
      });
    } catch (error) {
      // The cache is behind: the newer state calls again.
      if (!isConflict(error)) throw error;
      queue.addRateLimited(uid);
    }
  };

  const synced = followed.map(({ informer }) => informer.synced);
  return runController({ ...context, name: "garbage-collector", queue, synced, workers: 5, reconcile }, signal);
}

function isEndingForeground({ metadata }: AnyObserved): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(foreground) === true;
}

/** Events are many, own nothing and are owned by nothing; what cannot be listed cannot be followed. */
function isCollected({ kind, verbs }: AnyKind): boolean {
  return kind !== "Event" && (verbs === undefined || (verbs.includes("list") && verbs.includes("watch")));
}
