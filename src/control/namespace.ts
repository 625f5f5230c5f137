import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { rfc3339 } from "../env/clock.ts";
import { describeError } from "../env/log.ts";
import { type Namespace, type NamespaceCondition, namespaceKind } from "../kinds/core/namespace.ts";
import { type AnyKind, editable, type Observed } from "../kinds/kind.ts";
import { isConflict, StatusError } from "../kinds/status_error.ts";
import type { ControlContext } from "./context.ts";
import { same } from "./same.ts";

const finalizer = "kubernetes";

/** What was found of one kind in a namespace that is going, after everything was told to go. */
export interface Remainder {
  /** "pods." or "deployments.apps". */
  readonly resource: string;
  readonly count: number;
  /** How many objects wait for each finalizer. */
  readonly finalizers: ReadonlyMap<string, number>;
  readonly error?: string;
}

/** The conditions of a namespace that is going, with Kubernetes' reasons and messages. */
export function namespaceConditions(
  before: Observed<Namespace>["status"]["conditions"],
  remainders: readonly Remainder[],
  nowMs: number,
): NamespaceCondition[] {
  const errors = remainders.flatMap(({ error }) => error ?? []);
  const remaining = remainders.filter(({ count }) => count > 0);
  const finalizers = new Map<string, number>();
  for (const each of remaining)
    for (const [name, count] of each.finalizers) finalizers.set(name, (finalizers.get(name) ?? 0) + count);
  const listed = remaining.map(({ resource, count }) => `${resource} has ${count} resource instances`).sort();
  const held = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`).sort();
  const wanted: readonly [type: string, bad: boolean, reason: string, message: string][] = [
    ["NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"],
    [
      "NamespaceDeletionGroupVersionParsingFailure",
      false,
      "ParsedGroupVersions",
      "All legacy kube types successfully parsed",
    ],
    errors.length > 0
      ? [
          "NamespaceDeletionContentFailure",
          true,
          "ContentDeletionFailed",
          `Failed to delete all resource types, ${errors.length} remaining: ${errors.join(", ")}`,
        ]
      : [
          "NamespaceDeletionContentFailure",
          false,
          "ContentDeleted",
          "All content successfully deleted, may be waiting on finalization",
        ],
    listed.length > 0
      ? ["NamespaceContentRemaining", true, "SomeResourcesRemain", `Some resources are remaining: ${listed.join(", ")}`]
      : ["NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed"],
    held.length > 0
      ? [
          "NamespaceFinalizersRemaining",
          true,
          "SomeFinalizersRemain",
          `Some content in the namespace has finalizers remaining: ${held.join(", ")}`,
        ]
      : ["NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", "All content-preserving finalizers finished"],
  ];
  return wanted.map(([type, bad, reason, message]) => {
    const status = bad ? "True" : "False";
    const old = before?.find((condition) => condition.type === type);
    const since = old?.status === status ? old.lastTransitionTime : undefined;
    return { type, status, reason, message, lastTransitionTime: since ?? rfc3339(nowMs) };
  });
}

/** Empties namespaces that are being deleted, of every kind, and then lets them go. */
export function runNamespaceController(
  context: ControlContext & { readonly kinds: () => readonly AnyKind[] },
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock } = context;
  const namespaces = informers.of(namespaceKind);
  const queue = new WorkQueue(clock);
  const enqueue = (namespace: Observed<Namespace>) => {
    if (namespace.metadata.deletionTimestamp !== undefined) queue.add(keyOf(namespace));
  };
  namespaces.on({ add: enqueue, update: enqueue });

  const emptyOf = async (kind: AnyKind, namespace: string): Promise<Remainder> => {
    const resource = `${kind.plural}.${kind.group}`;
    const none = new Map<string, number>();
    try {
      await client.deleteCollection(kind, { namespace }, { propagationPolicy: "Background" });
      const { items } = await client.listAll(kind, { namespace });
      const finalizers = new Map<string, number>();
      for (const { metadata } of items)
        for (const name of metadata.finalizers ?? []) finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
      return { resource, count: items.length, finalizers };
    } catch (error) {
      // A kind that went away, or that cannot be deleted or listed, holds nothing up.
      if (error instanceof StatusError && (error.code === 404 || error.code === 405))
        return { resource, count: 0, finalizers: none };
      return { resource, count: 0, finalizers: none, error: describeError(error) };
    }
  };

  const reconcile: ControllerOptions["reconcile"] = async (name) => {
    const namespace = namespaces.get(undefined, name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (!namespace.spec.finalizers?.includes(finalizer)) return;
    const kinds = context.kinds().filter((kind) => kind.namespaced && canBeEmptied(kind));
    const remainders = await Promise.all(kinds.map((kind) => emptyOf(kind, name)));
    const remains = remainders.some(({ count, error }) => count > 0 || error !== undefined);
    const conditions = namespaceConditions(namespace.status.conditions, remainders, clock.now());
    let latest = namespace;
    if (remains && !same(conditions, namespace.status.conditions ?? [])) {
      const copy = editable(namespace);
      copy.status.conditions = conditions;
      try {
        latest = await client.updateStatus(namespaceKind, copy);
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
    if (remains) return { requeueAfterMs: 1000 };
    const copy = editable(latest);
    copy.spec.finalizers = copy.spec.finalizers?.filter((each) => each !== finalizer);
    await client.updateSubresource(namespaceKind, "finalize", copy);
    return undefined;
  };

  return runController(
    { ...context, name: "namespace-controller", queue, synced: [namespaces.synced], workers: 3, reconcile },
    signal,
  );
}

function canBeEmptied({ verbs }: AnyKind): boolean {
  return (
    verbs === undefined || (verbs.includes("list") && (verbs.includes("deletecollection") || verbs.includes("delete")))
  );
}
