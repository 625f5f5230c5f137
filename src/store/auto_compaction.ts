import type { Clock } from "../env/clock.ts";

export interface CompactionPolicy {
  /** History older than this is forgotten; 0: age does not matter. */
  readonly maxAgeMs: number;
  /** No more than about this many revisions of history are kept; 0: their number does not matter. */
  readonly maxRevisions: number;
}

/** Five minutes, as Kubernetes' API server compacts etcd. */
export const defaultCompaction: CompactionPolicy = { maxAgeMs: 300_000, maxRevisions: 10_000 };

/**
 * Says when history may go. It has no timer: it is asked when something was written anyway, so that an idle store writes
 * nothing.
 */
export class AutoCompaction {
  readonly #clock: Clock;
  readonly #policy: CompactionPolicy;
  /** Which revision was the newest when, about ten marks to `maxAgeMs`. */
  readonly #marks: { readonly atMs: number; readonly revision: number }[] = [];

  /** The last time that it was asked: nothing was written since. */
  #last: { readonly atMs: number; readonly revision: number } | undefined;

  constructor(clock: Clock, policy: CompactionPolicy) {
    this.#clock = clock;
    this.#policy = policy;
  }

  /** The revision to compact to; undefined: nothing is to be done. */
  due(revision: number, compactRevision: number): number | undefined {
    const { maxAgeMs, maxRevisions } = this.#policy;
    let target = 0;
    // In steps of a tenth, so that a busy store does not compact at every write.
    if (maxRevisions > 0 && revision - compactRevision > maxRevisions * 1.1) target = revision - maxRevisions;
    if (maxAgeMs > 0) {
      const now = this.#clock.monotonicMs();
      const step = maxAgeMs / 10;
      if (this.#last !== undefined && now - this.#last.atMs >= step) this.#marks.push(this.#last);
      const newest = this.#marks[this.#marks.length - 1];
      if (newest === undefined || now - newest.atMs >= step) this.#marks.push({ atMs: now, revision });
      this.#last = { atMs: now, revision };
      while (this.#marks.length > 1 && now - (this.#marks[1]?.atMs ?? now) >= maxAgeMs) this.#marks.shift();
      const oldest = this.#marks[0];
      if (oldest !== undefined && now - oldest.atMs >= maxAgeMs) target = Math.max(target, oldest.revision);
    }
    return target > compactRevision && target <= revision ? target : undefined;
  }
}
