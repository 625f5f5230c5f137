import { RaftLog } from "./log.ts";
import { Progress } from "./progress.ts";
import { isJoint, isVoter, majority, membersOf, quorumValue, voteResult, votersOf } from "./quorum.ts";
import { AskedReads, type PendingRead, roundAfter, roundSentAt } from "./reads.ts";
import {
  type ConfState,
  type Entry,
  type EntryType,
  type HardState,
  type MemberId,
  type Message,
  noMember,
  type ReadState,
  type Ready,
  type Role,
  type SnapshotMeta,
} from "./types.ts";

export interface RaftConfig {
  readonly id: MemberId;
  readonly conf: ConfState;
  readonly hardState: HardState;
  /** The snapshot that the state was loaded from; index 0 for a fresh member. */
  readonly snapshot: { readonly index: number; readonly term: number };
  /** What the log on the disk holds after the snapshot. */
  readonly entries: readonly Entry[];
  /** The most data of entries that one Ready asks to write; at least one entry goes. */
  readonly maxReadyBytes: number;
  /** Ticks without a word from a leader after which a member stands for election, before randomisation. Equal on all members. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Uniform in [0, 1): spreads the election time-outs (§3.4). */
  readonly random: () => number;
  readonly maxMessageBytes: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** Proposals are refused while the leader's uncommitted entries hold more data than this. */
  readonly maxUncommittedBytes: number;
  /**
   * How reads are made linearisable. "readIndex" (the default, §6.4) asks a quorum and trusts no clock. "lease" (§6.4.1) answers at once
   * while a quorum's last answer is fresh; it needs the driver to tick for all the time that has passed before it asks, or else to
   * call `forgetLease`.
   */
  readonly reads?: "readIndex" | "lease";
  /**
   * By how many ticks a lease is shorter than `electionTicks`; at least 1, for a tick may come right after a message. The default
   * is a third: members' clocks may then differ by (electionTicks - 1) / (electionTicks - leaseMarginTicks), with 10 ticks 9 to 6.
   */
  readonly leaseMarginTicks?: number;
}

type Of<T extends Message["type"]> = Message extends infer M
  ? M extends { readonly type: infer U }
    ? T extends U
      ? M
      : never
    : never
  : never;
/** A message's own fields; the envelope is added when it is sent. */
type Body = Message extends infer M ? (M extends Message ? Omit<M, "from" | "to" | "term"> : never) : never;
type Proposal = Pick<Entry, "type" | "data">;
type Campaign = "preElection" | "election" | "transfer";

export { type ConfChange, ConfChangeError, type ConfStep, changeConf, leaveJoint } from "./conf_change.ts";
export {
  emptyWitnessRecord,
  stepWitness,
  stepWitnessOn,
  type WitnessRecord,
  type WitnessRegister,
} from "./witness.ts";

interface Batch {
  readonly low: number;
  readonly lastIndex: number;
  readonly entries: Entry[];
  readonly bytes: number;
}

interface Mail {
  readonly toSelf: readonly Message[];
  readonly toOthers: readonly Message[];
}

const nothing = new Uint8Array(0);
const noMail: Mail = { toSelf: [], toOthers: [] };
const noBatch: Batch = { low: 0, lastIndex: 0, entries: [], bytes: 0 };

/**
 * One member's part in consensus: pure, and driven from outside (DESIGN.md). Sections refer to Ongaro's thesis.
 */
export class Raft {
  readonly id: MemberId;
  readonly log: RaftLog;
  readonly #config: RaftConfig;
  readonly #leaseTicks: number;
  #conf: ConfState;
  #term: number;
  #vote: MemberId;
  #role: Role = "follower";
  #leader: MemberId = noMember;
  /** Ticks since the start. */
  #now = 0;
  /** Ticks since a leader was last heard of: the lease that a voter honours (§4.2.3, §6.4.1), whatever the term is by now. */
  #sinceLeader: number;
  #electionElapsed = 0;
  #heartbeatElapsed = 0;
  #electionTimeout = 0;
  #votes = new Map<MemberId, boolean>();
  /** The leader whose silence made this member stand for election; nothing was heard of it since. */
  #silentLeader: MemberId = noMember;

  // A leader's
  #progress = new Map<MemberId, Progress>();
  /** Entries, word of a commit, or room for more: something may have to be sent. */
  #replicateWanted = false;
  /** Several members often lack the same entries: they share one array, which a transport need encode but once. */
  #lastBatch: Batch = noBatch;
  /** The leader is handing over to this one and takes no proposals (§3.10). */
  #transferee: MemberId = noMember;
  #handOverSent = false;
  /** No further change of members is taken before this entry is applied (§4.1). */
  #pendingConfIndex = 0;
  #uncommittedBytes = 0;
  /** The data voters that keep up are no quorum: the witness must take part. */
  #witnessNeeded = false;
  #snapshotWanted = false;
  #latestSnapshot: SnapshotMeta | undefined;

  // Reads
  /** The newest round of heartbeats. */
  #round = 0;
  #roundWanted = false;
  /** Rounds up to this one give no lease any more. */
  #leaseFloor = 0;
  /** Somebody was told to stand for election without regard to leases. */
  #leaseForfeited = false;
  /** Those that wait for a quorum's word, oldest first. */
  #reads: PendingRead[] = [];
  /** Those that wait for this leader's first commit. */
  #earlyReads: { readonly from: MemberId; readonly context: number }[] = [];
  readonly #asked: AskedReads;
  #askWanted = false;

  // What the next Readys will say.
  #hardStateDirty = false;
  #snapshotToInstall: SnapshotMeta | undefined;
  #messages: Message[] = [];
  #messagesAfterAppend: Message[] = [];
  #forwards: Proposal[] = [];
  #readStates: ReadState[] = [];
  #appending:
    | {
        readonly term: number;
        readonly lastIndex: number;
        readonly lastTerm: number;
        readonly toSelf: readonly Message[];
        readonly snapshot: SnapshotMeta | undefined;
      }
    | undefined;
  #durableTerm: number;

