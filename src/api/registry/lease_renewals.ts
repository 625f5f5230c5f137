import { type Clock, rfc3339Micro } from "../../env/clock.ts";
import { deepFreeze, equalJson, type Fields, isFields, type StoredObject } from "./object.ts";
import type { Entry } from "./object_storage.ts";

/** A node's Lease is written this often, whatever the kubelet's rhythm. */
const persistEveryMs = 10 * 60_000;
export const nodeLeaseNamespace = "kube-node-lease";
const prefix = `/registry/coordination.k8s.io/leases/${nodeLeaseNamespace}/`;

interface Renewal {
  /** The stored revision that the renewal is of: once that changes, the renewal is void. */
  readonly modRevision: number;
  readonly persistedAt: number;
  entry: Entry;
}

/**
 * A node's renewals at another server are that one's: there the connection between the two says the same.
 *
 * Renewals of node leases, kept in memory (DESIGN.md says what follows). What is kept is the stored Lease with a newer
 * spec.renewTime, under the same resourceVersion.
 */
export class LeaseRenewals {
  readonly #clock: Clock;
  readonly #renewals = new Map<string, Renewal>();

  readonly #isReachable: (nodeName: string) => boolean;

  /** `isReachable`: whether a node that renews its Lease at another server is heard of. */
  constructor(clock: Clock, isReachable: (nodeName: string) => boolean = () => false) {
    this.#clock = clock;
    this.#isReachable = isReachable;
  }

  /** The entry with its newest renewal. */
  current(entry: Entry): Entry {
    if (!entry.key.startsWith(prefix)) return entry;
    const renewal = this.#renewals.get(entry.key);
    if (renewal?.modRevision === entry.modRevision) return renewal.entry;
    if (!this.#isReachable(entry.key.slice(prefix.length))) return entry;
    const { spec } = entry.object;
    const renewTime = rfc3339Micro(this.#clock.now());
    return { ...entry, object: deepFreeze({ ...entry.object, spec: { ...(isFields(spec) ? spec : {}), renewTime } }) };
  }

  /** Keeps `wished` in memory when it only renews `stored`; undefined: it has to be written. */
  take(stored: Entry, wished: StoredObject): Entry | undefined {
    if (!stored.key.startsWith(prefix)) return undefined;
    if (!equalJson(withoutRenewTime(stored.object), withoutRenewTime(wished))) return undefined;
    const now = this.#clock.monotonicMs();
    const present = this.#renewals.get(stored.key);
    // What a server finds stored at its start may be old: the first renewal that it sees is written.
    if (
      present === undefined ||
      present.modRevision !== stored.modRevision ||
      now - present.persistedAt >= persistEveryMs
    )
      return undefined;
    present.entry = { ...stored, object: deepFreeze(wished) };
    return present.entry;
  }

  /** Called for each Lease that was written. */
  persisted(entry: Entry): void {
    if (!entry.key.startsWith(prefix)) return;
    this.#renewals.set(entry.key, { modRevision: entry.modRevision, persistedAt: this.#clock.monotonicMs(), entry });
  }

  forget(key: string): void {
    this.#renewals.delete(key);
  }
}

function withoutRenewTime(object: StoredObject): Fields {
  const spec = object.spec;
  return { ...object, spec: isFields(spec) ? { ...spec, renewTime: undefined } : spec };
}
