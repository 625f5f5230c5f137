/**
 * Growing pauses by key, as the kubelet has them: the first repetition comes at once, the next after 10 s, then 20 s, up to five
 * minutes; forgotten when nothing happened for twice the longest. Times are milliseconds of one clock, the caller's.
 */
export class BackOff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  readonly #entries = new Map<string, { delayMs: number; updatedMs: number }>();

  constructor(firstMs = 10_000, longestMs = 300_000) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  /** The pause that holds now for something that failed at `failedMs`; 0 when it may be repeated. */
  waitMs(key: string, failedMs: number, nowMs: number): number {
    const entry = this.#entries.get(key);
    if (entry === undefined || failedMs - entry.updatedMs > 2 * this.#longestMs) return 0;
    return Math.min(Math.max(0, failedMs + entry.delayMs - nowMs), entry.delayMs);
  }

  /** The whole of the pause that follows the last repetition; 0 when there was none. */
  delayMs(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** It is being repeated: the next pause is twice as long. */
  repeated(key: string, failedMs: number, nowMs: number): void {
    const entry = this.#entries.get(key);
    const fresh = entry === undefined || failedMs - entry.updatedMs > 2 * this.#longestMs;
    const delayMs = fresh ? this.#firstMs : Math.min(entry.delayMs * 2, this.#longestMs);
    this.#entries.set(key, { delayMs, updatedMs: nowMs });
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }
}

/** "1m20s", as Go prints a duration of whole seconds. */
export function goSeconds(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}
