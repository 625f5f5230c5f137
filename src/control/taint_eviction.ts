import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf, splitKey } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { rfc3339 } from "../env/clock.ts";
import { type Node, nodeKind, type Taint } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import { isNotFound } from "../kinds/status_error.ts";
import { type ControlContext, eventRecorder } from "./context.ts";
import { isPodTerminal, type ObservedPod } from "./pod_state.ts";
import { tolerates } from "./scheduler/filter.ts";

/** These say that a node is lost; they evict nobody while no node at all is ready, since the fault is elsewhere then. */
const lossKeys: ReadonlySet<string> = new Set(["node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"]);

/**
 * How long the pod may stay on a node with these NoExecute taints: 0 when it does not tolerate one of them, undefined when it
 * may stay for ever. Milliseconds since the taint came.
 */
export function toleratedMs(pod: ObservedPod, taint: DeepReadonly<Taint>): number | undefined {
  const fitting = (pod.spec.tolerations ?? []).filter((toleration) => tolerates([toleration], taint));
  if (fitting.length === 0) return 0;
  const limits = fitting.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
  return limits.length === 0 ? undefined : Math.max(0, Math.min(...limits)) * 1000;
}

/**
 * Deletes pods from nodes whose NoExecute taints they do not tolerate, or not for longer. Time counts from when this controller
 * first saw the taint, by its own clock: after a restart every pod has its whole time again.
 */
export function runTaintEvictionController(context: ControlContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = context;
  const nodes = informers.of(nodeKind);
  const pods = informers.of(podKind);
  const byNode = "livingPodOfNode";
  pods.addIndex(byNode, (pod) => (pod.spec.nodeName && !isPodTerminal(pod) ? [pod.spec.nodeName] : []));
  const events = eventRecorder(context, "taint-eviction-controller");
  const queue = new WorkQueue(clock);
  /** When each taint of a node was first seen. */
  const seen = new Map<string, Map<string, number>>();
  const nameOf = ({ key, value = "" }: DeepReadonly<Taint>) => `${key}=${value}`;

  const noExecute = (node: Observed<Node>) => (node.spec.taints ?? []).filter(({ effect }) => effect === "NoExecute");
  const look = (node: Observed<Node>) => {
    const before = seen.get(node.metadata.name) ?? new Map<string, number>();
    const taints = noExecute(node);
    if (taints.length === 0 && before.size === 0) return;
    const now = new Map(taints.map((taint) => [nameOf(taint), before.get(nameOf(taint)) ?? clock.monotonicMs()]));
    seen.set(node.metadata.name, now);
    for (const pod of pods.byIndex(byNode, node.metadata.name)) queue.add(keyOf(pod));
  };
  nodes.on({ add: look, update: look, delete: (node) => seen.delete(node.metadata.name) });
  const enqueue = (pod: ObservedPod) => {
    if (pod.spec.nodeName && seen.has(pod.spec.nodeName)) queue.add(keyOf(pod));
  };
  pods.on({ add: enqueue, update: enqueue });

  const anyReady = () =>
    nodes
      .list()
      .some(({ status }) => status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True"));

  const reconcile: ControllerOptions["reconcile"] = async (key) => {
    const { namespace, name } = splitKey(key);
    const pod = pods.get(namespace, name);
    const node = nodes.get(undefined, pod?.spec.nodeName ?? "");
    if (pod === undefined || node === undefined || isPodTerminal(pod)) return;
    if (pod.metadata.deletionTimestamp !== undefined) return;
    const someReady = anyReady();
    let waitMs: number | undefined;
    let held = false;
    for (const taint of noExecute(node)) {
      const allowedMs = toleratedMs(pod, taint);
      if (allowedMs === undefined) continue;
      if (lossKeys.has(taint.key) && !someReady) {
        held = true;
        continue;
      }
      const sinceMs = seen.get(node.metadata.name)?.get(nameOf(taint)) ?? clock.monotonicMs();
      waitMs = Math.min(waitMs ?? Number.POSITIVE_INFINITY, sinceMs + allowedMs - clock.monotonicMs());
    }
    if (waitMs !== undefined && waitMs <= 0) await evict(pod);
    else if (held) return { requeueAfterMs: 10_000 };
    return { requeueAfterMs: waitMs !== undefined && waitMs > 0 ? waitMs : undefined };
  };

  const evict = async (pod: ObservedPod) => {
    const { namespace, name, uid } = pod.metadata;
    events.report(pod, "Normal", "TaintManagerEviction", `Marking for deletion Pod ${namespace}/${name}`);
    try {
      const copy = editable(pod);
      copy.status.conditions = [
        ...(copy.status.conditions ?? []).filter(({ type }) => type !== "DisruptionTarget"),
        {
          type: "DisruptionTarget",
          status: "True",
          reason: "DeletionByTaintManager",
          message: "Taint manager: deleting due to NoExecute taint",
          lastTransitionTime: rfc3339(clock.now()),
        },
      ];
      await client.updateStatus(podKind, copy);
      await client.delete(podKind, { namespace, name }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const synced = [nodes.synced, pods.synced];
  return runController({ ...context, name: "taint-eviction-controller", queue, synced, reconcile }, signal);
}
