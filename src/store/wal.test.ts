import { describe, expect, test } from "bun:test";
import type { Entry } from "../raft/types.ts";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { silentLog } from "./log.test_support.ts";
import { StoreError } from "./store.ts";
import { Wal } from "./wal.ts";

const directory = "/data/wal";

function setting(seed: number, segmentBytes = 4096) {
  const clock = new VirtualClock();
  const random = new SeededRandom(seed);
  const disk = new SimulatedDisk({ random, clock });
  const open = (snapshot = { index: 0, term: 0 }) =>
    Wal.open({
      disk,
      clock,
      random,
      log: silentLog,
      directory,
      segmentBytes,
      identity: () => ({ clusterId: 5n, memberId: 7n }),
      snapshot,
    });
  return { clock, disk, open };
}

const entry = (index: number, bytes = 600): Entry => ({
  index,
  term: 3,
  type: "normal",
  data: new Uint8Array(bytes).fill(index),
});
const hardState = (commit: number) => ({ term: 3, vote: 9n, commit });

describe("The log", () => {
  test("keeps term and vote when the power goes between a release and the first record of a new segment", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { clock, disk, open } = setting(seed);
      const { wal } = await open();
      let index = 0;
      // Until the segment is so full that the next record opens another one.
      for (; index < 5; ) await wal.append({ hardState: hardState(index), entries: [entry(++index)] });
      disk.syncMs = [10, 10];
      const under = wal.append({ hardState: hardState(index), entries: [entry(index + 1)] }).catch(() => undefined);
      const released = wal.release(index).catch(() => undefined);
      await clock.advance(5);
      disk.cutPower();
      await clock.advance(100);
      await Promise.all([under, released]);
      disk.restore();
      disk.syncMs = [0, 0];
      const again = await open({ index, term: 3 });
      expect([seed, again.hardState.term, again.hardState.vote]).toEqual([seed, 3, 9n]);
      await again.wal.close();
    }
  });

  test("gives up segments only when a later one holds something, and then all that the snapshot has", async () => {
    const { disk, open } = setting(1);
    const { wal } = await open();
    let index = 0;
    for (; index < 40; ) await wal.append({ hardState: hardState(index), entries: [entry(++index)] });
    await wal.prepared();
    const before = (await disk.list(directory)).length;
    expect(before).toBeGreaterThan(6);
    await wal.release(index);
    expect((await disk.list(directory)).length).toBe(2);
    await wal.close();
    const again = await open({ index, term: 3 });
    expect([again.entries.length, again.hardState.vote]).toEqual([0, 9n]);
    await again.wal.close();
  });

  test("whose newest segments are gone is refused, and nothing is removed", async () => {
    const { disk, open } = setting(1);
    const { wal } = await open();
    for (let index = 0; index < 40; ) await wal.append({ hardState: hardState(index), entries: [entry(++index)] });
    await wal.prepared();
    await wal.close();
    const names = await disk.list(directory);
    const current = names.at(-2);
    await disk.remove(`${directory}/${current}`);
    const left = await disk.list(directory);
    const error = await open().catch((thrown: unknown) => thrown);
    expect(error instanceof StoreError && [error.code, error.message]).toEqual([
      "Corrupt",
      expect.stringContaining("are missing"),
    ]);
    expect(await disk.list(directory)).toEqual(left);
  });

  test("tells how often, how much and how long it syncs, and of a sync that hangs", async () => {
    const { clock, disk, open } = setting(1, 64 * 1024);
    const { wal } = await open();
    const { syncs } = wal;
    const before = syncs.count;
    disk.syncMs = [3, 3];
    for (let index = 1; index <= 20; index++) {
      const done = wal.append({ hardState: hardState(index), entries: [entry(index)] });
      await clock.advance(3);
      await done;
    }
    expect(syncs.count - before).toBe(20);
    expect(syncs.bytes).toBeGreaterThan(20 * 600);
    expect(syncs.quantileMs(0.99)).toBe(3);
    expect(syncs.underWayMs).toBe(0);
    disk.syncMs = [5000, 5000];
    const hanging = wal.append({ hardState: hardState(21), entries: [] });
    await clock.advance(700);
    expect(syncs.underWayMs).toBe(700);
    await clock.advance(5000);
    await hanging;
    expect(syncs.underWayMs).toBe(0);
    expect(syncs.quantileMs(1)).toBe(5000);
    expect(syncs.buckets().find(({ uptoMs }) => uptoMs === 4)?.count).toBe(20);
    expect(syncs.buckets().at(-1)).toEqual({ uptoMs: Number.POSITIVE_INFINITY, count: 21 });
    await wal.close();
  });
});
