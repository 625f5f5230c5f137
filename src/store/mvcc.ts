import { compareBytes, keyBytes, keyText } from "./bytes.ts";
import { KeyTree } from "./key_tree.ts";
import { type KeyRange, type KeyValue, type RangeRequest, type RangeResponse, StoreError } from "./store.ts";

const noBytes = new Uint8Array(0);

/** One version of a key. Never changes, but for `previous`, which compaction cuts. Readers get it as it is: no copies. */
export class Version implements KeyValue {
  /** The key, one character a byte; versions of a key share it. */
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

  constructor(
    name: string,
    value: Uint8Array,
    createRevision: number,
    modRevision: number,
    version: number,
    lease: bigint,
    sub: number,
    previous: Version | undefined,
  ) {
    this.name = name;
    this.value = value;
    this.createRevision = createRevision;
    this.modRevision = modRevision;
    this.version = version;
    this.lease = lease;
    this.sub = sub;
    this.previous = previous;
  }

  /** Made anew at each call: kept beside the name it would be a sixth of the memory of a small object. */
  get key(): Uint8Array {
    return keyBytes(this.name);
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

/** As many versions of history a compaction looks at in one go; the rest waits for `cut`. About 2 ms. */
const cutAtOnce = 5000;
/** As many keys a frozen state takes out of the tree at a time. */
const frozenChunk = 256;

/** The state as of one moment, whatever is changed afterwards. */
export interface Frozen {
  readonly revision: number;
  readonly compactRevision: number;
  /** In the order of keys; some of them newer than `revision`: `chainOf` finds what counts. May be read over many turns. */
  heads(): Iterable<Version>;
  /** Compaction waits with forgetting until this is called. */
  release(): void;
}

/**
 * The keys' versions, in memory. `#heads` has the newest version of every key that has one, linked to the older ones;
 * `#history` has the versions of revisions from the compaction on, in the order in which they were made. What a reader sees
 * is a function of the operations alone, so that members with equal logs are equal here.
 *
 * A compaction counts at once: reads before it are refused. The memory comes back a bit later, in pieces (`cut`).
 */
export class Mvcc {
  readonly #heads = new KeyTree<Version>((version) => version.version > 0);
  /** The first `#historyStart` places are empty. */
  #history: (Version | undefined)[] = [];
  #historyStart = 0;
  /** The next place in the history that a compaction looks at. */
  #cutAt = 0;
  /** A fresh store is at revision 1, as etcd's. */
  revision = 1;
  compactRevision = 0;
  /** Bytes of keys and values, history included, with about what they cost besides. */
  bytesInUse = 0;
  /** Changes of the revision that is being made. */
  #changes: Version[] = [];
  /** Frozen states walk `previous` links: until they are released, compaction waits with cutting. */
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
    const span = spanOf(request);
    const newest = at >= current;
    if (request.countOnly) return { revision: current, kvs: [], count: this.#count(span, at, newest), more: false };
    // Only in key order may the walk end with what was asked for.
    const keep = limit > 0 && byKey && !filtered ? limit : Number.POSITIVE_INFINITY;
    let found: Version[] = [];
    let complete = true;
    this.walk(span, (head) => {
      const version = newest ? (head.deleted ? undefined : head) : versionAt(head, at);
      if (version === undefined) return true;
      complete = found.length < keep;
      if (complete) found.push(version);
      return complete;
    });
    const count = complete ? found.length : this.#count(span, at, newest);
    if (filtered) found = found.filter((version) => passes(request, version));
    if (request.sort !== undefined && !byKey) found.sort(order(request.sort));
    const more = !complete || (limit > 0 && found.length > limit);
    if (limit > 0 && found.length > limit) found.length = limit;
    return { revision: current, kvs: request.keysOnly ? found.map(withoutValue) : found, count, more };
  }

  /** How many keys a span has: of the newest ones the tree knows it, of older ones they are counted. */
  #count(span: Span, at: number, newest: boolean): number {
    if (newest && span.high !== undefined) return this.#heads.countLive(span.low, span.high);
    let count = 0;
    this.walk(span, (head) => {
      if ((newest ? (head.deleted ? undefined : head) : versionAt(head, at)) !== undefined) count++;
      return true;
    });
    return count;
  }

  /** Every key in the span that has versions, its newest first, deleted ones too, until `visit` answers false. */
  walk(span: Span, visit: (head: Version) => boolean): void {
    if (span.high === undefined) {
      const head = this.#heads.get(span.low);
      if (head !== undefined) visit(head);
    } else this.#heads.scan(span.low, span.high, visit);
  }

  /** Returns what the key was before; undefined: it was not. */
  put(name: string, value: Uint8Array, lease: bigint): Version | undefined {
    const head = this.#heads.locate(name);
    const before = head === undefined || head.deleted ? undefined : head;
    const revision = this.revision + 1;
    const version = new Version(
      head === undefined ? name : head.name,
      value,
      before === undefined ? revision : before.createRevision,
      revision,
      before === undefined ? 1 : before.version + 1,
      lease,
      this.#changes.length,
      head,
    );
    this.#heads.place(version.name, version);
    this.#changes.push(version);
    this.bytesInUse += sizeOf(version);
    return before;
  }

  /** Deletes what is there in the span; returns it, in key order. */
  deleteRange(span: Span): Version[] {
    const gone: Version[] = [];
    this.walk(span, (head) => {
      if (!head.deleted) gone.push(head);
      return true;
    });
    for (const head of gone) {
      const version = new Version(head.name, noBytes, 0, this.revision + 1, 0, 0n, this.#changes.length, head);
      this.#heads.locate(head.name);
      this.#heads.place(head.name, version);
      this.#changes.push(version);
      this.bytesInUse += sizeOf(version);
    }
    return gone;
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

  /**
   * Visits the changes of revisions from `revision` on, oldest first; after `visit` has answered false it goes on to the end of
   * that revision. Returns the first revision that was not visited. The caller has checked that `revision` is not compacted.
   */
  changesFrom(revision: number, visit: (version: Version) => boolean): number {
    let at = this.#historyIndex(revision);
    let goesOn = true;
    for (let last = 0; at < this.#history.length; at++) {
      const version = this.#history[at];
      if (version === undefined) throw new Error(`The history has a gap after revision ${last}`);
      if (!goesOn && version.modRevision !== last) return version.modRevision;
      last = version.modRevision;
      if (!visit(version)) goesOn = false;
    }
    return this.revision + 1;
  }

  #historyIndex(revision: number): number {
    let low = this.#historyStart;
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
        { compactRevision: this.compactRevision },
      );
    if (revision > this.revision)
      throw new StoreError("FutureRevision", `Cannot compact to ${revision}: the store is at ${this.revision}`);
    this.compactRevision = revision;
    // Changes of the last compaction's revision stayed in the history; now they may go.
    this.#cutAt = this.#historyStart;
    this.#cutPending = true;
    this.cut(cutAtOnce);
  }

  /** Something that compaction has made unreadable is still held; `cut` frees it. */
  get hasGarbage(): boolean {
    return this.#cutPending && this.#readers === 0;
  }

  /** Frees what compaction has made unreadable, looking at no more than `limit` versions. */
  cut(limit: number): void {
    if (!this.hasGarbage) return;
    const revision = this.compactRevision;
    for (let seen = 0; ; seen++) {
      const version = this.#history[this.#cutAt];
      if (version === undefined || version.modRevision > revision) break;
      if (seen === limit) return;
      this.#forgetBefore(version);
      // Changes of the revision itself stay in the history: a watch may start there.
      if (version.modRevision < revision) {
        if (version.deleted && this.#heads.locate(version.name) === version) {
          this.#heads.remove();
          this.bytesInUse -= sizeOf(version);
        }
        this.#history[this.#cutAt] = undefined;
        this.#historyStart = this.#cutAt + 1;
      }
      this.#cutAt++;
    }
    this.#cutPending = false;
    if (this.#historyStart * 2 > this.#history.length) {
      this.#history = this.#history.slice(this.#historyStart);
      this.#cutAt -= this.#historyStart;
      this.#historyStart = 0;
    }
  }

  #forgetBefore(version: Version): void {
    for (let old = version.previous; old !== undefined; old = old.previous) this.bytesInUse -= sizeOf(old);
    version.previous = undefined;
  }

