import type { Clock } from "../env/clock.ts";

/** The bounds of etcd's etcd_disk_wal_fsync_duration_seconds: 1 ms to 8.192 s, each twice the one before. */
const boundsMs = Array.from({ length: 14 }, (_, at) => 2 ** at);
/** As many of the last syncs stand for "now". */
const windowLength = 512;

/**
 * What the syncs of the log cost: for metrics, and for a leader that should notice a slow disk. It counts; whoever holds it
 * decides.
 */
export class SyncMeter {
  readonly #clock: Clock;
  readonly #window: number[] = [];
  #windowAt = 0;
  readonly #counts: number[] = [...boundsMs, 0].map(() => 0);
  #startedMs: number | undefined;
  count = 0;
  /** Of records, without the zeros of new segments. */
  bytes = 0;
  totalMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  started(): void {
    this.#startedMs = this.#clock.monotonicMs();
  }

  ended(bytes: number): void {
    const tookMs = this.underWayMs;
    this.#startedMs = undefined;
    this.count++;
    this.bytes += bytes;
    this.totalMs += tookMs;
    this.#window[this.#windowAt] = tookMs;
    this.#windowAt = (this.#windowAt + 1) % windowLength;
    const bucket = boundsMs.findIndex((bound) => tookMs <= bound);
    const at = bucket < 0 ? boundsMs.length : bucket;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** For how long a sync has been going on; 0: none is. */
  get underWayMs(): number {
    return this.#startedMs === undefined ? 0 : this.#clock.monotonicMs() - this.#startedMs;
  }

  /** Of the last 512 syncs; 0: there was none. `quantile` is 0 to 1. */
  quantileMs(quantile: number): number {
    const sorted = [...this.#window].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0;
  }

  /** Cumulative, as a Prometheus histogram has them; the last one holds all. */
  buckets(): { readonly uptoMs: number; readonly count: number }[] {
    let count = 0;
    return [...boundsMs, Number.POSITIVE_INFINITY].map((uptoMs, at) => {
      count += this.#counts[at] ?? 0;
      return { uptoMs, count };
    });
  }
}
