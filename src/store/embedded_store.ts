import type { Clock } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import { describeError, type Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { noConf } from "../raft/types.ts";
import { quotaChanges } from "./alarms.ts";
import { AutoCompaction, type CompactionPolicy, defaultCompaction } from "./auto_compaction.ts";
import { keyBytes } from "./bytes.ts";
import type { ClusterStore, Member, MemberConnection, NewMember, Place, StateHash } from "./cluster.ts";
import type { Command } from "./command.ts";
import { isPlaceLost, readMembersFile, writeMembersFile } from "./members_file.ts";
import type { PeerAnswer, PeerCall } from "./peer_message.ts";
import { completeRecovery, findDamage, recoverFromSnapshot, replaceStore } from "./recovery.ts";
import { askForPlace } from "./rejoin.ts";
import { type ClusterOptions, Replica, randomId } from "./replica.ts";
import { type LoadedSnapshot, readSnapshot, type SnapshotState, streamSnapshot, writeSnapshot } from "./snapshot.ts";
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
import { checkTxn, hasPut, isReadOnly } from "./txn.ts";
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
  /** How long a request waits for a leader and a quorum before it is refused with Unavailable. Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Absent: a store of one member, who talks to nobody. */
  readonly cluster?: ClusterOptions;
  /** For an empty directory: who made room for this member. Absent: it founds a cluster of its own. */
  readonly place?: Place;
  /**
   * "snapshot": a store that is damaged, and was alone, is made anew from its newest whole snapshot and what is whole of its log
   * (recovery.ts). Absent: damage is refused.
   */
  readonly recover?: "snapshot" | undefined;
  /** The store has stopped for good (a failed write or sync of the log). The process should end and be started anew. */
  readonly onFailure?: (error: Error) => void;
}

/**
 * Opens the store in `directory`, makes it when there is none, and resolves when it can be read and written: with several members
 * when a quorum is there. Rejects with StoreError Corrupt, which names the file and the byte, when what is there cannot be trusted.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<ClusterStore> {
  const store = await startEmbeddedStore(options);
  await store.ready;
  return store;
}

/** As `openEmbeddedStore`, without waiting for a quorum: `ready` does. */
export async function startEmbeddedStore(
  options: EmbeddedStoreOptions,
): Promise<ClusterStore & { readonly ready: Promise<void> }> {
  const { disk, directory } = options;
  await completeRecovery(disk, directory);
  if (options.recover === "snapshot" && (await findDamage(disk, directory)).length > 0)
    await recoverFromSnapshot(options);
  try {
    if (await isPlaceLost(disk, directory))
      throw new StoreError("Corrupt", `The store in ${directory} has lost its place among the members`);
    return await startFromDisk(options);
  } catch (error) {
    if (!(error instanceof StoreError && error.code === "Corrupt") || options.cluster === undefined) throw error;
    const known = await readMembersFile(disk, directory);
    const others = known?.members.filter(({ publicKey }) => publicKey !== options.cluster?.publicKey) ?? [];
    if (known === undefined || others.length === 0) throw error;
    options.log.error("the store is damaged: its data is fetched from the other members", {
      error: describeError(error),
    });
    const place = await askForPlace(known, options.cluster, options);
    const aside = await replaceStore(disk, directory, async (target) => {
      await makeFirstSnapshot({ ...options, directory: target, place });
      await writeMembersFile(disk, target, place);
    });
    options.log.warn("the damaged files are kept, for whoever wants to look at them", { aside });
    return startFromDisk({ ...options, place });
  }
}

