import { Raft } from "./raft.ts";
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

/** Faults that a correct build does not have: each must be caught by the checks. */
export interface Mutations {
  /** A restart forgets for whom it voted. */
  readonly forgetsVotes?: boolean;
  /** Acknowledges entries that it never wrote. */
  readonly skipsWrites?: boolean;
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
  appliedIndex = 0;

  constructor(id: MemberId, conf: ConfState) {
    this.id = id;
    this.durable = {
      hardState: { term: 0, vote: noMember, commit: 0 },
      snapshot: { index: 0, term: 0, conf },
      entries: [],
    };
  }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export function encodeConf(conf: ConfState): Uint8Array {
  const plain = { v: conf.voters.map(String), o: conf.votersOutgoing.map(String), l: conf.learners.map(String) };
  return new TextEncoder().encode(JSON.stringify(plain));
}

function decodeConf(bytes: Uint8Array): ConfState {
  const plain = JSON.parse(text(bytes));
  return { ...noConf, voters: plain.v.map(BigInt), votersOutgoing: plain.o.map(BigInt), learners: plain.l.map(BigInt) };
}

/**
 * Members in one process, whose messages and writes lie in the open until somebody lets them happen. Checks all the while: one
 * leader a term, the same entry at the same index everywhere, reads that are not behind what was acknowledged.
 */
export class Cluster {
  readonly members = new Map<MemberId, Member>();
  network: Message[] = [];
  /** By index: what was applied there, by whomever first. */
  readonly committed: string[] = [];
  readonly #leaders = new Map<number, MemberId>();
  readonly #reads = new Map<number, { readonly atLeast: number; readonly by: MemberId }>();
  /** Reads that were answered, for scripts. */
  readonly answered: string[] = [];
  #nextRead = 1;
  readonly #random: () => number;
  readonly #mutations: Mutations;

  constructor(ids: readonly MemberId[], conf: ConfState, random: () => number, mutations: Mutations = {}) {
    this.#random = random;
    this.#mutations = mutations;
    for (const id of ids) {
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

  restart(id: MemberId): void {
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
      maxMessageBytes: 20,
      maxInflightMessages: 3,
      maxInflightBytes: 1000,
      maxUncommittedBytes: 1000,
    });
    if (snapshot.index > 0) member.raft.snapshotMade(snapshot);
    this.#pump(member);
  }

  /** The process ends; what it was writing may or may not have reached the disk. */
  crash(id: MemberId): void {
    const member = this.#member(id);
    if (member.writing !== undefined && this.#random() < 0.5) this.#persist(member, member.writing);
    member.raft = undefined;
    member.writing = undefined;
  }

  /** Lets a member do something, and carries out what follows at once. */
  act(id: MemberId, action: (raft: Raft) => void): void {
    const member = this.#member(id);
    if (member.raft === undefined) return;
    action(member.raft);
    this.#pump(member);
  }

  read(id: MemberId): void {
    const context = this.#nextRead++;
    // Whatever was applied anywhere may have been acknowledged to a client.
    this.#reads.set(context, { atLeast: this.committed.length - 1, by: id });
    this.act(id, (raft) => raft.readIndex(context));
  }

  deliver(message: Message): void {
    this.act(message.to, (raft) => raft.step(message));
  }

  completeWrite(id: MemberId): void {
    const member = this.#member(id);
    const ready = member.writing;
    if (ready === undefined || member.raft === undefined) return;
    member.writing = undefined;
    if (!this.#mutations.skipsWrites) this.#persist(member, ready);
    else if (ready.hardState !== undefined) member.durable.hardState = ready.hardState;
    this.network.push(...ready.messagesAfterAppend);
    member.raft.advance();
    this.#pump(member);
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
    while (raft.hasReady()) {
      const ready = raft.ready();
      this.network.push(...ready.messages);
      if (ready.snapshot !== undefined) member.appliedIndex = ready.snapshot.index;
      for (const entry of ready.committedEntries) this.#apply(member, raft, entry);
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
    if (entry.type === "confChange") raft.applyConf(decodeConf(entry.data));
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
    const member = this.#member(id);
    const { raft, durable } = member;
    const index = Math.min(member.appliedIndex, durable.entries[durable.entries.length - 1]?.index ?? 0);
    const term = durable.entries.find((entry) => entry.index === index)?.term;
    if (raft === undefined || term === undefined || index <= durable.snapshot.index) return;
    // raft.conf is that of the last applied entry; for a snapshot before it the conf may differ.
    if (index !== member.appliedIndex) return;
    durable.snapshot = { index, term, conf: raft.conf };
    durable.entries = durable.entries.filter((entry) => entry.index > index);
    raft.snapshotMade(durable.snapshot);
    raft.log.compactTo(index);
  }

  /** Delivers and writes until nothing is left to do. `cut` says which messages get lost. */
  settle(cut: (message: Message) => boolean = () => false): void {
    for (let round = 0; round < 10_000; round++) {
      const message = this.network.shift();
      if (message !== undefined) {
        if (!cut(message)) this.deliver(message);
        continue;
      }
      const writer = this.alive.find(({ writing }) => writing !== undefined);
      if (writer === undefined) return;
      this.completeWrite(writer.id);
    }
    throw new Error("The members do not come to rest");
  }
}
