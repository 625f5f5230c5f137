import type { Timer } from "../../env/clock.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import { forbiddenValue, invalid, StatusError } from "../../kinds/status_error.ts";
import type { StoreError } from "../../store/store.ts";
import type { CoreEvent } from "../core.ts";
import { collectionPrefix } from "./keys.ts";
import { deepFreeze, type StoredObject } from "./object.ts";
import { integerOf, isTrue, type Query, revisionOf, type Selection, selectionOf } from "./query.ts";
import { listObjects, tooLarge } from "./read.ts";
import type { Registry, Subject } from "./registry.ts";
import { atRevision, type HubEvent, type Subscription } from "./watch_hub.ts";
import { Inbox } from "./watch_inbox.ts";

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

/** A watch of one client. Yields until `signal` aborts or the time is over; throws StatusError 410, 429 or 503. */
export class ObjectWatch implements AsyncIterableIterator<CoreEvent> {
  readonly #registry: Registry;
  readonly #subject: Subject;
  readonly #plan: WatchPlan;
  readonly #inbox: Inbox;
  #begun: Promise<void> | undefined;
  #live = false;
  /** The present state, which comes before every change. */
  #initial: CoreEvent[] = [];
  #sent = 0;
  #subscription: Subscription | undefined;
  #bookmarkTimer: Timer | undefined;

  constructor(registry: Registry, subject: Subject, plan: WatchPlan, signal: AbortSignal) {
    this.#registry = registry;
    this.#subject = subject;
    this.#plan = plan;
    this.#inbox = new Inbox(registry.clock, signal, plan.timeoutMs, () => this.#release());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<CoreEvent, undefined>> {
    // Not a generator on purpose: an event that waits costs one tick, whatever the number of clients.
    if (!this.#live) {
      this.#begun ??= this.#begin();
      try {
        await this.#begun;
      } catch (error) {
        this.#inbox.close();
        throw error;
      }
    }
    if (this.#sent < this.#initial.length && !this.#inbox.ended) {
      const value = this.#initial[this.#sent++];
      if (this.#sent === this.#initial.length) this.#initial = [];
      if (value) return { done: false, value };
    }
    try {
      const value = await this.#inbox.next();
      return value === undefined ? { done: true, value: undefined } : { done: false, value };
    } catch (error) {
      this.#inbox.close();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<CoreEvent, undefined>> {
    this.#inbox.close();
    return { done: true, value: undefined };
  }

  async #begin(): Promise<void> {
    const { kind, namespace } = this.#subject;
    const { selection, initial, marksEnd, atLeast, bookmarks } = this.#plan;
    const { hub, clock } = this.#registry;
    const resource = collectionPrefix(kind);
    const prefix = collectionPrefix(kind, namespace);
    hub.open(resource);
    let { from } = this.#plan;
    if (from === undefined) {
      const list = await listObjects(this.#registry, this.#subject, initialQuery(this.#plan));
      from = Number(list.metadata.resourceVersion);
      if (atLeast > from) throw tooLarge(atLeast, from);
      if (initial)
        for (const object of list.items)
          if (selection.everything || selection.matches(object)) this.#initial.push({ type: "ADDED", object });
      if (marksEnd) this.#initial.push(bookmarkOf(kind, from, true));
    }
    const start = from;
    this.#live = true;
    if (this.#inbox.ended) return;
    const subscription = hub.subscribe(resource, start, {
      event: (event) => {
        if (prefix !== resource && !event.key.startsWith(prefix)) return;
        const shown = translate(event, selection);
        if (shown) this.#inbox.push(shown, event.size);
      },
      ended: (reason) => this.#inbox.fail(endOf(reason, start)),
    });
    this.#subscription = subscription;
    if (!bookmarks) return;
    const remind = () => {
      this.#inbox.remind(() => bookmarkOf(kind, subscription.revision(), false));
      this.#bookmarkTimer = clock.schedule(bookmarkEveryMs, remind);
    };
    this.#bookmarkTimer = clock.schedule(bookmarkEveryMs, remind);
  }

  #release(): void {
    this.#bookmarkTimer?.cancel();
    this.#subscription?.cancel();
    this.#initial = [];
  }
}

function bookmarkOf(kind: AnyKind, revision: number, end: boolean): CoreEvent {
  const metadata = {
    resourceVersion: String(revision),
    ...(end ? { annotations: { [initialEventsEnd]: "true" } } : {}),
  };
  return { type: "BOOKMARK", object: deepFreeze({ kind: kind.kind, apiVersion: kind.apiVersion, metadata }) };
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
