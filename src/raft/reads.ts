import type { MemberId } from "./types.ts";

/** A read that waits for a quorum's word that its leader still leads (§6.4). */
export interface PendingRead {
  readonly from: MemberId;
  readonly context: number;
  readonly index: number;
  /** Any heartbeat of this round or a later one confirms it. */
  readonly round: number;
}

/** More rounds than this are not sent in one tick. */
const roundsPerTick = 2 ** 20;

/** The tick in which a round was sent. */
export function roundSentAt(round: number): number {
  return Math.floor(round / roundsPerTick);
}

/** Rounds of heartbeats are numbered upwards, such that each number tells the tick in which it was sent. */
export function roundAfter(last: number, now: number): number {
  return Math.max(last + 1, now * roundsPerTick);
}

/**
 * Reads that a member has asked its leader for (§6.4). They are asked anew when there is another leader, or when the answer does
 * not come: it or the question may be lost. Each has a number of its own that no earlier run of this member has used, so that
 * an answer from before a restart cannot pass for one of today.
 */
export class AskedReads {
  #reads: { readonly context: number; readonly number: number; askedAt: number | undefined }[] = [];
  #next: number;

  constructor(random: () => number) {
    this.#next = Math.floor(random() * 2 ** 32) * 2 ** 20 + 1;
  }

  /** Again, if it was asked before. */
  add(context: number): void {
    const before = this.#reads.find((read) => read.context === context);
    if (before !== undefined) before.askedAt = undefined;
    else this.#reads.push({ context, number: this.#next++, askedAt: undefined });
  }

  /** The numbers that must be asked now, and are taken as asked. */
  due(now: number): number[] {
    const due = this.#reads.filter(({ askedAt }) => askedAt === undefined);
    for (const read of due) read.askedAt = now;
    return due.map(({ number }) => number);
  }

  get isDue(): boolean {
    return this.#reads.some(({ askedAt }) => askedAt === undefined);
  }

  /** All but those asked within the last `patience` ticks are due again. */
  askAgain(now: number, patience: number): void {
    for (const read of this.#reads)
      if (read.askedAt !== undefined && now - read.askedAt >= patience) read.askedAt = undefined;
  }

  /** The context of the read that this answers. undefined: an old answer. */
  answered(number: number): number | undefined {
    const at = this.#reads.findIndex((read) => read.number === number);
    return at < 0 ? undefined : this.#reads.splice(at, 1)[0]?.context;
  }

  /** This member leads now and answers them itself. */
  takeAll(): number[] {
    return this.#reads.splice(0).map(({ context }) => context);
  }
}
