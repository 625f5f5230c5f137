import { type Clock, sleep, type Timer } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import { describeError, type Log } from "../env/log.ts";
import type { PeerLink } from "../env/peer_link.ts";
import type { KeyPair } from "../env/pki.ts";
import type { Random } from "../env/random.ts";
import { Raft } from "../raft/raft.ts";
import { type Entry, type HardState, type MemberId, type Message, noMember, type Ready } from "../raft/types.ts";
import type { Member } from "./cluster.ts";
import { type Command, decodeProposal, encodeProposal } from "./command.ts";
import { markPlaceLost, writeMembersFile } from "./members_file.ts";
import type { PeerAnswer, PeerCall, PeerFrame } from "./peer_message.ts";
import { Peers } from "./peers.ts";
import { type Proposal, Proposals, TakenProposals } from "./proposals.ts";
import { Reads } from "./reads.ts";
import { type LoadedSnapshot, writeSnapshot } from "./snapshot.ts";
import { SnapshotExchange } from "./snapshot_exchange.ts";
import { type Outcome, StateMachine } from "./state_machine.ts";
import { StoreError } from "./store.ts";
import type { Wal, WalContents } from "./wal.ts";

/** What a member says of itself, and how it speaks with the others. */
export interface ClusterOptions {
  readonly link: PeerLink;
  readonly listen: { readonly address: string; readonly port: number } | undefined;
  readonly identity: KeyPair;
  /** Of `identity`: SHA-256 of the subject public key info, base64. */
  readonly publicKey: string;
  readonly self: Pick<Member, "name" | "peerAddresses" | "clientUrls">;
}

export interface ReplicaOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly directory: string;
  readonly snapshotBytes: number;
  readonly maxRequestBytes: number;
  readonly requestTimeoutMs: number;
  /** Absent: a store of one member, who talks to nobody. */
  readonly cluster: ClusterOptions | undefined;
  /** Carries out a call, because this member leads. */
  readonly onCall: (publicKey: string, call: PeerCall) => Promise<PeerAnswer>;
  /** May this change of members be proposed, as the leader sees it now? Throws InvalidArgument. */
  readonly checkChange: (command: Command) => void;
  /** Something may have been applied. */
  readonly onApplied: (leads: boolean) => void;
  readonly onFailure: ((error: Error) => void) | undefined;
}

/** One tick of raft's clock. The leader speaks every 200 ms; who has heard nothing for 1.5 to 3 s stands for election. */
const tickMs = 100;
const raftLimits = {
  electionTicks: 15,
  heartbeatTicks: 2,
  maxMessageBytes: 512 * 1024,
  maxInflightMessages: 64,
  maxInflightBytes: 4 * 1024 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
};
/** How many applied entries stay in memory for members that lag; who lacks more gets a snapshot. */
const entriesForLaggards = 10_000;
/** What an entry takes in the log besides its data, at most. */
export const entryOverhead = 32;
/** A proposal or a read that nobody could take is offered again every so many ticks. */
const askAgainTicks = 3;
/** How long a port that is taken is waited for. */
const openAgainMs = 1000;
/** Longer than any message is under way. */
const otherNumberTicks = 80;

/**
 * The driver around consensus and state: one member of the store. A proposal goes: admission (is there room in the leader's log), raft,
 * log (one record and one fdatasync for all that came while the last one was under way), the others, commit, apply, answer.
 * DESIGN.md has the guarantees.
 */
export class Replica {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly wal: Wal;
  readonly raft: Raft;
  readonly state: StateMachine;
  readonly #options: ReplicaOptions;
  readonly #log: Log;
  readonly #proposals = new Proposals();
  readonly #forwarded = new TakenProposals();
  readonly #reads: Reads;
  readonly #snapshots: SnapshotExchange;
  /** Names this run's proposals apart from those of other runs and members. */
  readonly #session: bigint;
  #nextNumber = 1;
  #peers: Peers | undefined;
  #opening: Promise<Peers> | undefined;
  #toldMembers: readonly Member[] = [];
  #isCaughtUp = false;
  /** The tick since which peers speak to another number than this member's, and never to its own. */
  #otherNumber: number | undefined;
  #ticker: Timer | undefined;
  #ticks = 0;
  #pumpPlanned = false;
  #appendUnderWay: Promise<void> | undefined;
  /** Bytes of proposals and entries that were admitted and are not yet in the log. */
  #outstandingBytes = 0;
  /** Called when there may be room for what waits for admission. */
  readonly #admissions: (() => void)[] = [];
  #logBytesSinceSnapshot = 0;
  #lastSnapshotBytes: number;
  #lastSnapshotIndex: number;
  #snapshotUnderWay: Promise<void> | undefined;
  #wasLeader = false;
  #knownLeader: MemberId = noMember;
  readonly #leadershipListeners = new Set<(term: number | undefined) => void>();
  #noting: Promise<void> = Promise.resolve();
  #failure: StoreError | undefined;
  #closed = false;

