import type { Clock, Timer } from "../env/clock.ts";
import { DueHeap } from "./due_heap.ts";
import { StoreError } from "./store.ts";
import type { LeaseBook } from "./txn.ts";

interface Lease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly keys: Set<string>;
  /** What was left at the last checkpoint; 0: all of it. Part of the replicated state. */
  remainingSeconds: number;
  /** On this member's monotonic clock, and only while it leads. */
  expiresAtMs: number;
  /** When the rest is to be noted in the log. */
  checkpointAtMs: number;
  /** When it is looked at next: it stands in the heap once, and no later than it must. */
  looksAtMs: number;
  revoking: boolean;
  /** A rest was put forward to be noted; the log may not have it yet. */
  noting: boolean;
  /** It was kept alive, and the log is about to learn that `remainingSeconds` holds no more. */
  resetting: boolean;
}

/** What the leases ask the store to put into the log. Rejections are tried again later. */
export interface LeaseProposals {
  revoke(id: bigint): Promise<void>;
  checkpoint(leases: readonly { readonly id: bigint; readonly remainingSeconds: number }[]): Promise<void>;
}

/** A lease that has at least this long to live is noted once half of it is over: rarely, so that idle means no writes. */
const checkpointFromSeconds = 600;
const retryMs = 1000;
/**
 * The leases are looked at this often at most, and then so many at most: about 1000 revocations a second as etcd, so that ten thousand
 * leases that end at once (their holders were all cut off) do not keep everyone else waiting.
 */
const lookEveryMs = 50;
const revocationsAtOnce = 50;
const checkpointsAtOnce = 1000;

/**
 * Leases. Which exist, and which keys they hold, is replicated state: `grant`, `revoke`, `checkpoint`, `move` and
 * `restore` are called by apply alone. When one is over is the leader's affair, by its monotonic clock: it proposes the revocation.
 * A new leader gives every lease its whole time, or what the last checkpoint left of it.
 */
