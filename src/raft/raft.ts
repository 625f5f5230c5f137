import { RaftLog } from "./log.ts";
import {
  type ConfState,
  type Entry,
  type EntryType,
  type HardState,
  type MemberId,
  noMember,
  type ReadState,
  type Ready,
  type Role,
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
}

export class Raft {
  readonly id: MemberId;
  readonly log: RaftLog;
  readonly #config: RaftConfig;
  #conf: ConfState;
  #term: number;
  #vote: MemberId;
  #role: Role = "follower";
  #leader: MemberId = noMember;
  /** The durable part of the hard state has changed since the last Ready that carried it. */
  #hardStateDirty = false;
  #appending: { readonly lastIndex: number } | undefined;
  #readStates: ReadState[] = [];

  constructor(config: RaftConfig) {
    this.id = config.id;
    this.#config = config;
    this.#conf = config.conf;
    this.#term = config.hardState.term;
    this.#vote = config.hardState.vote;
    this.log = new RaftLog(config.snapshot, config.entries);
    this.log.commit = Math.max(this.log.commit, Math.min(config.hardState.commit, this.log.lastIndex));
  }

  get term(): number {
    return this.#term;
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

  /** §3.4: stands for election. */
  campaign(): void {
    this.#term++;
    this.#vote = this.id;
    this.#hardStateDirty = true;
    this.#role = "leader";
    this.#leader = this.id;
    this.#append("normal", new Uint8Array(0));
  }

  /** Appends an entry when this member leads (§3.5). undefined: it does not, and nothing happened. */
  propose(data: Uint8Array, type: EntryType = "normal"): { readonly index: number; readonly term: number } | undefined {
    return this.#role === "leader" ? this.#append(type, data) : undefined;
  }

  #append(type: EntryType, data: Uint8Array): { readonly index: number; readonly term: number } {
    const entry: Entry = { index: this.log.lastIndex + 1, term: this.#term, type, data };
    this.log.push(entry);
    return entry;
  }

  /** §6.4: asks for an index at which a read is linearisable. False: no leader is known. */
  readIndex(context: number): boolean {
    // A new leader knows what is committed only once it has committed in its own term.
    if (this.#role !== "leader" || this.log.term(this.log.commit) !== this.#term) return false;
    this.#readStates.push({ index: this.log.commit, context });
    return true;
  }

  hasReady(): boolean {
    if (this.#readStates.length > 0) return true;
    if (Math.min(this.log.commit, this.log.stable) > this.log.applied) return true;
    return this.#appending === undefined && (this.#hardStateDirty || this.log.lastIndex > this.log.stable);
  }

  ready(): Ready {
    const committedEntries = this.log.slice(this.log.applied + 1, Math.min(this.log.commit, this.log.stable));
    this.log.applied += committedEntries.length;
    const readStates = this.#readStates;
    this.#readStates = [];
    let entries: Entry[] = [];
    let hardState: HardState | undefined;
    if (this.#appending === undefined && (this.#hardStateDirty || this.log.lastIndex > this.log.stable)) {
      entries = this.log.slice(this.log.stable + 1, this.log.lastIndex, this.#config.maxReadyBytes);
      hardState = { term: this.#term, vote: this.#vote, commit: this.log.commit };
      this.#hardStateDirty = false;
      this.#appending = { lastIndex: this.log.stable + entries.length };
    }
    return {
      hardState,
      entries,
      snapshot: undefined,
      messages: [],
      messagesAfterAppend: [],
      committedEntries,
      readStates,
    };
  }

  /** What the last Ready asked to write is durable now. */
  advance(): void {
    const done = this.#appending;
    if (done === undefined) throw new Error("Nothing was being written");
    this.#appending = undefined;
    this.log.stable = done.lastIndex;
    if (this.#role === "leader" && this.log.term(done.lastIndex) === this.#term) this.log.commit = done.lastIndex;
  }
}
