import type { Clock } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import { describeError, type Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { Raft } from "../raft/raft.ts";
import { noConf, type Ready } from "../raft/types.ts";
import { AutoCompaction, type CompactionPolicy, defaultCompaction } from "./auto_compaction.ts";
import { keyBytes } from "./bytes.ts";
import type { ClusterStore, Member, StateHash } from "./cluster.ts";
import { type Command, encodeProposal } from "./command.ts";
import { unknownMember } from "./members.ts";
import { readSnapshot, type SnapshotState, writeSnapshot } from "./snapshot.ts";
import { type Outcome, StateMachine } from "./state_machine.ts";
import {
  type RangeRequest,
  type RangeResponse,
  StoreError,
  type StoreStatus,
  type TxnRequest,
  type TxnResponse,
  type Watch,
  type WatchListener,
  type WatchRequest,
} from "./store.ts";
import { checkTxn, isReadOnly } from "./txn.ts";
import { Wal } from "./wal.ts";

export interface EmbeddedStoreOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Absolute; made when it is not there. Nothing else may write to it. */
  readonly directory: string;
  /** Size of one segment of the log; two are on the disk at least. Default 4 MiB. */
  readonly segmentBytes?: number;
  /** A snapshot is made when the log has grown by this much, or by the size of the last snapshot. Default 8 MiB. */
  readonly snapshotBytes?: number;
  /** The most that one request may take in the log. Default 1.5 MiB, as etcd. */
  readonly maxRequestBytes?: number;
  /** Puts are refused with NoSpace while keys and values take more memory than this. Default 1 GiB. */
  readonly quotaBytes?: number;
  /** What history is kept. Default: five minutes, at most about 10 000 revisions. "off": all, until `compact`. */
  readonly compaction?: CompactionPolicy | "off";
  /** The store has stopped for good (a failed write or sync of the log). The process should end and be started anew. */
  readonly onFailure?: (error: Error) => void;
}

interface Waiter {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: StoreError) => void;
}

interface PendingRead {
  readonly context: number;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

/** A tick is meant to be 100 ms: a heartbeat each, an election after one to two seconds of silence. */
const raftLimits = {
  electionTicks: 10,
  heartbeatTicks: 1,
  maxMessageBytes: 512 * 1024,
  maxInflightMessages: 64,
  maxInflightBytes: 4 * 1024 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
};
/** How many applied entries a leader keeps in memory for members that lag; beyond that they get a snapshot. */
const entriesForLaggards = 10_000;

/** What an entry takes in the log besides its data, at most. */
const entryOverhead = 32;

/**
 * Opens the store in `directory`, makes it when there is none, and resolves when it can be read and written. Rejects with
 * StoreError Corrupt, which names the file and the byte, when what is there cannot be trusted.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<ClusterStore> {
  const store = await EmbeddedStore.open(options);
  await store.ready();
  return store;
}

/**
 * The driver around consensus and state. A proposal goes: admission (is there room in the log), raft, log (one record and one
 * fdatasync for all that came while the last one was under way), commit, apply, answer. Reads wait for raft's word that
 * the state is not behind, and then read memory.
 */
class EmbeddedStore implements ClusterStore {
  readonly #options: EmbeddedStoreOptions;
  readonly #log: Log;
  readonly #clusterId: bigint;
  readonly #memberId: bigint;
  readonly #wal: Wal;
  readonly #raft: Raft;
  readonly #state: StateMachine;
  readonly #compaction: AutoCompaction | undefined;
  /** Names this run's proposals apart from those of earlier runs that are applied again. */
  readonly #session: bigint;
  #nextNumber = 1;
  readonly #waiters = new Map<number, Waiter>();
  #collectingRead: PendingRead | undefined;
  readonly #pendingReads = new Map<number, PendingRead>();
  /** Reads whose index is known, and not applied yet. */
  #confirmedReads: { readonly index: number; readonly read: PendingRead }[] = [];
  #nextContext = 1;
  #pumpPlanned = false;
  #appendUnderWay: Promise<void> | undefined;
  /** Bytes of proposals that were admitted and are not yet in the log. */
  #outstandingBytes = 0;
  /** Called when there may be room for what waits for admission. */
  readonly #admissions: (() => void)[] = [];
  #logBytesSinceSnapshot = 0;
  #lastSnapshotBytes: number;
  #snapshotUnderWay: Promise<void> | undefined;
  #compactionUnderWay = false;
  #wasLeader = false;
  #failure: StoreError | undefined;
  #closed = false;