  constructor(config: RaftConfig) {
    this.id = config.id;
    this.#config = config;
    const margin = config.leaseMarginTicks ?? Math.max(1, Math.ceil(config.electionTicks / 3));
    this.#leaseTicks = config.electionTicks - margin;
    this.#conf = config.conf;
    this.#term = config.hardState.term;
    this.#vote = config.hardState.vote;
    this.#durableTerm = this.#term;
    this.log = new RaftLog(config.snapshot, config.entries);
    this.log.commit = Math.max(this.log.commit, Math.min(config.hardState.commit, this.log.lastIndex));
    // Before a restart it may have confirmed a leader's lease a moment ago, unless it never heard of any.
    this.#sinceLeader = this.#term === 0 ? config.electionTicks : 0;
    this.#asked = new AskedReads(config.random);
    this.#resetTimeout();
  }

  get term(): number {
    return this.#term;
  }

  get vote(): MemberId {
    return this.#vote;
  }

  get role(): Role {
    return this.#role;
  }

  get leader(): MemberId {
    return this.#leader;
  }

  get conf(): ConfState {
    return this.#conf;
  }

  /** A leader's view of another member, and of itself. */
  progressOf(id: MemberId): Progress | undefined {
    return this.#progress.get(id);
  }

  /** A leader's: commits wait for the witness, since too few of those with data keep up. */
  get witnessNeeded(): boolean {
    return this.#witnessNeeded;
  }

  /** A member needs a snapshot, and the last one made is too old to go on from: make one, and call `snapshotMade`. */
  get snapshotWanted(): boolean {
    return this.#snapshotWanted;
  }

