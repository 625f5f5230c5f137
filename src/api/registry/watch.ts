import type { Clock, Timer } from "../../env/clock.ts";
import { forbiddenValue, invalid, StatusError } from "../../kinds/status_error.ts";
import type { StoreError } from "../../store/store.ts";
import type { CoreEvent } from "../core.ts";
import { collectionPrefix } from "./keys.ts";
import { deepFreeze, type StoredObject } from "./object.ts";
import { integerOf, isTrue, type Query, revisionOf, type Selection, selectionOf } from "./query.ts";
import { listObjects, tooLarge } from "./read.ts";
import type { Registry, Subject } from "./registry.ts";
import { atRevision, type HubEvent, type Subscription } from "./watch_hub.ts";

/** What may wait for a client before it is dropped. */
const waitingEvents = 1_000;
const waitingBytes = 16 << 20;
const bookmarkEveryMs = 60_000;
const initialEventsEnd = "k8s.io/initial-events-end";

export interface WatchPlan {
  readonly selection: Selection;
  /** undefined: from the present state on. */
  readonly from: number | undefined;
  /** The present objects first, as ADDED. */
  readonly initial: boolean;
  /** A bookmark that says so when they are all sent. */
  readonly marksEnd: boolean;
  readonly atLeast: number;
  readonly bookmarks: boolean;
  /** 0: no end. */
  readonly timeoutMs: number;
}

