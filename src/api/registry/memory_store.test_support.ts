import {
  type Compare,
  type KeyRange,
  type KeyValue,
  type Operation,
  type OperationResult,
  type RangeRequest,
  type RangeResponse,
  type Store,
  StoreError,
  type TxnRequest,
  type TxnResponse,
  type Watch,
  type WatchEvent,
  type WatchListener,
  type WatchRequest,
} from "../../store/store.ts";

interface Version {
  readonly revision: number;
  /** Absent: deleted. */
  readonly kv: KeyValue | undefined;
}

/** Latin-1 text of a key: sorts as the bytes do. */
function text(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

/** The store's contract in a few lines, for tests: every version kept, nothing durable. */
export class MemoryStore implements Store {
  revision = 1;
  compactRevision = 0;
  /** Transactions that changed something. */
  writes = 0;
  readonly leases = new Map<bigint, number>();
  readonly #versions = new Map<string, Version[]>();
  readonly #watches = new Set<{ request: WatchRequest; listener: WatchListener }>();
  #closed = false;
  /** Called before each transaction; a test puts a rival's write here. */
  beforeTxn: ((request: TxnRequest) => Promise<void>) | undefined;

  async range(request: RangeRequest): Promise<RangeResponse> {
    this.#alive();
    return this.#range(request);
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    this.#alive();
    const rival = this.beforeTxn;
    this.beforeTxn = undefined;
    await rival?.(request);
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const events: WatchEvent[] = [];
    const results = (succeeded ? request.success : request.failure).map((operation) => this.#run(operation, events));
    if (events.length > 0) {
      this.revision++;
      this.writes++;
      this.#tell(this.revision, events);
    }
    return { revision: this.revision, succeeded, results };
  }

  watch(request: WatchRequest, listener: WatchListener): Watch {
    const start = request.startRevision ?? this.revision + 1;
    if (start <= this.compactRevision) {
      const { compactRevision } = this;
      queueMicrotask(() => listener.ended(new StoreError("Compacted", "compacted", { compactRevision })));
      return { requestProgress: () => undefined, cancel: () => undefined };
    }
    for (let revision = start; revision <= this.revision; revision++) {
      const events: WatchEvent[] = [];
      for (const [key, versions] of this.#versions)
        for (const [at, version] of versions.entries())
          if (version.revision === revision) events.push(eventOf(key, version, versions[at - 1]));
      const mine = events.filter(({ kv }) => inside(text(kv.key), request));
      if (mine.length > 0) listener.events(revision, mine);
    }
    const watch = { request, listener };
    this.#watches.add(watch);
    const requestProgress = () => queueMicrotask(() => listener.progress?.(this.revision));
    return { requestProgress, cancel: () => this.#watches.delete(watch) };
  }

  async compact(revision: number): Promise<void> {
    this.compactRevision = revision;
  }

  async leaseGrant(ttlSeconds: number): Promise<{ readonly id: bigint; readonly ttlSeconds: number }> {
    const id = BigInt(this.leases.size + 1);
    this.leases.set(id, ttlSeconds);
    return { id, ttlSeconds };
  }

  async leaseRevoke(id: bigint): Promise<void> {
    this.leases.delete(id);
    const success: Operation[] = [];
    for (const versions of this.#versions.values()) {
      const kv = versions.at(-1)?.kv;
      if (kv?.lease === id) success.push({ type: "deleteRange", key: kv.key });
    }
    await this.txn({ compare: [], success, failure: [] });
  }

  leaseKeepAlive(): Promise<never> {
    throw new Error("not needed by these tests");
  }

  leaseTimeToLive(): Promise<never> {
    throw new Error("not needed by these tests");
  }

  leaseList(): Promise<never> {
    throw new Error("not needed by these tests");
  }

  onLeadership(listener: (term: number | undefined) => void): () => void {
    listener(1);
    return () => undefined;
  }

  status() {
    const { revision, compactRevision } = this;
    return {
      revision,
      compactRevision,
      term: 1,
      isLeader: true,
      clusterId: 1n,
      memberId: 1n,
      leaderId: 1n,
      appliedIndex: revision,
      commitIndex: revision,
      bytesInUse: 0,
      bytesOnDisk: 0,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { listener } of this.#watches) listener.ended(new StoreError("Unavailable", "closed"));
    this.#watches.clear();
  }

  #alive(): void {
    if (this.#closed) throw new StoreError("Unavailable", "closed");
  }

  #range(request: RangeRequest): RangeResponse {
    const revision = request.revision || this.revision;
    if (revision < this.compactRevision)
      throw new StoreError("Compacted", `revision ${revision} is compacted`, { compactRevision: this.compactRevision });
    if (revision > this.revision) throw new StoreError("FutureRevision", `revision ${revision} is in the future`);
    const found: KeyValue[] = [];
    for (const key of [...this.#versions.keys()].sort()) {
      if (!inside(key, request)) continue;
      const kv = this.#versions.get(key)?.findLast((version) => version.revision <= revision)?.kv;
      if (kv) found.push(kv);
    }
    const limit = request.limit || found.length;
    return { revision: this.revision, kvs: found.slice(0, limit), count: found.length, more: found.length > limit };
  }

  #holds(compare: Compare): boolean {
    const kv = this.#versions.get(text(compare.key))?.at(-1)?.kv;
    if (compare.target !== "mod" && compare.target !== "create") throw new Error("not needed by these tests");
    const actual = kv === undefined ? 0 : compare.target === "mod" ? kv.modRevision : kv.createRevision;
    if (compare.result === "=") return actual === compare.operand;
    if (compare.result === "!=") return actual !== compare.operand;
    return compare.result === "<" ? actual < compare.operand : actual > compare.operand;
  }

  #run(operation: Operation, events: WatchEvent[]): OperationResult {
    const revision = this.revision + 1;
    if (operation.type === "range") return { type: "range", ...this.#range(operation.request) };
    if (operation.type === "txn") throw new Error("not needed by these tests");
    if (operation.type === "deleteRange") {
      let deleted = 0;
      for (const [key, versions] of this.#versions) {
        if (!inside(key, operation) || versions.at(-1)?.kv === undefined) continue;
        this.#add(key, { revision, kv: undefined }, events);
        deleted++;
      }
      return { type: "deleteRange", deleted, previous: [] };
    }
    const { key, value, lease = 0n } = operation;
    if (lease !== 0n && !this.leases.has(lease)) throw new StoreError("LeaseNotFound", `lease ${lease} is not there`);
    const before = this.#versions.get(text(key))?.at(-1)?.kv;
    const kv: KeyValue = {
      key,
      value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
      lease,
    };
    this.#add(text(key), { revision, kv }, events);
    return { type: "put" };
  }

  #add(key: string, version: Version, events: WatchEvent[]): void {
    const versions = this.#versions.get(key) ?? [];
    this.#versions.set(key, versions);
    events.push(eventOf(key, version, versions.at(-1)));
    versions.push(version);
  }

  #tell(revision: number, events: readonly WatchEvent[]): void {
    for (const { request, listener } of [...this.#watches]) {
      const mine = events.filter(({ kv }) => inside(text(kv.key), request));
      if (mine.length > 0) listener.events(revision, mine);
    }
  }
}

function eventOf(key: string, { revision, kv }: Version, before: Version | undefined): WatchEvent {
  const deleted: KeyValue = {
    key: Uint8Array.from(key, (char) => char.charCodeAt(0)),
    value: new Uint8Array(),
    createRevision: 0,
    modRevision: revision,
    version: 0,
    lease: 0n,
  };
  return {
    type: kv ? "put" : "delete",
    kv: kv ?? deleted,
    ...(before?.kv ? { previous: before.kv } : {}),
  };
}

function inside(key: string, range: KeyRange): boolean {
  const from = text(range.key);
  if (range.end === undefined) return key === from;
  const end = text(range.end);
  return key >= from && (end === "\0" || key < end);
}
