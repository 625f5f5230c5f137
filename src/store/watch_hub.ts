import type { Clock, Timer } from "../env/clock.ts";
import { Audience, type Group, type Watcher } from "./audience.ts";
import { type Mvcc, spanOf, type Version } from "./mvcc.ts";
import { StoreError, type Watch, type WatchEvent, type WatchListener, type WatchRequest } from "./store.ts";

/** Versions looked at and calls of listeners made before others get their turn. */
const workAtOnce = 20_000;

/**
 * Tells watchers of changes: each change of the range once, in the order of revisions, all changes of a revision in one call.
 * Calls come from inside `publish`, from a microtask after `watch`, or, for who starts far in the past, from a timer; never from
 * inside `watch` itself.
 *
 * A watcher is either `behind`, and then reads the history together with all others that are, or has joined the audience that
 * `publish` tells as it happens. A change costs a logarithm of the number of ranges, and a call for each watcher that it concerns.
 */
export class WatchHub {
  readonly #mvcc: () => Mvcc;
  readonly #clock: Clock;
  readonly #audience = new Audience();
  readonly #behind = new Set<Watcher>();
  #catchUpPlanned = false;
  #catchUpTimer: Timer | undefined;

  constructor(mvcc: () => Mvcc, clock: Clock) {
    this.#mvcc = mvcc;
    this.#clock = clock;
  }

  get size(): number {
    return this.#audience.size + this.#behind.size;
  }

  watch(request: WatchRequest, listener: WatchListener): Watch {
    const start = request.startRevision ?? 0;
    const watcher: Watcher = {
      request,
      listener,
      span: spanOf(request),
      next: start > 0 ? start : this.#mvcc().revision + 1,
      progressAsked: false,
      cancelled: false,
    };
    this.#behind.add(watcher);
    this.#planCatchUp();
    return {
      requestProgress: () => {
        watcher.progressAsked = true;
        queueMicrotask(() => {
          if (!this.#behind.has(watcher)) this.#progress(watcher);
        });
      },
      cancel: () => this.#leave(watcher),
    };
  }

  #leave(watcher: Watcher): void {
    if (watcher.cancelled) return;
    watcher.cancelled = true;
    if (!this.#behind.delete(watcher)) this.#audience.remove(watcher);
  }

  #progress(watcher: Watcher): void {
    if (watcher.cancelled || !watcher.progressAsked) return;
    watcher.progressAsked = false;
    watcher.listener.progress?.(this.#mvcc().revision);
  }

  #planCatchUp(): void {
    if (this.#catchUpPlanned || this.#catchUpTimer !== undefined) return;
    this.#catchUpPlanned = true;
    queueMicrotask(() => {
      this.#catchUpPlanned = false;
      this.#catchUp();
    });
  }

  #catchUp(): void {
    const mvcc = this.#mvcc();
    const late = new Audience();
    let from = Number.POSITIVE_INFINITY;
    for (const watcher of [...this.#behind]) {
      if (watcher.next < mvcc.compactRevision) {
        // Cancelled first: its listener may do anything, also start another watch.
        this.#leave(watcher);
        watcher.listener.ended(
          new StoreError(
            "Compacted",
            `Cannot watch from revision ${watcher.next}: revisions before ${mvcc.compactRevision} are compacted`,
            { compactRevision: mvcc.compactRevision },
          ),
        );
      } else if (watcher.next > mvcc.revision) this.#join(watcher);
      else {
        late.add(watcher);
        from = Math.min(from, watcher.next);
      }
    }
    if (late.size === 0) return;
    const next = this.#tellPast(mvcc, late, from);
    for (const watcher of late.watchers()) {
      if (watcher.cancelled) continue;
      watcher.next = Math.max(watcher.next, next);
      if (watcher.next > mvcc.revision) this.#join(watcher);
    }
    if (this.#behind.size === 0) return;
    this.#catchUpTimer ??= this.#clock.schedule(0, () => {
      this.#catchUpTimer = undefined;
      this.#catchUp();
    });
  }

