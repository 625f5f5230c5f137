import { describe, expect, test } from "bun:test";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { openEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";
import { type RangeResponse, type Store, StoreError } from "./store.ts";
import { firstRecordOffset } from "./wal_format.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const everything = { key: Uint8Array.of(0), end: Uint8Array.of(0) };

function open(disk: SimulatedDisk, more: { clock?: VirtualClock; onFailure?: (error: Error) => void } = {}) {
  return openEmbeddedStore({
    disk,
    clock: new VirtualClock(),
    random: new SeededRandom(3),
    log: silentLog,
    directory: "/data",
    segmentBytes: 8192,
    snapshotBytes: 4000,
    ...more,
  });
}

const put = (store: Store, key: string, value: Uint8Array) =>
  store.txn({ compare: [], success: [{ type: "put", key: bytes(key), value }], failure: [] });

/** Lets everything happen that waits for no time. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

async function refusal(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error("It was not refused");
}

/** A store with a snapshot, and a log that goes over a segment's end and ends with values that are nearly all zeros. */
async function written(): Promise<{ disk: SimulatedDisk; content: RangeResponse }> {
  const disk = new SimulatedDisk({ random: new SeededRandom(5) });
  const store = await open(disk);
  for (let at = 0; at < 12; at++) await put(store, `k${at % 4}`, bytes("v".repeat(150 + 50 * at)));
  await put(store, "zeros", new Uint8Array(1200));
  const nearly = new Uint8Array(1200);
  nearly[700] = 1;
  await put(store, "nearly", nearly);
  const content = await store.range(everything);
  await store.close();
  return { disk, content };
}

describe("Bit rot", () => {
  test("in any byte of the log or the snapshot is refused by file and offset, or is harmless", async () => {
    const { disk, content } = await written();
    const snapshots = ["/data/snapshot", "/data/snapshot.previous"];
    const paths = [...snapshots, ...(await disk.list("/data/wal")).map((name) => `/data/wal/${name}`)];
    expect(paths.length).toBeGreaterThanOrEqual(5);
    let refused = 0;
    let harmless = 0;
    for (const path of paths) {
      const file = await disk.readFile(path);
      for (let offset = 0; offset < file.length; offset++) {
        const damaged = disk.copy(new SeededRandom(offset));
        damaged.flipBit(path, offset, (offset * 5) % 8);
        try {
          const store = await open(damaged);
          expect(await store.range(everything)).toEqual(content);
          await store.close();
          harmless++;
        } catch (error) {
          if (!(error instanceof StoreError)) throw new Error(`${path}, byte ${offset}: ${error}`, { cause: error });
          expect([path, offset, error.code]).toEqual([path, offset, "Corrupt"]);
          expect(error.message).toContain(path);
          expect(error.message).toMatch(/damaged at byte \d+: .*[Rr]estore/s);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(3000);
    expect(harmless).toBeGreaterThan(10);
  }, 240_000);

  test("is told from a file that was cut short, which is refused too, wherever the end is", async () => {
    const { disk, content } = await written();
    const paths = ["/data/snapshot", ...(await disk.list("/data/wal")).map((name) => `/data/wal/${name}`)];
    for (const path of paths) {
      const { length } = await disk.readFile(path);
      for (let cut = 0; cut < length; cut += length < 4000 ? 1 : 97) {
        const damaged = disk.copy(new SeededRandom(cut));
        const file = await damaged.open(path);
        await file.truncate(cut);
        await file.sync();
        const error = await open(damaged).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect([path, cut, error instanceof StoreError && error.code]).toEqual([path, cut, "Corrupt"]);
      }
    }
    expect(content.count).toBe(6);
  }, 60_000);

  test("that is refused leaves the files as they were", async () => {
    const { disk } = await written();
    const [name] = await disk.list("/data/wal");
    disk.flipBit(`/data/wal/${name}`, firstRecordOffset + 40, 3);
    const before = disk.bytesWritten;
    expect((await refusal(open(disk))).code).toBe("Corrupt");
    expect(disk.bytesWritten).toBe(before);
  });

  test("a missing segment, snapshot or log is refused", async () => {
    const { disk } = await written();
    const withoutSnapshot = disk.copy(new SeededRandom(1));
    await withoutSnapshot.remove("/data/snapshot");
    await withoutSnapshot.remove("/data/snapshot.previous");
    expect((await refusal(open(withoutSnapshot))).message).toContain("a log but no snapshot");
    const withoutLog = disk.copy(new SeededRandom(1));
    for (const name of await withoutLog.list("/data/wal")) await withoutLog.remove(`/data/wal/${name}`);
    expect((await refusal(open(withoutLog))).message).toContain("has no log");
  });
});

describe("A full disk", () => {
  test("refuses writes, answers reads, loses nothing, and recovers by itself when there is room", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(5) });
    const clock = new VirtualClock();
    const store = await open(disk, { clock });
    await put(store, "first", bytes("1"));
    disk.capacityBytes = disk.usedBytes() + 100;
    const acknowledged: string[] = [];
    let error: StoreError | undefined;
    for (let at = 0; at < 40 && error === undefined; at++) {
      try {
        await put(store, `k${at}`, bytes("v".repeat(500)));
        acknowledged.push(`k${at}`);
      } catch (thrown) {
        if (!(thrown instanceof StoreError)) throw thrown;
        error = thrown;
      }
    }
    expect(error?.code).toBe("NoSpace");
    expect(store.status().alarm).toBe("NOSPACE");
    // All at once, too: what is admitted has room.
    const many = await Promise.allSettled(
      Array.from({ length: 30 }, (_, at) => put(store, `m${at}`, bytes("w".repeat(400)))),
    );
    const names = [...acknowledged, ...many.flatMap((result, at) => (result.status === "fulfilled" ? [`m${at}`] : []))];
    const refusedNames = many.flatMap((result, at) => (result.status === "rejected" ? [`m${at}`] : []));
    expect(refusedNames.length).toBeGreaterThan(0);
    for (const result of many) if (result.status === "rejected") expect(result.reason.code).toBe("NoSpace");
    const keys = async (from: Store) =>
      (await from.range({ ...everything, keysOnly: true })).kvs.map((kv) => new TextDecoder().decode(kv.key));
    expect(await keys(store)).toEqual(["first", ...names].sort());

    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await clock.advance(1000);
    expect(store.status().alarm).toBeUndefined();
    await put(store, "last", bytes("1"));
    await store.close();
    const again = await open(disk);
    expect(await keys(again)).toEqual(["first", "last", ...names].sort());
    await again.close();
  });

  test("that fills while many wait for the next segment admits no more of them than have room", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(5) });
    const store = await open(disk);
    await put(store, "first", bytes("1"));
    // Room for one segment more.
    disk.capacityBytes = disk.usedBytes() + 9000;
    const settled = await Promise.race([
      Promise.allSettled(Array.from({ length: 120 }, (_, at) => put(store, `m${at}`, bytes("w".repeat(400))))),
      turns(20_000).then(() => undefined),
    ]);
    if (settled === undefined) throw new Error("Some were neither written nor refused");
    const refused = settled.filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(120);
    for (const each of refused) expect(each).toMatchObject({ reason: { code: "NoSpace" } });
    await store.close();
  });

  test("at the start is an error of the disk, and a later start succeeds", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(5), capacityBytes: 100 });
    let failed = false;
    await open(disk).catch(() => {
      failed = true;
    });
    expect(failed).toBe(true);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    const store = await open(disk);
    await put(store, "a", bytes("1"));
    await store.close();
  });

  test("under a store over its quota refuses puts and allows deletes", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(5) });
    const store = await openEmbeddedStore({
      disk,
      clock: new VirtualClock(),
      random: new SeededRandom(3),
      log: silentLog,
      directory: "/data",
      quotaBytes: 5000,
    });
    let refused: StoreError | undefined;
    for (let at = 0; at < 20 && refused === undefined; at++)
      await put(store, "k", bytes("v".repeat(1000))).catch((error: StoreError) => {
        refused = error;
      });
    expect(refused?.code).toBe("NoSpace");
    expect(store.status().alarm).toBe("NOSPACE");
    await store.txn({ compare: [], success: [{ type: "deleteRange", key: bytes("k") }], failure: [] });
    await store.compact(store.status().revision);
    await turns(100);
    expect(store.status().alarm).toBeUndefined();
    await put(store, "k", bytes("v"));
    await store.close();
  });
});

