import { compareBytes, keyText } from "./bytes.ts";
import { OrderedMap } from "./ordered_map.ts";
import { type KeyRange, type KeyValue, type RangeRequest, type RangeResponse, StoreError } from "./store.ts";

const noBytes = new Uint8Array(0);

/** One version of a key. Never changes, but for `previous`, which compaction cuts. Readers get it as it is: no copies. */
export class Version implements KeyValue {
  readonly key: Uint8Array;
  /** The key, one character a byte. */
  readonly name: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** 0: the key was deleted. */
  readonly version: number;
  readonly lease: bigint;
  /** Place among the changes of its revision. */
  readonly sub: number;
  previous: Version | undefined;

  constructor(fields: {
    readonly key: Uint8Array;
    readonly name: string;
    readonly value: Uint8Array;
    readonly createRevision: number;
    readonly modRevision: number;
    readonly version: number;
    readonly lease: bigint;
    readonly sub: number;
    readonly previous: Version | undefined;
  }) {
    this.key = fields.key;
    this.name = fields.name;
    this.value = fields.value;
    this.createRevision = fields.createRevision;
    this.modRevision = fields.modRevision;
    this.version = fields.version;
    this.lease = fields.lease;
    this.sub = fields.sub;
    this.previous = fields.previous;
  }

  get deleted(): boolean {
    return this.version === 0;
  }
}

/** Bounds in text form; `high` undefined: the one key `low`. */
export interface Span {
  readonly low: string;
  readonly high: string | undefined;
}

/** Above every key: keys have no character over 0xFF. */
const aboveAll = "\u{ffff}";

export function spanOf(range: KeyRange): Span {
  const low = keyText(range.key);
  if (range.end === undefined || range.end.length === 0) return { low, high: undefined };
  if (range.end.length === 1 && range.end[0] === 0) return { low, high: aboveAll };
  return { low, high: keyText(range.end) };
}

export function spanHolds(span: Span, name: string): boolean {
  return span.high === undefined ? name === span.low : name >= span.low && name < span.high;
}

/** About what a version costs besides its bytes; for the quota only. */
const versionOverhead = 96;
const sizeOf = (version: Version) => version.name.length + version.value.length + versionOverhead;

/**
 * The keys' versions, in memory. `#heads` has the newest version of every key that has one, linked to the older ones;
 * `#history` has the versions of revisions from the compaction on, in the order in which they were made. Both are
 * functions of the operations alone, so that members with equal logs are equal here.
 */
export class Mvcc {
  #heads = new OrderedMap<string, Version>(undefined, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
  #history: Version[] = [];
  /** A fresh store is at revision 1, as etcd's. */
  revision = 1;
  compactRevision = 0;
  bytesInUse = 0;
  /** Changes of the revision that is being made. */
  #changes: Version[] = [];
  /** Snapshots under way walk `previous` links: until they are done, compaction waits with cutting. */
  #readers = 0;
  #cutPending = false;

  /** The newest version of a key as of now (a revision under way included); undefined: there is none. */
  newest(name: string): Version | undefined {
    const head = this.#heads.get(name);
    return head === undefined || head.deleted ? undefined : head;
  }

  /** The revision that a read inside a transaction sees: one more once it has changed something. */
  get revisionUnderWay(): number {
    return this.#changes.length > 0 ? this.revision + 1 : this.revision;
  }

  /** Throws FutureRevision or Compacted when the state as of `revision` is not there. */
  checkRevision(revision: number): void {
    if (revision > this.revision)
      throw new StoreError(
        "FutureRevision",
        `Cannot read at revision ${revision}: the store is at ${this.revision}, ask for that or an older one`,
      );
    if (revision > 0 && revision < this.compactRevision)
      throw new StoreError(
        "Compacted",
        `Cannot read at revision ${revision}: revisions before ${this.compactRevision} are compacted`,
        { compactRevision: this.compactRevision },
      );
  }

