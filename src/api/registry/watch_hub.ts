import { describeError, type Log } from "../../env/log.ts";
import { type Store, StoreError, type Watch, type WatchEvent } from "../../store/store.ts";
import { keyBytes, keyText, prefixEnd } from "./keys.ts";
import { deepFreeze, type StoredObject } from "./object.ts";
import type { ObjectStorage } from "./object_storage.ts";

/** One change of one object. For a deletion `object` is its last state, at the deletion's revision. */
export interface HubEvent {
  readonly type: "put" | "delete";
  readonly revision: number;
  readonly key: string;
  readonly object: StoredObject;
  readonly previous: StoredObject | undefined;
  /** Bytes that waiting for a slow client costs, about. */
  readonly size: number;
}

export interface HubListener {
  event(event: HubEvent): void;
  ended(reason: StoreError): void;
}

/** A client's place at the hub. */
export interface Subscription {
  /** Every change up to here has been delivered. */
  revision(): number;
  cancel(): void;
}

const root = "/registry/";
const keptEvents = 1_000;
const keptBytes = 8 << 20;

interface Feed {
  /** Events after this revision are kept. */
  floor: number;
  readonly events: HubEvent[];
  bytes: number;
  readonly listeners: Set<HubListener>;
}

/**
 * One store watch over all objects, begun with the first client, feeds every watch of every client. Objects are decoded once,
 * and only those of resources that somebody watches or has watched. The last events of such a resource are kept for
 * clients that come from a little before now; for those from further back the store's own history is read.
 */
export class WatchHub {
  readonly #storage: ObjectStorage;
  readonly #store: Store;
  readonly #log: Log;
  readonly #feeds = new Map<string, Feed>();
  #watch: Watch | undefined;
  #revision = 0;

  constructor(storage: ObjectStorage, log: Log) {
    this.#storage = storage;
    this.#store = storage.store;
    this.#log = log;
  }

  /** Begins to keep the events of a resource. A list that is read after this misses nothing that follows. */
  open(resourcePrefix: string): void {
    this.#feed(resourcePrefix);
  }

  /**
   * Every change after `fromRevision` of the resource under `resourcePrefix` ("/registry/core/pods/"), in order, without gap
   * or duplicate. What is kept is delivered before this returns.
   */
  subscribe(resourcePrefix: string, fromRevision: number, listener: HubListener): Subscription {
    const feed = this.#feed(resourcePrefix);
    if (fromRevision < feed.floor) return this.#readHistory(resourcePrefix, fromRevision, listener);
    for (const event of feed.events) if (event.revision > fromRevision) listener.event(event);
    // A revision ahead of us: what lies between is not wanted.
    const later: HubListener = {
      event: (event) => {
        if (event.revision > fromRevision) listener.event(event);
      },
      ended: (reason) => listener.ended(reason),
    };
    feed.listeners.add(later);
    return { revision: () => Math.max(this.#revision, fromRevision), cancel: () => feed.listeners.delete(later) };
  }

  /** Ends every watch; clients connect again. */
  close(): void {
    this.#end(new StoreError("Unavailable", "the server is shutting down"));
  }

  #feed(resourcePrefix: string): Feed {
    this.#start();
    let feed = this.#feeds.get(resourcePrefix);
    if (feed === undefined) {
      feed = { floor: this.#revision, events: [], bytes: 0, listeners: new Set() };
      this.#feeds.set(resourcePrefix, feed);
    }
    return feed;
  }

  #start(): void {
    if (this.#watch) return;
    this.#revision = this.#store.status().revision;
    const request = { key: keyBytes(root), end: prefixEnd(root), startRevision: this.#revision + 1, previous: true };
    this.#watch = this.#store.watch(request, {
      events: (revision, events) => this.#deliver(revision, events),
      ended: (reason) => {
        this.#log.warn("the store ended the watch that feeds all clients", { reason: reason.message });
        this.#end(reason);
      },
    });
  }

  #end(reason: StoreError): void {
    this.#watch?.cancel();
    this.#watch = undefined;
    const feeds = [...this.#feeds.values()];
    this.#feeds.clear();
    for (const feed of feeds) for (const listener of feed.listeners) listener.ended(reason);
  }

  #deliver(revision: number, events: readonly WatchEvent[]): void {
    this.#revision = revision;
    for (const stored of events) {
      const feed = this.#feeds.get(resourceOf(stored.kv.key));
      if (feed === undefined) continue;
      const event = this.#decode(stored);
      if (event === undefined) continue;
      feed.events.push(event);
      feed.bytes += event.size;
      while (feed.events.length > keptEvents || (feed.bytes > keptBytes && feed.events.length > 1)) {
        const oldest = feed.events.shift();
        if (oldest === undefined) break;
        feed.bytes -= oldest.size;
        feed.floor = oldest.revision;
      }
      for (const listener of feed.listeners) listener.event(event);
    }
  }

  #decode({ type, kv, previous }: WatchEvent): HubEvent | undefined {
    const key = keyText(kv.key);
    try {
      const before = previous && this.#storage.entryOf(previous).object;
      if (type === "put") {
        const { object, size } = this.#storage.entryOf(kv);
        return { type, revision: kv.modRevision, key, object, previous: before, size };
      }
      this.#storage.forget(key, kv.modRevision);
      // Written and deleted in one revision: nobody has seen it.
      if (before === undefined) return undefined;
      const object = atRevision(before, kv.modRevision);
      return { type, revision: kv.modRevision, key, object, previous: before, size: previous?.value.length ?? 0 };
    } catch (error) {
      this.#log.error("a change cannot be shown to watchers", { key, error: describeError(error) });
      return undefined;
    }
  }

  #readHistory(prefix: string, fromRevision: number, listener: HubListener): Subscription {
    let delivered = fromRevision;
    const request = { key: keyBytes(prefix), end: prefixEnd(prefix), startRevision: fromRevision + 1, previous: true };
    const watch = this.#store.watch(request, {
      events: (revision, events) => {
        for (const stored of events) {
          const event = this.#decode(stored);
          if (event) listener.event(event);
        }
        delivered = revision;
      },
      ended: (reason) => listener.ended(reason),
    });
    return { revision: () => delivered, cancel: () => watch.cancel() };
  }
}

/** "/registry/core/pods/default/web" to "/registry/core/pods/". */
function resourceOf(key: Uint8Array): string {
  let slashes = 0;
  for (let at = 0; at < key.length; at++)
    if (key[at] === 0x2f && ++slashes === 4) return keyText(key.subarray(0, at + 1));
  return keyText(key);
}

/** The same object under another resourceVersion. */
export function atRevision(object: StoredObject, revision: number): StoredObject {
  return deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
}
