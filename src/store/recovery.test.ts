import { describe, expect, test } from "bun:test";
import { DiskError } from "../env/disk.ts";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { openEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";
import { completeRecovery, findDamage, type Recovery, recoverFromSnapshot } from "./recovery.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";
import { type Store, StoreError } from "./store.ts";
import { firstRecordOffset } from "./wal_format.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const everything = { key: Uint8Array.of(0), end: Uint8Array.of(0) };
const directory = "/data/store";

const optionsOf = (disk: SimulatedDisk, seed = 3) => ({
  disk,
  clock: new VirtualClock(),
  random: new SeededRandom(seed),
  log: silentLog,
  directory,
  segmentBytes: 8192,
});
const open = (disk: SimulatedDisk, recover?: "snapshot") =>
  openEmbeddedStore({ ...optionsOf(disk), snapshotBytes: 6000, compaction: "off", recover });

/** Each write is one entry and one revision; the value says which. */
const put = (store: Store, number: number) =>
  store.txn({
    compare: [],
    success: [{ type: "put", key: bytes(`k${number % 10}`), value: bytes(`${number}:${"v".repeat(300)}`) }],
    failure: [],
  });

async function contents(store: Store): Promise<string[]> {
  const { kvs } = await store.range(everything);
  return kvs.map(
    ({ key, value }) => `${new TextDecoder().decode(key)}=${new TextDecoder().decode(value).split(":")[0]}`,
  );
}

/** What `contents` is after the first `count` writes. */
const after = (count: number) => {
  const found: string[] = [];
  for (let slot = 0; slot < 10; slot++) {
    const last = count - ((((count - slot) % 10) + 10) % 10);
    if (last >= 1) found.push(`k${slot}=${last}`);
  }
  return found;
};

const writes = 50;

async function written(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: new SeededRandom(5) });
  const store = await open(disk);
  for (let number = 1; number <= writes; number++) await put(store, number);
  expect(await contents(store)).toEqual(after(writes));
  await store.close();
  return disk;
}

const snapshotFiles = [`${directory}/snapshot`, `${directory}/snapshot.previous`] as const;
const segments = async (disk: SimulatedDisk) =>
  (await disk.list(`${directory}/wal`)).map((name) => `${directory}/wal/${name}`);

/** Damages the record that holds these bytes. */
async function damageWrite(disk: SimulatedDisk, number: number): Promise<void> {
  const mark = bytes(`${number}:v`);
  for (const path of await segments(disk)) {
    const at = Buffer.from(await disk.readFile(path)).indexOf(mark);
    if (at > 0) return disk.flipBit(path, at, 2);
  }
  throw new Error(`Write ${number} is not in the log`);
}

async function recovered(disk: SimulatedDisk): Promise<Recovery> {
  expect((await findDamage(disk, directory)).length).toBeGreaterThan(0);
  return recoverFromSnapshot(optionsOf(disk));
}

