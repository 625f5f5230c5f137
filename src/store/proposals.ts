import type { Outcome } from "./state_machine.ts";
import { StoreError } from "./store.ts";

/** A command on its way into the log, and who waits for it. */
export interface Proposal {
  readonly number: number;
  readonly data: Uint8Array;
  /** It changes the members. */
  readonly change: boolean;
  /** On the monotonic clock: nobody waits any longer than that. */
  readonly deadlineMs: number;
  /** The term for which a leader has it, 0: nobody has. */
  term: number;
  /** It was sent again, in the same term: then a refusal is no proof that nobody has it. */
  wasSentAgain?: boolean;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: StoreError) => void;
}

/**
 * What became of the proposals of this run. A proposal is handed to the leader of one term, who may append it in that term only.
 * The log's terms never fall: once an entry of a later term is applied, a proposal that was not applied before is in no log that
 * counts, and may be handed out again. So a change of leader costs a client time, not certainty.
 */
export class Proposals {
  readonly #all = new Map<number, Proposal>();
  readonly #unplaced = new Set<Proposal>();
  #lowestTerm = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#all.size;
  }

  get hasUnplaced(): boolean {
    return this.#unplaced.size > 0;
  }

  add(proposal: Proposal): void {
    this.#all.set(proposal.number, proposal);
    if (proposal.term === 0) this.#unplaced.add(proposal);
    else this.#lowestTerm = Math.min(this.#lowestTerm, proposal.term);
  }

  /** Those that nobody has, oldest first; each is `place`d or given back by `returned`. */
  takeUnplaced(): Proposal[] {
    const taken = [...this.#unplaced].sort((a, b) => a.number - b.number);
    this.#unplaced.clear();
    return taken;
  }

  placed(proposal: Proposal, term: number): void {
    proposal.term = term;
    this.#lowestTerm = Math.min(this.#lowestTerm, term);
  }

  /** Who was to have it in `term` does not: it certainly is in no log, unless it was given to somebody else since. */
  returned(number: number, term = 0): void {
    const proposal = this.#all.get(number);
    if (proposal === undefined || proposal.term !== term) return;
    proposal.term = 0;
    proposal.wasSentAgain = false;
    this.#unplaced.add(proposal);
  }

  /** As `returned`, for good. */
  refused(number: number, error: StoreError, term = 0): void {
    if (this.#all.get(number)?.term === term) this.#take(number)?.reject(error);
  }

  /** The leader of `term` says that it has not taken it. */
  notTaken(number: number, error: StoreError | undefined, term: number): void {
    if (this.#all.get(number)?.wasSentAgain) return;
    if (error === undefined) this.returned(number, term);
    else this.refused(number, error, term);
  }

  /** Those that the leader of `term` has, or has not got: they are sent again. */
  sentFor(term: number): Proposal[] {
    const sent = [...this.#all.values()].filter((proposal) => proposal.term === term);
    for (const proposal of sent) proposal.wasSentAgain = true;
    return sent;
  }

  applied(number: number, outcome: Outcome): void {
    this.#take(number)?.resolve(outcome);
  }

  /** An entry of `term` was applied. */
  termApplied(term: number): void {
    if (term <= this.#lowestTerm) return;
    this.#lowestTerm = Number.POSITIVE_INFINITY;
    for (const proposal of this.#all.values()) {
      if (proposal.term === 0) continue;
      if (proposal.term < term) this.returned(proposal.number, proposal.term);
      else this.#lowestTerm = Math.min(this.#lowestTerm, proposal.term);
    }
  }

  /** A peer's snapshot has taken the place of entries up to `term`: what was in them is not to be told. */
  skipped(term: number): void {
    for (const { number, term: placed } of [...this.#all.values()])
      if (placed > 0 && placed <= term)
        this.#take(number)?.reject(
          new StoreError("Unavailable", "This member fell behind: whether the request was carried out is unknown"),
        );
  }

  expire(nowMs: number): void {
    for (const { number, deadlineMs, term } of [...this.#all.values()]) {
      if (deadlineMs > nowMs) continue;
      const error =
        term === 0
          ? new StoreError("Unavailable", "There is no leader: nothing was changed, try again")
          : new StoreError("Unavailable", "The request timed out: whether it was carried out is unknown");
      this.#take(number)?.reject(error);
    }
  }

  rejectAll(reason: StoreError): void {
    for (const { number, term } of [...this.#all.values()])
      this.#take(number)?.reject(
        term === 0
          ? reason
          : new StoreError("Unavailable", `${reason.message} (whether this request was carried out is unknown)`, {
              cause: reason,
            }),
      );
  }

  #take(number: number): Proposal | undefined {
    const proposal = this.#all.get(number);
    if (proposal === undefined) return undefined;
    this.#all.delete(number);
    this.#unplaced.delete(proposal);
    return proposal;
  }
}

/** How many of each run's proposals a leader remembers: far more than are on their way at a time. */
const rememberedProposals = 20_000;

/** Which proposals of others this leader has taken in its term. */
export class TakenProposals {
  #term = 0;
  readonly #numbers = new Map<bigint, Set<number>>();

  /** Notes it; false: it was taken before. */
  isNew(session: bigint, term: number, number: number): boolean {
    if (term !== this.#term) {
      this.#term = term;
      this.#numbers.clear();
    }
    let taken = this.#numbers.get(session);
    if (taken === undefined) {
      taken = new Set();
      this.#numbers.set(session, taken);
    }
    if (taken.has(number)) return false;
    taken.add(number);
    if (taken.size > rememberedProposals)
      for (const oldest of taken) {
        taken.delete(oldest);
        break;
      }
    return true;
  }

  /** It was not taken after all. */
  forget(session: bigint, number: number): void {
    this.#numbers.get(session)?.delete(number);
  }
}