  range(request: RangeRequest): RangeResponse {
    const asked = request.revision ?? 0;
    if (asked > 0) this.checkRevision(asked);
    const current = this.revisionUnderWay;
    const at = asked > 0 ? asked : current;
    const limit = request.limit ?? 0;
    const filtered =
      (request.minModRevision ?? 0) > 0 ||
      (request.maxModRevision ?? 0) > 0 ||
      (request.minCreateRevision ?? 0) > 0 ||
      (request.maxCreateRevision ?? 0) > 0;
    const byKey = request.sort === undefined || (request.sort.by === "key" && request.sort.order === "ascend");
    // Only in key order may the walk keep no more than was asked for.
    const keep = request.countOnly ? 0 : limit > 0 && byKey && !filtered ? limit : Number.POSITIVE_INFINITY;
    let found: Version[] = [];
    let count = 0;
    this.walk(spanOf(request), (head) => {
      const version = at >= current ? (head.deleted ? undefined : head) : versionAt(head, at);
      if (version === undefined) return;
      if (count++ < keep) found.push(version);
    });
    if (request.countOnly) return { revision: current, kvs: [], count, more: false };
    if (filtered) found = found.filter((version) => passes(request, version));
    if (request.sort !== undefined && !byKey) found.sort(order(request.sort));
    const more = limit > 0 && (filtered ? found.length : Math.max(found.length, count)) > limit;
    if (limit > 0 && found.length > limit) found.length = limit;
    return { revision: current, kvs: request.keysOnly ? found.map(withoutValue) : found, count, more };
  }

  /** Every key in the span that has versions, its newest first; deleted ones too. */
  walk(span: Span, visit: (head: Version) => void): void {
    if (span.high === undefined) {
      const head = this.#heads.get(span.low);
      if (head !== undefined) visit(head);
      return;
    }
    if (span.high <= span.low) return;
    this.#heads.forRange(span.low, span.high, false, (_, head) => visit(head));
  }

