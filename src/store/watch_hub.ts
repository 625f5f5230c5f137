import { type Mvcc, type Span, spanHolds, spanOf, type Version } from "./mvcc.ts";
import { StoreError, type Watch, type WatchEvent, type WatchListener, type WatchRequest } from "./store.ts";

interface Watcher {
  readonly request: WatchRequest;
  readonly listener: WatchListener;
  readonly span: Span;
  /** The next revision that it has not seen. */
  next: number;
  /** False until it was told of the past; then every commit is handed on as it happens. */
  synced: boolean;
  cancelled: boolean;
}

/** Watchers of the same range share the work of finding out what concerns them. */
interface Group {
  readonly span: Span;
  readonly watchers: Set<Watcher>;
}

function eventOf(version: Version, previous: boolean): WatchEvent {
  const before = previous && version.previous !== undefined && !version.previous.deleted ? version.previous : undefined;
  const type = version.deleted ? "delete" : "put";
  return before === undefined ? { type, kv: version } : { type, kv: version, previous: before };
}

/**
 * Tells watchers of changes: each change of the range once, in the order of revisions, all changes of a revision in one call.
 * Every call comes from inside `publish` or from a microtask after `watch`, never from inside `watch` itself.
 */
export class WatchHub {
  readonly #mvcc: () => Mvcc;
  readonly #keys = new Map<string, Group>();
  readonly #ranges = new Map<string, Group>();

  constructor(mvcc: () => Mvcc) {
    this.#mvcc = mvcc;
  }

  get size(): number {
    let size = 0;
    for (const groups of [this.#keys, this.#ranges]) for (const { watchers } of groups.values()) size += watchers.size;
    return size;
  }

  watch(request: WatchRequest, listener: WatchListener): Watch {
    const span = spanOf(request);
    const current = this.#mvcc().revision;
    const start = request.startRevision ?? 0;
    const watcher: Watcher = {
      request,
      listener,
      span,
      next: start > 0 ? start : current + 1,
      synced: false,
      cancelled: false,
    };
    const groups = span.high === undefined ? this.#keys : this.#ranges;
    const id = span.high === undefined ? span.low : `${span.low.length}:${span.low}${span.high}`;
    let group = groups.get(id);
    if (group === undefined) {
      group = { span, watchers: new Set() };
      groups.set(id, group);
    }
    group.watchers.add(watcher);
    const joined = group;
    const cancel = () => {
      watcher.cancelled = true;
      joined.watchers.delete(watcher);
      if (joined.watchers.size === 0 && groups.get(id) === joined) groups.delete(id);
    };
    queueMicrotask(() => {
      if (joined.watchers.has(watcher)) this.#catchUp(watcher, cancel);
    });
    return { requestProgress: () => queueMicrotask(() => this.#progress(watcher)), cancel };
  }

  /** `watch` was before, so its own catching up is too. */
  #progress(watcher: Watcher): void {
    const { revision } = this.#mvcc();
    if (watcher.synced && !watcher.cancelled) watcher.listener.progress?.(revision);
  }

  #catchUp(watcher: Watcher, cancel: () => void): void {
    const mvcc = this.#mvcc();
    if (watcher.next < mvcc.compactRevision) {
      cancel();
      watcher.listener.ended(
        new StoreError(
          "Compacted",
          `Cannot watch from revision ${watcher.next}: revisions before ${mvcc.compactRevision} are compacted`,
          { compactRevision: mvcc.compactRevision },
        ),
      );
      return;
    }
    watcher.synced = true;
    if (watcher.next > mvcc.revision) return;
    let batch: Version[] = [];
    const past = mvcc.changesFrom(watcher.next);
    past.forEach((version, at) => {
      if (spanHolds(watcher.span, version.name)) batch.push(version);
      if (past[at + 1]?.modRevision === version.modRevision) return;
      deliver(watcher, version.modRevision, batch);
      batch = [];
    });
  }

  /** The state has leapt ahead, to a snapshot: everybody is told of what lies between, or that it is compacted. */
  resume(): void {
    for (const groups of [this.#keys, this.#ranges])
      for (const [id, group] of [...groups])
        for (const watcher of [...group.watchers]) {
          if (!watcher.synced) continue;
          watcher.synced = false;
          this.#catchUp(watcher, () => {
            watcher.cancelled = true;
            group.watchers.delete(watcher);
            if (group.watchers.size === 0 && groups.get(id) === group) groups.delete(id);
          });
        }
  }

  /** A transaction was committed. */
  publish(revision: number, changes: readonly Version[]): void {
    if (this.#keys.size > 0) {
      for (const version of changes) {
        const group = this.#keys.get(version.name);
        if (group !== undefined) deliverToAll(group, revision, [version]);
      }
    }
    for (const group of this.#ranges.values()) {
      const concerned = changes.filter((version) => spanHolds(group.span, version.name));
      if (concerned.length > 0) deliverToAll(group, revision, concerned);
    }
  }

  /** Ends every watch. */
  endAll(reason: StoreError): void {
    for (const groups of [this.#keys, this.#ranges]) {
      const all = [...groups.values()].flatMap(({ watchers }) => [...watchers]);
      for (const { watchers } of groups.values()) watchers.clear();
      groups.clear();
      for (const watcher of all) {
        if (watcher.cancelled) continue;
        watcher.cancelled = true;
        watcher.listener.ended(reason);
      }
    }
  }
}

function deliverToAll(group: Group, revision: number, versions: readonly Version[]): void {
  // A watcher that a listener adds meanwhile is not synced yet, and one that it cancels is no longer visited.
  for (const watcher of group.watchers) if (watcher.synced) deliver(watcher, revision, versions);
}

function deliver(watcher: Watcher, revision: number, versions: readonly Version[]): void {
  if (watcher.cancelled || revision < watcher.next) return;
  watcher.next = revision + 1;
  const { filter, previous } = watcher.request;
  const events: WatchEvent[] = [];
  for (const version of versions) {
    if (version.deleted ? filter?.noDelete : filter?.noPut) continue;
    events.push(eventOf(version, previous === true));
  }
  if (events.length > 0) watcher.listener.events(revision, events);
}