/** Reads a watch's query; throws StatusError 400 or 422. */
export function watchPlan(subject: Subject, query: Query): WatchPlan {
  const selection = selectionOf(subject.kind, query);
  const revision = revisionOf(query.resourceVersion);
  const match = query.resourceVersionMatch ?? "";
  const sends = query.sendInitialEvents;
  const refuse = (field: string, detail: string) =>
    invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [forbiddenValue(field, detail)]);
  if (sends === undefined && match !== "")
    throw refuse(
      "resourceVersionMatch",
      "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    );
  if (sends !== undefined && match !== "NotOlderThan")
    throw refuse("sendInitialEvents", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  const fromNow = revision === undefined || revision === 0;
  const initial = sends === undefined ? fromNow : isTrue(sends);
  const bookmarks = isTrue(query.allowWatchBookmarks);
  return {
    selection,
    from: initial || fromNow ? undefined : revision,
    initial,
    marksEnd: sends !== undefined && initial && bookmarks,
    atLeast: initial ? (revision ?? 0) : 0,
    bookmarks,
    timeoutMs: Math.max(0, integerOf(query, "timeoutSeconds") ?? 0) * 1000,
  };
}

/** Yields until `signal` aborts or the time is over. Throws StatusError 410, 429 or 503. */
export async function* watchObjects(
  registry: Registry,
  subject: Subject,
  plan: WatchPlan,
  signal: AbortSignal,
): AsyncGenerator<CoreEvent, void, undefined> {
  const { kind, namespace } = subject;
  const { selection } = plan;
  const resource = collectionPrefix(kind);
  const prefix = collectionPrefix(kind, namespace);
  registry.hub.open(resource);
  const inbox = new Inbox(registry.clock, signal, plan.timeoutMs);
  let subscription: Subscription | undefined;
  let bookmarkTimer: Timer | undefined;
  const bookmark = (revision: number, end = false): CoreEvent => ({
    type: "BOOKMARK",
    object: deepFreeze({
      kind: kind.kind,
      apiVersion: kind.apiVersion,
      metadata: {
        resourceVersion: String(revision),
        ...(end ? { annotations: { [initialEventsEnd]: "true" } } : {}),
      },
    }),
  });
  try {
    let from = plan.from;
    if (from === undefined) {
      const list = await listObjects(registry, subject, initialQuery(plan));
      from = Number(list.metadata.resourceVersion);
      if (plan.atLeast > from) throw tooLarge(plan.atLeast, from);
      if (plan.initial)
        for (const object of list.items) {
          if (signal.aborted) return;
          if (selection.everything || selection.matches(object)) yield { type: "ADDED", object };
        }
      if (plan.marksEnd) yield bookmark(from, true);
    }
    subscription = registry.hub.subscribe(resource, from, {
      event: (event) => {
        if (prefix !== resource && !event.key.startsWith(prefix)) return;
        const shown = translate(event, selection);
        if (shown) inbox.push(shown, event.size);
      },
      ended: (reason) => inbox.fail(endOf(reason, from)),
    });
    const source = subscription;
    if (plan.bookmarks) {
      const remind = () => {
        inbox.remind(() => bookmark(source.revision()));
        bookmarkTimer = registry.clock.schedule(bookmarkEveryMs, remind);
      };
      bookmarkTimer = registry.clock.schedule(bookmarkEveryMs, remind);
    }
    for (;;) {
      const event = await inbox.next();
      if (event === undefined) return;
      yield event;
    }
  } finally {
    bookmarkTimer?.cancel();
    subscription?.cancel();
    inbox.close();
  }
}

/** Only the present state is asked for: selectors are applied to it by the watch itself. */
function initialQuery(plan: WatchPlan): Query {
  return plan.selection.name === undefined ? {} : { fieldSelector: `metadata.name=${plan.selection.name}` };
}

/** What a client with this selection sees of a change. */
export function translate(event: HubEvent, selection: Selection): CoreEvent | undefined {
  const { type, object, previous, revision } = event;
  const before = previous !== undefined && (selection.everything || selection.matches(previous));
  if (type === "delete") return before ? { type: "DELETED", object } : undefined;
  const now = selection.everything || selection.matches(object);
  if (now) return { type: before ? "MODIFIED" : "ADDED", object };
  if (!before || previous === undefined) return undefined;
  // It left the selection: its last state inside, at the revision that took it out.
  return { type: "DELETED", object: atRevision(previous, revision) satisfies StoredObject };
}

function endOf(reason: StoreError, from: number): StatusError {
  if (reason.code === "Compacted")
    return expired(`too old resource version: ${from} (${reason.compactRevision ?? "unknown"})`);
  return new StatusError(
    503,
    "ServiceUnavailable",
    `the watch ended: ${reason.message}`,
    { retryAfterSeconds: 1 },
    reason,
  );
}

export function expired(message: string, cause?: unknown): StatusError {
  return new StatusError(410, "Expired", message, undefined, cause);
}

/** What waits for one client: bounded, ended by a signal, a time-out or an error. */
class Inbox {
  #events: { readonly event: CoreEvent; readonly size: number }[] = [];
  #bytes = 0;
  #reminder: (() => CoreEvent) | undefined;
  #ended = false;
  #error: StatusError | undefined;
  #wake: (() => void) | undefined;
  readonly #signal: AbortSignal;
  readonly #timer: Timer | undefined;
  readonly #finish = () => this.#end();

  constructor(clock: Clock, signal: AbortSignal, timeoutMs: number) {
    this.#signal = signal;
    if (signal.aborted) this.#ended = true;
    else signal.addEventListener("abort", this.#finish, { once: true });
    if (timeoutMs > 0) this.#timer = clock.schedule(timeoutMs, this.#finish);
  }

  push(event: CoreEvent, size: number): void {
    if (this.#ended || this.#error) return;
    this.#events.push({ event, size });
    this.#bytes += size;
    if (this.#events.length > waitingEvents || this.#bytes > waitingBytes) {
      this.#events = [];
      this.fail(
        new StatusError(
          429,
          "TooManyRequests",
          `This watch is too slow: more than ${waitingEvents} events or ${waitingBytes >> 20} MB wait for it. List again and watch from there.`,
          { retryAfterSeconds: 1 },
        ),
      );
    }
    this.#wake?.();
  }

  /** Calls `make` for an event once nothing else waits, so that a bookmark never overtakes a change. */
  remind(make: () => CoreEvent): void {
    this.#reminder = make;
    this.#wake?.();
  }

  fail(error: StatusError): void {
    this.#error ??= error;
    this.#wake?.();
  }

  /** The next event; undefined at the end. What waits is delivered before an error is thrown. */
  async next(): Promise<CoreEvent | undefined> {
    for (;;) {
      if (this.#ended) return undefined;
      const first = this.#events.shift();
      if (first) {
        this.#bytes -= first.size;
        return first.event;
      }
      if (this.#error) throw this.#error;
      const reminder = this.#reminder;
      if (reminder) {
        this.#reminder = undefined;
        return reminder();
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  close(): void {
    this.#end();
    this.#timer?.cancel();
    this.#signal.removeEventListener("abort", this.#finish);
  }

  #end(): void {
    this.#ended = true;
    this.#events = [];
    this.#wake?.();
  }
}
