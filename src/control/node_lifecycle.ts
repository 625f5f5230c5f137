import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { rfc3339 } from "../env/clock.ts";
import { leaseKind } from "../kinds/coordination/lease.ts";
import { type Node, type NodeCondition, nodeKind, type Taint } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import { isConflict, isNotFound } from "../kinds/status_error.ts";
import { type ControlContext, eventRecorder } from "./context.ts";
import { isPodReady } from "./pod_state.ts";
import { same } from "./same.ts";

/** A node whose Lease was not renewed for this long is not heard of. */
const graceMs = 50_000;
/** A server whose connection to its peers is gone: the connection itself took up to 3 s to notice. */
const lostGraceMs = 7_000;
const askEveryMs = 10_000;
const askForServersEveryMs = 1_000;
const leaseNamespace = "kube-node-lease";
const heartbeatConditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

const notReady = "node.kubernetes.io/not-ready";
const unreachable = "node.kubernetes.io/unreachable";
const unschedulable = "node.kubernetes.io/unschedulable";
const pressures: Readonly<Record<string, string>> = {
  MemoryPressure: "node.kubernetes.io/memory-pressure",
  DiskPressure: "node.kubernetes.io/disk-pressure",
  PIDPressure: "node.kubernetes.io/pid-pressure",
  NetworkUnavailable: "node.kubernetes.io/network-unavailable",
};
const ownKeys: ReadonlySet<string> = new Set([notReady, unreachable, unschedulable, ...Object.values(pressures)]);

const conditionOf = (node: Observed<Node>, type: string) => node.status.conditions?.find((each) => each.type === type);

/** The taints that follow from a node's conditions and its spec; those of others stay. */
export function wantedTaints(node: Observed<Node>, nowMs: number): DeepReadonly<Taint>[] {
  const present = node.spec.taints ?? [];
  const wanted: Taint[] = [];
  const add = (key: string, ...effects: string[]) => {
    for (const effect of effects) {
      const before = present.find((taint) => taint.key === key && taint.effect === effect);
      wanted.push(editable(before ?? { key, effect, timeAdded: rfc3339(nowMs) }));
    }
  };
  const ready = conditionOf(node, "Ready")?.status;
  if (ready === "Unknown") add(unreachable, "NoSchedule", "NoExecute");
  else if (ready !== "True") add(notReady, "NoSchedule", "NoExecute");
  if (node.spec.unschedulable) add(unschedulable, "NoSchedule");
  for (const [type, key] of Object.entries(pressures))
    if (conditionOf(node, type)?.status === "True") add(key, "NoSchedule");
  return [...present.filter(({ key }) => !ownKeys.has(key)), ...wanted];
}

/** What stands in the status of a node that is not heard of. */
export function unheardConditions(node: Observed<Node>, nowMs: number): DeepReadonly<NodeCondition>[] {
  const now = rfc3339(nowMs);
  const others = (node.status.conditions ?? []).filter(({ type }) => !heartbeatConditions.includes(type));
  const lost = heartbeatConditions.map((type): DeepReadonly<NodeCondition> => {
    const before = conditionOf(node, type);
    if (before?.status === "Unknown") return before;
    const [reason, message] =
      before === undefined
        ? ["NodeStatusNeverUpdated", "Kubelet never posted node status."]
        : ["NodeStatusUnknown", "Kubelet stopped posting node status."];
    const heartbeat = before?.lastHeartbeatTime ?? node.metadata.creationTimestamp;
    return { type, status: "Unknown", reason, message, lastHeartbeatTime: heartbeat, lastTransitionTime: now };
  });
  return [...others, ...lost];
}

/**
 * Watches over nodes: one that no longer renews its Lease becomes Unknown, taints follow the conditions, and the pods of a
 * node that is not heard of leave the endpoints. When a Lease changed is measured by this process's own clock, so that a wrong
 * clock elsewhere kills no node. taint_eviction.ts does the rest.
 */
