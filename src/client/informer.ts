import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import type { Kind, KubeObject, Observed } from "../kinds/kind.ts";
import { StatusError } from "../kinds/status_error.ts";
import type { Client, SelectOptions } from "./client.ts";
import { type AnyObserved, anyObserved, keyOf } from "./object.ts";

/**
 * A cache of one kind that follows the server. What a consumer may assume:
 * - The cache is some state that the server had; it lags, and skips states in between, but never goes back in time.
 * - Handlers are called one after the other, after the cache holds the change. Each object's events come in order.
 *   After a gap (the server forgot the history) the differences come as add, update and delete; a `delete` then carries the
 *   last state that was known.
 * - `synced` resolves when the first whole list is in the cache and its `add`s have been delivered.
 * - Objects are shared: read them, never change them.
 * A consumer may not assume that it sees its own writes, nor an order between informers of different kinds.
 */
export class Informer<T extends KubeObject> {
  readonly kind: Kind<T>;
  readonly #options: InformerOptions;
  readonly #log: Log;
  readonly #objects = new Map<string, Observed<T>>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #handlers: Handlers<T>[] = [];
  readonly synced: Promise<void>;
  #markSynced: () => void = () => {};
  #isSynced = false;
  #version = "";

  constructor(kind: Kind<T>, options: InformerOptions) {
    this.kind = kind;
    this.#options = options;
    this.#log = options.log.with({ area: "informer", kind: kind.kind });
    this.synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
    this.addIndex(byNamespace, (object) => [anyObserved<T>(object).metadata.namespace ?? ""]);
  }

  get hasSynced(): boolean {
    return this.#isSynced;
  }

  /** The server's version that the cache stands at, "" before the first list. */
  get resourceVersion(): string {
    return this.#version;
  }

  /** Called for what is in the cache at once (as add), and for each change from then on. */
  on(handlers: Handlers<T>): void {
    this.#handlers.push(handlers);
    for (const object of this.#objects.values()) handlers.add?.(object);
  }

  /** Makes objects findable by values that are computed from them. A second call with the same name is ignored. */
  addIndex(name: string, values: (object: Observed<T>) => readonly string[]): void {
    if (this.#indexes.has(name)) return;
    const index = new Index(values);
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) index.put(key, object);
  }

  get(namespace: string | undefined, name: string): Observed<T> | undefined {
    return this.#objects.get(namespace ? `${namespace}/${name}` : name);
  }

  byKey(key: string): Observed<T> | undefined {
    return this.#objects.get(key);
  }

  /** Whether the cache is at least as new as this object of its kind, which a write has returned. */
  hasSeen(object: AnyObserved): boolean {
    const seen = BigInt(this.#version || "0") >= BigInt(object.metadata.resourceVersion || "0");
    if (seen) return true;
    const key = keyOf(object);
    const cached = this.#objects.get(key);
    return cached !== undefined && anyObserved<T>(cached).metadata.resourceVersion === object.metadata.resourceVersion;
  }

  /** In the order of keys. */
  list(namespace?: string): Observed<T>[] {
    if (namespace !== undefined) return this.byIndex(byNamespace, namespace);
    return this.#inOrder([...this.#objects.keys()].sort());
  }

  byIndex(name: string, value: string): Observed<T>[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`Informer of ${this.kind.kind} has no index "${name}": add it first`);
    return this.#inOrder(index.keys(value));
  }

  #inOrder(keys: readonly string[]): Observed<T>[] {
    const objects: Observed<T>[] = [];
    for (const key of keys) {
      const object = this.#objects.get(key);
      if (object !== undefined) objects.push(object);
    }
    return objects;
  }

  /** Follows the server until `signal` is aborted. Never rejects: failures are logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        await this.#listAndWatch(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn("Following the server failed; listing again", { error: describeError(error) });
      }
      failures = clock.monotonicMs() - startedMs > healthyAfterMs ? 0 : failures + 1;
      const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures, 20), longestPauseMs);
      await sleep(clock, pauseMs * (1 + random.fraction()), signal);
    }
  }

  /** One list, then watches from there, each beginning where the one before ended. Returns only on abort. */
  async #listAndWatch(signal: AbortSignal): Promise<void> {
    const { client, clock, random, select } = this.#options;
    const list = await client.listAll(this.kind, select);
    if (signal.aborted) return;
    this.#replace(list.items, list.resourceVersion);
    let emptyWatches = 0;
    while (!signal.aborted) {
      let events = 0;
      const startedMs = clock.monotonicMs();
      try {
        const options = { ...select, resourceVersion: this.#version, allowWatchBookmarks: true };
        for await (const event of client.watch(this.kind, options, signal)) {
          if (signal.aborted) return;
          events++;
          if (event.type === "BOOKMARK") this.#version = event.resourceVersion;
          else this.#apply(event.type, event.object);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof StatusError && (error.code === 410 || error.code < 500)) throw error;
        this.#log.debug("A watch broke; watching on", { error: describeError(error) });
      }
      // A server that ends every watch at once must not be asked without pause.
      const quick = events === 0 && clock.monotonicMs() - startedMs < 1000;
      emptyWatches = quick ? emptyWatches + 1 : 0;
      if (emptyWatches > 0) {
        const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(emptyWatches, 20), longestPauseMs);
        await sleep(clock, pauseMs * (1 + random.fraction()), signal);
      }
    }
  }

