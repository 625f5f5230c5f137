import type { Clock, Timer } from "../../env/clock.ts";

interface Entry {
  readonly key: string;
  readonly uid: string;
  priority: number;
  attempts: number;
  readonly addedMs: number;
  readonly sequence: number;
  /** Not to be tried before. */
  notBeforeMs: number;
}

interface Timed {
  readonly entry: Entry;
  readonly timer: Timer;
}

const firstPauseMs = 1000;
const longestPauseMs = 10_000;
/** However quiet the cluster is, a pod without a node is tried again after this time. */
const longestRestMs = 300_000;

/**
 * Pods that wait for a node. What a consumer may assume:
 * - `next` gives the pod of the highest priority, of equals the one that waits longest.
 * - A pod for which there was no node rests until something changes in the cluster (`somethingChanged`), and then at least 1 s
 *   since its last attempt, doubled with each attempt up to 10 s. A node that changed (`nodeChanged`) ends that pause too.
 * - A change while the pod was being tried counts.
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #active = new Map<string, Entry>();
  readonly #resting = new Map<string, Timed>();
  readonly #pausing = new Map<string, Timed>();
  #inWork: { entry: Entry; changes: number; nodeChanges: number; stale: boolean } | undefined;
  #changes = 0;
  #nodeChanges = 0;
  #sequence = 0;
  #waiting: ((key: string | undefined) => void) | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(key: string, uid: string, priority: number): void {
    if (this.#closed) return;
    const known = this.#find(key);
    if (known?.uid === uid) {
      known.priority = priority;
      return;
    }
    if (known !== undefined) this.remove(key);
    const addedMs = this.#clock.monotonicMs();
    this.#activate([{ key, uid, priority, attempts: 0, addedMs, sequence: this.#sequence++, notBeforeMs: 0 }]);
  }

  /** The pod itself was changed: what it asks for may fit now. */
  changed(key: string): void {
    const resting = this.#resting.get(key);
    if (resting !== undefined) this.#wake(resting.entry);
  }

  remove(key: string): void {
    this.#active.delete(key);
    for (const map of [this.#resting, this.#pausing]) {
      map.get(key)?.timer.cancel();
      map.delete(key);
    }
    if (this.#inWork?.entry.key === key) this.#inWork.stale = true;
  }

  /** A pod went, or takes less: resting pods are tried again, after their pause. */
  somethingChanged(): void {
    this.#changes++;
    for (const { entry } of [...this.#resting.values()]) this.#wake(entry);
  }

  /** A node came, or takes pods now that it did not take before: every pod is tried again at once. */
  nodeChanged(): void {
    this.#changes++;
    this.#nodeChanges++;
    const timed = [...this.#resting.values(), ...this.#pausing.values()];
    for (const { timer } of timed) timer.cancel();
    this.#resting.clear();
    this.#pausing.clear();
    this.#activate(timed.map(({ entry }) => entry));
  }

  /** Call `placed` or `failed` for the key before the next one. undefined: the queue was closed. */
  next(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const first = this.#first();
    if (first !== undefined) return Promise.resolve(this.#take(first));
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  placed(key: string): void {
    if (this.#inWork?.entry.key === key) this.#inWork = undefined;
  }

  /** There is no node for it now; or, with `soon`, something went wrong that may be better in a moment. */
  failed(key: string, soon = false): void {
    const work = this.#inWork;
    if (work?.entry.key !== key) return;
    this.#inWork = undefined;
    const { entry } = work;
    if (work.stale || this.#closed) return;
    entry.attempts++;
    const pauseMs = Math.min(firstPauseMs * 2 ** (entry.attempts - 1), longestPauseMs);
    entry.notBeforeMs = this.#clock.monotonicMs() + pauseMs;
    if (work.nodeChanges !== this.#nodeChanges) {
      this.#activate([entry]);
      return;
    }
    if (soon || work.changes !== this.#changes) {
      this.#pause(entry, pauseMs);
      return;
    }
    const timer = this.#clock.schedule(longestRestMs, () => this.#wake(entry));
    this.#resting.set(key, { entry, timer });
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of [...this.#resting.values(), ...this.#pausing.values()]) timer.cancel();
    this.#active.clear();
    this.#resting.clear();
    this.#pausing.clear();
    this.#waiting?.(undefined);
    this.#waiting = undefined;
  }

  /** Of the highest priority; of equals the one that waits longest. */
  #first(): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#active.values()) {
      const before =
        first === undefined ||
        entry.priority > first.priority ||
        (entry.priority === first.priority && entry.sequence < first.sequence);
      if (before) first = entry;
    }
    return first;
  }

  #find(key: string): Entry | undefined {
    const inWork = this.#inWork?.entry;
    const working = inWork?.key === key && !this.#inWork?.stale ? inWork : undefined;
    return working ?? this.#active.get(key) ?? this.#resting.get(key)?.entry ?? this.#pausing.get(key)?.entry;
  }

  #wake(entry: Entry): void {
    this.#resting.get(entry.key)?.timer.cancel();
    this.#resting.delete(entry.key);
    this.#pause(entry, entry.notBeforeMs - this.#clock.monotonicMs());
  }

  #pause(entry: Entry, pauseMs: number): void {
    if (pauseMs <= 0) {
      this.#activate([entry]);
      return;
    }
    const timer = this.#clock.schedule(pauseMs, () => {
      this.#pausing.delete(entry.key);
      this.#activate([entry]);
    });
    this.#pausing.set(entry.key, { entry, timer });
  }

  #activate(entries: readonly Entry[]): void {
    for (const entry of entries) this.#active.set(entry.key, entry);
    const waiting = this.#waiting;
    const first = waiting && this.#first();
    if (waiting === undefined || first === undefined) return;
    this.#waiting = undefined;
    waiting(this.#take(first));
  }

  #take(entry: Entry): string {
    this.#active.delete(entry.key);
    this.#inWork = { entry, changes: this.#changes, nodeChanges: this.#nodeChanges, stale: false };
    return entry.key;
  }
}
