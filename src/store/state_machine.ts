import { type Clock, sleep, type Timer } from "../env/clock.ts";
import type { ConfState, Entry } from "../raft/types.ts";
import { Alarms } from "./alarms.ts";
import type { StateHash } from "./cluster.ts";
import { type Command, decodeProposal } from "./command.ts";
import { type LeaseProposals, Leases } from "./lease.ts";
import { Members } from "./members.ts";
import { Mvcc, type Version } from "./mvcc.ts";
import type { SnapshotState } from "./snapshot.ts";
import { hashFrozen } from "./state_hash.ts";
import { StoreError, type TxnRequest, type TxnResponse } from "./store.ts";
import { applyTxn, hasPut } from "./txn.ts";
import { WatchHub } from "./watch_hub.ts";

/** What an entry did, for the client whose proposal it was. */
export type Outcome =
  | { readonly type: "txn"; readonly response: TxnResponse }
  | { readonly type: "done" }
  | { readonly type: "refused"; readonly error: StoreError };

/** Whose state it is: what a snapshot says besides the state itself. */
export interface SnapshotIdentity {
  readonly clusterId: bigint;
  /** 0n: nobody's, a backup. */
  readonly memberId: bigint;
  readonly conf: ConfState;
}

/** The state as of one entry, whatever is applied afterwards. Compaction gives no memory back until `release`. */
export interface FrozenState {
  readonly state: SnapshotState;
  heads(): Iterable<Version>;
  release(): void;
}

/** So many versions a turn are freed after a compaction that had much to forget. About 2 ms. */
const freedAtOnce = 5000;
/** So many keys a turn are hashed. About 2 ms. */
const hashedAtOnce = 2000;

/**
 * What the log's entries amount to: keys, leases, and the watchers that are told. `apply` is a function of the entry and the
 * state alone: no clock, no randomness, no setting of this member has a say in it.
 */
export class StateMachine {
  mvcc = new Mvcc();
  readonly leases: Leases;
  readonly hub: WatchHub;
  readonly members = new Members();
  readonly alarms = new Alarms();
  appliedIndex = 0;
  appliedTerm = 0;
  readonly #clock: Clock;
  readonly #onFreed: () => void;
  #freeing: Timer | undefined;

  /** `onFreed`: a compaction has given memory back. */
  constructor(clock: Clock, proposals: LeaseProposals, onFreed: () => void = () => undefined) {
    this.#clock = clock;
    this.#onFreed = onFreed;
    this.leases = new Leases(clock, proposals);
    this.hub = new WatchHub(() => this.mvcc, clock);
  }

  /** Puts a snapshot's state in place of what is there; `hub.resume` tells the watchers. */
  restore(state: SnapshotState, versions: readonly Version[]): void {
    this.mvcc = Mvcc.restore(state.revision, state.compactRevision, versions);
    this.leases.restore(state.leases);
    this.mvcc.walk({ low: "", high: "\u{ffff}" }, (head) => {
      if (!head.deleted && head.lease !== 0n) this.leases.move(head.name, 0n, head.lease);
      return true;
    });
    this.members.restore(state.members);
    this.alarms.restore(state.alarms);
    this.appliedIndex = state.index;
    this.appliedTerm = state.term;
  }

  /** What a snapshot or a backup is made of. */
  freeze(identity: SnapshotIdentity): FrozenState {
    const frozen = this.mvcc.freeze();
    const { revision, compactRevision } = frozen;
    return {
      state: {
        ...identity,
        index: this.appliedIndex,
        term: this.appliedTerm,
        members: this.members.list(),
        revision,
        compactRevision,
        leases: this.leases.list(),
        alarms: this.alarms.list(),
      },
      heads: () => frozen.heads(),
      release: () => {
        frozen.release();
        this.#freeGarbage();
      },
    };
  }

  /** ClusterStore.hashKv of this member's state. Others get their turn in between. */
  async hashKv(revision: number): Promise<StateHash> {
    if (revision > 0) this.mvcc.checkRevision(revision);
    const frozen = this.mvcc.freeze();
    try {
      const hashing = hashFrozen(frozen, revision > 0 ? revision : frozen.revision, hashedAtOnce);
      while (true) {
        const step = hashing.next();
        if (step.done) return step.value;
        await sleep(this.#clock, 0);
      }
    } finally {
      frozen.release();
      this.#freeGarbage();
    }
  }

  /** What a large compaction has made unreadable is freed bit by bit, so that nobody has to wait for it. */
  #freeGarbage(): void {
    if (!this.mvcc.hasGarbage) return;
    this.#freeing ??= this.#clock.schedule(0, () => {
      this.#freeing = undefined;
      this.mvcc.cut(freedAtOnce);
      this.#onFreed();
      this.#freeGarbage();
    });
  }

  /** Applies the next entry. undefined: nobody's proposal (a new leader's empty entry). */
  apply(entry: Entry): { readonly session: bigint; readonly number: number; readonly outcome: Outcome } | undefined {
    if (entry.index !== this.appliedIndex + 1)
      throw new Error(`Entry ${entry.index} is to be applied after ${this.appliedIndex}`);
    this.appliedIndex = entry.index;
    this.appliedTerm = entry.term;
    if (entry.data.length === 0) return undefined;
    const { session, number, command } = decodeProposal(entry.data);
    let outcome: Outcome;
    try {
      outcome = this.#execute(command, entry.term);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      outcome = { type: "refused", error };
    }
    const changes = this.mvcc.commit();
    if (changes.length > 0) this.hub.publish(this.mvcc.revision, changes);
    return { session, number, outcome };
  }

  /** A transaction that changes nothing, answered without the log. */
  readTxn(request: TxnRequest): TxnResponse {
    return applyTxn(this.mvcc, this.leases, request);
  }

  #execute(command: Command, term: number): Outcome {
    switch (command.type) {
      case "txn":
        if (command.request.term !== undefined && command.request.term !== term)
          throw new StoreError(
            "Unavailable",
            `A transaction of term ${command.request.term} reached the log in term ${term}: another leader has taken over, nothing was changed`,
          );
        if (this.alarms.any) this.alarms.check(hasPut(command.request));
        return { type: "txn", response: applyTxn(this.mvcc, this.leases, command.request) };
      case "compact":
        this.mvcc.compact(command.revision);
        this.#freeGarbage();
        return { type: "done" };
      case "leaseGrant":
        if (this.alarms.any) this.alarms.check(true);
        this.leases.grant(command.id, command.ttlSeconds);
        return { type: "done" };
      case "leaseRevoke":
        for (const name of this.leases.revoke(command.id)) this.mvcc.deleteRange({ low: name, high: undefined });
        return { type: "done" };
      case "leaseCheckpoint":
        for (const { id, remainingSeconds } of command.leases) this.leases.checkpoint(id, remainingSeconds);
        return { type: "done" };
      case "memberAdd":
      case "memberPromote":
      case "memberRemove":
      case "memberReplace":
      case "memberUpdate":
        this.members.apply(command);
        return { type: "done" };
      case "alarm":
        this.alarms.apply(command);
        return { type: "done" };
    }
  }
}