async function startFromDisk(options: EmbeddedStoreOptions): Promise<ClusterStore & { readonly ready: Promise<void> }> {
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
    if (options.place !== undefined) await writeMembersFile(disk, directory, options.place);
    snapshot = await makeFirstSnapshot(options);
  } else {
    // A kill may have come between its new name and the sync of the folder; segments that it stands for go next.
    await disk.syncDirectory(directory);
  }
  if (!hasLog && snapshot.state.index > foundingIndex) {
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
  // Who this member is, its log says: the snapshot may be a peer's.
  if (contents.clusterId !== clusterId) {
    await contents.wal.close();
    throw new StoreError(
      "Corrupt",
      `The log in ${walDirectory} belongs to another cluster than the snapshot beside it`,
    );
  }
  // A member that has joined, and was stopped before it had the state, knows the others by what it was told.
  const told = options.place ?? (await readMembersFile(disk, directory));
  return EmbeddedStore.start(options, snapshot, contents, told?.members ?? []);
}

/**
 * What a founded cluster begins with is not in its log, so that who joins must have a snapshot: it stands for entry 1 of term 1. A
 * member that joins begins with nothing, and learns from that who the members are.
 */
const foundingIndex = 1;

async function makeFirstSnapshot(options: EmbeddedStoreOptions): Promise<LoadedSnapshot> {
  const { disk, directory, random, place, cluster } = options;
  const memberId = place?.memberId ?? randomId(random);
  const founder: Member = {
    id: memberId,
    ...(cluster?.self ?? { name: "", peerAddresses: [], clientUrls: [] }),
    publicKey: cluster?.publicKey ?? "",
    role: "voter",
  };
  const founding = place === undefined;
  const state: SnapshotState = {
    clusterId: place?.clusterId ?? randomId(random),
    memberId,
    index: founding ? foundingIndex : 0,
    term: founding ? 1 : 0,
    conf: { ...noConf, voters: founding ? [memberId] : [] },
    members: founding ? [founder] : [],
    revision: 1,
    compactRevision: 0,
    leases: [],
    alarms: [],
  };
  const bytes = await writeSnapshot(disk, directory, state, []);
  return { state, versions: [], bytes, digest: "" };
}

/** The face of a member to its clients: checks requests, and answers them from the replica's state. */
class EmbeddedStore implements ClusterStore {
  ready: Promise<void> = Promise.resolve();
  readonly #options: EmbeddedStoreOptions;
  readonly #replica: Replica;
  readonly #compaction: AutoCompaction | undefined;
  #compactionUnderWay = false;
  #alarmUnderWay = false;

  static async start(
    options: EmbeddedStoreOptions,
    snapshot: LoadedSnapshot,
    contents: Awaited<ReturnType<typeof Wal.open>>,
    told: readonly Member[],
  ): Promise<EmbeddedStore> {
    const store = new EmbeddedStore(options, snapshot, contents);
    try {
      await store.#replica.start(told);
    } catch (error) {
      await store.close();
      throw error;
    }
    store.ready = store.#becomeReady();
    store.ready.catch(() => undefined);
    return store;
  }