  /**
   * A leader's: up to here the log may be given up without another member that is there having to be sent a snapshot, or the one that it
   * is being sent being of no use. On other members it is what is applied.
   */
  get compactionFloor(): number {
    let floor = this.log.applied;
    for (const [id, progress] of this.#progress) {
      if (id === this.id || this.#isWitness(id) || !progress.recentActive) continue;
      floor = Math.min(floor, progress.state === "snapshot" ? progress.pendingSnapshot : progress.match);
    }
    return floor;
  }

  // What the driver does

  /** Time passes: one of `electionTicks` or `heartbeatTicks`. */
  tick(): void {
    this.#now++;
    this.#sinceLeader++;
    this.#electionElapsed++;
    if (this.#role === "leader") {
      this.#tickLeader();
      return;
    }
    this.#askAgain(this.#config.electionTicks);
    // Who may not stand lets the time run on: it must not look as if it had just heard from a leader (§4.2.3).
    if (this.#electionElapsed < this.#electionTimeout || !this.#mayLead(this.id)) return;
    this.#electionElapsed = 0;
    if (this.#leader !== noMember) this.#silentLeader = this.#leader;
    this.campaign();
  }

  #tickLeader(): void {
    const { electionTicks, heartbeatTicks } = this.#config;
    for (const [id, progress] of this.#progress) {
      if (id === this.id) progress.heard();
      if (!this.#isWitness(id)) progress.tick(this.log.lastIndex, electionTicks);
    }
    this.#considerWitness();
    this.#considerOwnDisk();
    if (this.#electionElapsed >= electionTicks) {
      this.#electionElapsed = 0;
      // §3.10: the one that was to take over does not.
      this.#transferee = noMember;
      this.#checkQuorum();
      if (this.#role !== "leader") return;
      this.#greetWitness();
    }
    if (++this.#heartbeatElapsed >= heartbeatTicks) {
      this.#heartbeatElapsed = 0;
      this.#broadcastHeartbeat();
    }
  }

  /**
   * A leader whose disk does nothing any more applies nothing and so answers nobody, while the others go on committing. Slow is not
   * that: not one write has ended in two election time-outs. Then another one takes over (§3.10).
   */
  #considerOwnDisk(): void {
    const self = this.#progress.get(this.id);
    if (self === undefined || self.stuckTicks < 2 * this.#config.electionTicks || this.#transferee !== noMember) return;
    this.transferLeadership(this.#heir());
  }

  /** Who could lead next: it has data and a vote, keeps up, and has most. */
  #heir(): MemberId {
    let heir: MemberId = noMember;
    for (const id of this.#conf.voters) {
      const progress = this.#progress.get(id);
      if (id === this.id || this.#isWitness(id) || progress?.inSync !== true) continue;
      if (progress.match > (this.#progress.get(heir)?.match ?? 0)) heir = id;
    }
    return heir;
  }

  /**
   * Stands for election, with a pre-vote unless it is the only voter (§3.4, §9.6). False: it may not, or not now: it leads, has no vote or
   * no data, has members to apply first, or has heard from a leader within `electionTicks` (as it may have before a restart).
   */
  campaign(): boolean {
    if (this.#role === "leader" || !this.#mayStand()) return false;
    const alone = votersOf(this.#conf).length === 1;
    if (!alone && this.#sinceLeader < this.#config.electionTicks) return false;
    this.#campaign(alone ? "election" : "preElection");
    return true;
  }

  /** A change of members that is committed and not applied could mean that this one is none any more. */
  #mayStand(): boolean {
    return this.#mayLead(this.id) && !this.log.hasConfChange(this.log.applied, this.log.commit);
  }

  /**
   * Appends an entry when this member leads (§3.5), or sends it to the leader (a change of members it does not). "refused": there is
   * no leader, it is handing over, too much is uncommitted, or another change of members is under way; nothing happened.
   * "forwarded" promises nothing.
   *
   * A change of members is `data` that the driver understands (conf_change.ts is made for it), or nothing at all: that is the
   * leaving of a joint configuration (§4.3).
   */
  propose(data: Uint8Array, type: EntryType = "normal"): "appended" | "forwarded" | "refused" {
    if (this.#role === "leader") return this.#accept(type, data) ? "appended" : "refused";
    // A change of members starts from those of the leader: what a follower believes may be out of date, and then it would be more than
    // one step (§4.1).
    if (this.#leader === noMember || type === "confChange") return "refused";
    this.#forwards.push({ type, data });
    return "forwarded";
  }

  /**
   * Asks for an index at which a read is linearisable (§6.4). False: no leader is known. True: it is answered by a Ready as soon as
   * there is a leader that can, however often leaders change; only a restart loses it.
   */
  readIndex(context: number): boolean {
    if (this.#role === "leader") this.#leaderRead(this.id, context);
    else if (this.#leader === noMember) return false;
    else {
      this.#asked.add(context);
      this.#askWanted = true;
    }
    return true;
  }

  /** §6.4.1: time may have passed without ticks (the process was stopped, say). Reads ask a quorum again. */
  forgetLease(): void {
    this.#leaseFloor = this.#round;
  }

  /**
   * Hands the lead to `to`, once its log is complete (§3.10). Given up after an election time-out. False: this member does not lead, or
   * `to` could not.
   */
  transferLeadership(to: MemberId): boolean {
    if (this.#role !== "leader" || to === this.id) return false;
    if (!this.#conf.voters.includes(to) || this.#isWitness(to) || !this.#progress.has(to)) return false;
    if (to === this.#transferee) return true;
    this.#transferee = to;
    this.#handOverSent = false;
    this.#electionElapsed = 0;
    this.#replicateWanted = true;
    return true;
  }

  /** A confChange entry was applied: these are the members now (§4.1, §4.3). */
  applyConf(conf: ConfState): void {
    this.#conf = conf;
    if (this.#role !== "leader") return;
    const members = membersOf(conf);
    for (const id of members) {
      if (this.#progress.has(id)) continue;
      const progress = this.#newProgress(this.log.lastIndex + 1);
      // It has not had the chance to be heard of, and begins with nothing.
      progress.recentActive = true;
      progress.doubt(this.log.lastIndex);
      this.#progress.set(id, progress);
    }
    for (const [id, progress] of this.#progress) {
      if (members.includes(id)) continue;
      // It shall know that it is none any more, if that can be done now (§4.2.3).
      if (id !== this.id) this.#replicate(id, progress);
      this.#progress.delete(id);
    }
    if (!this.#mayLead(this.id)) {
      this.#abdicate();
      return;
    }
    if (this.#transferee !== noMember && !conf.voters.includes(this.#transferee)) this.#transferee = noMember;
    this.#considerWitness();
    this.#maybeCommit();
    this.#confirmReads();
    this.#replicateWanted = true;
  }

  /** §4.2.2: a leader that is no voter any more steps down once that is committed, which it is; another shall follow at once. */
  #abdicate(): void {
    for (const [id, progress] of this.#progress) if (id !== this.id) this.#replicate(id, progress);
    const heir = this.#heir();
    if (heir !== noMember) this.#send(heir, { type: "timeoutNow" });
    this.#becomeFollower(this.#term, noMember);
  }

  /** The driver has a durable snapshot that it can send; entries up to it may go. */
  snapshotMade(snapshot: SnapshotMeta): void {
    this.#latestSnapshot = snapshot;
    if (this.#snapshotWanted && this.#role === "leader") this.#replicateWanted = true;
    this.#snapshotWanted = false;
  }

  /**
   * The connection to a leader was closed: its process has most likely ended, where one that stalls only falls silent. This member no longer
   * stands by it (§4.2.3), and stands for election itself within a few ticks; if the leader is there after all, its next word settles it, and
   * a pre-vote (§9.6) needs a quorum that has lost it too. Not where leases are promised (§6.4.1): those are a matter of time.
   */
  leaderGone(id: MemberId): void {
    if (this.#role !== "follower" || this.#leader !== id || this.#config.reads === "lease") return;
    this.#silentLeader = id;
    this.#leader = noMember;
    this.#sinceLeader = Math.max(this.#sinceLeader, this.#config.electionTicks);
    const soon = 1 + Math.floor(this.#config.random() * 3);
    this.#electionElapsed = Math.max(this.#electionElapsed, this.#electionTimeout - soon);
  }

  /** The transport could not deliver to `id` lately. */
  reportUnreachable(id: MemberId): void {
    const progress = this.#progress.get(id);
    if (progress?.state === "replicate") progress.becomeProbe();
  }

  /**
   * The snapshot for `id` was delivered and stepped there, or not: this must come for each that a Ready asked to send, for until then `id` is
   * sent nothing else. While a transport resumes a transfer (the same index, `progressOf(id).pendingSnapshot`), it reports nothing.
   */
  reportSnapshot(id: MemberId, delivered: boolean): void {
    const progress = this.#progress.get(id);
    if (progress?.state !== "snapshot") return;
    if (!delivered) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    // The member's own answer comes next, or a heartbeat's: until then, do not send.
    progress.probeSent = true;
  }

  hasReady(): boolean {
    if (this.#readStates.length > 0 || this.#messages.length > 0) return true;
    if (Math.min(this.log.commit, this.log.stable) > this.log.applied) return true;
    if (this.#appending === undefined && (this.#mustWrite() || this.#messagesAfterAppend.length > 0)) return true;
    if (this.#role === "leader") return this.#replicateWanted || this.#roundWanted || this.#leaveIsDue();
    return this.#leader !== noMember && (this.#askWanted || this.#forwards.length > 0);
  }

  #mustWrite(): boolean {
    return this.#hardStateDirty || this.log.lastIndex > this.log.stable || this.#snapshotToInstall !== undefined;
  }

  /** What is to be done. With a `hardState` something must be written, and `advance` be called when it is durable. */
  ready(): Ready {
    this.#gather();
    // While a snapshot is being installed its state is not there yet to apply to.
    const installing = this.#snapshotToInstall !== undefined;
    const until = installing ? this.log.applied : Math.min(this.log.commit, this.log.stable);
    const committedEntries = this.log.slice(this.log.applied + 1, until);
    this.log.applied += committedEntries.length;
    const writes = this.#appending === undefined && this.#mustWrite() ? this.#startAppend() : undefined;
    if (writes === undefined && this.#appending === undefined) this.#flushAfterAppend();
    const ready: Ready = {
      hardState: writes?.hardState,
      entries: writes?.entries ?? [],
      snapshot: writes?.snapshot,
      messages: this.#messages,
      messagesAfterAppend: writes?.messages ?? [],
      committedEntries,
      readStates: this.#readStates,
    };
    this.#messages = [];
    this.#readStates = [];
    return ready;
  }

  /** What was asked for since the last Ready becomes as few messages as possible: a thousand proposals travel together (§10.2.2). */
  #gather(): void {
    if (this.#role !== "leader") {
      this.#gatherRequests();
      return;
    }
    if (this.#leaveIsDue()) this.#push("confChange", nothing);
    if (this.#roundWanted) this.#broadcastHeartbeat();
    if (!this.#replicateWanted) return;
    this.#replicateWanted = false;
    for (const [id, progress] of this.#progress) if (id !== this.id) this.#replicate(id, progress);
    this.#handOver();
  }

  #gatherRequests(): void {
    if (this.#leader === noMember) return;
    if (this.#askWanted) {
      this.#askWanted = false;
      for (const context of this.#asked.due(this.#now)) this.#send(this.#leader, { type: "readIndex", context });
    }
    if (this.#forwards.length === 0) return;
    let entries: Proposal[] = [];
    let bytes = 0;
    for (const entry of this.#forwards.splice(0)) {
      bytes += entry.data.length;
      if (entries.length > 0 && bytes > this.#config.maxMessageBytes) {
        this.#send(this.#leader, { type: "propose", entries });
        entries = [];
        bytes = entry.data.length;
      }
      entries.push(entry);
    }
    if (entries.length > 0) this.#send(this.#leader, { type: "propose", entries });
  }

  #startAppend() {
    const snapshot = this.#snapshotToInstall;
    const { entries } = this.log.batch(this.log.stable + 1, this.#config.maxReadyBytes);
    const lastIndex = this.log.stable + entries.length;
    // Acknowledgements may speak of entries that did not fit: then they go with the rest.
    const { toSelf, toOthers } = lastIndex === this.log.lastIndex ? this.#takeAfterAppend() : noMail;
    this.#appending = { term: this.#term, lastIndex, lastTerm: this.log.term(lastIndex) ?? 0, toSelf, snapshot };
    this.#hardStateDirty = false;
    this.#snapshotToInstall = undefined;
    const commit = Math.min(this.log.commit, lastIndex);
    const hardState: HardState = { term: this.#term, vote: this.#vote, commit };
    return { hardState, entries, snapshot, messages: toOthers };
  }

  #takeAfterAppend(): Mail {
    if (this.#messagesAfterAppend.length === 0) return noMail;
    const toSelf: Message[] = [];
    const toOthers: Message[] = [];
    for (const message of this.#messagesAfterAppend) {
      // What was promised in a term that is over is of no use to anybody.
      if (message.term >= this.#term) (message.to === this.id ? toSelf : toOthers).push(message);
    }
    this.#messagesAfterAppend = [];
    return { toSelf, toOthers };
  }

  /** Nothing is left to write: what waited for that may go. */
  #flushAfterAppend(): void {
    const { toSelf, toOthers } = this.#takeAfterAppend();
    for (const message of toSelf) this.step(message);
    for (const message of toOthers) this.#messages.push(message);
  }

  /** What the last Ready with a hard state asked to write is durable now. */
  advance(): void {
    const done = this.#appending;
    if (done === undefined) throw new Error("Nothing was being written");
    this.#appending = undefined;
    this.#durableTerm = done.term;
    // What was installed can be handed on.
    if (done.snapshot !== undefined) this.#latestSnapshot = done.snapshot;
    // If a new leader has replaced the entry meanwhile, the write has to be done again.
    if (this.log.term(done.lastIndex) === done.lastTerm) this.log.stable = Math.max(this.log.stable, done.lastIndex);
    for (const message of done.toSelf) this.step(message);
    if (this.#role !== "leader") return;
    // §10.2.1: only now it counts itself.
    if (this.#progress.get(this.id)?.acknowledge(this.log.stable) !== true) return;
    this.#maybeCommit();
    if (this.#witnessNeeded) this.#replicateWanted = true;
  }

  // Messages

  /** A message has arrived. Old, repeated, and reordered ones do no harm. */
  step(message: Message): void {
    if (message.from === this.#silentLeader) this.#silentLeader = noMember;
    if (message.term > this.#term) {
      if (!this.#meetNewerTerm(message)) return;
    } else if (message.term < this.#term && !isRequest(message)) {
      this.#answerOlderTerm(message);
      return;
    }
    switch (message.type) {
      case "requestVote":
      case "requestPreVote":
        if (!this.#standsByLeader(message)) this.#onVoteRequest(message);
        return;
      case "requestVoteResponse":
      case "requestPreVoteResponse":
        this.#onVoteResponse(message);
        return;
      case "appendEntries":
        this.#follow(message.from);
        this.#onAppend(message);
        return;
      case "heartbeat":
        this.#follow(message.from);
        this.#onHeartbeat(message);
        return;
      case "installSnapshot":
        this.#follow(message.from);
        this.#onSnapshot(message);
        return;
      case "appendEntriesResponse":
        if (this.#role === "leader") this.#onAppendResponse(message);
        return;
      case "heartbeatResponse":
        if (this.#role === "leader") this.#onHeartbeatResponse(message);
        return;
      case "timeoutNow":
        if (this.#role === "follower" && this.#mayStand()) this.#campaign("transfer");
        return;
      case "propose":
        if (this.#role !== "leader") return;
        for (const { type, data } of message.entries) if (type === "normal") this.#accept(type, data);
        return;
      case "readIndex":
        if (this.#role === "leader") this.#leaderRead(message.from, message.context);
        return;
      case "readIndexResponse": {
        const context = this.#asked.answered(message.context);
        if (context !== undefined) this.#readStates.push({ index: message.index, context });
        return;
      }
      case "witnessAppend":
        // For witness.ts: one that holds data is no witness.
        return;
    }
  }

  /**
   * §4.2.3, §6.4.1: who leads, or has heard from a leader within the shortest election time-out, helps nobody to unseat it, in this
   * term or a newer one, unless the leader itself asked for that.
   */
  #standsByLeader(message: Of<"requestVote"> | Of<"requestPreVote">): boolean {
    if (message.transfer) return false;
    return this.#role === "leader" || this.#sinceLeader < this.#config.electionTicks;
  }

  /** §3.3: a newer term ends one's own. False: the message is to be ignored. */
  #meetNewerTerm(message: Message): boolean {
    if (message.type === "requestVote" && this.#standsByLeader(message)) return false;
    // A pre-vote speaks of a term that nobody has entered (§9.6).
    if (message.type === "requestPreVote") return true;
    if (message.type === "requestPreVoteResponse" && !message.reject) return true;
    if (isRequest(message)) return true;
    const fromLeader =
      message.type === "appendEntries" || message.type === "heartbeat" || message.type === "installSnapshot";
    this.#becomeFollower(message.term, fromLeader ? message.from : noMember);
    return true;
  }

  #answerOlderTerm(message: Message): void {
    if (message.type === "appendEntries" || message.type === "heartbeat" || message.type === "installSnapshot") {
      // A leader that was cut off must hear of the newer term: pre-votes do not tell it (§9.6).
      this.#sendAfterAppend(message.from, {
        type: "appendEntriesResponse",
        reject: true,
        index: message.type === "appendEntries" ? message.prevIndex : 0,
        hintIndex: this.log.lastIndex,
        hintTerm: 0,
      });
    } else if (message.type === "requestPreVote") {
      this.#sendAfterAppend(message.from, { type: "requestPreVoteResponse", reject: true, ...this.#commitPoint() });
    }
  }

  /** There is a leader of this term (§3.4). */
  #follow(leader: MemberId): void {
    if (this.#role === "leader") throw new Error(`Two leaders of term ${this.#term}: ${this.id} and ${leader}`);
    if (this.#role !== "follower") this.#becomeFollower(this.#term, leader);
    this.#electionElapsed = 0;
    this.#sinceLeader = 0;
    if (this.#leader === leader) return;
    this.#leader = leader;
    this.#askAgain(0);
  }

  // Elections

  /** Both halves of a joint configuration may give the leader (§4.3); a witness has no data to lead with. */
  #mayLead(id: MemberId): boolean {
    return isVoter(this.#conf, id) && !this.#isWitness(id);
  }

  #isWitness(id: MemberId): boolean {
    return this.#conf.witnesses.length > 0 && this.#conf.witnesses.includes(id);
  }

  /** §3.4: at random between once and twice the shortest, so that votes are rarely split. */
  #resetTimeout(): void {
    const { electionTicks, random } = this.#config;
    this.#electionTimeout = electionTicks + Math.floor(random() * electionTicks);
  }

  #reset(term: number): void {
    if (term !== this.#term) {
      this.#term = term;
      this.#vote = noMember;
      this.#hardStateDirty = true;
    }
    this.#leader = noMember;
    this.#electionElapsed = 0;
    this.#heartbeatElapsed = 0;
    this.#resetTimeout();
    this.#votes.clear();
    this.#progress.clear();
    this.#replicateWanted = false;
    this.#lastBatch = noBatch;
    this.#transferee = noMember;
    this.#handOverSent = false;
    this.#pendingConfIndex = 0;
    this.#uncommittedBytes = 0;
    this.#witnessNeeded = false;
    this.#snapshotWanted = false;
    this.#roundWanted = false;
    this.#leaseForfeited = false;
    this.#leaseFloor = this.#round;
    this.#forwards = [];
    // This member's own reads are put to whoever leads next.
    for (const { from, context } of this.#reads.splice(0)) if (from === this.id) this.#asked.add(context);
    for (const { from, context } of this.#earlyReads.splice(0)) if (from === this.id) this.#asked.add(context);
    this.#askAgain(0);
  }

  #becomeFollower(term: number, leader: MemberId): void {
    this.#reset(term);
    this.#role = "follower";
    this.#leader = leader;
  }

  /** §3.4, §9.6. */
  #campaign(kind: Campaign): void {
    let term = this.#term + 1;
    if (kind === "preElection") {
      // Neither term nor vote change: nobody is disturbed by a member that cannot win.
      this.#role = "preCandidate";
      this.#votes.clear();
      this.#leader = noMember;
      this.#resetTimeout();
      this.#votes.set(this.id, true);
    } else {
      this.#reset(term);
      this.#role = "candidate";
      this.#vote = this.id;
      this.#hardStateDirty = true;
      term = this.#term;
      // Its own vote counts once it is durable.
      this.#sendAfterAppend(this.id, { type: "requestVoteResponse", reject: false, ...this.#commitPoint() });
    }
    const { lastIndex, lastTerm } = this.log;
    const log = { lastIndex, lastTerm, ...this.#commitPoint() };
    for (const to of votersOf(this.#conf)) {
      if (to === this.id) continue;
      if (kind === "preElection")
        this.#messages.push({ type: "requestPreVote", from: this.id, to, term, ...log, transfer: false });
      // After the write: entries that are not durable here must not win a vote.
      else this.#sendAfterAppend(to, { type: "requestVote", ...log, transfer: kind === "transfer" });
    }
  }

  /** §3.4, and §3.6.1: only a log that is up to date is voted for. */
  #onVoteRequest(message: Of<"requestVote"> | Of<"requestPreVote">): void {
    const pre = message.type === "requestPreVote";
    const mayVote =
      this.#vote === message.from ||
      (this.#vote === noMember && this.#leader === noMember) ||
      (pre && message.term > this.#term);
    const grant = mayVote && this.log.isUpToDate(message.lastIndex, message.lastTerm);
    if (grant && !pre) {
      this.#electionElapsed = 0;
      if (this.#vote !== message.from) this.#hardStateDirty = true;
      this.#vote = message.from;
    }
    this.#messagesAfterAppend.push({
      type: pre ? "requestPreVoteResponse" : "requestVoteResponse",
      from: this.id,
      to: message.from,
      // Of a pre-vote its asker is still in the term before, and hears nothing from an older one: what is committed it shall hear.
      term: grant ? message.term : Math.max(this.#term, message.term - (pre ? 1 : 0)),
      reject: !grant,
      ...this.#commitPoint(),
    });
    this.#learnCommit(message);
  }

  #commitPoint(): { commit: number; commitTerm: number } {
    return { commit: this.log.commit, commitTerm: this.log.term(this.log.commit) ?? 0 };
  }

  /**
   * What another member knows to be committed is committed (§3.5, Log Matching). Without this, a pair of which one was removed could be
   * stuck: it knows that it is no voter any more, and the other one, who does not, waits for its vote.
   */
  #learnCommit({ commit, commitTerm }: { readonly commit: number; readonly commitTerm: number }): void {
    if (this.#role === "leader" || commit <= this.log.commit || this.log.term(commit) !== commitTerm) return;
    const before = this.log.commit;
    this.log.commit = commit;
    // The members may change: ask again once that is applied.
    if (this.#role !== "follower" && this.log.hasConfChange(before, commit)) this.#becomeFollower(this.#term, noMember);
  }

  /** §3.4, §9.6. */
  #onVoteResponse(message: Of<"requestVoteResponse"> | Of<"requestPreVoteResponse">): void {
    const wanted = message.type === "requestVoteResponse" ? "candidate" : "preCandidate";
    if (this.#role !== wanted || this.#votes.has(message.from)) return;
    // An answer to a pre-vote of an earlier term says nothing about this one.
    if (message.type === "requestPreVoteResponse" && !message.reject && message.term !== this.#term + 1) return;
    this.#votes.set(message.from, !message.reject);
    const result = voteResult(this.#conf, (id) => this.#votes.get(id));
    if (result === "lost") this.#becomeFollower(this.#term, noMember);
    if (message.reject) this.#learnCommit(message);
    else if (result === "won" && this.#role === "preCandidate") this.#campaign("election");
    else if (result === "won") this.#becomeLeader();
  }

  /** §3.4; the empty entry commits what earlier terms left (§3.6.2, §6.4). */
  #becomeLeader(): void {
    this.#reset(this.#term);
    this.#role = "leader";
    this.#leader = this.id;
    for (const id of membersOf(this.#conf)) this.#progress.set(id, this.#newProgress(this.log.lastIndex + 1));
    const self = this.#progress.get(this.id);
    if (self !== undefined) self.match = this.log.stable;
    // Everybody but the one whose silence began this has the benefit of the doubt: the witness is not for a moment's delay.
    this.#progress.get(this.#silentLeader)?.doubt(this.log.lastIndex + 1);
    this.#considerWitness();
    this.#greetWitness();
    this.#uncommittedBytes = this.log.bytesBetween(this.log.commit, this.log.lastIndex);
    this.#push("normal", nothing);
    // There may be a change of members among the entries that are not applied; and none begins before this term's first commit.
    this.#pendingConfIndex = this.log.lastIndex;
    for (const context of this.#asked.takeAll()) this.#leaderRead(this.id, context);
  }

  #newProgress(next: number): Progress {
    const { maxInflightMessages, maxInflightBytes } = this.#config;
    return new Progress(next, { messages: maxInflightMessages, bytes: maxInflightBytes });
  }

  /** §6.2: a leader that does not hear from a quorum within an election time-out steps down. */
  #checkQuorum(): void {
    const alive = voteResult(this.#conf, (id) => id === this.id || this.#progress.get(id)?.recentActive === true);
    for (const [id, progress] of this.#progress) if (id !== this.id) progress.recentActive = false;
    if (alive !== "won") this.#becomeFollower(this.#term, noMember);
  }

  // Replication

  /** Whether a proposal is taken. */
  #accept(type: EntryType, data: Uint8Array): boolean {
    if (this.#transferee !== noMember) return false;
    const bytes = data.length;
    // One proposal always goes, however large.
    if (bytes > 0 && this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > this.#config.maxUncommittedBytes)
      return false;
    if (type === "confChange") {
      // §4.1: one at a time. §4.3: a joint configuration is first left, which is what an entry without data means.
      if (this.#pendingConfIndex > this.log.applied || isJoint(this.#conf) !== (bytes === 0)) return false;
    }
    this.#push(type, data);
    return true;
  }

  /** §3.5: what is sent, and to whom, is seen to when the next Ready is made. */
  #push(type: EntryType, data: Uint8Array): void {
    const index = this.log.lastIndex + 1;
    this.log.push({ index, term: this.#term, type, data });
    if (type === "confChange") this.#pendingConfIndex = index;
    this.#uncommittedBytes += data.length;
    this.#replicateWanted = true;
  }

  /** §4.3: the leader ends what its driver has begun, as soon as that is applied. */
  #leaveIsDue(): boolean {
    if (!this.#conf.autoLeave || !isJoint(this.#conf)) return false;
    return this.#transferee === noMember && this.#pendingConfIndex <= this.log.applied;
  }

  /** Sends what a member lacks as far as that may be now: entries, or only word of the commit (§3.5). */
  #replicate(id: MemberId, progress: Progress): void {
    if (this.#isWitness(id)) {
      this.#sendMark(id, progress);
      return;
    }
    while (this.#sendAppend(id, progress));
    const commit = Math.min(progress.match, this.log.commit);
    if (commit <= progress.toldCommit || progress.state === "snapshot") return;
    progress.toldCommit = commit;
    this.#send(id, { type: "heartbeat", commit, context: 0 });
  }

  /** True: it may be sent more at once. */
  #sendAppend(to: MemberId, progress: Progress): boolean {
    const paused = progress.isPaused;
    if (paused && !progress.nudge) return false;
    const prevIndex = progress.next - 1;
    const prevTerm = this.log.term(prevIndex);
    if (prevTerm === undefined) {
      this.#sendSnapshot(to, progress);
      return false;
    }
    const { entries, bytes } = paused ? noBatch : this.#batchFrom(progress.next);
    if (entries.length === 0 && progress.state === "replicate" && !progress.nudge) return false;
    this.#send(to, { type: "appendEntries", prevIndex, prevTerm, entries, commit: this.log.commit });
    const last = prevIndex + entries.length;
    progress.toldCommit = Math.max(progress.toldCommit, Math.min(last, this.log.commit));
    progress.sent(last, entries.length, bytes, this.#round);
    return progress.state === "replicate" && entries.length > 0;
  }

  /** While one leads the log only grows (§3.4), so the ends tell whether a batch is still the same. */
  #batchFrom(low: number): Batch {
    const { lastIndex } = this.log;
    if (this.#lastBatch.low === low && this.#lastBatch.lastIndex === lastIndex) return this.#lastBatch;
    this.#lastBatch = { low, lastIndex, ...this.log.batch(low, this.#config.maxMessageBytes) };
    return this.#lastBatch;
  }

  /** §5.3. */
  #sendSnapshot(to: MemberId, progress: Progress): void {
    // A member that is away is not worth a snapshot.
    if (!progress.recentActive) return;
    const snapshot = this.#latestSnapshot;
    if (snapshot === undefined || snapshot.index === 0 || snapshot.index + 1 < this.log.firstIndex) {
      this.#snapshotWanted = true;
      return;
    }
    progress.becomeSnapshot(snapshot.index);
    this.#send(to, { type: "installSnapshot", snapshot });
  }

  /** §3.5: the follower's consistency check. */
  #onAppend(message: Of<"appendEntries">): void {
    const { prevIndex, prevTerm, entries, from } = message;
    if (this.#conf.voters.length === 0) {
      // Changes of members start from the members before them: who knows of none begins with a snapshot, which does.
      this.#sendAfterAppend(from, {
        type: "appendEntriesResponse",
        reject: true,
        index: prevIndex,
        hintIndex: 0,
        hintTerm: 0,
      });
      return;
    }
    if (prevIndex < this.log.commit) {
      // What is committed agrees.
      this.#acknowledge(from, this.log.commit);
      return;
    }
    if (this.log.term(prevIndex) !== prevTerm) {
      // The newest place where agreement is possible: skips a whole term at a time.
      let hint = Math.min(prevIndex, this.log.lastIndex);
      while (hint > this.log.commit && (this.log.term(hint) ?? 0) > prevTerm) hint--;
      this.#sendAfterAppend(from, {
        type: "appendEntriesResponse",
        reject: true,
        index: prevIndex,
        hintIndex: hint,
        hintTerm: this.log.term(hint) ?? 0,
      });
      return;
    }
    for (const entry of entries) {
      if (this.log.term(entry.index) === entry.term) continue;
      if (entry.index <= this.log.lastIndex) this.log.truncateAfter(entry.index - 1);
      this.log.push(entry);
    }
    const last = prevIndex + entries.length;
    this.log.commit = Math.max(this.log.commit, Math.min(message.commit, last));
    this.#acknowledge(from, last);
  }

  /** Several that wait for the same write are one: the highest. */
  #acknowledge(to: MemberId, index: number): void {
    const before = this.#messagesAfterAppend[this.#messagesAfterAppend.length - 1];
    if (before?.type === "appendEntriesResponse" && !before.reject && before.to === to && before.term === this.#term) {
      if (before.index >= index) return;
      this.#messagesAfterAppend.pop();
    }
    this.#sendAfterAppend(to, { type: "appendEntriesResponse", reject: false, index, hintIndex: 0, hintTerm: 0 });
  }

  /** §3.4, §6.4. */
  #onHeartbeat(message: Of<"heartbeat">): void {
    // The leader caps the commit at what it knows this log to hold.
    if (message.commit <= this.log.lastIndex) this.log.commit = Math.max(this.log.commit, message.commit);
    if (message.context === 0) return;
    const answer: Body = { type: "heartbeatResponse", context: message.context };
    // It promises the term and nothing else: if that is durable, a slow disk does not hold it up.
    if (this.#durableTerm === this.#term) this.#send(message.from, answer);
    else this.#sendAfterAppend(message.from, answer);
  }

  /** §5.3: a snapshot that is older than the log's commit is useless; one that the log agrees with only moves the commit. */
  #onSnapshot(message: Of<"installSnapshot">): void {
    const { snapshot, from } = message;
    if (snapshot.index <= this.log.commit) {
      this.#acknowledge(from, this.log.commit);
      return;
    }
    if (this.log.term(snapshot.index) === snapshot.term) {
      this.log.commit = snapshot.index;
      this.#acknowledge(from, this.log.commit);
      return;
    }
    this.log.restore(snapshot);
    this.#conf = snapshot.conf;
    this.#snapshotToInstall = snapshot;
    this.#acknowledge(from, snapshot.index);
  }

  /** §3.5, and for a witness the same without a log. */
  #onAppendResponse(message: Of<"appendEntriesResponse">): void {
    const progress = this.#progress.get(message.from);
    if (progress === undefined) return;
    progress.heard();
    if (!message.reject && message.index > this.log.lastIndex)
      throw new Error(
        `Member ${message.from} holds entry ${message.index} of term ${this.#term}, and its leader ${this.id} only ${this.log.lastIndex}: the leader's log was lost`,
      );
    this.#replicateWanted = true;
    if (message.reject) {
      if (this.#isWitness(message.from)) return;
      // §3.5: skip our own entries of later terms than the follower's at the hint.
      let hint = Math.min(message.hintIndex, this.log.lastIndex);
      if (message.hintTerm > 0) while (hint > 0 && (this.log.term(hint) ?? 0) > message.hintTerm) hint--;
      progress.reject(message.index, hint);
      return;
    }
    const news = progress.acknowledge(message.index);
    if (this.#isWitness(message.from)) progress.probeSent = false;
    else if (progress.state === "probe" && (news || progress.match === message.index)) progress.becomeReplicate();
    // Also when it got there by another way than the snapshot: the log goes on from where it is.
    else if (progress.state === "snapshot" && progress.match + 1 >= this.log.firstIndex && news) {
      progress.becomeProbe();
      progress.becomeReplicate();
    }
    if (news) this.#maybeCommit();
  }

  /** §3.6.2: by counting, only entries of the leader's own term are committed; earlier ones with them. */
  #maybeCommit(): void {
    const index = quorumValue(this.#conf, (id) => this.#progress.get(id)?.match ?? 0);
    if (index <= this.log.commit || this.log.term(index) !== this.#term) return;
    this.#uncommittedBytes -= this.log.bytesBetween(this.log.commit, index);
    this.log.commit = index;
    this.#replicateWanted = true;
    if (this.#earlyReads.length === 0) return;
    for (const { from, context } of this.#earlyReads.splice(0)) this.#leaderRead(from, context);
  }

  // The witness (witness.ts)

  /**
   * The witness takes part only while the voters with data that keep up are no quorum without it. Otherwise its mark could be above what
   * the other one has at the moment when the leader is lost, and two failures would stop what should survive one.
   */
  #considerWitness(): void {
    if (this.#conf.witnesses.length === 0) {
      this.#witnessNeeded = false;
      return;
    }
    const lacks = (voters: readonly MemberId[]): boolean => {
      if (!voters.some((id) => this.#isWitness(id))) return false;
      const able = voters.filter((id) => !this.#isWitness(id) && this.#progress.get(id)?.inSync === true);
      return able.length < majority(voters);
    };
    const needed = lacks(this.#conf.voters) || lacks(this.#conf.votersOutgoing);
    if (needed && !this.#witnessNeeded) {
      this.#replicateWanted = true;
      // Reads wait for it too.
      this.#roundWanted = true;
    }
    this.#witnessNeeded = needed;
  }

  /** Once in an election time-out, so that it counts as there (§6.2) when it is needed. */
  #greetWitness(): void {
    if (this.#witnessNeeded || this.#conf.witnesses.length === 0) return;
    this.#round = roundAfter(this.#round, this.#now);
    for (const [id, progress] of this.#progress) if (this.#isWitness(id)) this.#sendHeartbeat(id, progress);
  }

  /**
   * §3.5 without data. The mark is set only to what its acknowledgement then commits: an entry of this term (§3.6.2) that is durable on all
   * others whom that takes. So whoever is left of them can be elected, even if the leader crashes before it hears the answer.
   */
  #sendMark(id: MemberId, progress: Progress): void {
    if (!this.#witnessNeeded || progress.probeSent) return;
    const index = quorumValue(this.#conf, (voter) =>
      this.#isWitness(voter) ? Number.POSITIVE_INFINITY : (this.#progress.get(voter)?.match ?? 0),
    );
    if (index <= this.log.commit || index <= progress.match || this.log.term(index) !== this.#term) return;
    // One at a time: what comes meanwhile goes with the next.
    progress.sent(index, 0, 0, this.#round);
    this.#send(id, { type: "witnessAppend", index });
  }

  // Reads

  #broadcastHeartbeat(): void {
    this.#roundWanted = false;
    this.#round = roundAfter(this.#round, this.#now);
    for (const [id, progress] of this.#progress) {
      if (id === this.id || (!this.#witnessNeeded && this.#isWitness(id))) continue;
      this.#sendHeartbeat(id, progress);
    }
  }

  #sendHeartbeat(to: MemberId, progress: Progress): void {
    const commit = Math.min(progress.match, this.log.commit);
    progress.toldCommit = Math.max(progress.toldCommit, commit);
    this.#send(to, { type: "heartbeat", commit, context: this.#round });
  }

  #onHeartbeatResponse(message: Of<"heartbeatResponse">): void {
    const progress = this.#progress.get(message.from);
    if (progress === undefined) return;
    progress.answeredHeartbeat(message.context);
    // The word that it should take over may have been lost.
    if (message.from === this.#transferee) this.#handOverSent = false;
    this.#replicateWanted = true;
    this.#confirmReads();
  }

  /** §6.4: notes the commit index, and answers once a quorum has confirmed that this is still the leader. */
  #leaderRead(from: MemberId, context: number): void {
    // A new leader does not know what is committed before it has committed in its own term.
    if (this.log.term(this.log.commit) !== this.#term) {
      this.#earlyReads.push({ from, context });
      return;
    }
    const read: PendingRead = { from, context, index: this.log.commit, round: this.#round + 1 };
    if (votersOf(this.#conf).length === 1 || this.#holdsLease()) {
      this.#answerRead(read);
      return;
    }
    this.#reads.push(read);
    this.#roundWanted = true;
  }

  /** The newest round that a quorum has answered. */
  #confirmedRound(): number {
    return quorumValue(this.#conf, (id) =>
      id === this.id ? this.#round : (this.#progress.get(id)?.answeredRound ?? 0),
    );
  }

  #confirmReads(): void {
    if (this.#reads.length === 0) return;
    const alone = votersOf(this.#conf).length === 1;
    const confirmed = alone ? Number.POSITIVE_INFINITY : this.#confirmedRound();
    const open = this.#reads.findIndex(({ round }) => round > confirmed);
    for (const read of this.#reads.splice(0, open < 0 ? this.#reads.length : open)) this.#answerRead(read);
  }

  /**
   * §6.4.1: nobody else can have been elected if, `electionTicks` less a margin ago, no quorum had been without a word from this leader:
   * its members do not vote until that time is over (`#standsByLeader`). A witness has no clock and does not count. It ends
   * for good when somebody is told to stand for election (§3.10), who will be voted for at once.
   */
  #holdsLease(): boolean {
    if (this.#config.reads !== "lease" || this.#leaseForfeited || this.#transferee !== noMember) return false;
    const round = quorumValue(this.#conf, (id) => {
      if (id === this.id) return this.#round;
      return this.#isWitness(id) ? 0 : (this.#progress.get(id)?.answeredRound ?? 0);
    });
    return round > this.#leaseFloor && this.#now - roundSentAt(round) < this.#leaseTicks;
  }

  #answerRead({ from, context, index }: PendingRead): void {
    if (from === this.id) this.#readStates.push({ index, context });
    else this.#send(from, { type: "readIndexResponse", context, index });
  }

  /** Reads that were asked at least `patience` ticks ago are asked again. */
  #askAgain(patience: number): void {
    this.#asked.askAgain(this.#now, patience);
    if (this.#asked.isDue) this.#askWanted = true;
  }

  // Sending

  /** §3.10. */
  #handOver(): void {
    if (this.#transferee === noMember || this.#handOverSent) return;
    if (this.#progress.get(this.#transferee)?.match !== this.log.lastIndex) return;
    this.#handOverSent = true;
    this.#leaseForfeited = true;
    this.#send(this.#transferee, { type: "timeoutNow" });
  }

  #send(to: MemberId, body: Body): void {
    this.#messages.push({ ...body, from: this.id, to, term: this.#term });
  }

  /** For what promises something about this member's disk. */
  #sendAfterAppend(to: MemberId, body: Body): void {
    this.#messagesAfterAppend.push({ ...body, from: this.id, to, term: this.#term });
  }
}

/** Requests that carry a term only for the record. */
function isRequest(message: Message): boolean {
  return message.type === "propose" || message.type === "readIndex";
}