export function runNodeLifecycleController(
  context: ControlContext & {
    /** Whether the node, if it is a server of the cluster, is connected to this one now; undefined: it is none. */
    readonly isServerReachable?: ((nodeName: string) => boolean | undefined) | undefined;
  },
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock, isServerReachable = () => undefined } = context;
  const nodes = informers.of(nodeKind);
  const pods = informers.of(podKind);
  const byNode = "everyPodOfNode";
  pods.addIndex(byNode, (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []));
  const events = eventRecorder(context, "node-controller");
  const queue = new WorkQueue(clock);
  /** When each node was last heard of, by the monotonic clock. */
  const heard = new Map<string, number>();
  const renewals = new Map<string, string>();
  const hear = (name: string) => heard.set(name, clock.monotonicMs());

  nodes.on({
    add: (node) => {
      if (!heard.has(node.metadata.name)) hear(node.metadata.name);
      queue.add(keyOf(node));
    },
    update: (node, old) => {
      const beat = (each: Observed<Node>) => conditionOf(each, "Ready")?.lastHeartbeatTime;
      if (beat(node) !== beat(old)) hear(node.metadata.name);
      queue.add(keyOf(node));
    },
    delete: (node) => {
      heard.delete(node.metadata.name);
      renewals.delete(node.metadata.name);
    },
  });
  /** The API keeps renewals in memory and tells no watch of them: they have to be asked for. */
  const askForLease = async (name: string) => {
    try {
      const { spec } = await client.get(leaseKind, { namespace: leaseNamespace, name });
      if (spec.renewTime !== renewals.get(name)) hear(name);
      if (spec.renewTime !== undefined) renewals.set(name, spec.renewTime);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const reconcile: ControllerOptions["reconcile"] = async (name) => {
    let node = nodes.get(undefined, name);
    if (node === undefined) return;
    const reachable = isServerReachable(name);
    if (reachable) hear(name);
    else await askForLease(name);
    const silentMs = clock.monotonicMs() - (heard.get(name) ?? 0);
    if (silentMs >= (reachable === false ? lostGraceMs : graceMs)) {
      const conditions = unheardConditions(node, clock.now());
      if (!same(conditions, node.status.conditions ?? [])) {
        const wasReady = conditionOf(node, "Ready")?.status === "True";
        const copy = editable(node);
        copy.status.conditions = editable(conditions);
        node = await client.updateStatus(nodeKind, copy);
        if (wasReady) events.report(node, "Normal", "NodeNotReady", `Node ${name} status is now: NodeNotReady`);
      }
    }
    const taints = wantedTaints(node, clock.now());
    if (!same(taints, node.spec.taints ?? [])) {
      const { uid, resourceVersion } = node.metadata;
      const body = { metadata: { uid, resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } };
      await client.patch(nodeKind, { name }, "application/merge-patch+json", body);
    }
    // A kubelet that says itself that its node is not ready is there, and knows its pods better than this.
    if (conditionOf(node, "Ready")?.status === "Unknown") await markPodsNotReady(name);
    return { requeueAfterMs: reachable === undefined ? askEveryMs : askForServersEveryMs };
  };

  const markPodsNotReady = async (nodeName: string) => {
    for (const pod of pods.byIndex(byNode, nodeName)) {
      if (!isPodReady(pod)) continue;
      const copy = editable(pod);
      for (const condition of copy.status.conditions ?? []) {
        if (condition.type !== "Ready") continue;
        condition.status = "False";
        condition.lastTransitionTime = rfc3339(clock.now());
      }
      try {
        await client.updateStatus(podKind, copy);
        events.report(pod, "Warning", "NodeNotReady", "Node is not ready");
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    }
  };

  const synced = [nodes.synced, pods.synced];
  return runController({ ...context, name: "node-lifecycle-controller", queue, synced, reconcile }, signal);
}
