import { type Compare, type KeyValue, type Operation, type Store, StoreError } from "../../store/store.ts";
import { keyBytes, keyText, prefixEnd } from "./keys.ts";
import { type ApiObject, deepFreeze, type StoredObject } from "./object.ts";
import { decodeStored, encodeStored } from "./stored_value.ts";

/** An object with what the store knows of it. */
export interface Entry {
  readonly key: string;
  readonly object: StoredObject;
  readonly modRevision: number;
  /** Bytes of the stored value. */
  readonly size: number;
}

export interface Page {
  readonly entries: readonly Entry[];
  /** The revision that the page is of. */
  readonly revision: number;
  readonly more: boolean;
  /** Keys in the range from where the page begins. */
  readonly count: number;
}

export interface ObjectChange {
  readonly key: string;
  /** The modRevision that the decision was based on; 0: the object must be absent. */
  readonly basis: number;
  /** Absent: the object is deleted. */
  readonly put?: ApiObject;
  readonly lease?: bigint;
  /** What else must hold, and what else is written, in the same transaction. */
  readonly compare?: readonly Compare[];
  readonly also?: readonly Operation[];
}

export type Outcome =
  | { readonly done: true; readonly revision: number; readonly entry: Entry | undefined }
  /** A compare failed, nothing changed. `present` is the object as it is now. */
  | { readonly done: false; readonly present: Entry | undefined };

/** Objects kept decoded: enough for every object of a small cluster, and a bound for a large one. */
const cachedObjects = 20_000;

/**
 * Objects over the store's bytes. Each revision of an object is decoded once and shared by everyone who reads it, as long
 * as it is among those that changed last.
 */
export class ObjectStorage {
  readonly store: Store;
  /** The newest decoded revision of each key, in the order in which they were decoded or written. */
  readonly #cache: Map<string, Entry>;
  readonly #term: number | undefined;

  constructor(store: Store, cache = new Map<string, Entry>(), term?: number) {
    this.store = store;
    this.#cache = cache;
    this.#term = term;
  }

  /** The same storage, whose writes are refused unless `term` is that of the store's leader. */
  fenced(term: number): ObjectStorage {
    return new ObjectStorage(this.store, this.#cache, term);
  }

  async get(key: string, serializable = false): Promise<Entry | undefined> {
    const { kvs } = await this.store.range({ key: keyBytes(key), serializable });
    const kv = kvs[0];
    return kv && this.entryOf(kv);
  }

  /** The object and the store's revision when it was read. */
  async getAt(key: string, revision = 0): Promise<{ readonly entry: Entry | undefined; readonly revision: number }> {
    const found = await this.store.range({ key: keyBytes(key), revision });
    const kv = found.kvs[0];
    return { entry: kv && this.entryOf(kv), revision: revision === 0 ? found.revision : revision };
  }

  /** Keys under `prefix`, from `from` on (default: all), at `revision` (0: the newest). */
  async list(
    prefix: string,
    options: {
      readonly from?: string | undefined;
      readonly revision?: number;
      readonly limit?: number;
      readonly serializable?: boolean;
    } = {},
  ): Promise<Page> {
    const { from = prefix, revision = 0, limit = 0, serializable = false } = options;
    const range = { key: keyBytes(from), end: prefixEnd(prefix), revision, limit, serializable };
    const found = await this.store.range(range);
    return {
      entries: found.kvs.map((kv) => this.entryOf(kv)),
      revision: revision === 0 ? found.revision : revision,
      more: found.more,
      count: found.count,
    };
  }

  /** Carries the change out if the object is still at `basis` and all of `compare` hold. */
  async commit(change: ObjectChange): Promise<Outcome> {
    const key = keyBytes(change.key);
    const own: Operation =
      change.put === undefined
        ? { type: "deleteRange", key }
        : {
            type: "put",
            key,
            value: encodeStored(change.put),
            ...(change.lease === undefined ? {} : { lease: change.lease }),
          };
    const response = await this.store.txn({
      compare: [{ key, target: "mod", result: "=", operand: change.basis }, ...(change.compare ?? [])],
      success: [own, ...(change.also ?? [])],
      failure: [{ type: "range", request: { key } }],
      ...(this.#term === undefined ? {} : { term: this.#term }),
    });
    if (!response.succeeded) {
      const result = response.results[0];
      const kv = result?.type === "range" ? result.kvs[0] : undefined;
      return { done: false, present: kv && this.entryOf(kv) };
    }
    if (change.put === undefined) {
      this.#cache.delete(change.key);
      return { done: true, revision: response.revision, entry: undefined };
    }
    const cached = this.#cache.get(change.key);
    // The watch may have been faster and decoded it already; then all share that one.
    if (cached && cached.modRevision >= response.revision) {
      if (cached.modRevision === response.revision) return { done: true, revision: response.revision, entry: cached };
    }
    const size = own.type === "put" ? own.value.length : 0;
    return {
      done: true,
      revision: response.revision,
      entry: this.#adopt(change.key, change.put, response.revision, size),
    };
  }

  /** The decoded object of a stored value. Throws StoredValueError. */
  entryOf(kv: KeyValue): Entry {
    const key = keyText(kv.key);
    const cached = this.#cache.get(key);
    if (cached?.modRevision === kv.modRevision) return cached;
    const object = decodeStored(key, kv.value, kv.modRevision);
    const entry: Entry = { key, object, modRevision: kv.modRevision, size: kv.value.length };
    this.#keep(entry);
    return entry;
  }

  /** What was just written need not be decoded: it becomes the shared object, as the store has it. */
  #adopt(key: string, written: ApiObject, modRevision: number, size: number): Entry {
    written.metadata.resourceVersion = String(modRevision);
    // Identity was filled in before it was written, which is all that a StoredObject promises beyond an ApiObject.
    const entry: Entry = { key, object: deepFreeze(written as StoredObject), modRevision, size };
    this.#keep(entry);
    return entry;
  }

  #keep(entry: Entry): void {
    const cached = this.#cache.get(entry.key);
    // Old revisions (a list at a revision, history of a watch) do not push the newest out.
    if (cached && cached.modRevision > entry.modRevision) return;
    this.#cache.delete(entry.key);
    this.#cache.set(entry.key, entry);
    if (this.#cache.size <= cachedObjects) return;
    for (const oldest of this.#cache.keys()) {
      this.#cache.delete(oldest);
      break;
    }
  }

  /** Called when a watch sees the deletion. */
  forget(key: string, revision: number): void {
    const cached = this.#cache.get(key);
    if (cached && cached.modRevision < revision) this.#cache.delete(key);
  }
}

export function isStoreError(error: unknown, code: StoreError["code"]): boolean {
  return error instanceof StoreError && error.code === code;
}