  /** It knows all that there is. */
  #join(watcher: Watcher): void {
    this.#behind.delete(watcher);
    this.#audience.add(watcher);
    this.#progress(watcher);
  }

  /** Tells of revisions from `from` on, as many as is fit for one turn; returns the first one that is left. */
  #tellPast(mvcc: Mvcc, late: Audience, from: number): number {
    let work = 0;
    let batch: Version[] = [];
    const tell = () => {
      const [first] = batch;
      if (first !== undefined) work += publishTo(late, first.modRevision, batch, mvcc.compactRevision);
      batch = [];
    };
    const next = mvcc.changesFrom(from, (version) => {
      if (batch[0] !== undefined && batch[0].modRevision !== version.modRevision) tell();
      batch.push(version);
      return ++work < workAtOnce;
    });
    tell();
    return next;
  }

  /** A transaction was committed. */
  publish(revision: number, changes: readonly Version[]): void {
    if (this.#audience.size > 0) publishTo(this.#audience, revision, changes, 0);
  }

  /** The state has leapt ahead, to a snapshot: everyone is told of what lies between, or that it is compacted. */
  resume(): void {
    for (const watcher of this.#audience.watchers()) {
      this.#audience.remove(watcher);
      this.#behind.add(watcher);
    }
    if (this.#behind.size > 0) this.#planCatchUp();
  }

  /** Ends every watch. */
  endAll(reason: StoreError): void {
    this.#catchUpTimer?.cancel();
    this.#catchUpTimer = undefined;
    for (const watcher of [...this.#behind, ...this.#audience.watchers()]) {
      if (watcher.cancelled) continue;
      this.#leave(watcher);
      watcher.listener.ended(reason);
    }
  }
}

/** Returns how many listeners were called. */
function publishTo(audience: Audience, revision: number, changes: readonly Version[], compactRevision: number): number {
  const [first] = changes;
  if (first === undefined) return 0;
  let calls = 0;
  if (changes.length === 1) {
    for (const group of audience.concerned(first.name)) calls += deliver(group, revision, changes, compactRevision);
    return calls;
  }
  const concerned = new Map<Group, Version[]>();
  for (const version of changes) {
    for (const group of audience.concerned(version.name)) {
      const versions = concerned.get(group);
      if (versions === undefined) concerned.set(group, [version]);
      else versions.push(version);
    }
  }
  for (const [group, versions] of concerned) calls += deliver(group, revision, versions, compactRevision);
  return calls;
}

/** All watchers of a group share the lists of events: most want the same. */
function deliver(group: Group, revision: number, versions: readonly Version[], compactRevision: number): number {
  let plain: readonly WatchEvent[] | undefined;
  let withPrevious: readonly WatchEvent[] | undefined;
  let calls = 0;
  for (const watcher of group.watchers) {
    if (watcher.cancelled || revision < watcher.next) continue;
    watcher.next = revision + 1;
    const { filter, previous } = watcher.request;
    let events: readonly WatchEvent[];
    if (previous === true) {
      withPrevious ??= versions.map((version) => eventOf(version, compactRevision));
      events = withPrevious;
    } else {
      plain ??= versions.map((version) => ({ type: version.deleted ? "delete" : "put", kv: version }));
      events = plain;
    }
    if (filter?.noPut || filter?.noDelete)
      events = events.filter(({ type }) => !(type === "put" ? filter.noPut : filter.noDelete));
    if (events.length === 0) continue;
    watcher.listener.events(revision, events);
    calls++;
  }
  return calls;
}

/** What was before is told where it can still be read, whether it was forgotten yet or not: all members tell the same. */
function eventOf(version: Version, compactRevision: number): WatchEvent {
  const type = version.deleted ? "delete" : "put";
  const before = version.modRevision > compactRevision ? version.previous : undefined;
  return before === undefined || before.deleted ? { type, kv: version } : { type, kv: version, previous: before };
}
