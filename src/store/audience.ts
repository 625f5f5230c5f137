import { IntervalIndex } from "./interval_index.ts";
import type { Span } from "./mvcc.ts";
import type { WatchListener, WatchRequest } from "./store.ts";

export interface Watcher {
  readonly request: WatchRequest;
  readonly listener: WatchListener;
  readonly span: Span;
  /** The next revision that it has not seen. */
  next: number;
  progressAsked: boolean;
  cancelled: boolean;
}

/** Watchers of the same range share the work of finding out what concerns them. */
export interface Group {
  readonly id: string;
  readonly low: string;
  readonly high: string;
  readonly watchers: Set<Watcher>;
}

/** Watchers, found by the keys that they watch. */
export class Audience {
  readonly #keys = new Map<string, Group>();
  readonly #ranges = new Map<string, Group>();
  readonly #index = new IntervalIndex<Group>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(watcher: Watcher): void {
    const { low, high } = watcher.span;
    const groups = high === undefined ? this.#keys : this.#ranges;
    const id = high === undefined ? low : `${low.length}:${low}${high}`;
    let group = groups.get(id);
    if (group === undefined) {
      group = { id, low, high: high ?? low, watchers: new Set() };
      groups.set(id, group);
      if (high !== undefined) this.#index.add(group);
    }
    group.watchers.add(watcher);
    this.#size++;
  }

  remove(watcher: Watcher): void {
    const { low, high } = watcher.span;
    const groups = high === undefined ? this.#keys : this.#ranges;
    const group = groups.get(high === undefined ? low : `${low.length}:${low}${high}`);
    if (group === undefined || !group.watchers.delete(watcher)) return;
    this.#size--;
    if (group.watchers.size > 0) return;
    groups.delete(group.id);
    if (high !== undefined) this.#index.remove(group);
  }

  /** The groups that a change of this key concerns. */
  concerned(name: string): readonly Group[] {
    const groups: Group[] = [];
    const group = this.#keys.get(name);
    if (group !== undefined) groups.push(group);
    if (this.#index.size > 0) this.#index.holding(name, groups);
    return groups;
  }

  watchers(): Watcher[] {
    return [this.#keys, this.#ranges].flatMap((groups) => [...groups.values()].flatMap((group) => [...group.watchers]));
  }
}
