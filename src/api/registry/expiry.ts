import type { Clock } from "../../env/clock.ts";
import type { Store } from "../../store/store.ts";

/** A time to live is cut into so many buckets; all that is written in one shares a lease. */
const buckets = 12;

interface Bucket {
  readonly until: number;
  readonly lease: Promise<bigint>;
}

/**
 * Store leases for objects that vanish. Objects written in the same bucket of time share one lease, whose time to live is
 * longer by a bucket, so that none of them lives shorter than it should.
 */
export class Expiry {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #current = new Map<number, Bucket>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  lease(timeToLiveSeconds: number): Promise<bigint> {
    const now = this.#clock.monotonicMs();
    const current = this.#current.get(timeToLiveSeconds);
    if (current && now < current.until) return current.lease;
    const bucketSeconds = Math.max(1, Math.ceil(timeToLiveSeconds / buckets));
    const granted = this.#store.leaseGrant(timeToLiveSeconds + bucketSeconds);
    const bucket: Bucket = { until: now + bucketSeconds * 1000, lease: granted.then(({ id }) => id) };
    this.#current.set(timeToLiveSeconds, bucket);
    // Who waits for it sees the error; the next one tries anew.
    bucket.lease.catch(() => {
      if (this.#current.get(timeToLiveSeconds) === bucket) this.#current.delete(timeToLiveSeconds);
    });
    return bucket.lease;
  }

  /** `lease` turned out to be gone (the wall clock jumped, it was revoked): the next call takes a new one. */
  async forget(timeToLiveSeconds: number, lease: bigint): Promise<void> {
    const current = this.#current.get(timeToLiveSeconds);
    if (current && (await current.lease) === lease && this.#current.get(timeToLiveSeconds) === current)
      this.#current.delete(timeToLiveSeconds);
  }
}