describe("A store that was alone and is damaged", () => {
  test("goes on with all that it had when only its newest snapshot is: from the one before, and the log", async () => {
    const disk = await written();
    const revision = (await readSnapshot(disk, directory))?.state.revision ?? 0;
    expect(revision).toBeGreaterThan(10);
    disk.flipBit(snapshotFiles[0], 500, 1);
    await expect(open(disk)).rejects.toThrow("damaged at byte");
    const store = await open(disk, "snapshot");
    expect(await contents(store)).toEqual(after(writes));
    expect(store.status().revision).toBe(writes + 1);
    expect(await disk.list("/data")).toEqual(["store", "store.damaged-1"]);
    await put(store, writes + 1);
    await store.close();
    const again = await open(disk);
    expect(await contents(again)).toEqual(after(writes + 1));
    await again.close();
  });

  test("goes on with what stands before the damage in its log, and says which entries are lost", async () => {
    const sound = await written();
    const { index } = (await readSnapshot(sound, directory))?.state ?? { index: 0 };
    for (const damagedWrite of [writes, writes - 1, writes - 2]) {
      const disk = sound.copy(new SeededRandom(1));
      await damageWrite(disk, damagedWrite);
      await expect(open(disk)).rejects.toThrow("damaged at byte");
      const { lost, lastIndex, revision, damaged } = await recovered(disk);
      expect(lastIndex).toBeGreaterThanOrEqual(index);
      // One entry for each write, behind the one that founded the store and those of the term.
      const lastEntry = lastIndex + (writes - damagedWrite) + 1;
      expect(lost).toEqual({ from: lastIndex + 1, through: damagedWrite === writes ? undefined : lastEntry });
      expect(revision).toBeGreaterThan(100_000_000);
      const store = await open(disk);
      expect(await contents(store)).toEqual(after(damagedWrite - 1));
      // Whoever knows an older revision is told to begin anew.
      const ends: StoreError[] = [];
      store.watch(
        { ...everything, startRevision: writes },
        { events: () => undefined, ended: (end) => ends.push(end) },
      );
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      expect(ends.map(({ code }) => code)).toEqual(["Compacted"]);
      expect((await put(store, damagedWrite)).revision).toBeGreaterThan(revision);
      await store.close();
      // The damaged files are there as they were.
      const aside = disk.copy(new SeededRandom(1));
      await aside.rename(directory, "/data/other");
      await aside.rename(damaged, directory);
      await expect(open(aside)).rejects.toThrow("damaged at byte");
    }
  });

  test("loses nothing by damage to entries that its snapshot has", async () => {
    const disk = await written();
    const [oldest] = await segments(disk);
    if (oldest === undefined) throw new Error("there is a log");
    disk.flipBit(oldest, firstRecordOffset + 36, 1);
    expect((await recovered(disk)).lost).toBeUndefined();
    const store = await open(disk);
    expect(await contents(store)).toEqual(after(writes));
    expect(store.status().revision).toBe(writes + 1);
    await store.close();
  });

  test("does not use a term again that it has seen, nor votes twice in it", async () => {
    const disk = await written();
    // Some more terms.
    for (let life = 0; life < 3; life++) await (await open(disk)).close();
    const store = await open(disk);
    const { term } = store.status();
    await put(store, writes + 1);
    await store.close();
    await damageWrite(disk, writes);
    await recovered(disk);
    const again = await open(disk);
    expect(again.status().term).toBeGreaterThan(term);
    await again.close();
  });

  test("without its log, or without a whole snapshot, says so", async () => {
    const disk = await written();
    const withoutLog = disk.copy(new SeededRandom(1));
    for (const path of await segments(withoutLog)) await withoutLog.remove(path);
    const { lost } = await recovered(withoutLog);
    expect(lost?.through).toBeUndefined();
    expect(lost?.from).toBeGreaterThan(1);
    const store = await open(withoutLog);
    await put(store, 1);
    await store.close();

    for (const path of snapshotFiles) disk.flipBit(path, 500, 1);
    const error = await recoverFromSnapshot(optionsOf(disk)).catch((thrown: unknown) => thrown);
    expect(error instanceof StoreError && [error.code, error.message]).toEqual([
      "Corrupt",
      expect.stringContaining("backup"),
    ]);
    expect(await disk.list("/data")).toEqual(["store"]);
  });

  test("but was not alone is refused, and left as it is", async () => {
    const disk = await written();
    const snapshot = await readSnapshot(disk, directory);
    if (snapshot === undefined) throw new Error("there is a snapshot");
    const { state } = snapshot;
    const [self] = state.members;
    if (self === undefined) throw new Error("there is a member");
    const members = [self, { ...self, id: 99n }];
    await writeSnapshot(
      disk,
      directory,
      { ...state, members, conf: { ...state.conf, voters: members.map(({ id }) => id) } },
      [],
    );
    const error = await recoverFromSnapshot(optionsOf(disk)).catch((thrown: unknown) => thrown);
    expect(error instanceof StoreError && error.code).toBe("InvalidArgument");
    expect(await disk.list("/data")).toEqual(["store"]);
  });

  test("is recovered whole, or not yet, wherever the power goes meanwhile", async () => {
    const sound = await written();
    const disk = sound.copy(new SeededRandom(1));
    await damageWrite(disk, writes - 1);
    const trial = disk.copy(new SeededRandom(2));
    await recoverFromSnapshot(optionsOf(trial));
    const { operations } = trial;
    expect(operations).toBeGreaterThan(10);
    for (let cut = 1; cut <= operations; cut++) {
      for (const seed of [1, 2, 3, 4, 5, 6]) {
        const unlucky = disk.copy(new SeededRandom(seed * 1000 + cut));
        unlucky.cutPowerAt = cut;
        await recoverFromSnapshot(optionsOf(unlucky)).catch((error: unknown) => {
          if (!(error instanceof DiskError || error instanceof StoreError)) throw error;
        });
        unlucky.restore();
        const store = await open(unlucky, "snapshot").catch((error: unknown) => {
          throw new Error(`cut at ${cut}, seed ${seed}`, { cause: error });
        });
        expect([cut, seed, await contents(store)]).toEqual([cut, seed, after(writes - 2)]);
        await store.close();
        const folders = await unlucky.list("/data");
        expect([cut, seed, folders.includes("store.damaged-1")]).toEqual([cut, seed, true]);
        expect(await findDamage(unlucky, directory)).toEqual([]);
      }
    }
  }, 60_000);
});

describe("A store that is sound", () => {
  test("has no damage, is left as it is, and a recovery that never was is not completed", async () => {
    const disk = await written();
    expect(await findDamage(disk, directory)).toEqual([]);
    const before = disk.bytesWritten;
    await completeRecovery(disk, directory);
    expect(disk.bytesWritten).toBe(before);
    const store = await open(disk, "snapshot");
    expect(await contents(store)).toEqual(after(writes));
    await store.close();
    expect(await disk.list("/data")).toEqual(["store"]);
    expect(await findDamage(new SimulatedDisk({ random: new SeededRandom(1) }), directory)).toEqual([]);
  });
});