  private constructor(
    options: EmbeddedStoreOptions,
    snapshot: LoadedSnapshot,
    contents: Awaited<ReturnType<typeof Wal.open>>,
  ) {
    this.#options = options;
    if (options.compaction !== "off")
      this.#compaction = new AutoCompaction(options.clock, options.compaction ?? defaultCompaction);
    const { disk, clock, random, log, directory, cluster } = options;
    this.#replica = new Replica(
      {
        disk,
        clock,
        random,
        log,
        directory,
        cluster,
        snapshotBytes: options.snapshotBytes ?? 8 * 1024 * 1024,
        maxRequestBytes: options.maxRequestBytes ?? 1.5 * 1024 * 1024,
        requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
        onCall: (publicKey, call) => this.#lead(publicKey, call),
        checkChange: (command) => this.#checkChange(command),
        onApplied: (leads) => this.#maintain(leads),
        onFailure: options.onFailure,
      },
      snapshot,
      contents,
    );
  }

  /** Resolves once the state is known to be no older than any acknowledged write. */
  async #becomeReady(): Promise<void> {
    const { log } = this.#options;
    while (true) {
      try {
        await this.#replica.readBarrier();
        break;
      } catch (error) {
        this.#replica.checkAlive();
        log.warn("the store waits for a quorum of its members", { error: describeError(error) });
      }
    }
    this.#replica.caughtUp();
    const { mvcc } = this.#replica.state;
    log.info("store is open", { revision: mvcc.revision, keys: mvcc.keyCount, term: this.#replica.raft.term });
  }

  // Keys

  async range(request: RangeRequest): Promise<RangeResponse> {
    if (request.key.length === 0) throw new StoreError("InvalidArgument", "A key must not be empty");
    if (request.serializable) this.#replica.checkAlive();
    else await this.#replica.readBarrier();
    return this.#replica.state.mvcc.range(request);
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    this.#replica.checkAlive();
    checkTxn(request);
    const { raft, isLeader } = this.#replica;
    if (request.term !== undefined && (request.term !== raft.term || !isLeader))
      throw new StoreError(
        "Unavailable",
        `A transaction of term ${request.term} is void: this member ${isLeader ? `leads in term ${raft.term}` : "does not lead"}`,
      );
    if (isReadOnly(request)) {
      await this.#replica.readBarrier();
      return this.#replica.state.readTxn(request);
    }
    if (this.#replica.state.alarms.any) this.#replica.state.alarms.check(hasPut(request));
    const outcome = await this.#replica.propose({ type: "txn", request });
    if (outcome.type !== "txn") throw new Error(`A transaction ended as ${outcome.type}`);
    return outcome.response;
  }

  watch(request: WatchRequest, listener: WatchListener): Watch {
    const { stopped } = this.#replica;
    if (stopped === undefined) return this.#replica.state.hub.watch(request, listener);
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
    await this.#replica.propose({ type: "compact", revision });
  }

  // Leases

  async leaseGrant(ttlSeconds: number, id = 0n): Promise<{ readonly id: bigint; readonly ttlSeconds: number }> {
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 9_000_000_000)
      throw new StoreError("InvalidArgument", `A lease cannot have ${ttlSeconds} s: want 1 to 9000000000`);
    if (id < 0n || id > 0x7fff_ffff_ffff_ffffn)
      throw new StoreError("InvalidArgument", `A lease cannot have the id ${id}: want a positive number of 63 bits`);
    const chosen = id === 0n ? randomId(this.#options.random) : id;
    await this.#replica.propose({ type: "leaseGrant", id: chosen, ttlSeconds });
    return { id: chosen, ttlSeconds };
  }

  async leaseRevoke(id: bigint): Promise<void> {
    await this.#replica.propose({ type: "leaseRevoke", id });
  }

  async leaseKeepAlive(id: bigint): Promise<{ readonly ttlSeconds: number }> {
    const { grantedSeconds } = await this.#askForLease({ type: "leaseKeepAlive", id });
    return { ttlSeconds: grantedSeconds };
  }

  async leaseTimeToLive(
    id: bigint,
  ): Promise<{ readonly grantedSeconds: number; readonly remainingSeconds: number; readonly keys: Uint8Array[] }> {
    const { grantedSeconds, remainingSeconds, keys } = await this.#askForLease({ type: "leaseTimeToLive", id });
    return { grantedSeconds, remainingSeconds, keys: [...keys] };
  }

  async #askForLease(call: PeerCall): Promise<Extract<PeerAnswer, { readonly type: "lease" }>> {
    const answer = await this.#replica.callLeader(call);
    if (answer.type !== "lease") throw new Error(`A question for a lease was answered with ${answer.type}`);
    return answer;
  }

  async leaseList(): Promise<bigint[]> {
    await this.#replica.readBarrier();
    return this.#replica.state.leases
      .list()
      .map(({ id }) => id)
      .sort((a, b) => (a < b ? -1 : 1));
  }

  // Members

  members(): readonly Member[] {
    return this.#replica.state.members.list();
  }

  connections(): readonly MemberConnection[] {
    return this.#replica.peers?.connections() ?? [];
  }

  async memberAdd(member: NewMember): Promise<Member> {
    if (member.publicKey === "") throw new StoreError("InvalidArgument", "A member needs a public key");
    // Before anything is promised: a port that is taken is told to who asks.
    await this.#replica.openPeers();
    await this.#replica.readBarrier();
    const { members } = this.#replica.state;
    const present = members.byPublicKey(member.publicKey);
    if (present !== undefined) return this.#replace(present, member);
    const added = { ...member, id: randomId(this.#options.random) };
    try {
      await this.#replica.propose({ type: "memberAdd", member: added });
    } catch (error) {
      // Somebody else has added it meanwhile.
      const same = members.byPublicKey(member.publicKey);
      if (same === undefined) throw error;
      return this.#replace(same, member);
    }
    return added;
  }

  async #replace(old: Member, member: NewMember): Promise<Member> {
    const fresh = { ...member, id: randomId(this.#options.random) };
    await this.#replica.propose({ type: "memberReplace", id: old.id, member: fresh });
    return fresh;
  }

  async memberPromote(id: bigint): Promise<void> {
    await this.#replica.propose({ type: "memberPromote", id });
  }

  async memberRemove(id: bigint): Promise<void> {
    await this.#replica.propose({ type: "memberRemove", id });
  }

  async memberUpdate(
    id: bigint,
    change: Partial<Pick<Member, "name" | "peerAddresses" | "clientUrls">>,
  ): Promise<void> {
    await this.#replica.readBarrier();
    const member = this.#replica.state.members.get(id);
    if (member === undefined)
      throw new StoreError("InvalidArgument", `Cannot update member ${id}: there is none of that id`);
    await this.#replica.propose({ type: "memberUpdate", member: { ...member, ...change } });
  }

  async moveLeader(to: bigint): Promise<void> {
    await this.#replica.callLeader({ type: "moveLeader", to });
  }

  onLeadership(listener: (term: number | undefined) => void): () => void {
    return this.#replica.onLeadership(listener);
  }

  // As the leader

  /** What only the leader can say: its clock counts for leases, and it knows how far the others are. */
  async #lead(publicKey: string, call: PeerCall): Promise<PeerAnswer> {
    const { state } = this.#replica;
    switch (call.type) {
      case "leaseKeepAlive": {
        await this.#replica.readBarrier();
        const ttlSeconds = state.leases.keepAlive(call.id);
        return { type: "lease", grantedSeconds: ttlSeconds, remainingSeconds: ttlSeconds, keys: [] };
      }
      case "leaseTimeToLive": {
        await this.#replica.readBarrier();
        const lease = state.leases.timeToLive(call.id);
        return { type: "lease", ...lease, keys: lease.keys.map(keyBytes) };
      }
      case "moveLeader":
        return this.#moveLeader(call.to);
      case "rejoin":
        return this.#makeRoomAgain(publicKey, call.member);
    }
  }

  async #moveLeader(to: bigint): Promise<PeerAnswer> {
    const { raft, state } = this.#replica;
    if (to === raft.id) return { type: "done" };
    if (state.members.get(to)?.role !== "voter")
      throw new StoreError("InvalidArgument", `Cannot hand the lead to member ${to}: it has no vote, or no data`);
    await this.#replica.transferLeadership(to);
    return { type: "done" };
  }

  /** A member without its data must not vote under its old number: it may have promised what it has forgotten. */
  async #makeRoomAgain(publicKey: string, member: Member): Promise<PeerAnswer> {
    const { members } = this.#replica.state;
    const old = members.byPublicKey(publicKey);
    if (old === undefined)
      throw new StoreError("InvalidArgument", "There is no member with this key: join with a token");
    const { id: memberId } = await this.#replace(old, { ...member, publicKey, role: "learner" });
    return { type: "place", clusterId: this.#replica.clusterId, memberId, members: members.list() };
  }

  #checkChange(command: Command): void {
    const { raft, state, peers } = this.#replica;
    if (command.type === "memberPromote") {
      const progress = raft.progressOf(command.id);
      const lag = progress === undefined ? undefined : raft.log.lastIndex - progress.match;
      if (lag === undefined || state.members.get(command.id)?.role !== "learner")
        throw new StoreError("InvalidArgument", `Cannot promote member ${command.id}: it is not a learner`);
      if (lag > mayLagEntries)
        throw new StoreError(
          "InvalidArgument",
          `Cannot promote member ${command.id}: it has not caught up yet, it lacks ${lag} entries. Try again`,
        );
    } else if (command.type === "memberRemove" || command.type === "memberReplace") {
      if (state.members.get(command.id)?.role === "learner") return;
      const rest = state.members.list().filter(({ id, role }) => id !== command.id && role !== "learner");
      const alive = rest.filter(({ id }) => id === raft.id || peers?.isConnected(id));
      if (alive.length < Math.floor(rest.length / 2) + 1)
        throw new StoreError(
          "InvalidArgument",
          `Cannot remove member ${command.id}: of the ${rest.length} that would be left only ${alive.length} can be reached, and no quorum`,
        );
    }
  }

  // Maintenance

  hashKv(revision: number): Promise<StateHash> {
    return this.#replica.state.hashKv(revision);
  }

  backup(): AsyncIterable<Uint8Array> {
    const { state, clusterId, raft } = this.#replica;
    return streamSnapshot(() => state.freeze({ clusterId, memberId: 0n, conf: raft.conf }));
  }

  status(): StoreStatus {
    const { state, raft, wal, clusterId, memberId, isLeader, leaderId } = this.#replica;
    const { mvcc, appliedIndex } = state;
    const noSpace = wal.isFull || state.alarms.has("NOSPACE");
    const alarm = state.alarms.has("CORRUPT") ? "CORRUPT" : noSpace ? "NOSPACE" : undefined;
    return {
      revision: mvcc.revision,
      compactRevision: mvcc.compactRevision,
      term: raft.term,
      isLeader,
      clusterId,
      memberId,
      leaderId,
      appliedIndex,
      commitIndex: raft.log.commit,
      bytesInUse: mvcc.bytesInUse,
      bytesOnDisk: wal.bytesOnDisk + this.#replica.lastSnapshotBytes,
      ...(alarm === undefined ? {} : { alarm }),
    };
  }

  /** The leader measures, and the log says what follows: so all members refuse the same. */
  #watchQuota(): void {
    const { state, memberId, isLeader } = this.#replica;
    const quotaBytes = this.#options.quotaBytes ?? 1024 * 1024 * 1024;
    const usage = { bytesInUse: state.mvcc.bytesInUse, quotaBytes, member: memberId };
    const [change] = isLeader && !this.#alarmUnderWay ? quotaChanges(state.alarms, usage) : [];
    if (change === undefined) return;
    this.#alarmUnderWay = true;
    this.#replica.propose(change).then(
      () => {
        this.#alarmUnderWay = false;
        this.#watchQuota();
      },
      (error: unknown) => {
        this.#alarmUnderWay = false;
        this.#options.log.debug("the alarm about the quota was put off", { error: describeError(error) });
      },
    );
  }

  #maintain(leads: boolean): void {
    if (leads) this.#watchQuota();
    if (!leads || this.#compactionUnderWay) return;
    const { mvcc } = this.#replica.state;
    const target = this.#compaction?.due(mvcc.revision, mvcc.compactRevision);
    if (target === undefined) return;
    this.#compactionUnderWay = true;
    this.compact(target)
      .catch((error: unknown) => this.#options.log.debug("compaction was put off", { error: describeError(error) }))
      .finally(() => {
        this.#compactionUnderWay = false;
      });
  }

  close(): Promise<void> {
    return this.#replica.close();
  }
}

/** How far behind a learner may be when it gets its vote, in entries. */
const mayLagEntries = 1000;
