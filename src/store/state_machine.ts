import type { Clock } from "../env/clock.ts";
import type { Entry } from "../raft/types.ts";
import { type Command, decodeProposal } from "./command.ts";
import { type LeaseProposals, Leases } from "./lease.ts";
import { Members } from "./members.ts";
import { Mvcc, type Version } from "./mvcc.ts";
import type { SnapshotState } from "./snapshot.ts";
import { StoreError, type TxnRequest, type TxnResponse } from "./store.ts";
import { applyTxn } from "./txn.ts";
import { WatchHub } from "./watch_hub.ts";

/** What an entry did, for the client whose proposal it was. */
export type Outcome =
  | { readonly type: "txn"; readonly response: TxnResponse }
  | { readonly type: "done" }
  | { readonly type: "refused"; readonly error: StoreError };

/**
 * What the log's entries amount to: keys, leases, and the watchers that are told. `apply` is a function of the entry and the
 * state alone: no clock, no randomness, no setting of this member has a say in it.
 */
export class StateMachine {
  mvcc = new Mvcc();
  readonly leases: Leases;
  readonly hub: WatchHub;
  readonly members = new Members();
  appliedIndex = 0;
  appliedTerm = 0;

  constructor(clock: Clock, proposals: LeaseProposals) {
    this.leases = new Leases(clock, proposals);
    this.hub = new WatchHub(() => this.mvcc);
  }

  restore(state: SnapshotState, versions: readonly Version[]): void {
    this.mvcc = Mvcc.restore(state.revision, state.compactRevision, versions);
    this.leases.restore(state.leases);
    this.mvcc.walk({ low: "", high: "\u{ffff}" }, (head) => {
      if (!head.deleted && head.lease !== 0n) this.leases.move(head.name, 0n, head.lease);
    });
    this.members.restore(state.members);
    this.appliedIndex = state.index;
    this.appliedTerm = state.term;
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
        return { type: "txn", response: applyTxn(this.mvcc, this.leases, command.request) };
      case "compact":
        this.mvcc.compact(command.revision);
        return { type: "done" };
      case "leaseGrant":
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
      case "memberUpdate":
        this.members.apply(command);
        return { type: "done" };
    }
  }
}