  /** The state as of now, for a snapshot or a hash. */
  freeze(): Frozen {
    this.#readers++;
    let released = false;
    return {
      revision: this.revision,
      compactRevision: this.compactRevision,
      heads: () => this.#chunks(),
      release: () => {
        if (released) return;
        released = true;
        this.#readers--;
        this.cut(cutAtOnce);
      },
    };
  }

  *#chunks(): Generator<Version, void> {
    let from = "";
    while (true) {
      const chunk: Version[] = [];
      this.#heads.scan(from, aboveAll, (head) => chunk.push(head) < frozenChunk);
      yield* chunk;
      const last = chunk[frozenChunk - 1];
      if (last === undefined) return;
      from = `${last.name}\0`;
    }
  }

  /** Puts a snapshot's state in place. `versions` come key by key, each key's oldest first. */
  static restore(revision: number, compactRevision: number, versions: readonly Version[]): Mvcc {
    const mvcc = new Mvcc();
    mvcc.revision = revision;
    mvcc.compactRevision = compactRevision;
    const names: string[] = [];
    const heads: Version[] = [];
    for (const version of versions) {
      if (names[names.length - 1] === version.name) heads[heads.length - 1] = version;
      else {
        names.push(version.name);
        heads.push(version);
      }
      mvcc.bytesInUse += sizeOf(version);
      if (version.modRevision >= compactRevision) mvcc.#history.push(version);
    }
    mvcc.#heads.fill(names, heads);
    mvcc.#history.sort((a, b) => (a?.modRevision ?? 0) - (b?.modRevision ?? 0) || (a?.sub ?? 0) - (b?.sub ?? 0));
    return mvcc;
  }

  /** Keys that are there now. */
  get keyCount(): number {
    return this.#heads.live;
  }
}

/**
 * What counts of a key as of `revision` once history is compacted to `compactRevision`, oldest first: every version since, and
 * the one that was the newest then. A deletion stays while a watch can start at it.
 */
export function chainOf(head: Version, revision: number, compactRevision: number): Version[] {
  let version: Version | undefined = head;
  while (version !== undefined && version.modRevision > revision) version = version.previous;
  const chain: Version[] = [];
  for (; version !== undefined; version = version.previous) {
    if (version.modRevision > compactRevision) {
      chain.push(version);
      continue;
    }
    if (!version.deleted || version.modRevision === compactRevision) chain.push(version);
    break;
  }
  return chain.length > 1 ? chain.reverse() : chain;
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