  #replace(items: readonly Observed<T>[], version: string): void {
    const before = new Map(this.#objects);
    this.#version = version;
    for (const item of items) {
      const { metadata } = anyObserved<T>(item);
      const key = keyOf({ metadata });
      const old = before.get(key);
      before.delete(key);
      const oldMetadata = old && anyObserved<T>(old).metadata;
      if (old === undefined) this.#put(key, item, undefined);
      else if (oldMetadata?.uid !== metadata.uid) {
        this.#remove(key, old);
        this.#put(key, item, undefined);
      } else if (oldMetadata.resourceVersion !== metadata.resourceVersion) this.#put(key, item, old);
    }
    for (const [key, gone] of before) this.#remove(key, gone);
    if (!this.#isSynced) {
      this.#isSynced = true;
      this.#markSynced();
    }
  }

  #apply(type: "ADDED" | "MODIFIED" | "DELETED", object: Observed<T>): void {
    const { metadata } = anyObserved<T>(object);
    this.#version = metadata.resourceVersion;
    const key = keyOf({ metadata });
    const old = this.#objects.get(key);
    if (type === "DELETED") {
      if (old !== undefined) this.#remove(key, object);
      return;
    }
    this.#put(key, object, old);
  }

  #put(key: string, object: Observed<T>, old: Observed<T> | undefined): void {
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) index.put(key, object);
    for (const handlers of this.#handlers) {
      if (old === undefined) handlers.add?.(object);
      else handlers.update?.(object, old);
    }
  }

  #remove(key: string, last: Observed<T>): void {
    this.#objects.delete(key);
    for (const index of this.#indexes.values()) index.remove(key);
    for (const handlers of this.#handlers) handlers.delete?.(last);
  }
}

export interface InformerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Absent: everything of the kind. */
  readonly select?: SelectOptions;
}

export interface Handlers<T extends KubeObject> {
  add?(object: Observed<T>): void;
  update?(object: Observed<T>, old: Observed<T>): void;
  /** The last state that is known. */
  delete?(object: Observed<T>): void;
}

/** The index that every informer has. */
export const byNamespace = "namespace";

const firstPauseMs = 400;
const longestPauseMs = 30_000;
const healthyAfterMs = 120_000;

class Index<T extends KubeObject> {
  readonly #values: (object: Observed<T>) => readonly string[];
  readonly #keysByValue = new Map<string, Set<string>>();
  readonly #valuesByKey = new Map<string, readonly string[]>();
  readonly #sorted = new Map<string, readonly string[]>();

  constructor(values: (object: Observed<T>) => readonly string[]) {
    this.#values = values;
  }

  put(key: string, object: Observed<T>): void {
    const values = this.#values(object);
    const before = this.#valuesByKey.get(key);
    if (before !== undefined && before.length === values.length && before.every((value, n) => value === values[n]))
      return;
    this.remove(key);
    this.#valuesByKey.set(key, values);
    for (const value of values) {
      this.#sorted.delete(value);
      const keys = this.#keysByValue.get(value);
      if (keys === undefined) this.#keysByValue.set(value, new Set([key]));
      else keys.add(key);
    }
  }

  remove(key: string): void {
    for (const value of this.#valuesByKey.get(key) ?? []) {
      const keys = this.#keysByValue.get(value);
      this.#sorted.delete(value);
      keys?.delete(key);
      if (keys?.size === 0) this.#keysByValue.delete(value);
    }
    this.#valuesByKey.delete(key);
  }

  /** Sorted; remembered until the set changes, for lists are asked for again and again. */
  keys(value: string): readonly string[] {
    const sorted = this.#sorted.get(value);
    if (sorted !== undefined) return sorted;
    const unsorted = this.#keysByValue.get(value);
    if (unsorted === undefined) return [];
    const keys = [...unsorted].sort();
    this.#sorted.set(value, keys);
    return keys;
  }
}
