import type { Clock, Timer } from "../env/clock.ts";

/**
 * Keys that need work. The contract is client-go's:
 * - A key that is added several times before it is taken is handed out once.
 * - A key is never with two workers at the same time. Added while it is being worked on, it comes again after `done`.
 * - Keys come out in the order in which they went in.
 * - After `shutDown` nothing more is accepted; what is queued is not handed out.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #retryBaseMs: number;
  readonly #retryMaxMs: number;
  /** Waits to be taken, in order. */
  readonly #queue = new Set<string>();
  readonly #processing = new Set<string>();
  /** Added while it was processed. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly atMs: number; readonly timer: Timer }>();
  readonly #failures = new Map<string, number>();
  readonly #waiting: ((key: string | undefined) => void)[] = [];
  #closed = false;

  /** Retries wait `retryBaseMs`, doubled with each failure, up to `retryMaxMs`. */
  constructor(clock: Clock, options: { readonly retryBaseMs?: number; readonly retryMaxMs?: number } = {}) {
    this.#clock = clock;
    this.#retryBaseMs = options.retryBaseMs ?? 5;
    this.#retryMaxMs = options.retryMaxMs ?? 60_000;
  }

  /** Keys that are queued, in work or delayed. */
  get busy(): boolean {
    return this.#queue.size + this.#processing.size + this.#delayed.size > 0;
  }

  get length(): number {
    return this.#queue.size;
  }

  add(key: string): void {
    if (this.#closed) return;
    if (this.#processing.has(key)) {
      this.#again.add(key);
      return;
    }
    const worker = this.#queue.has(key) ? undefined : this.#waiting.shift();
    if (worker === undefined) {
      this.#queue.add(key);
      return;
    }
    this.#processing.add(key);
    worker(key);
  }

  /** Adds the key `delayMs` milliseconds from now; of several delays the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const atMs = this.#clock.monotonicMs() + delayMs;
    const before = this.#delayed.get(key);
    if (before !== undefined && before.atMs <= atMs) return;
    before?.timer.cancel();
    const timer = this.#clock.schedule(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { atMs, timer });
  }

  /** Adds the key after a pause that grows with each call until `forget`. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.addAfter(key, Math.min(this.#retryBaseMs * 2 ** Math.min(failures, 40), this.#retryMaxMs));
  }

  /** The key did well: its next retry starts from the shortest pause. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often addRateLimited was called for the key since it was forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, when there is one; call `done` with it afterwards. undefined: the queue was shut down. */
  next(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const [key] = this.#queue;
    if (key === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#queue.delete(key);
    this.#processing.add(key);
    return Promise.resolve(key);
  }

  done(key: string): void {
    this.#processing.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  shutDown(): void {
    this.#closed = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#queue.clear();
    this.#again.clear();
    for (const worker of this.#waiting.splice(0)) worker(undefined);
  }
}
