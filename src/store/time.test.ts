import { describe, expect, test } from "bun:test";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import type { CompactionPolicy } from "./auto_compaction.ts";
import { openEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";
import type { Store } from "./store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const put = (store: Store, key: string, lease = 0n) =>
  store.txn({ compare: [], success: [{ type: "put", key: bytes(key), value: bytes("v"), lease }], failure: [] });

function setting(compaction: CompactionPolicy | "off" = "off", snapshotBytes = 1_000_000) {
  const disk = new SimulatedDisk({ random: new SeededRandom(1) });
  const clock = new VirtualClock();
  const random = new SeededRandom(2);
  const open = () =>
    openEmbeddedStore({ disk, clock, random, log: silentLog, directory: "/data", compaction, snapshotBytes });
  return { disk, clock, open };
}

describe("A lease", () => {
  test("does not get all of its time again by a restart: what is left is noted at half-time, and in snapshots", async () => {
    for (const snapshotBytes of [1_000_000, 500]) {
      const { clock, open } = setting("off", snapshotBytes);
      let store = await open();
      const { id } = await store.leaseGrant(3600);
      await put(store, "a", id);
      for (let at = 0; at < 20; at++) await put(store, "b");
      await clock.advance(2_000_000);
      for (let at = 0; at < 20; at++) await put(store, "b");
      await store.close();
      store = await open();
      const { grantedSeconds, remainingSeconds } = await store.leaseTimeToLive(id);
      expect([grantedSeconds, remainingSeconds]).toEqual([3600, 1800]);
      await clock.advance(1_801_000);
      expect((await store.range({ key: bytes("a") })).count).toBe(0);
      await store.close();
    }
  });

  test("that is kept alive after half-time has all of its time, also after a restart", async () => {
    const { clock, open } = setting();
    let store = await open();
    const { id } = await store.leaseGrant(3600);
    await clock.advance(2_000_000);
    await store.leaseKeepAlive(id);
    await put(store, "a", id);
    await store.close();
    store = await open();
    expect((await store.leaseTimeToLive(id)).remainingSeconds).toBe(3600);
    await store.close();
  });

  test("of a few seconds that is kept alive for an hour writes nothing", async () => {
    const { clock, disk, open } = setting();
    const store = await open();
    const { id } = await store.leaseGrant(15);
    await clock.advance(1);
    const before = disk.operations;
    for (let at = 0; at < 360; at++) {
      await clock.advance(10_000);
      await store.leaseKeepAlive(id);
    }
    expect(disk.operations).toBe(before);
    await store.close();
  });

  test("ends although the disk is full at that time, once there is room", async () => {
    const { clock, disk, open } = setting();
    const store = await open();
    const { id } = await store.leaseGrant(5);
    await put(store, "a", id);
    disk.capacityBytes = 0;
    const value = new Uint8Array(1_000_000);
    const fill = () =>
      store.txn({ compare: [], success: [{ type: "put", key: bytes("fill"), value }], failure: [] }).then(
        () => true,
        () => false,
      );
    while (await fill());
    await clock.advance(20_000);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await clock.advance(5000);
    expect((await store.range({ key: bytes("a") })).count).toBe(0);
    await store.close();
  });
});

describe("History", () => {
  test("older than the policy's age goes with the next write, and not before", async () => {
    const { clock, open } = setting({ maxAgeMs: 300_000, maxRevisions: 0 });
    const store = await open();
    for (let at = 0; at < 10; at++) await put(store, "a");
    await clock.advance(3_600_000);
    expect(store.status().compactRevision).toBe(0);
    const { revision } = await put(store, "a");
    await put(store, "a");
    const { compactRevision } = store.status();
    expect(compactRevision).toBeGreaterThan(1);
    expect(compactRevision).toBeLessThan(revision);
    await store.close();
  });

  test("is bounded by the policy's number of revisions", async () => {
    const { open } = setting({ maxAgeMs: 0, maxRevisions: 100 });
    const store = await open();
    for (let at = 0; at < 1000; at++) await put(store, "a");
    const { revision, compactRevision } = store.status();
    expect(revision - compactRevision).toBeGreaterThanOrEqual(100);
    expect(revision - compactRevision).toBeLessThan(115);
    await store.close();
  });

  test("is the same for a reader whether a snapshot was taken in between or not", async () => {
    const contents: unknown[] = [];
    for (const snapshotBytes of [300, 1_000_000]) {
      const { open } = setting({ maxAgeMs: 0, maxRevisions: 20 }, snapshotBytes);
      let store = await open();
      for (let at = 0; at < 200; at++) await put(store, `k${(at * 7) % 13}`);
      await store.close();
      store = await open();
      const { revision, compactRevision } = store.status();
      const states = [];
      for (let at = compactRevision; at <= revision; at++)
        states.push(await store.range({ key: Uint8Array.of(0), end: Uint8Array.of(0), revision: at }));
      const seen: string[] = [];
      store.watch(
        { key: Uint8Array.of(0), end: Uint8Array.of(0), startRevision: compactRevision },
        { events: (at, events) => seen.push(`${at} ${events.length}`), ended: () => {} },
      );
      const plain = JSON.stringify(states, (name, field) =>
        typeof field === "bigint" ? String(field) : name === "previous" ? undefined : field,
      );
      await Promise.resolve();
      contents.push([revision, compactRevision, plain, seen]);
      await store.close();
    }
    expect(contents[0]).toEqual(contents[1]);
  });
});