  constructor(options: ReplicaOptions, snapshot: LoadedSnapshot, contents: WalContents) {
    this.#options = options;
    this.#log = options.log;
    this.clusterId = contents.clusterId;
    this.memberId = contents.memberId;
    this.wal = contents.wal;
    this.#lastSnapshotBytes = snapshot.bytes;
    this.#lastSnapshotIndex = snapshot.state.index;
    this.#session = randomId(options.random);
    this.state = new StateMachine(
      options.clock,
      {
        revoke: async (id) => {
          await this.propose({ type: "leaseRevoke", id });
        },
        checkpoint: async (leases) => {
          await this.propose({ type: "leaseCheckpoint", leases });
        },
      },
      () => this.planPump(),
    );
    this.state.restore(snapshot.state, snapshot.versions);
    this.#reads = new Reads((context) => this.raft.readIndex(context));
    for (const entry of contents.entries) this.#logBytesSinceSnapshot += entry.data.length + entryOverhead;
    const { index, term, conf } = snapshot.state;
    const { hardState } = contents;
    this.raft = new Raft({
      id: this.memberId,
      conf,
      // The founding snapshot stands for a term that no record of the log has.
      hardState: { ...hardState, term: Math.max(hardState.term, term) },
      snapshot: { index, term },
      entries: contents.entries,
      maxReadyBytes: Math.floor(contents.wal.maxBatchBytes / 2),
      ...raftLimits,
      random: () => options.random.fraction(),
    });
    if (index > 0) this.raft.snapshotMade({ index, term, conf });
    this.#snapshots = new SnapshotExchange({
      disk: options.disk,
      log: options.log,
      directory: options.directory,
      send: (to, frame) => this.#peers?.sendFrame(to, frame) ?? false,
      sent: (to, delivered) => {
        this.raft.reportSnapshot(to, delivered);
        this.planPump();
      },
      rotten: () => {
        this.#snapshotUnderWay ??= this.#snapshot();
      },
      received: (message) => {
        this.raft.step(message);
        this.planPump();
      },
    });
  }

  /** Begins to speak with the others, if there are any. `members`: what is known of them when the state does not say. */
  async start(members: readonly Member[]): Promise<void> {
    this.#toldMembers = members;
    if (!this.#isAlone) await this.openPeers();
    // A lone voter need not wait for its time.
    else this.raft.campaign();
    this.#pump();
  }

  /** A store of one member listens to nobody. Rejects when the port is taken. */
  async openPeers(): Promise<void> {
    const { cluster, clock, log } = this.#options;
    if (cluster === undefined) throw new StoreError("InvalidArgument", "This store is for one member alone");
    this.#opening ??= Peers.open({
      clock,
      log,
      link: cluster.link,
      network: { listen: cluster.listen, identity: cluster.identity, clusterId: () => this.clusterId },
      publicKey: cluster.publicKey,
      inbox: {
        raft: (message) => this.#receive(message),
        frame: (from, frame) => this.#receiveFrame(from, frame),
        call: (publicKey, call) => this.#answer(publicKey, call),
        lost: (id) => this.#lost(id),
        found: (id) => this.#found(id),
      },
    });
    try {
      this.#peers = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw new StoreError("Unavailable", "Cannot listen for the other members", { cause: error });
    }
    if (this.stopped !== undefined) return this.#peers.close();
    this.#peers.setMembers(this.#knownMembers());
    this.#keepTime();
  }

  /** The log says that there are others, and the snapshot before it did not: a start cannot be refused any more. */
  async #openPeersLater(): Promise<void> {
    const { cluster, clock } = this.#options;
    while (cluster !== undefined && this.#peers === undefined && this.stopped === undefined) {
      try {
        await this.openPeers();
      } catch (error) {
        this.#log.error("the other members cannot be reached: trying again", { error: describeError(error) });
        await sleep(clock, openAgainMs);
      }
    }
  }

  /** Who the state says they are; and, while it is old, who they were said to be. */
  #knownMembers(): readonly Member[] {
    const members = this.state.members.list();
    const keys = new Set(members.map(({ publicKey }) => publicKey));
    return [...members, ...this.#toldMembers.filter(({ publicKey }) => !keys.has(publicKey))];
  }

  /** The state is no older than what was acknowledged before the start: from now on it alone says who the members are. */
  caughtUp(): void {
    this.#isCaughtUp = true;
    this.#toldMembers = [];
    this.#peers?.setMembers(this.#knownMembers());
    this.#noteMembers();
  }

  get peers(): Peers | undefined {
    return this.#peers;
  }

  get leaderId(): MemberId {
    return this.raft.leader;
  }

  get isLeader(): boolean {
    return this.stopped === undefined && this.raft.role === "leader";
  }

  get lastSnapshotBytes(): number {
    return this.#lastSnapshotBytes;
  }

  get stopped(): StoreError | undefined {
    return this.#failure ?? (this.#closed ? new StoreError("Unavailable", "The store is closed") : undefined);
  }

  checkAlive(): void {
    const { stopped } = this;
    if (stopped !== undefined) throw stopped;
  }

  get #isAlone(): boolean {
    const { voters, votersOutgoing, learners } = this.raft.conf;
    return voters.length === 1 && voters[0] === this.memberId && votersOutgoing.length + learners.length === 0;
  }

  /** Calls back at once and at each change: the term while this member leads and has applied what came before. */
  onLeadership(listener: (term: number | undefined) => void): () => void {
    this.#leadershipListeners.add(listener);
    listener(this.#wasLeader ? this.raft.term : undefined);
    return () => this.#leadershipListeners.delete(listener);
  }

  // The way of a proposal

  /** Resolves when the command is committed and applied here. Offers it again by itself as long as that is safe. */
  async propose(command: Command): Promise<Outcome> {
    this.checkAlive();
    const number = this.#nextNumber++;
    const data = encodeProposal({ session: this.#session, number, command });
    const limit = Math.min(this.#options.maxRequestBytes, this.wal.maxEntryBytes - entryOverhead);
    if (data.length > limit)
      throw new StoreError("TooLarge", `A request of ${data.length} bytes is too large: at most ${limit} are allowed`);
    const cost = data.length + entryOverhead;
    if (this.raft.role === "leader" && !this.#hasRoom(cost)) await this.#makeRoom(cost);
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.requestTimeoutMs;
    const change = isMemberChange(command);
    const proposal: Proposal = { number, data, change, deadlineMs, term: 0, resolve, reject };
    if (this.#offerToRaft(proposal.data, change)) proposal.term = this.raft.term;
    this.#proposals.add(proposal);
    this.planPump();
    const outcome = await promise;
    if (outcome.type === "refused") throw outcome.error;
    return outcome;
  }

  /** False: this member does not lead, or cannot take it now. Throws InvalidArgument for a change of members that must not be. */
  #offerToRaft(data: Uint8Array, change: boolean): boolean {
    if (this.raft.role !== "leader") return false;
    if (change) this.#options.checkChange(decodeProposal(data).command);
    if (this.raft.propose(data, change ? "confChange" : "normal") !== "appended") return false;
    this.#outstandingBytes += data.length + entryOverhead;
    return true;
  }

  /** Hands on what nobody has yet. */
  #placeProposals(): void {
    if (!this.#proposals.hasUnplaced) return;
    const waiting = this.#proposals.takeUnplaced();
    const { term, leader } = this.raft;
    if (this.raft.role === "leader") {
      for (const proposal of waiting) {
        const room = this.#hasRoom(proposal.data.length + entryOverhead);
        try {
          if (room && this.#offerToRaft(proposal.data, proposal.change)) this.#proposals.placed(proposal, term);
          else this.#proposals.returned(proposal.number);
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          this.#proposals.refused(proposal.number, error);
        }
      }
      return;
    }
    const known = leader !== noMember;
    for (let at = 0; at < waiting.length; ) {
      const batch: Proposal[] = [];
      for (let bytes = 0; at < waiting.length && (batch.length === 0 || bytes < raftLimits.maxMessageBytes); at++) {
        const proposal = waiting[at];
        if (proposal === undefined) break;
        batch.push(proposal);
        bytes += proposal.data.length;
      }
      const frame = { kind: "proposals", term, session: this.#session, proposals: batch } as const;
      const sent = known && this.#peers?.sendFrame(leader, frame) === true;
      for (const proposal of batch)
        if (sent) this.#proposals.placed(proposal, term);
        else this.#proposals.returned(proposal.number);
    }
  }

  /** As the leader of `term`, or not at all. */
  async #takeForwarded(from: MemberId, frame: Extract<PeerFrame, { readonly kind: "proposals" }>): Promise<void> {
    for (const { number, change, data } of frame.proposals) {
      let error: StoreError | undefined;
      // A link that doubles frames must not double writes.
      if (this.#leads(frame.term) && !this.#forwarded.isNew(frame.session, frame.term, number)) continue;
      try {
        if (this.#leads(frame.term)) {
          const cost = data.length + entryOverhead;
          if (!this.#hasRoom(cost)) await this.#makeRoom(cost);
          if (this.#leads(frame.term) && this.#offerToRaft(data, change)) continue;
        }
      } catch (cause) {
        error =
          cause instanceof StoreError ? cause : new StoreError("InvalidArgument", describeError(cause), { cause });
      }
      this.#forwarded.forget(frame.session, number);
      this.#peers?.sendFrame(from, { kind: "proposalRefused", number, term: frame.term, error });
    }
    this.planPump();
  }

  #leads(term: number): boolean {
    return this.raft.role === "leader" && this.raft.term === term && this.stopped === undefined;
  }

  #hasRoom(cost: number): boolean {
    return this.wal.admits(this.#outstandingBytes + cost) === "yes";
  }

  /** Resolves when there is room for the caller, who uses it at once or not at all. */
  async #makeRoom(cost: number): Promise<void> {
    await this.#admit(cost);
    // It was counted as taken for the time between there and here; and the store may have ended since.
    this.#outstandingBytes = Math.max(0, this.#outstandingBytes - cost);
    this.checkAlive();
  }

  /** Resolves when there is room, which is counted as taken from then on. */
  async #admit(cost: number): Promise<void> {
    while (true) {
      this.checkAlive();
      const admission = this.wal.admits(this.#outstandingBytes + cost);
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
        void this.wal.prepared().then(() => this.#wakeAdmissions());
      });
      // `prepared` may be over while the rest is still under way: let that go on first.
      if (this.#appendUnderWay !== undefined) await this.#appendUnderWay;
    }
  }

  #wakeAdmissions(): void {
    for (const wake of this.#admissions.splice(0)) wake();
  }

  /** Resolves when the state is at least as new as everything acknowledged before the call (§6.4). */
  readBarrier(): Promise<void> {
    const { stopped } = this;
    if (stopped !== undefined) return Promise.reject(stopped);
    const barrier = this.#reads.barrier(this.#options.clock.monotonicMs() + this.#options.requestTimeoutMs);
    this.planPump();
    return barrier;
  }

  // The pump

  planPump(): void {
    if (this.#pumpPlanned) return;
    this.#pumpPlanned = true;
    queueMicrotask(() => {
      this.#pumpPlanned = false;
      this.#pump();
    });
  }

  /** Carries out what raft asks for, until it asks for nothing more. */
  #pump(): void {
    if (this.stopped !== undefined) return;
    try {
      this.#placeProposals();
      this.#reads.flush(this.#ticks);
      while (this.raft.hasReady()) this.#handle(this.raft.ready());
      this.#noteLeader();
      this.#noteLeadership();
      this.#maintain();
    } catch (error) {
      this.#fail(error);
    }
  }

  #handle(ready: Ready): void {
    for (const message of ready.messages) this.#send(message);
    for (const entry of ready.committedEntries) this.#apply(entry);
    const last = ready.committedEntries[ready.committedEntries.length - 1];
    if (last !== undefined) {
      this.raft.log.compactTo(this.#isAlone ? last.index : Math.max(0, last.index - entriesForLaggards));
      this.#proposals.termApplied(last.term);
    }
    this.#reads.answered(ready.readStates, this.state.appliedIndex);
    if (ready.snapshot !== undefined) this.#appendUnderWay = this.#install(ready);
    else if (ready.hardState !== undefined) this.#appendUnderWay = this.#append(ready, ready.hardState);
  }

  #apply(entry: Entry): void {
    const { changes } = this.state.members;
    const applied = this.state.apply(entry);
    if (entry.type === "confChange" || this.state.members.changes !== changes) this.#membersChanged();
    if (applied?.session === this.#session) this.#proposals.applied(applied.number, applied.outcome);
  }

  #membersChanged(): void {
    this.raft.applyConf(this.state.members.conf());
    this.#peers?.setMembers(this.#knownMembers());
    if (this.#opening === undefined && !this.#isAlone) void this.#openPeersLater();
    this.#noteMembers();
    this.#keepTime();
  }

  /** Not in the way of anything: a hint for a start with damaged files. */
  #noteMembers(): void {
    const members = this.state.members.list();
    if (members.length < 2 || !this.#isCaughtUp) return;
    const { disk, directory } = this.#options;
    this.#noting = this.#noting
      .then(() => writeMembersFile(disk, directory, { clusterId: this.clusterId, members }))
      .catch((error: unknown) => this.#log.debug("cannot note the members", { error: describeError(error) }));
  }

  async #append(ready: Ready, hardState: HardState): Promise<void> {
    try {
      await this.wal.append({ hardState, entries: ready.entries });
    } catch (error) {
      this.#appendUnderWay = undefined;
      if (!this.#closed) this.#fail(error);
      return;
    }
    this.#appendUnderWay = undefined;
    if (this.stopped !== undefined) return;
    let bytes = 0;
    for (const entry of ready.entries) bytes += entry.data.length + entryOverhead;
    this.#outstandingBytes = Math.max(0, this.#outstandingBytes - bytes);
    this.#logBytesSinceSnapshot += bytes;
    for (const message of ready.messagesAfterAppend) this.#send(message);
    this.raft.advance();
    // What a new leader has taken out of the log is never written: it must not count for ever.
    if (this.raft.log.lastIndex === this.raft.log.stable) this.#outstandingBytes = 0;
    this.#pump();
    this.#wakeAdmissions();
  }

  /** A peer's snapshot takes the place of state and log: the file first, then a log that begins anew after it. */
  async #install(ready: Ready): Promise<void> {
    const { snapshot, hardState } = ready;
    if (snapshot === undefined || hardState === undefined) throw new Error("A snapshot comes with a hard state");
    try {
      await this.#snapshotUnderWay;
      const loaded = await this.#snapshots.install(snapshot.index);
      await this.wal.append({ hardState, entries: [], restartAfter: snapshot.index });
      if (ready.entries.length > 0) await this.wal.append({ hardState, entries: ready.entries });
      if (this.stopped !== undefined) return;
      this.state.restore(loaded.state, loaded.versions);
      this.#lastSnapshotBytes = loaded.bytes;
      this.#lastSnapshotIndex = snapshot.index;
      this.#logBytesSinceSnapshot = 0;
      await this.wal.release(snapshot.index);
    } catch (error) {
      this.#appendUnderWay = undefined;
      if (!this.#closed) this.#fail(error);
      return;
    }
    this.#appendUnderWay = undefined;
    if (this.stopped !== undefined) return;
    this.#log.info("the state was taken over from a peer", {
      index: snapshot.index,
      revision: this.state.mvcc.revision,
    });
    this.#proposals.skipped(snapshot.term);
    this.state.hub.resume();
    this.#membersChanged();
    for (const message of ready.messagesAfterAppend) this.#send(message);
    this.raft.advance();
    this.#pump();
  }

  // Peers

  #send(message: Message): void {
    if (message.type === "installSnapshot") this.#snapshots.offer(message);
    else if (this.#peers?.send(message) !== true) this.raft.reportUnreachable(message.to);
  }

  #receive(message: Message): void {
    if (this.stopped !== undefined) return;
    if (message.to !== this.memberId) {
      this.#otherNumber ??= this.#ticks;
      return;
    }
    this.#otherNumber = undefined;
    if (message.type === "appendEntries") {
      let cost = 0;
      for (const { data } of message.entries) cost += data.length + entryOverhead;
      // Without room for them they are as good as lost on the way: the leader sends them again.
      if (cost > 0 && this.wal.admits(this.#outstandingBytes + cost) === "full") return;
    }
    if (message.type === "installSnapshot" || message.type === "propose") return;
    this.raft.step(message);
    this.planPump();
  }

  #receiveFrame(from: MemberId, frame: Exclude<PeerFrame, { readonly kind: "raft" | "call" | "answer" }>): void {
    if (this.stopped !== undefined) return;
    switch (frame.kind) {
      case "proposals":
        void this.#takeForwarded(from, frame);
        return;
      case "proposalRefused":
        this.#proposals.notTaken(frame.number, frame.error, frame.term);
        return;
      case "snapshotOffer":
      case "snapshotChunk":
      case "snapshotProgress":
        this.#snapshots.receive(from, this.memberId, frame);
        return;
    }
  }

  async #answer(publicKey: string, call: PeerCall): Promise<PeerAnswer> {
    this.checkAlive();
    if (this.raft.role !== "leader") return { type: "notLeader" };
    return this.#options.onCall(publicKey, call);
  }

  /** Asks the leader, which may be this member, until one answers or the time is over. */
  async callLeader(call: PeerCall): Promise<PeerAnswer> {
    const { clock, requestTimeoutMs } = this.#options;
    const deadlineMs = clock.monotonicMs() + requestTimeoutMs;
    while (true) {
      this.checkAlive();
      let failure: StoreError | undefined;
      try {
        const answer = await this.#askLeader(call, Math.max(1, deadlineMs - clock.monotonicMs()));
        if (answer.type === "error") throw answer.error;
        if (answer.type !== "notLeader") return answer;
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== "Unavailable") throw error;
        failure = error;
      }
      if (clock.monotonicMs() >= deadlineMs)
        throw failure ?? new StoreError("Unavailable", "There is no leader: try again");
      await sleep(clock, tickMs);
    }
  }

  async #askLeader(call: PeerCall, timeoutMs: number): Promise<PeerAnswer> {
    if (this.raft.role === "leader") return this.#options.onCall(this.#options.cluster?.publicKey ?? "", call);
    const { leader } = this.raft;
    if (leader === noMember || this.#peers === undefined) return { type: "notLeader" };
    return this.#peers.call(leader, call, timeoutMs);
  }

  /** Resolves when `to` leads; rejects with Unavailable when that does not come about. */
  async transferLeadership(to: MemberId): Promise<void> {
    const { clock, requestTimeoutMs } = this.#options;
    const deadlineMs = clock.monotonicMs() + requestTimeoutMs;
    this.raft.transferLeadership(to);
    this.planPump();
    while (this.raft.leader !== to) {
      this.checkAlive();
      if (clock.monotonicMs() >= deadlineMs)
        throw new StoreError("Unavailable", `Member ${to} has not taken the lead within ${requestTimeoutMs} ms`);
      await sleep(clock, tickMs);
      if (this.raft.role === "leader") this.raft.transferLeadership(to);
    }
  }

  /** The others speak to another number, and have for long: this member was replaced, and its data is no part of the cluster any more. */
  #losePlace(): void {
    this.#otherNumber = undefined;
    const { disk, directory } = this.#options;
    void markPlaceLost(disk, directory).then(
      () =>
        this.#fail(
          new StoreError("Unavailable", "The other members know this one by another number: it joins them again"),
        ),
      (error: unknown) =>
        this.#log.warn("cannot note that this member's place is lost", { error: describeError(error) }),
    );
  }

  /** What was on its way to the leader when the connection broke may have got lost: it takes each proposal once. */
  #found(id: MemberId): void {
    const { term, leader } = this.raft;
    if (this.stopped !== undefined || id !== leader) return;
    for (const proposal of this.#proposals.sentFor(term)) {
      const frame = { kind: "proposals", term, session: this.#session, proposals: [proposal] } as const;
      if (this.#peers?.sendFrame(leader, frame) !== true) return;
    }
    this.planPump();
  }

  #lost(id: MemberId): void {
    if (this.stopped !== undefined) return;
    this.#snapshots.lost(id);
    this.raft.leaderGone(id);
    this.raft.reportUnreachable(id);
    this.planPump();
  }

  // Time

  /** A store of one member has no use for a clock: it neither speaks nor stands for election. */
  #keepTime(): void {
    if (this.#ticker !== undefined || this.#peers === undefined || this.#isAlone || this.stopped !== undefined) return;
    this.#ticker = this.#options.clock.schedule(tickMs, () => {
      this.#ticker = undefined;
      if (this.stopped !== undefined) return;
      this.#tick();
      this.#keepTime();
    });
  }

  #tick(): void {
    this.#ticks++;
    const nowMs = this.#options.clock.monotonicMs();
    try {
      if (this.#otherNumber !== undefined && this.#ticks - this.#otherNumber > otherNumberTicks) this.#losePlace();
      this.raft.tick();
      this.#snapshots.tick();
      if (this.#reads.waiting) this.#reads.tick(this.#ticks, askAgainTicks, nowMs);
      if (this.#proposals.size > 0) this.#proposals.expire(nowMs);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#pump();
  }

  #noteLeader(): void {
    const { leader } = this.raft;
    if (leader === this.#knownLeader) return;
    this.#knownLeader = leader;
    if (leader === noMember) return;
    this.#reads.leaderFound(this.#ticks);
    // What nobody could take can be taken now.
    if (this.#proposals.hasUnplaced || this.#reads.waiting) this.planPump();
  }

  #noteLeadership(): void {
    const leads = this.raft.role === "leader" && this.state.appliedTerm === this.raft.term;
    if (leads === this.#wasLeader) return;
    this.#wasLeader = leads;
    if (leads) this.state.leases.lead();
    else this.state.leases.rest();
    for (const listener of this.#leadershipListeners) listener(leads ? this.raft.term : undefined);
  }

  // Housekeeping: only ever in the wake of a write

  #maintain(): void {
    this.#options.onApplied(this.#wasLeader);
    const threshold = Math.max(this.#options.snapshotBytes, this.#lastSnapshotBytes);
    // The log may begin later than the last snapshot ends, and somebody lacks what is between.
    if (this.#logBytesSinceSnapshot >= threshold || this.raft.snapshotWanted)
      this.#snapshotUnderWay ??= this.#snapshot();
  }

  async #snapshot(): Promise<void> {
    const logBytes = this.#logBytesSinceSnapshot;
    const { conf } = this.raft;
    const frozen = this.state.freeze({ clusterId: this.clusterId, memberId: this.memberId, conf });
    const { state } = frozen;
    this.#logBytesSinceSnapshot = 0;
    try {
      const bytes = await writeSnapshot(this.#options.disk, this.#options.directory, state, frozen.heads());
      this.raft.snapshotMade({ index: state.index, term: state.term, conf });
      this.planPump();
      const before = this.#lastSnapshotIndex;
      this.#lastSnapshotBytes = bytes;
      this.#lastSnapshotIndex = state.index;
      // The snapshot before is kept too, and what came after it: should the new one rot, nothing is lost.
      await this.wal.release(before);
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

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ticker?.cancel();
    this.#endAll(new StoreError("Unavailable", "The store is closed"));
    this.wal.abandon();
    await this.#peers?.close();
    await this.#appendUnderWay;
    await this.#snapshotUnderWay;
    await this.#noting;
    await this.#snapshots.close();
    await this.wal.close();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure =
      error instanceof StoreError
        ? error
        : new StoreError("Unavailable", `The store has stopped: ${describeError(error)}`, { cause: error });
    this.#log.error("the store has stopped", { error: describeError(error) });
    this.#ticker?.cancel();
    this.#endAll(this.#failure);
    void this.#peers?.close();
    this.#options.onFailure?.(this.#failure);
  }

  #endAll(reason: StoreError): void {
    this.state.leases.rest();
    this.#proposals.rejectAll(reason);
    this.#reads.rejectAll(reason);
    this.#wakeAdmissions();
    this.state.hub.endAll(reason);
    if (this.#wasLeader) {
      this.#wasLeader = false;
      for (const listener of this.#leadershipListeners) listener(undefined);
    }
  }
}

export function isMemberChange(command: Command): boolean {
  return ["memberAdd", "memberPromote", "memberRemove", "memberReplace"].includes(command.type);
}

/** 63 random bits, never 0. */
export function randomId(random: Random): bigint {
  const bytes = random.bytes(8);
  const id = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) >> 1n;
  return id === 0n ? 1n : id;
}