describe("A failed sync", () => {
  test("stops the store for good, and a restart has all that was acknowledged", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(9) });
    let failure: Error | undefined;
    const store = await open(disk, {
      onFailure: (error) => {
        failure = error;
      },
    });
    await put(store, "a", bytes("1"));
    const syncs = disk.syncs;
    disk.failSyncs();
    expect((await refusal(put(store, "b", bytes("1")))).code).toBe("Unavailable");
    expect(disk.syncs).toBe(syncs + 1);
    expect(failure?.message).toContain("Cannot write the log in /data/wal");
    for (const request of [put(store, "c", bytes("1")), store.range(everything), store.compact(2), store.leaseGrant(5)])
      expect((await refusal(request)).code).toBe("Unavailable");
    expect(store.status().isLeader).toBe(false);
    expect(disk.syncs).toBe(syncs + 1);
    await store.close();
    disk.cutPower();
    disk.restore();
    const again = await open(disk);
    expect((await again.range({ key: bytes("a") })).count).toBe(1);
    expect((await again.range({ key: bytes("c") })).count).toBe(0);
    await again.close();
  });
});

describe("An idle store", () => {
  test("writes nothing, however long it is left alone", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(9) });
    const clock = new VirtualClock();
    const store = await open(disk, { clock });
    await put(store, "a", bytes("1"));
    await store.leaseGrant(7 * 24 * 3600);
    await clock.advance(60_000);
    const before = disk.operations;
    await clock.advance(24 * 3600 * 1000);
    expect(disk.operations).toBe(before);
    await store.close();
  });
});