export class Leases implements LeaseBook {
  readonly #clock: Clock;
  readonly #proposals: LeaseProposals;
  readonly #leases = new Map<bigint, Lease>();
  #leading = false;
  readonly #due = new DueHeap<Lease>();
  #timer: Timer | undefined;
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #lastLookMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, proposals: LeaseProposals) {
    this.#clock = clock;
    this.#proposals = proposals;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  move(name: string, from: bigint, to: bigint): void {
    this.#leases.get(from)?.keys.delete(name);
    this.#leases.get(to)?.keys.add(name);
  }

  grant(id: bigint, ttlSeconds: number, remainingSeconds = 0): void {
    if (this.#leases.has(id)) throw new StoreError("LeaseExists", `Cannot grant lease ${id}: it exists`);
    const lease: Lease = {
      id,
      ttlSeconds,
      keys: new Set(),
      remainingSeconds,
      expiresAtMs: Number.POSITIVE_INFINITY,
      checkpointAtMs: Number.POSITIVE_INFINITY,
      looksAtMs: Number.POSITIVE_INFINITY,
      revoking: false,
      noting: false,
      resetting: false,
    };
    this.#leases.set(id, lease);
    if (this.#leading) this.#start(lease, this.#clock.monotonicMs());
  }

  /** Puts a snapshot's leases in place of what is there. */
  restore(
    leases: readonly { readonly id: bigint; readonly ttlSeconds: number; readonly remainingSeconds: number }[],
  ): void {
    this.#leases.clear();
    this.#due.clear();
    for (const { id, ttlSeconds, remainingSeconds } of leases) this.grant(id, ttlSeconds, remainingSeconds);
  }

  /** Returns the keys to delete, in order. */
  revoke(id: bigint): string[] {
    const lease = this.#get(id);
    this.#leases.delete(id);
    return [...lease.keys].sort();
  }

  checkpoint(id: bigint, remainingSeconds: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.remainingSeconds = remainingSeconds;
    if (remainingSeconds === 0) lease.resetting = false;
  }

  #get(id: bigint): Lease {
    const lease = this.#leases.get(id);
    if (lease === undefined)
      throw new StoreError("LeaseNotFound", `There is no lease ${id}: it has expired or was revoked`);
    return lease;
  }

  /** This member leads now, and keeps the time. */
  lead(): void {
    this.#leading = true;
    const now = this.#clock.monotonicMs();
    for (const lease of this.#leases.values()) this.#start(lease, now);
  }

  /** It leads no more, or stops. */
  rest(): void {
    this.#leading = false;
    this.#due.clear();
    for (const lease of this.#leases.values()) lease.looksAtMs = Number.POSITIVE_INFINITY;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
  }

  #start(lease: Lease, now: number): void {
    const seconds = lease.remainingSeconds > 0 ? lease.remainingSeconds : lease.ttlSeconds;
    lease.expiresAtMs = now + seconds * 1000;
    lease.revoking = false;
    lease.noting = false;
    lease.resetting = false;
    this.#planCheckpoint(lease, now);
  }

  #planCheckpoint(lease: Lease, now: number): void {
    const leftMs = lease.expiresAtMs - now;
    lease.checkpointAtMs = leftMs >= checkpointFromSeconds * 1000 ? now + leftMs / 2 : Number.POSITIVE_INFINITY;
    this.#lookAt(lease, Math.min(lease.expiresAtMs, lease.checkpointAtMs));
  }

  /** A lease that is kept alive is not moved in the heap: it is looked at when it would have ended, and put back. */
  #lookAt(lease: Lease, atMs: number): void {
    if (!this.#leading || atMs >= lease.looksAtMs) return;
    lease.looksAtMs = atMs;
    this.#due.add(atMs, lease);
    this.#wake();
  }

  #wake(): void {
    const atMs = Math.max(this.#due.nextMs, this.#lastLookMs + lookEveryMs);
    if (!this.#leading || atMs >= this.#wakesAtMs || this.#due.size === 0) return;
    this.#timer?.cancel();
    this.#wakesAtMs = atMs;
    const delayMs = Math.max(0, atMs - this.#clock.monotonicMs());
    // Timers of the runtime do not reach further than 2^31 ms.
    this.#timer = this.#clock.schedule(Math.min(delayMs, 0x7fff_ffff), () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonicMs();
    this.#lastLookMs = now;
    const rests: { id: bigint; remainingSeconds: number }[] = [];
    let revocations = 0;
    while (revocations < revocationsAtOnce && rests.length < checkpointsAtOnce) {
      const lease = this.#due.take(now);
      if (lease === undefined) break;
      if (this.#leases.get(lease.id) !== lease) continue;
      // An earlier place was taken since; that one counts.
      if (lease.looksAtMs > now) continue;
      lease.looksAtMs = Number.POSITIVE_INFINITY;
      if (lease.expiresAtMs <= now) {
        if (lease.revoking) continue;
        revocations++;
        this.#expire(lease);
      } else if (lease.checkpointAtMs <= now) {
        rests.push({ id: lease.id, remainingSeconds: Math.max(1, Math.ceil((lease.expiresAtMs - now) / 1000)) });
        lease.noting = true;
        this.#planCheckpoint(lease, now);
      } else this.#lookAt(lease, Math.min(lease.expiresAtMs, lease.checkpointAtMs));
    }
    if (rests.length > 0) this.#proposals.checkpoint(rests).catch(() => undefined);
    this.#wake();
  }

  #expire(lease: Lease): void {
    lease.revoking = true;
    this.#proposals.revoke(lease.id).catch(() => {
      // The disk may be full, or the lead lost: as long as the lease is there, try again.
      lease.revoking = false;
      if (this.#leases.get(lease.id) === lease) this.#lookAt(lease, this.#clock.monotonicMs() + retryMs);
    });
  }

  /** Asked of the leader: the lease has all of its time again. */
  keepAlive(id: bigint): number {
    const lease = this.#get(id);
    const now = this.#clock.monotonicMs();
    if (lease.expiresAtMs <= now) throw new StoreError("LeaseNotFound", `Lease ${id} has expired`);
    if ((lease.remainingSeconds > 0 || lease.noting) && !lease.resetting) {
      lease.noting = false;
      lease.resetting = true;
      this.#proposals.checkpoint([{ id, remainingSeconds: 0 }]).catch(() => {
        lease.resetting = false;
      });
    }
    lease.expiresAtMs = now + lease.ttlSeconds * 1000;
    this.#planCheckpoint(lease, now);
    return lease.ttlSeconds;
  }

  timeToLive(id: bigint): { grantedSeconds: number; remainingSeconds: number; keys: string[] } {
    const lease = this.#get(id);
    const leftMs = lease.expiresAtMs - this.#clock.monotonicMs();
    if (leftMs <= 0) throw new StoreError("LeaseNotFound", `Lease ${id} has expired`);
    const remaining = Number.isFinite(leftMs) ? Math.floor(leftMs / 1000) : lease.ttlSeconds;
    return { grantedSeconds: lease.ttlSeconds, remainingSeconds: remaining, keys: [...lease.keys].sort() };
  }

  /** The replicated part, for a snapshot. */
  list(): { id: bigint; ttlSeconds: number; remainingSeconds: number }[] {
    return [...this.#leases.values()].map(({ id, ttlSeconds, remainingSeconds }) => ({
      id,
      ttlSeconds,
      remainingSeconds,
    }));
  }
}
