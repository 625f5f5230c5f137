import { RaftLog } from "./log.ts";
import { Progress } from "./progress.ts";
import { membersOf, quorumIndex, voteResult, votersOf } from "./quorum.ts";
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
  /** Ticks without a word from a leader after which a member stands for election, before randomisation. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Uniform in [0, 1): spreads the election time-outs (§3.4). */
  readonly random: () => number;
  readonly maxMessageBytes: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** Proposals are refused while the leader's uncommitted entries hold more data than this. */
  readonly maxUncommittedBytes: number;
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
type Campaign = "preElection" | "election" | "transfer";

interface PendingRead {
  readonly from: MemberId;
  readonly context: number;
  readonly index: number;
  /** Numbers the leader's questions; a heartbeat carries the newest. */
  readonly number: number;
  readonly acknowledged: Set<MemberId>;
}

/**
 * One member's part in consensus: pure, and driven from outside (DESIGN.md). Sections refer to Ongaro's thesis.
 */
export class Raft {
  readonly id: MemberId;
  readonly log: RaftLog;
  readonly #config: RaftConfig;
  #conf: ConfState;
  #term: number;
  #vote: MemberId;
  #role: Role = "follower";
  #leader: MemberId = noMember;
  #electionElapsed = 0;
  #heartbeatElapsed = 0;
  #electionTimeout = 0;
  #votes = new Map<MemberId, boolean>();
  #progress = new Map<MemberId, Progress>();
  /** The leader is handing over to this one and takes no proposals (§3.10). */
  #transferee: MemberId = noMember;
  /** No further change of members is taken before this entry is applied (§4.1). */
  #pendingConfIndex = 0;
  #uncommittedBytes = 0;
  /** Reads that wait for a quorum's word, oldest first. */
  #reads: PendingRead[] = [];
  /** Reads that wait for this leader's first commit. */
  #earlyReads: { readonly from: MemberId; readonly context: number }[] = [];
  #readNumber = 0;
  #latestSnapshot: SnapshotMeta | undefined;

  // What the next Readys will say.
  #hardStateDirty = false;
  #snapshotToInstall: SnapshotMeta | undefined;
  #messages: Message[] = [];
  #messagesAfterAppend: Message[] = [];
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
    this.#conf = config.conf;
    this.#term = config.hardState.term;
    this.#vote = config.hardState.vote;
    this.#durableTerm = this.#term;
    this.log = new RaftLog(config.snapshot, config.entries);
    this.log.commit = Math.max(this.log.commit, Math.min(config.hardState.commit, this.log.lastIndex));
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

  progressOf(id: MemberId): Progress | undefined {
    return this.#progress.get(id);
  }

  // What the driver does

