import type { Client } from "../../client/client.ts";
import { syncedOrAborted } from "../../client/controller.ts";
import { Informers } from "../../client/informers.ts";
import { keyOf } from "../../client/object.ts";
import { type Clock, rfc3339 } from "../../env/clock.ts";
import { describeError, type Log } from "../../env/log.ts";
import type { Random } from "../../env/random.ts";
import { nodeKind } from "../../kinds/core/node.ts";
import { podKind } from "../../kinds/core/pod.ts";
import { editable } from "../../kinds/kind.ts";
import { isConflict, isNotFound } from "../../kinds/status_error.ts";
import { type ControlContext, eventRecorder } from "../context.ts";
import { isPodTerminal, type ObservedPod, podCondition } from "../pod_state.ts";
import { chooseNode } from "./choose.ts";
import { type NodeView, nodeView } from "./node_view.ts";
import { SchedulingQueue } from "./queue.ts";

export const schedulerName = "default-scheduler";

const byNode = "nodeName";

export interface SchedulerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Runs the scheduler on informers of its own until `signal` is aborted; resolves when it has ended. */
export async function startScheduler(options: SchedulerOptions, signal: AbortSignal): Promise<void> {
  const informers = new Informers(options);
  const running = runScheduler({ ...options, informers }, signal);
  informers.start(signal);
  await running;
  await informers.ended();
}

/** Finds a node for each pod that has none. The decisions are in filter.ts and score.ts; ends with `signal`. */
export async function runScheduler(context: ControlContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = context;
  const log = context.log.with({ area: "scheduler" });
  const pods = informers.of(podKind);
  const nodes = informers.of(nodeKind);
  pods.addIndex(byNode, (pod) => (pod.spec.nodeName && !isPodTerminal(pod) ? [pod.spec.nodeName] : []));
  const events = eventRecorder(context, schedulerName);
  const queue = new SchedulingQueue(clock);
  /** Pods that were given a node, which the cache does not show yet, by uid. */
  const assumed = new Map<string, { readonly pod: ObservedPod; readonly nodeName: string }>();

  const consider = (pod: ObservedPod) => {
    const key = keyOf(pod);
    if (pod.spec.nodeName || isPodTerminal(pod)) assumed.delete(pod.metadata.uid);
    if (!isWaiting(pod)) queue.remove(key);
    else if (!assumed.has(pod.metadata.uid)) queue.add(key, pod.metadata.uid, pod.spec.priority ?? 0);
  };
  const looksAtOthers = "looksAtOtherPods";
  pods.addIndex(looksAtOthers, (pod) => {
    const { affinity, topologySpreadConstraints = [] } = pod.spec;
    const looks = affinity?.podAffinity !== undefined || topologySpreadConstraints.length > 0;
    return looks && isWaiting(pod) ? ["waiting"] : [];
  });
  pods.on({
    add: consider,
    update: (pod, old) => {
      consider(pod);
      // Whom it wants to be with, or its counterweight, may have found a place.
      if (pod.spec.nodeName && !old.spec.nodeName)
        for (const waiting of pods.byIndex(looksAtOthers, "waiting")) queue.changed(keyOf(waiting));
      if (isWaiting(pod) && pod.metadata.generation !== old.metadata.generation) queue.changed(keyOf(pod));
      // It no longer takes room, or takes less.
      if (pod.spec.nodeName && (isPodTerminal(pod) || pod.metadata.generation !== old.metadata.generation))
        queue.somethingChanged();
    },
    delete: (pod) => {
      assumed.delete(pod.metadata.uid);
      queue.remove(keyOf(pod));
      if (pod.spec.nodeName) queue.somethingChanged();
    },
  });
  nodes.on({
    add: () => queue.nodeChanged(),
    update: (node, old) => {
      const facts = ({ spec, status, metadata }: typeof node) =>
        JSON.stringify([spec, status.allocatable ?? {}, metadata.labels ?? {}]);
      if (facts(node) !== facts(old)) queue.nodeChanged();
    },
  });

  const views = (): NodeView[] =>
    nodes
      .list()
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map((node) => {
        const { name } = node.metadata;
        const there = pods.byIndex(byNode, name);
        const coming = [...assumed.values()].filter(({ nodeName }) => nodeName === name).map(({ pod }) => pod);
        return nodeView(node, [...there, ...coming]);
      });

  const bind = async (pod: ObservedPod, nodeName: string) => {
    const { namespace = "", name, uid } = pod.metadata;
    try {
      await client.bind({ namespace, name, uid }, nodeName);
      events.report(pod, "Normal", "Scheduled", `Successfully assigned ${namespace}/${name} to ${nodeName}`);
    } catch (error) {
      assumed.delete(uid);
      if (isNotFound(error)) return;
      log.warn("Binding failed; trying again", { pod: keyOf(pod), node: nodeName, error: describeError(error) });
      events.report(pod, "Warning", "FailedScheduling", `binding rejected: ${describeError(error)}`);
      // The informer will say so if it has a node after all.
      clock.schedule(1000, () => {
        const latest = pods.byKey(keyOf(pod));
        if (latest !== undefined) consider(latest);
      });
    }
  };

  const sayUnschedulable = async (pod: ObservedPod, message: string) => {
    events.report(pod, "Warning", "FailedScheduling", message);
    const before = podCondition(pod, "PodScheduled");
    if (before?.status === "False" && before.reason === "Unschedulable" && before.message === message) return;
    const copy = editable(pod);
    const since = before?.status === "False" ? before.lastTransitionTime : undefined;
    copy.status.conditions = [
      ...(copy.status.conditions ?? []).filter(({ type }) => type !== "PodScheduled"),
      {
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message,
        lastTransitionTime: since ?? rfc3339(clock.now()),
      },
    ];
    try {
      await client.updateStatus(podKind, copy);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error))
        log.warn("The condition of a pod without node was not written", {
          pod: keyOf(pod),
          error: describeError(error),
        });
    }
  };

  const close = () => queue.close();
  if (signal.aborted) close();
  else signal.addEventListener("abort", close, { once: true });
  await syncedOrAborted([pods.synced, nodes.synced], signal);
  for (let key = await queue.next(); key !== undefined; key = await queue.next()) {
    const pod = pods.byKey(key);
    if (pod === undefined || !isWaiting(pod)) {
      queue.placed(key);
      continue;
    }
    const choice = chooseNode(pod, views());
    if (choice.nodeName === undefined) {
      await sayUnschedulable(pod, choice.message);
      queue.failed(key);
      continue;
    }
    assumed.set(pod.metadata.uid, { pod, nodeName: choice.nodeName });
    queue.placed(key);
    void bind(pod, choice.nodeName);
  }
}

function isWaiting(pod: ObservedPod): boolean {
  return (
    !pod.spec.nodeName &&
    !isPodTerminal(pod) &&
    pod.metadata.deletionTimestamp === undefined &&
    (pod.spec.schedulerName ?? schedulerName) === schedulerName &&
    (pod.spec.schedulingGates ?? []).length === 0
  );
}
