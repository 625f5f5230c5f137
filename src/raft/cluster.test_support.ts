import {
  type ConfChange,
  ConfChangeError,
  changeConf,
  emptyWitnessRecord,
  leaveJoint,
  Raft,
  stepWitness,
  type WitnessRecord,
} from "./raft.ts";
import {
  type ConfState,
  type Entry,
  type HardState,
  type MemberId,
  type Message,
  noConf,
  noMember,
  type Ready,
  type SnapshotMeta,
} from "./types.ts";

/** Faults that a correct build does not have: each must be caught by the checks. They are made around Raft, not in it. */
export interface Mutations {
  /** The vote is not on the disk when it is answered: a restart forgets it. */
  readonly forgetsVotes?: boolean;
  /** Acknowledges entries that it never wrote. */
  readonly skipsWrites?: boolean;
  /** A leader takes an entry as acknowledged by whom it was only sent to. */
  readonly commitsWithoutQuorum?: boolean;
  /** Votes for everybody whose log is good enough, also a second time in a term. */
  readonly votesTwice?: boolean;
  /** A leader counts who has an entry of an earlier term (§3.6.2). */
  readonly commitsEarlierTerms?: boolean;
  /** The witness's record keeps its old mark. */
  readonly witnessForgetsMark?: boolean;
  /** A leader trusts its lease for ever. */
  readonly leaseForEver?: boolean;
  /** Voters forget that they have confirmed a lease. */
  readonly votersIgnoreLease?: boolean;
  /** Applies the entries of a Ready backwards. */
  readonly appliesOutOfOrder?: boolean;
  /** A leader answers reads without asking anybody. */
  readonly readsWithoutAsking?: boolean;
}

export interface ClusterOptions {
  /** All that there ever are; those that `conf` does not know may be added later. */
  readonly ids: readonly MemberId[];
  readonly conf: ConfState;
  readonly random: () => number;
  readonly reads?: "readIndex" | "lease";
  /** Who of them is, or may become, a witness, and whether it is a process or a register that anybody swaps. */
  readonly witnesses?: readonly MemberId[];
  readonly witnessOn?: "process" | "register";
  /** One entry a message, one message at a time. */
  readonly slow?: boolean;
  readonly mutations?: Mutations;
}

/** What is on one member's disk. */
interface Durable {
  hardState: HardState;
  snapshot: SnapshotMeta;
  entries: Entry[];
}

class Member {
  readonly id: MemberId;
  readonly durable: Durable;
  raft: Raft | undefined;
  /** A write that is under way. */
  writing: Ready | undefined;
  /** Its disk does nothing any more. */
  hangs = false;
  appliedIndex = 0;
  lastVoteRequest: Message | undefined;

  constructor(id: MemberId, conf: ConfState) {
    this.id = id;
    this.durable = {
      hardState: { term: 0, vote: noMember, commit: 0 },
      snapshot: { index: 0, term: 0, conf },
      entries: [],
    };
  }
}

/** A witness, and what is being done with its record: in turn by a process, in any order by executors on a register. */
class Witness {
  record: WitnessRecord = emptyWitnessRecord;
  writes = 0;
  up = true;
  pending: { readonly message: Message; read: WitnessRecord | undefined }[] = [];
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export function encodeChange(change: ConfChange): Uint8Array {
  const plain = JSON.stringify(change, (_, value) => (typeof value === "bigint" ? `n${value}` : value));
  return change.type === "leave" ? new Uint8Array(0) : new TextEncoder().encode(plain);
}

function decodeChange(bytes: Uint8Array): ConfChange {
  return JSON.parse(text(bytes), (key, value) => (key === "id" ? BigInt(value.slice(1)) : value));
}

/**
 * Members in one process, whose messages and writes lie in the open until somebody lets them happen. Checks all the while: one
 * leader a term, the same entry at the same index everywhere, applied in order and once, reads that are not behind what was
 * acknowledged.
 */
export class Cluster {
  readonly members = new Map<MemberId, Member>();
  readonly witnesses = new Map<MemberId, Witness>();
  network: Message[] = [];
  /** By index: what was applied there, by whomever first. */
  readonly committed: string[] = [];
  readonly #leaders = new Map<number, MemberId>();
  readonly #reads = new Map<number, { readonly atLeast: number; readonly by: MemberId }>();
  /** Reads that were answered, for scripts. */
  readonly answered: string[] = [];
  #nextRead = 1;
  readonly #options: ClusterOptions;
  readonly #random: () => number;
  readonly #mutations: Mutations;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#mutations = options.mutations ?? {};
    const { conf } = options;
    for (const id of options.ids) {
      if (conf.witnesses.includes(id) || options.witnesses?.includes(id)) {
        this.witnesses.set(id, new Witness());
        continue;
      }
      const known = conf.voters.includes(id) || conf.learners.includes(id);
      this.members.set(id, new Member(id, known ? conf : noConf));
      this.restart(id);
    }
  }