  static async open(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    const { disk, directory, random } = options;
    await disk.makeDirectory(directory);
    let snapshot = await readSnapshot(disk, directory);
    const walDirectory = `${directory}/wal`;
    const hasLog =
      (await disk.exists(walDirectory)) && (await disk.list(walDirectory)).some((name) => name.endsWith(".wal"));
    if (snapshot === undefined) {
      if (hasLog)
        throw new StoreError(
          "Corrupt",
          `${directory} has a log but no snapshot: part of the data directory is missing. Restore it from a backup`,
        );
      // The first snapshot is empty and says who the members are: this one alone.
      const memberId = randomId(random);
      const state: SnapshotState = {
        clusterId: randomId(random),
        memberId,
        index: 0,
        term: 0,
        conf: { ...noConf, voters: [memberId] },
        members: [unknownMember(memberId)],
        revision: 1,
        compactRevision: 0,
        leases: [],
      };
      const bytes = await writeSnapshot(disk, directory, state, []);
      snapshot = { state, versions: [], bytes };
    } else {
      // A kill may have come between its new name and the sync of the folder; segments that it stands for go next.
      await disk.syncDirectory(directory);
    }
    if (!hasLog && snapshot.state.index > 0) {
      throw new StoreError(
        "Corrupt",
        `${walDirectory} has no log, and the snapshot beside it is not the first: part of the data directory is missing. Restore it from a backup`,
      );
    }
    const { clusterId, memberId } = snapshot.state;
    const contents = await Wal.open({
      disk,
      clock: options.clock,
      random,
      log: options.log,
      directory: walDirectory,
      segmentBytes: options.segmentBytes ?? 4 * 1024 * 1024,
      identity: () => ({ clusterId, memberId }),
      snapshot: snapshot.state,
    });
    if (contents.clusterId !== clusterId || contents.memberId !== memberId) {
      await contents.wal.close();
      throw new StoreError(
        "Corrupt",
        `The log in ${walDirectory} belongs to another member than the snapshot beside it`,
      );
    }
    return new EmbeddedStore(options, snapshot, contents);
  }

