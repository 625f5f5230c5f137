import type { Informer } from "../client/informer.ts";
import { type AnyObserved, anyObserved } from "../client/object.ts";
import type { KubeObject } from "../kinds/kind.ts";

/**
 * What a controller did and its cache does not show yet, so that it does not do it twice (Kubernetes calls them
 * expectations). Exact instead of counted: an object created counts as seen when the cache holds it or stands at a later
 * version, one deleted when the cache shows its deletion. Nothing here needs a time-out.
 */
export class Pending<T extends KubeObject> {
  readonly #informer: Informer<T>;
  /** By the owner's key: uid and version of what was created. */
  readonly #created = new Map<string, Map<string, AnyObserved>>();
  readonly #deleted = new Set<string>();

  constructor(informer: Informer<T>) {
    this.#informer = informer;
    informer.on({
      update: (object) => {
        const { metadata } = anyObserved<T>(object);
        if (metadata.deletionTimestamp !== undefined) this.#deleted.delete(metadata.uid);
      },
      delete: (object) => this.#deleted.delete(anyObserved<T>(object).metadata.uid),
    });
  }

  created(ownerKey: string, object: AnyObserved): void {
    const objects = this.#created.get(ownerKey) ?? new Map<string, AnyObserved>();
    objects.set(object.metadata.uid, object);
    this.#created.set(ownerKey, objects);
  }

  /** Call it before the server is asked, since the event may be faster than the answer. */
  deleting(uid: string): void {
    this.#deleted.add(uid);
  }

  /** The server refused, or did not answer. */
  deletionFailed(uid: string): void {
    this.#deleted.delete(uid);
  }

  isBeingDeleted(uid: string): boolean {
    return this.#deleted.has(uid);
  }

  /** Whether the cache shows everything that was created for the owner. */
  isSettled(ownerKey: string): boolean {
    const objects = this.#created.get(ownerKey);
    if (objects === undefined) return true;
    for (const [uid, object] of objects) if (this.#informer.hasSeen(object)) objects.delete(uid);
    if (objects.size > 0) return false;
    this.#created.delete(ownerKey);
    return true;
  }

  forget(ownerKey: string): void {
    this.#created.delete(ownerKey);
  }
}
