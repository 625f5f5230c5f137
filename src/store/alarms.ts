import { StoreError } from "./store.ts";

/** NOSPACE: the quota is used up, nothing may be added. CORRUPT: members differ, nothing may be changed at all. */
export const alarmKinds = ["NOSPACE", "CORRUPT"] as const;

export interface Alarm {
  readonly alarm: (typeof alarmKinds)[number];
  /** Who raised it. */
  readonly member: bigint;
}

export type AlarmChange = Alarm & { readonly type: "alarm"; readonly raised: boolean };

/**
 * The alarms that are raised: replicated, so that what is refused while one stands is a function of the log, and the same on every
 * member whatever its own memory or settings. Who raises and clears one is the leader's affair (`quotaChange`), or a client's.
 */
export class Alarms {
  #raised: Alarm[] = [];

  restore(alarms: readonly Alarm[]): void {
    this.#raised = [...alarms];
  }

  /** In the order in which they were raised. */
  list(): readonly Alarm[] {
    return [...this.#raised];
  }

  get any(): boolean {
    return this.#raised.length > 0;
  }

  has(kind: Alarm["alarm"]): boolean {
    return this.#raised.some(({ alarm }) => alarm === kind);
  }

  apply({ raised, alarm, member }: AlarmChange): void {
    this.#raised = this.#raised.filter((other) => other.alarm !== alarm || other.member !== member);
    if (raised) this.#raised.push({ alarm, member });
  }

  /** Throws what a request is refused with. With NOSPACE deletions, compactions and ends of leases go on. */
  check(adds: boolean): void {
    if (this.has("CORRUPT"))
      throw new StoreError(
        "Corrupt",
        "The members' states differ: nothing is changed until the member that is wrong was replaced and the alarm cleared",
      );
    if (adds && this.has("NOSPACE"))
      throw new StoreError(
        "NoSpace",
        "The store is over its quota: delete keys, then compact; writes go on by themselves",
      );
  }
}

/** Cleared only below this share of the quota, so that a store at its brim does not raise and clear at every write. */
const clearedBelow = 0.95;

/**
 * What the leader puts forward about the quota, asked after each apply: the alarm to raise, or those to clear. Nothing while all is
 * as it should be.
 */
export function quotaChanges(
  alarms: Alarms,
  usage: { readonly bytesInUse: number; readonly quotaBytes: number; readonly member: bigint },
): AlarmChange[] {
  const { bytesInUse, quotaBytes, member } = usage;
  const standing = alarms.list().filter(({ alarm }) => alarm === "NOSPACE");
  if (bytesInUse > quotaBytes)
    return standing.length > 0 ? [] : [{ type: "alarm", raised: true, alarm: "NOSPACE", member }];
  if (bytesInUse > quotaBytes * clearedBelow) return [];
  return standing.map((alarm) => ({ ...alarm, type: "alarm", raised: false }));
}
