import { describe, expect, test } from "bun:test";
import { VirtualClock } from "../sim/clock.ts";
import { Leases } from "./lease.ts";

function setting() {
  const clock = new VirtualClock();
  const revoked: { id: bigint; atMs: number }[] = [];
  const checkpoints: { id: bigint; remainingSeconds: number }[][] = [];
  let refuse = false;
  const leases: Leases = new Leases(clock, {
    revoke: async (id) => {
      if (refuse) throw new Error("no room");
      revoked.push({ id, atMs: clock.monotonicMs() });
      leases.revoke(id);
    },
    checkpoint: async (rests) => {
      if (refuse) throw new Error("no room");
      checkpoints.push([...rests]);
      for (const { id, remainingSeconds } of rests) leases.checkpoint(id, remainingSeconds);
    },
  });
  return {
    clock,
    leases,
    revoked,
    checkpoints,
    refuse: (now: boolean) => {
      refuse = now;
    },
  };
}

describe("Leases", () => {
  test("that end all at once are revoked a thousand a second, and each but once", async () => {
    const { clock, leases, revoked } = setting();
    for (let id = 1n; id <= 3000n; id++) leases.grant(id, 10);
    leases.lead();
    await clock.advance(9_999);
    expect(revoked).toEqual([]);
    await clock.advance(1000);
    expect(revoked.length).toBeGreaterThan(900);
    expect(revoked.length).toBeLessThan(1100);
    await clock.advance(3000);
    expect(revoked.length).toBe(3000);
    expect(new Set(revoked.map(({ id }) => id)).size).toBe(3000);
  });

  test("end when they should, whatever was granted before or after, and whoever is kept alive", async () => {
    const { clock, leases, revoked } = setting();
    leases.lead();
    leases.grant(1n, 60);
    leases.grant(2n, 5);
    leases.grant(3n, 20);
    for (let at = 0; at < 10; at++) {
      await clock.advance(4000);
      leases.keepAlive(2n);
    }
    await clock.advance(30_000);
    const from = revoked.map(({ id, atMs }) => [id, Math.round(atMs / 1000)]);
    const start = clock.monotonicMs() - 70_000;
    expect(from).toEqual([
      [3n, Math.round((start + 20_000) / 1000)],
      [2n, Math.round((start + 45_000) / 1000)],
      [1n, Math.round((start + 60_000) / 1000)],
    ]);
  });

  test("are tried again when they could not be revoked, and never by who does not lead", async () => {
    const { clock, leases, revoked, refuse } = setting();
    leases.grant(1n, 5);
    await clock.advance(20_000);
    expect(revoked).toEqual([]);
    leases.lead();
    refuse(true);
    await clock.advance(10_000);
    refuse(false);
    await clock.advance(1100);
    expect(revoked.map(({ id }) => id)).toEqual([1n]);
    leases.grant(2n, 5);
    leases.rest();
    await clock.advance(20_000);
    expect(revoked.length).toBe(1);
    leases.lead();
    await clock.advance(4900);
    expect(revoked.length).toBe(1);
    await clock.advance(200);
    expect(revoked.length).toBe(2);
  });

  test("do not change what is replicated before the log says so", async () => {
    const { clock, leases, refuse, checkpoints } = setting();
    leases.lead();
    leases.grant(1n, 3600);
    await clock.advance(1_900_000);
    expect(checkpoints).toEqual([[{ id: 1n, remainingSeconds: 1800 }]]);
    refuse(true);
    expect(leases.keepAlive(1n)).toBe(3600);
    expect(leases.list()[0]?.remainingSeconds).toBe(1800);
    await Promise.resolve();
    refuse(false);
    leases.keepAlive(1n);
    leases.keepAlive(1n);
    expect(checkpoints.length).toBe(2);
    expect(leases.list()[0]?.remainingSeconds).toBe(0);
  });

  test("that were put in place by a snapshot are all that there are", async () => {
    const { clock, leases, revoked } = setting();
    leases.lead();
    leases.grant(1n, 5);
    leases.grant(2n, 5);
    leases.restore([{ id: 2n, ttlSeconds: 30, remainingSeconds: 10 }]);
    await clock.advance(9000);
    expect(revoked).toEqual([]);
    await clock.advance(1100);
    expect(revoked.map(({ id }) => id)).toEqual([2n]);
    expect(leases.has(1n)).toBe(false);
  });
});