  put(key: Uint8Array, name: string, value: Uint8Array, lease: bigint): Version | undefined {
    const head = this.#heads.get(name);
    const before = head === undefined || head.deleted ? undefined : head;
    this.#add(
      new Version({
        key: head?.key ?? key,
        name: head?.name ?? name,
        value,
        createRevision: before?.createRevision ?? this.revision + 1,
        modRevision: this.revision + 1,
        version: (before?.version ?? 0) + 1,
        lease,
        sub: this.#changes.length,
        previous: head,
      }),
    );
    return before;
  }

  /** Deletes what is there in the span; returns it, in key order. */
  deleteRange(span: Span): Version[] {
    const gone: Version[] = [];
    this.walk(span, (head) => {
      if (!head.deleted) gone.push(head);
    });
    for (const head of gone)
      this.#add(
        new Version({
          key: head.key,
          name: head.name,
          value: noBytes,
          createRevision: 0,
          modRevision: this.revision + 1,
          version: 0,
          lease: 0n,
          sub: this.#changes.length,
          previous: head,
        }),
      );
    return gone;
  }

  #add(version: Version): void {
    this.#heads.set(version.name, version);
    this.#changes.push(version);
    this.bytesInUse += sizeOf(version);
  }

  /** Ends a transaction: if it changed something, that is a revision now. Returns its changes, in order. */
  commit(): readonly Version[] {
    const changes = this.#changes;
    if (changes.length === 0) return changes;
    this.revision++;
    for (const version of changes) this.#history.push(version);
    this.#changes = [];
    return changes;
  }

  /** Changes of revisions from `revision` on, oldest first. The caller has checked that they are not compacted. */
  changesFrom(revision: number): readonly Version[] {
    return this.#history.slice(this.#historyIndex(revision));
  }

  /** How many versions a compaction up to `revision` could look at. */
  historyBefore(revision: number): number {
    return this.#historyIndex(revision);
  }

  #historyIndex(revision: number): number {
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#history[middle]?.modRevision ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets what was superseded at or before `revision`. Reads at `revision` and later go on. */
  compact(revision: number): void {
    if (revision <= this.compactRevision)
      throw new StoreError(
        "Compacted",
        `Cannot compact to ${revision}: the store is compacted to ${this.compactRevision}`,
        {
          compactRevision: this.compactRevision,
        },
      );
    if (revision > this.revision)
      throw new StoreError("FutureRevision", `Cannot compact to ${revision}: the store is at ${this.revision}`);
    this.compactRevision = revision;
    this.#cut();
  }

  #cut(): void {
    this.#cutPending = this.#readers > 0;
    if (this.#cutPending) return;
    const revision = this.compactRevision;
    let at = 0;
    // Changes of the revision itself stay in the history: a watch may start there.
    for (; at < this.#history.length; at++) {
      const version = this.#history[at];
      if (version === undefined || version.modRevision > revision) break;
      this.#forgetBefore(version);
      if (version.deleted && this.#heads.get(version.name) === version && version.modRevision < revision) {
        this.#heads.delete(version.name);
        this.bytesInUse -= sizeOf(version);
      }
    }
    const keepFrom = this.#historyIndex(revision);
    if (keepFrom > 0) this.#history.splice(0, keepFrom);
  }

  #forgetBefore(version: Version): void {
    for (let old = version.previous; old !== undefined; old = old.previous) this.bytesInUse -= sizeOf(old);
    version.previous = undefined;
  }

  /** The state as of now, for a snapshot: later changes do not show in it. Call `release` when done. */
  freeze(): {
    readonly revision: number;
    readonly compactRevision: number;
    heads(): Iterable<Version>;
    release(): void;
  } {
    const heads = this.#heads.clone();
    this.#readers++;
    let released = false;
    return {
      revision: this.revision,
      compactRevision: this.compactRevision,
      heads: () => heads.values(),
      release: () => {
        if (released) return;
        released = true;
        this.#readers--;
        if (this.#readers === 0 && this.#cutPending) this.#cut();
      },
    };
  }

  /** Puts a snapshot's state in place. `versions` come key by key, each key's oldest first. */
  static restore(revision: number, compactRevision: number, versions: readonly Version[]): Mvcc {
    const mvcc = new Mvcc();
    mvcc.revision = revision;
    mvcc.compactRevision = compactRevision;
    const heads: [string, Version][] = [];
    for (const version of versions) {
      const last = heads[heads.length - 1];
      if (last !== undefined && last[0] === version.name) last[1] = version;
      else heads.push([version.name, version]);
      mvcc.bytesInUse += sizeOf(version);
      if (version.modRevision >= compactRevision) mvcc.#history.push(version);
    }
    mvcc.#heads.setPairs(heads);
    mvcc.#history.sort((a, b) => a.modRevision - b.modRevision || a.sub - b.sub);
    return mvcc;
  }

  get keyCount(): number {
    return this.#heads.size;
  }
}

/** The key's version as of a revision; undefined: it did not exist then. */
export function versionAt(head: Version, revision: number): Version | undefined {
  let version: Version | undefined = head;
  while (version !== undefined && version.modRevision > revision) version = version.previous;
  return version === undefined || version.deleted ? undefined : version;
}

function passes(request: RangeRequest, version: Version): boolean {
  const within = (value: number, low: number | undefined, high: number | undefined) =>
    ((low ?? 0) <= 0 || value >= (low ?? 0)) && ((high ?? 0) <= 0 || value <= (high ?? 0));
  return (
    within(version.modRevision, request.minModRevision, request.maxModRevision) &&
    within(version.createRevision, request.minCreateRevision, request.maxCreateRevision)
  );
}

function order(sort: NonNullable<RangeRequest["sort"]>): (a: Version, b: Version) => number {
  const sign = sort.order === "ascend" ? 1 : -1;
  const compare = (a: Version, b: Version): number => {
    switch (sort.by) {
      case "key":
        return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
      case "version":
        return a.version - b.version;
      case "create":
        return a.createRevision - b.createRevision;
      case "mod":
        return a.modRevision - b.modRevision;
      case "value":
        return compareBytes(a.value, b.value);
    }
  };
  return (a, b) => sign * compare(a, b);
}

export function withoutValue(version: KeyValue): KeyValue {
  const { key, createRevision, modRevision, version: number, lease } = version;
  return { key, value: noBytes, createRevision, modRevision, version: number, lease };
}
