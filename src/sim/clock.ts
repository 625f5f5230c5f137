import type { Clock, Timer } from "../env/clock.ts";

interface Entry {
  readonly at: number;
  readonly sequence: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Where virtual wall clocks start: 2026-01-01T00:00:00Z. */
const defaultStartMs = Date.UTC(2026, 0, 1);

// Taken once: while a simulation runs, the globals are stubs.
const macrotask = setImmediate;

/** Lets every promise that can go on do so. Simulated code needs microtasks only, so one macrotask turn is enough. */
export function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => macrotask(resolve));
}

/**
 * Virtual time. Nothing happens by itself: `advance`, `run` and `runUntil` fire timers in order of (time, order of scheduling), and
 * between two timers everything that waits on promises goes on as far as it can. What follows from one seed is
 * therefore always the same.
 */
export class VirtualClock implements Clock {
  #elapsedMs = 0;
  #wallMs: number;
  #sequence = 0;
  /** A binary heap by (at, sequence). */
  readonly #heap: Entry[] = [];
  #running = false;

  constructor(startMs = defaultStartMs) {
    this.#wallMs = startMs;
  }

  now(): number {
    return this.#wallMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const delay = Number.isFinite(delayMs) && delayMs > 0 ? delayMs : 0;
    const entry: Entry = { at: this.#elapsedMs + delay, sequence: this.#sequence++, callback, cancelled: false };
    push(this.#heap, entry);
    return {
      cancel: () => {
        entry.cancelled = true;
      },
    };
  }

  /** A fault: the wall clock jumps; timers and durations do not notice. */
  jumpWallClock(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** The same time, with a wall clock of its own that is wrong by `skewMs`. */
  skewed(skewMs: number): Clock {
    return {
      now: () => this.now() + skewMs,
      monotonicMs: () => this.monotonicMs(),
      schedule: (delayMs, callback) => this.schedule(delayMs, callback),
    };
  }

  /** Runs everything that is due in the next `durationMs` milliseconds, and stands exactly there afterwards. */
  async advance(durationMs: number): Promise<void> {
    await this.#run(this.#elapsedMs + durationMs, () => false);
  }

  /**
   * Runs until `condition` holds; it is asked whenever all that could go on has gone on. Throws when it does not hold
   * within `limitMs` milliseconds of virtual time, or when no timer is left that could make it true.
   */
  async runUntil(condition: () => boolean, limitMs: number, what = "the condition"): Promise<void> {
    const startMs = this.#elapsedMs;
    const outcome = await this.#run(startMs + limitMs, condition, true);
    if (outcome === "met") return;
    const why = outcome === "idle" ? "nothing is left to happen" : `${limitMs} ms of virtual time have passed`;
    throw new Error(`Waited in vain for ${what}: ${why} (since ${startMs} ms, now ${this.#elapsedMs} ms)`);
  }

  /** Waits for a promise that needs virtual time to pass. */
  async complete<T>(promise: Promise<T>, limitMs: number, what = "a promise"): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.runUntil(() => settled, limitMs, what);
    return promise;
  }

  async #run(untilMs: number, condition: () => boolean, stopWhenIdle = false): Promise<"met" | "time" | "idle"> {
    if (this.#running) throw new Error("The virtual clock is already being advanced: await the first call");
    this.#running = true;
    try {
      while (true) {
        await drainMicrotasks();
        if (condition()) return "met";
        const next = this.#peek();
        if (next === undefined || next.at > untilMs) {
          if (next === undefined && stopWhenIdle) return "idle";
          this.#elapsedMs = untilMs;
          return "time";
        }
        pop(this.#heap);
        this.#elapsedMs = next.at;
        next.callback();
      }
    } finally {
      this.#running = false;
    }
  }

  #peek(): Entry | undefined {
    while (this.#heap[0]?.cancelled) pop(this.#heap);
    return this.#heap[0];
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || !before(entry, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  while (true) {
    let child = 2 * at + 1;
    let smaller = heap[child];
    const right = heap[child + 1];
    if (smaller !== undefined && right !== undefined && before(right, smaller)) {
      child++;
      smaller = right;
    }
    if (smaller === undefined || !before(smaller, last)) break;
    heap[at] = smaller;
    at = child;
  }
  heap[at] = last;
}