  private constructor(
    options: EmbeddedStoreOptions,
    snapshot: NonNullable<Awaited<ReturnType<typeof readSnapshot>>>,
    contents: Awaited<ReturnType<typeof Wal.open>>,
  ) {
    this.#options = options;
    this.#log = options.log;
    this.#clusterId = snapshot.state.clusterId;
    this.#memberId = snapshot.state.memberId;
    this.#wal = contents.wal;
    this.#lastSnapshotBytes = snapshot.bytes;
    this.#session = randomId(options.random);
    this.#state = new StateMachine(options.clock, {
      revoke: async (id) => {
        await this.#propose({ type: "leaseRevoke", id });
      },
      checkpoint: async (leases) => {
        await this.#propose({ type: "leaseCheckpoint", leases });
      },
    });
    this.#state.restore(snapshot.state, snapshot.versions);
    if (options.compaction !== "off")
      this.#compaction = new AutoCompaction(options.clock, options.compaction ?? defaultCompaction);
    for (const entry of contents.entries) this.#logBytesSinceSnapshot += entry.data.length + entryOverhead;
    this.#raft = new Raft({
      id: snapshot.state.memberId,
      conf: snapshot.state.conf,
      hardState: contents.hardState,
      snapshot: snapshot.state,
      entries: contents.entries,
      maxReadyBytes: Math.floor(contents.wal.maxBatchBytes / 2),
      ...raftLimits,
      random: () => options.random.fraction(),
    });
  }

  /** Resolves when this member has committed in its own term, and applied all before. */
  async ready(): Promise<void> {
    this.#raft.campaign();
    this.#pump();
    while (!this.#wasLeader) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#appendUnderWay === undefined) throw new StoreError("Unavailable", "There is no leader: try again");
      await this.#appendUnderWay;
    }
    const { revision, keyCount } = this.#state.mvcc;
    this.#log.info("store is open", { revision, keys: keyCount, term: this.#raft.term });
  }

  // Requests

  async range(request: RangeRequest): Promise<RangeResponse> {
    if (request.key.length === 0) throw new StoreError("InvalidArgument", "A key must not be empty");
    if (request.serializable) this.#checkAlive();
    else await this.#readBarrier();
    return this.#state.mvcc.range(request);
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    this.#checkAlive();
    checkTxn(request);
    if (request.term !== undefined && request.term !== this.#raft.term)
      throw new StoreError(
        "Unavailable",
        `A transaction of term ${request.term} is void: this member is in term ${this.#raft.term}`,
      );
    if (isReadOnly(request)) {
      await this.#readBarrier();
      return this.#state.readTxn(request);
    }
    const outcome = await this.#propose({ type: "txn", request });
    if (outcome.type !== "txn") throw new Error(`A transaction ended as ${outcome.type}`);
    return outcome.response;
  }

  watch(request: WatchRequest, listener: WatchListener): Watch {
    const stopped = this.#stopped();
    if (stopped === undefined) return this.#state.hub.watch(request, listener);
    let cancelled = false;
    queueMicrotask(() => {
      if (!cancelled) listener.ended(stopped);
    });
    return {
      requestProgress: () => undefined,
      cancel: () => {
        cancelled = true;
      },
    };
  }

  async compact(revision: number): Promise<void> {
    if (!Number.isSafeInteger(revision) || revision < 1)
      throw new StoreError("InvalidArgument", `Cannot compact to ${revision}: want a revision`);
    await this.#propose({ type: "compact", revision });
  }

  async leaseGrant(ttlSeconds: number, id = 0n): Promise<{ readonly id: bigint; readonly ttlSeconds: number }> {
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 9_000_000_000)
      throw new StoreError("InvalidArgument", `A lease cannot have ${ttlSeconds} s: want 1 to 9000000000`);
    if (id < 0n || id > 0x7fff_ffff_ffff_ffffn)
      throw new StoreError("InvalidArgument", `A lease cannot have the id ${id}: want a positive number of 63 bits`);
    const chosen = id === 0n ? randomId(this.#options.random) : id;
    await this.#propose({ type: "leaseGrant", id: chosen, ttlSeconds });
    return { id: chosen, ttlSeconds };
  }

  async leaseRevoke(id: bigint): Promise<void> {
    await this.#propose({ type: "leaseRevoke", id });
  }

  async leaseKeepAlive(id: bigint): Promise<{ readonly ttlSeconds: number }> {
    await this.#readBarrier();
    return { ttlSeconds: this.#state.leases.keepAlive(id) };
  }

  async leaseTimeToLive(
    id: bigint,
  ): Promise<{ readonly grantedSeconds: number; readonly remainingSeconds: number; readonly keys: Uint8Array[] }> {
    await this.#readBarrier();
    const lease = this.#state.leases.timeToLive(id);
    return { ...lease, keys: lease.keys.map(keyBytes) };
  }

  async leaseList(): Promise<bigint[]> {
    await this.#readBarrier();
    return this.#state.leases
      .list()
      .map(({ id }) => id)
      .sort((a, b) => (a < b ? -1 : 1));
  }

  // The cluster: so far this member alone

  members(): readonly Member[] {
    return this.#state.members.list();
  }

  memberAdd(): Promise<Member> {
    return Promise.reject(new StoreError("Unavailable", "This store has one member and takes no others yet"));
  }

  memberPromote(id: bigint): Promise<void> {
    return Promise.reject(new StoreError("InvalidArgument", `Member ${id} is not a learner`));
  }

  memberRemove(id: bigint): Promise<void> {
    return Promise.reject(new StoreError("InvalidArgument", `Member ${id} is the last one, or is none`));
  }

  memberUpdate(id: bigint): Promise<void> {
    return Promise.reject(new StoreError("InvalidArgument", `Member ${id} cannot be changed yet`));
  }

  async moveLeader(to: bigint): Promise<void> {
    if (to !== this.#memberId) throw new StoreError("InvalidArgument", `Member ${to} has no vote`);
  }

  async hashKv(_revision: number): Promise<StateHash> {
    throw new StoreError("Unavailable", "The hash of the state is not there yet");
  }

  async *backup(): AsyncIterable<Uint8Array> {
    yield* [];
    throw new StoreError("Unavailable", "Backups are not there yet");
  }

  status(): StoreStatus {
    const { mvcc, appliedIndex } = this.#state;
    const noSpace = this.#wal.isFull || this.#overQuota();
    return {
      revision: mvcc.revision,
      compactRevision: mvcc.compactRevision,
      term: this.#raft.term,
      isLeader: this.#stopped() === undefined && this.#raft.role === "leader",
      clusterId: this.#clusterId,
      memberId: this.#memberId,
      leaderId: this.#raft.leader,
      appliedIndex,
      commitIndex: this.#raft.log.commit,
      bytesInUse: mvcc.bytesInUse,
      bytesOnDisk: this.#wal.bytesOnDisk + this.#lastSnapshotBytes,
      ...(noSpace ? { alarm: "NOSPACE" as const } : {}),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#endAll(new StoreError("Unavailable", "The store is closed"));
    this.#wal.abandon();
    await this.#appendUnderWay;
    await this.#snapshotUnderWay;
    await this.#wal.close();
  }

  #stopped(): StoreError | undefined {
    return this.#failure ?? (this.#closed ? new StoreError("Unavailable", "The store is closed") : undefined);
  }

  #checkAlive(): void {
    const stopped = this.#stopped();
    if (stopped !== undefined) throw stopped;
  }

  #overQuota(): boolean {
    return this.#state.mvcc.bytesInUse > (this.#options.quotaBytes ?? 1024 * 1024 * 1024);
  }

  // The way of a proposal

  async #propose(command: Command): Promise<Outcome> {
    this.#checkAlive();
    const number = this.#nextNumber++;
    const bytes = encodeProposal({ session: this.#session, number, command });
    const limit = Math.min(this.#options.maxRequestBytes ?? 1.5 * 1024 * 1024, this.#wal.maxEntryBytes - entryOverhead);
    if (bytes.length > limit)
      throw new StoreError("TooLarge", `A request of ${bytes.length} bytes is too large: at most ${limit} are allowed`);
    if (command.type === "txn" && this.#overQuota() && hasPut(command.request))
      throw new StoreError(
        "NoSpace",
        `The store holds ${this.#state.mvcc.bytesInUse} bytes, over its quota: delete keys or compact, then go on`,
      );
    const cost = bytes.length + entryOverhead;
    if (this.#wal.admits(this.#outstandingBytes + cost) !== "yes") {
      await this.#admit(cost);
      // The room was for this one alone, so it was counted there; and the store may have ended since.
      this.#outstandingBytes -= cost;
      this.#checkAlive();
    }
    if (this.#raft.propose(bytes) === "refused") throw new StoreError("Unavailable", "There is no leader: try again");
    this.#outstandingBytes += cost;
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      this.#waiters.set(number, { resolve, reject });
      this.#planPump();
    });
    if (outcome.type === "refused") throw outcome.error;
    return outcome;
  }

  /** Resolves when there is room, which is counted as taken from then on. */
  async #admit(cost: number): Promise<void> {
    while (true) {
      this.#checkAlive();
      const admission = this.#wal.admits(this.#outstandingBytes + cost);
      if (admission === "yes") {
        this.#outstandingBytes += cost;
        return;
      }
      if (admission === "full")
        throw new StoreError(
          "NoSpace",
          `The disk of ${this.#options.directory} is full: nothing was changed. Writes go on by themselves when there is room`,
        );
      await new Promise<void>((resolve) => {
        this.#admissions.push(resolve);
        // Room comes with the next segment, or when what is under way is in the log.
        void this.#wal.prepared().then(() => this.#wakeAdmissions());
      });
      // `prepared` may be over while the rest is still under way: let that go on first.
      if (this.#appendUnderWay !== undefined) await this.#appendUnderWay;
    }
  }

  #wakeAdmissions(): void {
    for (const wake of this.#admissions.splice(0)) wake();
  }

  /** Resolves when the state is at least as new as everything acknowledged before the call (§6.4). */
  #readBarrier(): Promise<void> {
    const stopped = this.#stopped();
    if (stopped !== undefined) return Promise.reject(stopped);
    // Reads that come together share one question.
    if (this.#collectingRead === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#collectingRead = { context: this.#nextContext++, promise, resolve, reject };
      this.#planPump();
    }
    return this.#collectingRead.promise;
  }

  #planPump(): void {
    if (this.#pumpPlanned) return;
    this.#pumpPlanned = true;
    queueMicrotask(() => {
      this.#pumpPlanned = false;
      this.#pump();
    });
  }

  /** Carries out what raft asks for, until it asks for nothing more. */
  #pump(): void {
    if (this.#stopped() !== undefined) return;
    try {
      this.#askForReads();
      while (this.#raft.hasReady()) this.#handle(this.#raft.ready());
      this.#noteLeadership();
      this.#maintain();
    } catch (error) {
      this.#fail(error);
    }
  }

  #askForReads(): void {
    const read = this.#collectingRead;
    if (read === undefined) return;
    this.#collectingRead = undefined;
    if (this.#raft.readIndex(read.context)) this.#pendingReads.set(read.context, read);
    else read.reject(new StoreError("Unavailable", "There is no leader: try again"));
  }

  #handle(ready: Ready): void {
    for (const entry of ready.committedEntries) {
      const applied = this.#state.apply(entry);
      if (applied === undefined || applied.session !== this.#session) continue;
      const waiter = this.#waiters.get(applied.number);
      this.#waiters.delete(applied.number);
      waiter?.resolve(applied.outcome);
    }
    const last = ready.committedEntries[ready.committedEntries.length - 1];
    if (last !== undefined) {
      const alone = this.#raft.conf.voters.length + this.#raft.conf.learners.length === 1;
      this.#raft.log.compactTo(alone ? last.index : Math.max(0, last.index - entriesForLaggards));
    }
    for (const { context, index } of ready.readStates) {
      const read = this.#pendingReads.get(context);
      this.#pendingReads.delete(context);
      if (read !== undefined) this.#confirmedReads.push({ index, read });
    }
    if (this.#confirmedReads.length > 0) {
      const { appliedIndex } = this.#state;
      for (const { index, read } of this.#confirmedReads) if (index <= appliedIndex) read.resolve();
      this.#confirmedReads = this.#confirmedReads.filter(({ index }) => index > appliedIndex);
    }
    if (ready.hardState !== undefined) this.#appendUnderWay = this.#append(ready, ready.hardState);
  }

  async #append(ready: Ready, hardState: NonNullable<Ready["hardState"]>): Promise<void> {
    try {
      await this.#wal.append({ hardState, entries: ready.entries });
    } catch (error) {
      this.#appendUnderWay = undefined;
      if (!this.#closed) this.#fail(error);
      return;
    }
    this.#appendUnderWay = undefined;
    let bytes = 0;
    for (const entry of ready.entries) bytes += entry.data.length + entryOverhead;
    this.#outstandingBytes = Math.max(0, this.#outstandingBytes - bytes);
    this.#logBytesSinceSnapshot += bytes;
    this.#raft.advance();
    this.#pump();
    this.#wakeAdmissions();
  }

  #noteLeadership(): void {
    const leads = this.#raft.role === "leader" && this.#state.appliedTerm === this.#raft.term;
    if (leads === this.#wasLeader) return;
    this.#wasLeader = leads;
    if (leads) this.#state.leases.lead();
    else this.#state.leases.rest();
  }

  // Housekeeping: only ever in the wake of a write

  #maintain(): void {
    const { mvcc } = this.#state;
    if (this.#wasLeader && !this.#compactionUnderWay) {
      const target = this.#compaction?.due(mvcc.revision, mvcc.compactRevision);
      if (target !== undefined) {
        this.#compactionUnderWay = true;
        this.compact(target)
          .catch((error: unknown) => this.#log.debug("compaction was put off", { error: describeError(error) }))
          .finally(() => {
            this.#compactionUnderWay = false;
          });
      }
    }
    const threshold = Math.max(this.#options.snapshotBytes ?? 8 * 1024 * 1024, this.#lastSnapshotBytes);
    if (this.#logBytesSinceSnapshot >= threshold && this.#snapshotUnderWay === undefined)
      this.#snapshotUnderWay = this.#snapshot();
  }

  async #snapshot(): Promise<void> {
    const logBytes = this.#logBytesSinceSnapshot;
    const { mvcc, appliedIndex, appliedTerm, leases } = this.#state;
    const frozen = mvcc.freeze();
    const state: SnapshotState = {
      clusterId: this.#clusterId,
      memberId: this.#memberId,
      index: appliedIndex,
      term: appliedTerm,
      conf: this.#raft.conf,
      members: this.#state.members.list(),
      revision: frozen.revision,
      compactRevision: frozen.compactRevision,
      leases: leases.list(),
    };
    this.#logBytesSinceSnapshot = 0;
    try {
      this.#lastSnapshotBytes = await writeSnapshot(this.#options.disk, this.#options.directory, state, frozen.heads());
      await this.#wal.release(appliedIndex);
    } catch (error) {
      // The old one is still there, and the log is complete: it is tried again when the log has grown a bit more.
      this.#logBytesSinceSnapshot += Math.floor(logBytes / 2);
      this.#log.error("cannot make a snapshot", { error: describeError(error) });
    } finally {
      frozen.release();
      this.#snapshotUnderWay = undefined;
    }
  }

  // The end

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure =
      error instanceof StoreError
        ? error
        : new StoreError("Unavailable", `The store has stopped: ${describeError(error)}`, { cause: error });
    this.#log.error("the store has stopped", { error: describeError(error) });
    this.#endAll(this.#failure);
    this.#options.onFailure?.(this.#failure);
  }

  #endAll(reason: StoreError): void {
    this.#state.leases.rest();
    for (const waiter of this.#waiters.values())
      waiter.reject(
        new StoreError("Unavailable", `${reason.message} (whether this request was carried out is unknown)`, {
          cause: reason,
        }),
      );
    this.#waiters.clear();
    for (const read of this.#pendingReads.values()) read.reject(reason);
    this.#pendingReads.clear();
    for (const { read } of this.#confirmedReads) read.reject(reason);
    this.#confirmedReads = [];
    this.#collectingRead?.reject(reason);
    this.#collectingRead = undefined;
    this.#wakeAdmissions();
    this.#state.hub.endAll(reason);
  }
}

function hasPut(request: TxnRequest): boolean {
  return [request.success, request.failure].some((branch) =>
    branch.some((operation) => operation.type === "put" || (operation.type === "txn" && hasPut(operation.request))),
  );
}

/** 63 random bits, never 0. */
function randomId(random: Random): bigint {
  const bytes = random.bytes(8);
  const id = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) >> 1n;
  return id === 0n ? 1n : id;
}
