import { syncedOrAborted } from "../client/controller.ts";
import { sleep } from "../env/clock.ts";
import { describeError } from "../env/log.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { isConflict, isNotFound } from "../kinds/status_error.ts";
import type { ControlContext } from "./context.ts";
import { isPodTerminal, type ObservedPod } from "./pod_state.ts";

const intervalMs = 20_000;
/** A node that is gone must stay gone this long, in case it registers again. */
const quarantineMs = 40_000;
const keepTerminated = 12_500;

/** Pods that nobody will ever finish: of nodes that are gone, and ended ones beyond a number that no one reads any more. */
export function planPodGarbage(
  pods: readonly ObservedPod[],
  isGone: (nodeName: string) => boolean,
  keep = keepTerminated,
): ObservedPod[] {
  const orphaned = pods.filter(
    (pod) => pod.spec.nodeName !== undefined && pod.spec.nodeName !== "" && isGone(pod.spec.nodeName),
  );
  const unscheduled = pods.filter((pod) => !pod.spec.nodeName && pod.metadata.deletionTimestamp !== undefined);
  const ended = pods.filter(isPodTerminal);
  const oldest = [...ended].sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
  return [...new Set([...orphaned, ...unscheduled, ...oldest.slice(0, Math.max(0, ended.length - keep))])];
}

/** Removes such pods every 20 s. */
export async function runPodGarbageCollector(context: ControlContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = context;
  const log = context.log.with({ area: "pod-garbage-collector" });
  const pods = informers.of(podKind);
  const nodes = informers.of(nodeKind);
  const goneSince = new Map<string, number>();
  await syncedOrAborted([pods.synced, nodes.synced], signal);
  while (!signal.aborted) {
    await sleep(clock, intervalMs, signal);
    const now = clock.monotonicMs();
    const missing = new Set(pods.list().flatMap(({ spec }) => spec.nodeName || []));
    for (const { metadata } of nodes.list()) missing.delete(metadata.name);
    for (const name of goneSince.keys()) if (!missing.has(name)) goneSince.delete(name);
    for (const name of missing) if (!goneSince.has(name)) goneSince.set(name, now);
    const isGone = (name: string) => now - (goneSince.get(name) ?? now) >= quarantineMs;
    for (const pod of planPodGarbage(pods.list(), isGone)) {
      if (signal.aborted) return;
      try {
        const { uid } = pod.metadata;
        await client.delete(podKind, pod.metadata, { gracePeriodSeconds: 0, preconditions: { uid } });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error))
          log.warn("A pod of a lost node was not removed", { pod: pod.metadata.name, error: describeError(error) });
      }
    }
  }
}
