import type { Clock } from "../../env/clock.ts";
import { describeError, type Log } from "../../env/log.ts";
import { StatusError } from "../../kinds/status_error.ts";
import type { CoreEvent } from "../core.ts";
import { pulledStream } from "./pulled_stream.ts";
import { internalError } from "./respond.ts";

const encoder = new TextEncoder();
/** How long a watch may take to be refused with a proper HTTP status; after that its headers go out. */
const refusalMs = 5;
/** Watches end after this time at the latest, so that clients spread over members again. */
const longestMs = 60 * 60_000;

export interface WatchStreamOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The client's wish, in seconds. */
  readonly timeoutSeconds: number | undefined;
  /** Aborted when the client is gone. */
  readonly disconnected: AbortSignal;
  start(signal: AbortSignal): AsyncIterable<CoreEvent>;
  /** One line, with its line end. */
  encode(event: CoreEvent): Uint8Array;
}

/**
 * A watch as JSON lines. Headers go out at once; the next event is taken from the core only when the client has taken
 * the one before, so that the core's bound on a slow watcher holds.
 */
export async function watchResponse(options: WatchStreamOptions): Promise<Response> {
  const { clock, log, disconnected } = options;
  const stop = new AbortController();
  const end = () => stop.abort();
  const timer = clock.schedule(Math.min((options.timeoutSeconds ?? 3600) * 1000, longestMs), end);
  disconnected.addEventListener("abort", end, { once: true });
  if (disconnected.aborted) end();
  const release = () => {
    timer.cancel();
    disconnected.removeEventListener("abort", end);
    stop.abort();
  };

  let events: AsyncIterator<CoreEvent>;
  try {
    events = options.start(stop.signal)[Symbol.asyncIterator]();
  } catch (error) {
    release();
    throw error;
  }
  const first = events.next();
  // A bad request fails before anything was awaited for long. It gets its own HTTP status, not an event in a stream.
  let grace = clock.schedule(0, () => {});
  const started = new Promise<"started">((resolve) => {
    grace = clock.schedule(refusalMs, () => resolve("started"));
  });
  try {
    await Promise.race([first, started]);
  } catch (error) {
    release();
    throw error;
  } finally {
    grace.cancel();
  }

  let pending: Promise<IteratorResult<CoreEvent>> | undefined = first;
  const body = pulledStream<CoreEvent>({
    source: {
      next() {
        const next = pending ?? events.next();
        pending = undefined;
        return next;
      },
      return: () => events.return?.() ?? Promise.resolve({ done: true, value: undefined }),
    },
    encode: options.encode,
    lastWords(error) {
      const status = error instanceof StatusError ? error : internalError();
      if (status !== error) log.error("a watch failed", { error: describeError(error) });
      return encoder.encode(`${JSON.stringify({ type: "ERROR", object: status.toStatus() })}\n`);
    },
    release,
  });
  first.catch(() => undefined);
  return new Response(body, {
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-cache, private" },
  });
}