  #member(id: MemberId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`There is no member ${id}`);
    return member;
  }

  raft(id: MemberId): Raft | undefined {
    return this.#member(id).raft;
  }

  get alive(): Member[] {
    return [...this.members.values()].filter(({ raft }) => raft !== undefined);
  }

  get leader(): Raft | undefined {
    const leaders = this.alive.flatMap(({ raft }) => (raft?.role === "leader" ? [raft] : []));
    return leaders.sort((a, b) => b.term - a.term)[0];
  }

  restart(id: MemberId): void {
    const witness = this.witnesses.get(id);
    if (witness !== undefined) {
      witness.up = true;
      return;
    }
    const member = this.#member(id);
    const { hardState, snapshot, entries } = member.durable;
    member.writing = undefined;
    member.appliedIndex = snapshot.index;
    member.raft = new Raft({
      id,
      conf: snapshot.conf,
      hardState: this.#mutations.forgetsVotes ? { ...hardState, vote: noMember } : hardState,
      snapshot,
      entries,
      maxReadyBytes: 20,
      electionTicks: 10,
      heartbeatTicks: 2,
      random: this.#random,
      maxMessageBytes: this.#options.slow ? 1 : 20,
      maxInflightMessages: this.#options.slow ? 1 : 3,
      maxInflightBytes: 1000,
      maxUncommittedBytes: 1000,
      reads: this.#options.reads ?? "readIndex",
      ...(this.#mutations.leaseForEver ? { leaseMarginTicks: -1000 } : {}),
    });
    if (snapshot.index > 0) member.raft.snapshotMade(snapshot);
    this.#pump(member);
  }

  /** The process ends; what it was writing may or may not have reached the disk. */
  crash(id: MemberId): void {
    const witness = this.witnesses.get(id);
    if (witness !== undefined) {
      witness.up = false;
      witness.pending = [];
      return;
    }
    const member = this.#member(id);
    if (member.writing !== undefined && !member.hangs && this.#random() < 0.5) this.#persist(member, member.writing);
    member.raft = undefined;
    member.writing = undefined;
  }

  /** Its disk does nothing any more, or again what it should. */
  hang(id: MemberId, hangs: boolean): void {
    const member = this.members.get(id);
    if (member !== undefined) member.hangs = hangs;
  }

  isUp(id: MemberId): boolean {
    return this.witnesses.get(id)?.up ?? this.members.get(id)?.raft !== undefined;
  }

  /** Lets a member do something, and carries out what follows at once. */
  act(id: MemberId, action: (raft: Raft) => void): void {
    const member = this.members.get(id);
    if (member?.raft === undefined) return;
    action(member.raft);
    this.#pump(member);
  }

  read(id: MemberId): void {
    const member = this.members.get(id);
    if (member?.raft === undefined) return;
    const context = this.#nextRead++;
    // Whatever was applied anywhere may have been acknowledged to a client.
    this.#reads.set(context, { atLeast: this.committed.length - 1, by: id });
    if (this.#mutations.readsWithoutAsking && member.raft.role === "leader")
      this.#answer(context, member.raft.log.commit);
    else this.act(id, (raft) => raft.readIndex(context));
  }

  deliver(message: Message): void {
    const witness = this.witnesses.get(message.to);
    if (witness !== undefined) {
      if (witness.up) witness.pending.push({ message, read: undefined });
      return;
    }
    const member = this.members.get(message.to);
    if (member !== undefined && message.type === "requestVote") member.lastVoteRequest = message;
    this.act(message.to, (raft) => raft.step(message));
  }

  #post(sender: Member, messages: readonly Message[]): void {
    const { votesTwice, votersIgnoreLease, commitsWithoutQuorum } = this.#mutations;
    for (const message of messages) {
      const asked = sender.lastVoteRequest;
      if (votersIgnoreLease && (message.type === "requestVote" || message.type === "requestPreVote"))
        this.network.push({ ...message, transfer: true });
      else if (
        votesTwice &&
        message.type === "requestVoteResponse" &&
        message.reject &&
        asked?.type === "requestVote" &&
        asked.term === message.term &&
        sender.raft?.log.isUpToDate(asked.lastIndex, asked.lastTerm)
      )
        this.network.push({ ...message, reject: false });
      else this.network.push(message);
      if (commitsWithoutQuorum && message.type === "appendEntries" && message.entries.length > 0)
        this.network.push({
          type: "appendEntriesResponse",
          from: message.to,
          to: message.from,
          term: message.term,
          reject: false,
          index: message.prevIndex + message.entries.length,
          hintIndex: 0,
          hintTerm: 0,
        });
    }
  }

  /** Somebody's next piece of writing is done: a member's Ready, or a step with a witness's record. */
  completeWrite(id: MemberId): void {
    const witness = this.witnesses.get(id);
    if (witness !== undefined) {
      this.#witnessStep(id, witness);
      return;
    }
    const member = this.#member(id);
    const ready = member.writing;
    if (ready === undefined || member.raft === undefined || member.hangs) return;
    member.writing = undefined;
    if (!this.#mutations.skipsWrites) this.#persist(member, ready);
    else if (ready.hardState !== undefined) member.durable.hardState = ready.hardState;
    this.#post(member, ready.messagesAfterAppend);
    member.raft.advance();
    this.#pump(member);
  }

  #witnessStep(id: MemberId, witness: Witness): void {
    const onRegister = this.#options.witnessOn === "register";
    const at = onRegister ? Math.floor(this.#random() * witness.pending.length) : 0;
    const operation = witness.pending[at];
    if (operation === undefined) return;
    if (operation.read === undefined) {
      operation.read = witness.record;
      if (onRegister) return;
    }
    const step = stepWitness(id, operation.read, operation.message);
    if (step.record !== operation.read) {
      // Swapped by another executor meanwhile: read again.
      if (operation.read !== witness.record) {
        operation.read = undefined;
        return;
      }
      const { lastTerm, lastIndex } = witness.record;
      witness.record = this.#mutations.witnessForgetsMark ? { ...step.record, lastTerm, lastIndex } : step.record;
      witness.writes++;
    }
    witness.pending.splice(at, 1);
    if (step.reply !== undefined) this.network.push(step.reply);
  }

  #persist({ durable }: Member, ready: Ready): void {
    if (ready.snapshot !== undefined) {
      durable.snapshot = ready.snapshot;
      durable.entries = [];
    }
    const first = ready.entries[0];
    if (first !== undefined)
      durable.entries = [...durable.entries.filter((e) => e.index < first.index), ...ready.entries];
    if (ready.hardState !== undefined) durable.hardState = ready.hardState;
  }

  #pump(member: Member): void {
    const { raft } = member;
    if (raft === undefined) return;
    if (this.#mutations.commitsEarlierTerms && raft.role === "leader") commitByCounting(raft);
    while (raft.hasReady()) {
      const ready = raft.ready();
      this.#post(member, ready.messages);
      if (ready.snapshot !== undefined) member.appliedIndex = ready.snapshot.index;
      const entries = this.#mutations.appliesOutOfOrder ? ready.committedEntries.toReversed() : ready.committedEntries;
      for (const entry of entries) this.#apply(member, raft, entry);
      for (const { context, index } of ready.readStates) this.#answer(context, index);
      if (ready.hardState !== undefined) {
        if (member.writing !== undefined) throw new Error(`Member ${member.id} was asked to write twice at once`);
        member.writing = ready;
      }
    }
    if (raft.role === "leader") {
      const other = this.#leaders.get(raft.term);
      if (other !== undefined && other !== member.id)
        throw new Error(`Two leaders of term ${raft.term}: ${other} and ${member.id}`);
      this.#leaders.set(raft.term, member.id);
    }
  }

  #apply(member: Member, raft: Raft, entry: Entry): void {
    if (entry.index !== member.appliedIndex + 1)
      throw new Error(`Member ${member.id} applies ${entry.index} after ${member.appliedIndex}`);
    member.appliedIndex = entry.index;
    const what = `${entry.term} ${entry.type} ${text(entry.data)}`;
    const before = this.committed[entry.index];
    if (before !== undefined && before !== what)
      throw new Error(`Index ${entry.index}: member ${member.id} applies "${what}", "${before}" was applied before`);
    this.committed[entry.index] = what;
    if (entry.type === "confChange") raft.applyConf(changed(raft.conf, entry.data));
  }

  #answer(context: number, index: number): void {
    const read = this.#reads.get(context);
    if (read === undefined) return;
    this.#reads.delete(context);
    if (index < read.atLeast)
      throw new Error(
        `A read of member ${read.by} may see index ${index}, but ${read.atLeast} was applied before it began`,
      );
    this.answered.push(`member ${read.by} reads at ${index}`);
  }

  /** Makes a snapshot of what is applied, and gives up the log behind it. */
  compact(id: MemberId): void {
    const member = this.members.get(id);
    if (member?.raft === undefined) return;
    const { raft, durable } = member;
    const index = Math.min(member.appliedIndex, durable.entries[durable.entries.length - 1]?.index ?? 0);
    const term = durable.entries.find((entry) => entry.index === index)?.term;
    if (term === undefined || index <= durable.snapshot.index) return;
    // raft.conf is that of the last applied entry; for a snapshot before it the conf may differ.
    if (index !== member.appliedIndex) return;
    durable.snapshot = { index, term, conf: raft.conf };
    durable.entries = durable.entries.filter((entry) => entry.index > index);
    raft.snapshotMade(durable.snapshot);
    raft.log.compactTo(index);
    this.#pump(member);
  }

  /** Delivers and writes until nothing is left to do. `cut` says which messages get lost. */
  settle(cut: (message: Message) => boolean = () => false): void {
    for (let round = 0; round < 10_000; round++) {
      const message = this.network.shift();
      if (message !== undefined) {
        if (!cut(message)) this.deliver(message);
        continue;
      }
      const writer =
        this.alive.find(({ writing, hangs }) => writing !== undefined && !hangs)?.id ??
        [...this.witnesses].find(([, { pending }]) => pending.length > 0)?.[0];
      if (writer === undefined) return;
      this.completeWrite(writer);
    }
    throw new Error("The members do not come to rest");
  }
}

/** A change that does not fit by the time that it is applied changes nothing, on each member alike. */
function changed(conf: ConfState, data: Uint8Array): ConfState {
  try {
    return data.length === 0 ? leaveJoint(conf) : changeConf(conf, decodeChange(data));
  } catch (error) {
    if (error instanceof ConfChangeError) return conf;
    throw error;
  }
}

/** What §3.6.2 forbids. */
function commitByCounting(raft: Raft): void {
  const matches = raft.conf.voters.map((id) => raft.progressOf(id)?.match ?? 0).sort((a, b) => b - a);
  const index = matches[Math.floor(matches.length / 2)] ?? 0;
  raft.log.commit = Math.max(raft.log.commit, Math.min(index, raft.log.lastIndex));
}
