import type { ReadState } from "../raft/types.ts";
import { StoreError } from "./store.ts";

interface Read {
  readonly context: number;
  readonly deadlineMs: number;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
  /** Raft was asked in this tick; undefined: it could not be. */
  askedAt: number | undefined;
}

/** Questions of reads to raft (§6.4): one for all reads of a turn. A question or its answer may get lost: it is asked again. */
export class Reads {
  readonly #ask: (context: number) => boolean;
  /** What the reads of this turn wait for. */
  #collecting: Read | undefined;
  readonly #asked = new Map<number, Read>();
  /** The index is known and not applied yet. */
  #confirmed: { readonly index: number; readonly read: Read }[] = [];
  #nextContext = 1;

  /** `ask` puts the question to raft; false: there is no leader to answer it. */
  constructor(ask: (context: number) => boolean) {
    this.#ask = ask;
  }

  /** Resolves when the state is at least as new as everything acknowledged before the call. */
  barrier(deadlineMs: number): Promise<void> {
    if (this.#collecting === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#collecting = { context: this.#nextContext++, deadlineMs, promise, resolve, reject, askedAt: undefined };
    }
    return this.#collecting.promise;
  }

  /** Puts what was collected to raft. */
  flush(tick: number): void {
    const read = this.#collecting;
    if (read === undefined) return;
    this.#collecting = undefined;
    this.#asked.set(read.context, read);
    if (this.#ask(read.context)) read.askedAt = tick;
  }

  /** There is a leader now: what could not be asked is asked. */
  leaderFound(tick: number): void {
    for (const read of this.#asked.values())
      if (read.askedAt === undefined && this.#ask(read.context)) read.askedAt = tick;
  }

  /** Asks again what has had no answer for `patience` ticks, and gives up what has waited too long. */
  tick(tick: number, patience: number, nowMs: number): void {
    for (const read of [...this.#asked.values()]) {
      if (read.deadlineMs <= nowMs) {
        this.#asked.delete(read.context);
        read.reject(new StoreError("Unavailable", "There is no leader, or it is not to be reached: try again"));
      } else if (read.askedAt === undefined || tick - read.askedAt >= patience) {
        if (this.#ask(read.context)) read.askedAt = tick;
      }
    }
  }

  get waiting(): boolean {
    return this.#asked.size > 0;
  }

  answered(states: readonly ReadState[], appliedIndex: number): void {
    for (const { context, index } of states) {
      const read = this.#asked.get(context);
      if (read === undefined) continue;
      this.#asked.delete(context);
      this.#confirmed.push({ index, read });
    }
    if (this.#confirmed.length === 0) return;
    for (const { index, read } of this.#confirmed) if (index <= appliedIndex) read.resolve();
    this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
  }

  rejectAll(reason: StoreError): void {
    for (const read of this.#asked.values()) read.reject(reason);
    this.#asked.clear();
    for (const { read } of this.#confirmed) read.reject(reason);
    this.#confirmed = [];
    this.#collecting?.reject(reason);
    this.#collecting = undefined;
  }
}
