import type { Clock } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import { isConflict, isNotFound } from "../kinds/status_error.ts";
import type { WorkQueue } from "./workqueue.ts";

export interface ReconcileResult {
  /** Look at the key again after this time, though nothing went wrong. */
  readonly requeueAfterMs?: number | undefined;
}

export interface ControllerOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Event handlers put keys in here. */
  readonly queue: WorkQueue;
  /** Resolve when the caches that `reconcile` reads hold a whole list; no key is worked on before. */
  readonly synced: readonly Promise<unknown>[];
  /** Keys that are worked on at the same time. */
  readonly workers?: number;
  /**
   * Brings the world a step nearer to what the key's object wants. Level-based: it is told which object, never what happened,
   * looks at everything itself, and may be called at any time and any number of times. NotFound is done: the event
   * of what vanished calls again if there is something left to do. Throw to be called again after a growing pause.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most controllers return nothing
  reconcile(key: string): Promise<ReconcileResult | void>;
}

/** Works on keys until `signal` is aborted; resolves when the last worker has finished what it was doing. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { queue, name } = options;
  const log = options.log.with({ area: name });
  const stop = () => queue.shutDown();
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  await syncedOrAborted(options.synced, signal);
  const worker = async () => {
    for (let key = await queue.next(); key !== undefined; key = await queue.next()) {
      try {
        const result = await options.reconcile(key);
        queue.forget(key);
        if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
      } catch (error) {
        if (isNotFound(error)) queue.forget(key);
        else {
          if (isConflict(error)) log.debug("Reconciling met a newer version; trying again", { key });
          else if (!signal.aborted) log.warn("Reconciling failed; trying again", { key, error: describeError(error) });
          queue.addRateLimited(key);
        }
      } finally {
        queue.done(key);
      }
    }
  };
  await Promise.all(Array.from({ length: options.workers ?? 1 }, worker));
  signal.removeEventListener("abort", stop);
}

/** Resolves when all caches hold their first list, or when it no longer matters. */
export async function syncedOrAborted(synced: readonly Promise<unknown>[], signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    Promise.all(synced).then(() => resolve());
  });
}