  /** Time passes: one of `electionTicks` or `heartbeatTicks`. */
  tick(): void {
    this.#electionElapsed++;
    if (this.#role !== "leader") {
      // Who may not stand lets the time run on: it must not look as if it had just heard from a leader (§4.2.3).
      if (this.#electionElapsed >= this.#electionTimeout && this.#isVoter(this.id)) {
        this.#electionElapsed = 0;
        this.campaign();
      }
      return;
    }
    if (this.#electionElapsed >= this.#config.electionTicks) {
      this.#electionElapsed = 0;
      this.#transferee = noMember;
      this.#checkQuorum();
      if (this.#role !== "leader") return;
    }
    if (++this.#heartbeatElapsed >= this.#config.heartbeatTicks) {
      this.#heartbeatElapsed = 0;
      this.#broadcastHeartbeat();
    }
  }

  /** Stands for election, with a pre-vote unless it is the only voter (§3.4, §9.6). */
  campaign(): void {
    if (this.#role === "leader" || !this.#isVoter(this.id)) return;
    // A change of members that is committed and not applied could mean that this one is none any more.
    for (let index = this.log.applied + 1; index <= this.log.commit; index++)
      if (this.log.entry(index)?.type === "confChange") return;
    this.#campaign(votersOf(this.#conf).length === 1 ? "election" : "preElection");
  }

  /**
   * Appends an entry when this member leads (§3.5), or sends it to the leader (a change of members it does not). "refused": there is
   * no leader, it is handing over, or too much is uncommitted; nothing happened.
   */
  propose(data: Uint8Array, type: EntryType = "normal"): "appended" | "forwarded" | "refused" {
    if (this.#role === "leader") return this.#accept([{ type, data }]) ? "appended" : "refused";
    // A change of members starts from those of the leader: what a follower believes may be out of date, and then it would be more than
    // one step (§4.1).
    if (this.#leader === noMember || type === "confChange") return "refused";
    this.#send(this.#leader, { type: "propose", entries: [{ type, data }] });
    return "forwarded";
  }

  /** Asks for an index at which a read is linearisable (§6.4). False: no leader is known. An answer may get lost: ask again. */
  readIndex(context: number): boolean {
    if (this.#role === "leader") this.#leaderRead(this.id, context);
    else if (this.#leader === noMember) return false;
    else this.#send(this.#leader, { type: "readIndex", context });
    return true;
  }

  /** Hands the lead to `to`, once its log is complete (§3.10). Given up after an election time-out. */
  transferLeadership(to: MemberId): void {
    const progress = this.#progress.get(to);
    if (this.#role !== "leader" || to === this.id || progress === undefined || !this.#isVoter(to)) return;
    this.#transferee = to;
    this.#electionElapsed = 0;
    if (progress.match === this.log.lastIndex) this.#send(to, { type: "timeoutNow" });
    else this.#sendAppend(to, true);
  }

  /** A confChange entry was applied: these are the members now (§4.1). */
  applyConf(conf: ConfState): void {
    this.#conf = conf;
    if (this.#role !== "leader") return;
    const members = membersOf(conf);
    for (const id of members) {
      if (this.#progress.has(id)) continue;
      const progress = this.#newProgress(this.log.lastIndex + 1);
      // It has not had the chance to be heard of.
      progress.recentActive = true;
      this.#progress.set(id, progress);
    }
    for (const id of [...this.#progress.keys()]) if (!members.includes(id)) this.#progress.delete(id);
    // §4.2.2: a leader that is no voter any more steps down once that is committed, which it is; the others shall know.
    if (!this.#isVoter(this.id)) {
      for (const id of this.#others()) this.#sendAppend(id, true);
      this.#becomeFollower(this.#term, noMember);
      return;
    }
    if (this.#transferee !== noMember && !this.#isVoter(this.#transferee)) this.#transferee = noMember;
    if (this.#maybeCommit()) this.#broadcastAppend();
    else for (const id of this.#others()) this.#sendAppend(id, false);
  }

  /** The driver has a durable snapshot that it can send; entries up to it may go. */
  snapshotMade(snapshot: SnapshotMeta): void {
    this.#latestSnapshot = snapshot;
  }

  /** The transport could not deliver to `id` lately. */
  reportUnreachable(id: MemberId): void {
    const progress = this.#progress.get(id);
    if (progress?.state === "replicate") progress.becomeProbe();
  }

  /** The snapshot for `id` was delivered, or not. */
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
    return this.#appending === undefined && (this.#mustWrite() || this.#messagesAfterAppend.length > 0);
  }

  #mustWrite(): boolean {
    return this.#hardStateDirty || this.log.lastIndex > this.log.stable || this.#snapshotToInstall !== undefined;
  }

  /** What is to be done. With a `hardState` something must be written, and `advance` be called when it is durable. */
  ready(): Ready {
    // While a snapshot is being installed its state is not there yet to apply to.
    const installing = this.#snapshotToInstall !== undefined;
    const until = installing ? this.log.applied : Math.min(this.log.commit, this.log.stable);
    const committedEntries = this.log.slice(this.log.applied + 1, until);
    this.log.applied += committedEntries.length;
    const writes = this.#appending === undefined && this.#mustWrite() ? this.#startAppend() : undefined;
    const flush = writes === undefined && this.#appending === undefined ? this.#flushAfterAppend() : [];
    const ready: Ready = {
      hardState: writes?.hardState,
      entries: writes?.entries ?? [],
      snapshot: writes?.snapshot,
      messages: [...this.#messages, ...flush],
      messagesAfterAppend: writes?.messages ?? [],
      committedEntries,
      readStates: this.#readStates,
    };
    this.#messages = [];
    this.#readStates = [];
    return ready;
  }

  #startAppend() {
    const snapshot = this.#snapshotToInstall;
    const entries = this.log.slice(this.log.stable + 1, this.log.lastIndex, this.#config.maxReadyBytes);
    const complete = this.log.stable + entries.length === this.log.lastIndex;
    // Acknowledgements may speak of entries that did not fit: then they go with the rest.
    const after = complete ? this.#messagesAfterAppend : [];
    if (complete) this.#messagesAfterAppend = [];
    const lastIndex = this.log.stable + entries.length;
    this.#appending = {
      term: this.#term,
      lastIndex,
      lastTerm: this.log.term(lastIndex) ?? 0,
      toSelf: after.filter((message) => message.to === this.id),
      snapshot,
    };
    this.#hardStateDirty = false;
    this.#snapshotToInstall = undefined;
    const hardState: HardState = { term: this.#term, vote: this.#vote, commit: this.log.commit };
    return { hardState, entries, snapshot, messages: after.filter((message) => message.to !== this.id) };
  }

  /** Nothing is left to write: what waited for that may go. */
  #flushAfterAppend(): Message[] {
    const after = this.#messagesAfterAppend;
    this.#messagesAfterAppend = [];
    for (const message of after) if (message.to === this.id) this.step(message);
    return after.filter((message) => message.to !== this.id);
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
    this.#progress.get(this.id)?.acknowledge(this.log.stable);
    if (this.#maybeCommit()) this.#broadcastAppend();
  }

  // Messages

  /** A message has arrived. Old, repeated, and reordered ones do no harm. */
  step(message: Message): void {
    if (message.term > this.#term && !this.#meetNewerTerm(message)) return;
    if (message.term < this.#term && !isLocal(message)) {
      this.#answerOlderTerm(message);
      return;
    }
    switch (message.type) {
      case "requestVote":
      case "requestPreVote":
        this.#onVoteRequest(message);
        return;
      case "requestVoteResponse":
      case "requestPreVoteResponse":
        this.#onVoteResponse(message);
        return;
      case "appendEntries":
        this.#follow(message.from);
        if (this.#role === "follower") this.#onAppend(message);
        return;
      case "heartbeat":
        this.#follow(message.from);
        if (this.#role === "follower") this.#onHeartbeat(message);
        return;
      case "installSnapshot":
        this.#follow(message.from);
        if (this.#role === "follower") this.#onSnapshot(message);
        return;
      case "appendEntriesResponse":
        if (this.#role === "leader") this.#onAppendResponse(message);
        return;
      case "heartbeatResponse":
        if (this.#role === "leader") this.#onHeartbeatResponse(message);
        return;
      case "timeoutNow":
        if (this.#role === "follower" && this.#isVoter(this.id)) this.#campaign("transfer");
        return;
      case "propose":
        if (this.#role === "leader") this.#accept(message.entries);
        return;
      case "readIndex":
        if (this.#role === "leader") this.#leaderRead(message.from, message.context);
        return;
      case "readIndexResponse":
        this.#readStates.push({ index: message.index, context: message.context });
        return;
    }
  }

  /** §3.3: a newer term ends one's own. False: the message is to be ignored. */
  #meetNewerTerm(message: Message): boolean {
    if (message.type === "requestVote" || message.type === "requestPreVote") {
      // §4.2.3: who has heard from a leader lately helps nobody to unseat it, unless the leader itself asked for that.
      const hasLeader = this.#leader !== noMember && this.#electionElapsed < this.#config.electionTicks;
      if (hasLeader && !message.transfer) return false;
    }
    // A pre-vote speaks of a term that nobody has entered (§9.6).
    if (message.type === "requestPreVote") return true;
    if (message.type === "requestPreVoteResponse" && !message.reject) return true;
    if (message.type === "propose" || message.type === "readIndex") return true;
    const fromLeader =
      message.type === "appendEntries" || message.type === "heartbeat" || message.type === "installSnapshot";
    this.#becomeFollower(message.term, fromLeader ? message.from : noMember);
    return true;
  }

  #answerOlderTerm(message: Message): void {
    if (message.type === "appendEntries" || message.type === "heartbeat") {
      // A leader that was cut off must hear of the newer term: pre-votes do not tell it (§9.6).
      const { lastIndex } = this.log;
      this.#sendAfterAppend(message.from, {
        type: "appendEntriesResponse",
        reject: true,
        index: message.type === "appendEntries" ? message.prevIndex : 0,
        hintIndex: lastIndex,
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
    this.#leader = leader;
  }

  // Elections

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
    this.#transferee = noMember;
    this.#pendingConfIndex = 0;
    this.#uncommittedBytes = 0;
    this.#reads = [];
    this.#earlyReads = [];
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
      term: grant ? message.term : this.#term,
      reject: !grant,
      ...this.#commitPoint(),
    });
    this.#learnCommit(message);
  }

  #commitPoint(): { commit: number; commitTerm: number } {
    return { commit: this.log.commit, commitTerm: this.log.term(this.log.commit) ?? 0 };
  }

  /**
   * What another member knows to be committed is committed. Without this, a pair of which one was removed could be stuck: it knows
   * that it is no voter any more, and the other one, who does not, waits for its vote.
   */
  #learnCommit({ commit, commitTerm }: { readonly commit: number; readonly commitTerm: number }): void {
    if (this.#role === "leader" || commit <= this.log.commit || this.log.term(commit) !== commitTerm) return;
    for (let index = this.log.commit + 1; index <= commit; index++) {
      // The members may change: ask again once that is applied.
      if (this.#role !== "follower" && this.log.entry(index)?.type === "confChange")
        this.#becomeFollower(this.#term, noMember);
    }
    this.log.commit = commit;
  }

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
    if (self !== undefined) {
      self.match = this.log.stable;
      self.recentActive = true;
    }
    // There may be a change of members among the entries that are not applied.
    this.#pendingConfIndex = this.log.lastIndex;
    this.#accept([{ type: "normal", data: new Uint8Array(0) }]);
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

  #accept(proposals: readonly { readonly type: EntryType; readonly data: Uint8Array }[]): boolean {
    if (this.#transferee !== noMember) return false;
    let bytes = 0;
    for (const { data } of proposals) bytes += data.length;
    // One proposal always goes, however large; an empty entry too, so that a leader can begin.
    if (bytes > 0 && this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > this.#config.maxUncommittedBytes)
      return false;
    const change = proposals.some(({ type }) => type === "confChange");
    // §4.1: one at a time.
    if (change && this.#pendingConfIndex > this.log.applied) return false;
    for (const { type, data } of proposals)
      this.log.push({ index: this.log.lastIndex + 1, term: this.#term, type, data });
    if (change) this.#pendingConfIndex = this.log.lastIndex;
    this.#uncommittedBytes += bytes;
    this.#broadcastAppend();
    return true;
  }

  #others(): MemberId[] {
    return [...this.#progress.keys()].filter((id) => id !== this.id);
  }

  #broadcastAppend(): void {
    if (this.#progress.size === 1) return;
    for (const id of this.#others()) this.#sendAppend(id, true);
  }

  /** §3.5: what `to` lacks, as far as it may be sent now; `evenEmpty` tells it at least the commit index. */
  #sendAppend(to: MemberId, evenEmpty: boolean): boolean {
    const progress = this.#progress.get(to);
    if (progress === undefined || progress.isPaused) return false;
    const prevIndex = progress.next - 1;
    const prevTerm = this.log.term(prevIndex);
    if (prevTerm === undefined || progress.next < this.log.firstIndex) return this.#sendSnapshot(to, progress);
    const entries = this.log.slice(progress.next, this.log.lastIndex, this.#config.maxMessageBytes);
    if (entries.length === 0 && !evenEmpty) return false;
    this.#send(to, { type: "appendEntries", prevIndex, prevTerm, entries, commit: this.log.commit });
    let bytes = 0;
    for (const { data } of entries) bytes += data.length;
    progress.sent(prevIndex + entries.length, entries.length, bytes);
    return true;
  }

  /** §5.3. */
  #sendSnapshot(to: MemberId, progress: Progress): boolean {
    // A member that is away is not worth a snapshot.
    if (!progress.recentActive || this.#latestSnapshot === undefined) return false;
    progress.becomeSnapshot(this.#latestSnapshot.index);
    this.#send(to, { type: "installSnapshot", snapshot: this.#latestSnapshot });
    return true;
  }

  /** §3.5: the follower's consistency check. */
  #onAppend(message: Of<"appendEntries">): void {
    const { prevIndex, prevTerm, entries, from } = message;
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

  #acknowledge(to: MemberId, index: number): void {
    this.#sendAfterAppend(to, { type: "appendEntriesResponse", reject: false, index, hintIndex: 0, hintTerm: 0 });
  }

  #onHeartbeat(message: Of<"heartbeat">): void {
    // The leader caps the commit at what it knows this log to hold.
    if (message.commit <= this.log.lastIndex) this.log.commit = Math.max(this.log.commit, message.commit);
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

  #onAppendResponse(message: Of<"appendEntriesResponse">): void {
    const progress = this.#progress.get(message.from);
    if (progress === undefined) return;
    progress.recentActive = true;
    if (message.reject) {
      // §3.5: skip our own entries of later terms than the follower's at the hint.
      let hint = Math.min(message.hintIndex, this.log.lastIndex);
      if (message.hintTerm > 0) while (hint > 0 && (this.log.term(hint) ?? 0) > message.hintTerm) hint--;
      if (!progress.reject(message.index, hint)) return;
      if (progress.state === "replicate") progress.becomeProbe();
      this.#sendAppend(message.from, true);
      return;
    }
    const wasPaused = progress.isPaused;
    const news = progress.acknowledge(message.index);
    if (!news && !(progress.state === "probe" && progress.match === message.index)) return;
    if (progress.state === "probe") progress.becomeReplicate();
    else if (progress.state === "snapshot" && progress.match >= progress.pendingSnapshot) {
      progress.becomeProbe();
      progress.becomeReplicate();
    }
    if (this.#maybeCommit()) this.#broadcastAppend();
    // It may have missed word of a commit while it could be sent nothing.
    else if (wasPaused) this.#sendAppend(message.from, true);
    while (this.#sendAppend(message.from, false));
    if (message.from === this.#transferee && progress.match === this.log.lastIndex)
      this.#send(message.from, { type: "timeoutNow" });
  }

  /** §3.6.2: by counting, only entries of the leader's own term are committed; earlier ones with them. */
  #maybeCommit(): boolean {
    const index = quorumIndex(this.#conf, (id) => this.#progress.get(id)?.match ?? 0);
    if (index <= this.log.commit || this.log.term(index) !== this.#term) return false;
    for (let at = this.log.commit + 1; at <= index; at++)
      this.#uncommittedBytes -= this.log.entry(at)?.data.length ?? 0;
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes);
    this.log.commit = index;
    for (const { from, context } of this.#earlyReads.splice(0)) this.#leaderRead(from, context);
    return true;
  }

  #broadcastHeartbeat(): void {
    const context = this.#reads[this.#reads.length - 1]?.number ?? 0;
    for (const id of this.#others()) this.#sendHeartbeat(id, context);
  }

  #sendHeartbeat(to: MemberId, context: number): void {
    const commit = Math.min(this.#progress.get(to)?.match ?? 0, this.log.commit);
    this.#send(to, { type: "heartbeat", commit, context });
  }

  #onHeartbeatResponse(message: Of<"heartbeatResponse">): void {
    const progress = this.#progress.get(message.from);
    if (progress === undefined) return;
    progress.alive();
    if (progress.match < this.log.lastIndex || progress.state === "probe") this.#sendAppend(message.from, true);
    if (message.context > 0) this.#confirmReads(message.from, message.context);
  }

  // Reads

  /** §6.4: notes the commit index, and answers once a quorum has confirmed that this is still the leader. */
  #leaderRead(from: MemberId, context: number): void {
    // A new leader does not know what is committed before it has committed in its own term.
    if (this.log.term(this.log.commit) !== this.#term) {
      this.#earlyReads.push({ from, context });
      return;
    }
    const read: PendingRead = {
      from,
      context,
      index: this.log.commit,
      number: ++this.#readNumber,
      acknowledged: new Set([this.id]),
    };
    if (voteResult(this.#conf, (id) => (id === this.id ? true : undefined)) === "won") {
      this.#answerRead(read);
      return;
    }
    this.#reads.push(read);
    for (const id of this.#others()) this.#sendHeartbeat(id, read.number);
  }

  #confirmReads(from: MemberId, number: number): void {
    // Whoever confirmed a later question has confirmed the earlier ones.
    for (const read of this.#reads) if (read.number <= number) read.acknowledged.add(from);
    const confirmed = (read: PendingRead) =>
      voteResult(this.#conf, (id) => (read.acknowledged.has(id) ? true : undefined)) === "won";
    while (this.#reads[0] !== undefined && confirmed(this.#reads[0])) {
      const read = this.#reads.shift();
      if (read !== undefined) this.#answerRead(read);
    }
  }

  #answerRead({ from, context, index }: PendingRead): void {
    if (from === this.id) this.#readStates.push({ index, context });
    else this.#send(from, { type: "readIndexResponse", context, index });
  }

  // Sending

  #isVoter(id: MemberId): boolean {
    return this.#conf.voters.includes(id) || this.#conf.votersOutgoing.includes(id);
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
function isLocal(message: Message): boolean {
  return message.type === "propose" || message.type === "readIndex";
}
