import { describe, expect, test } from "bun:test";
import type { Random } from "../env/random.ts";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { openEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";
import { type Store, StoreError } from "./store.ts";

const directory = "/data";
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : new TextDecoder().decode(value));

const open = (disk: SimulatedDisk, random: Random) =>
  openEmbeddedStore({
    disk,
    clock: new VirtualClock(),
    random,
    log: silentLog,
    directory,
    // Small, so that a short run rolls segments and makes snapshots.
    segmentBytes: 8192,
    snapshotBytes: 6000,
    compaction: { maxAgeMs: 0, maxRevisions: 10 },
  });

/** What clients were told, and what they tried. Each write puts the same number under two keys of its slot. */
interface History {
  next: number;
  /** By slot: the highest number that was acknowledged. */
  readonly acknowledged: Map<number, number>;
  /** By slot: every number that was ever tried. */
  readonly tried: Map<number, Set<number>>;
  revision: number;
}

const slots = 5;

async function write(store: Store, history: History, count: number): Promise<void> {
  const one = async () => {
    const number = history.next++;
    const slot = number % slots;
    const tried = history.tried.get(slot) ?? new Set();
    history.tried.set(slot, tried.add(number));
    const value = bytes(`${number}:${"v".repeat((number * 37) % 700)}`);
    const answer = await store.txn({
      compare: [],
      success: [
        { type: "put", key: bytes(`a${slot}`), value },
        { type: "put", key: bytes(`b${slot}`), value },
      ],
      failure: [],
    });
    // Answers come in the order of the log, and within a slot that is the order of the numbers.
    history.acknowledged.set(slot, Math.max(history.acknowledged.get(slot) ?? 0, number));
    history.revision = Math.max(history.revision, answer.revision);
  };
  for (let done = 0; done < count; done += 3) await Promise.all([one(), one(), one()]);
}

async function check(store: Store, history: History): Promise<void> {
  const { kvs, revision } = await store.range({ key: Uint8Array.of(0), end: Uint8Array.of(0) });
  expect(revision).toBeGreaterThanOrEqual(history.revision);
  const found = new Map(kvs.map((kv) => [text(kv.key), kv]));
  for (let slot = 0; slot < slots; slot++) {
    const a = found.get(`a${slot}`);
    const b = found.get(`b${slot}`);
    expect([slot, text(b?.value), b?.modRevision]).toEqual([slot, text(a?.value), a?.modRevision]);
    const number = a === undefined ? 0 : Number(text(a.value)?.split(":")[0]);
    expect(number).toBeGreaterThanOrEqual(history.acknowledged.get(slot) ?? 0);
    if (a !== undefined) expect(history.tried.get(slot)?.has(number)).toBe(true);
    // What is found now was so all along: from here on it counts as acknowledged.
    if (number > 0) history.acknowledged.set(slot, number);
  }
}

const untilPowerCut = async (work: () => Promise<void>) => {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StoreError) && !(error instanceof Error && error.name === "DiskError")) throw error;
  }
};

/** Lives `lives` lives on one disk, each cut off at some operation, and checks after each. Returns the operations of a whole life. */
async function live(seed: number, cuts: readonly number[], lies = false): Promise<number> {
  const random = new SeededRandom(seed);
  const disk = new SimulatedDisk({ random });
  disk.syncsAreLies = lies;
  const history: History = { next: 1, acknowledged: new Map(), tried: new Map(), revision: 1 };
  for (const cut of cuts) {
    disk.operations = 0;
    disk.cutPowerAt = cut;
    let store: Store | undefined;
    await untilPowerCut(async () => {
      store = await open(disk, random);
      await check(store, history);
      await write(store, history, 24);
    });
    disk.cutPower();
    await store?.close().catch(() => undefined);
    disk.restore();
  }
  disk.operations = 0;
  const store = await open(disk, random);
  await check(store, history);
  await write(store, history, 24);
  await store.close();
  return disk.operations;
}

/**
 * What a power cut may decide of `count` things: everything, where that is no more than `limit` cases; else none, all, one
 * alone, all but one, all up to one, and some at random.
 */
function outcomes(count: number, limit: number, random: SeededRandom): ((thing: number) => boolean)[] {
  if (count < 20 && 2 ** count <= limit)
    return Array.from({ length: 2 ** count }, (_, mask) => (thing: number) => ((mask >> thing) & 1) === 1);
  const cases: ((thing: number) => boolean)[] = [() => false, () => true];
  const step = Math.max(1, Math.ceil((count * 3) / (limit - 6)));
  for (let one = 0; one < count; one += step)
    cases.push(
      (thing) => thing === one,
      (thing) => thing !== one,
      (thing) => thing <= one,
    );
  for (let more = 0; more < 4; more++) {
    const kept = Array.from({ length: count }, () => random.fraction() < 0.5);
    cases.push((thing) => kept[thing] === true);
  }
  return cases;
}

describe("A power cut", () => {
  test("before every single operation, whatever of the unsynced survives, loses nothing that was acknowledged", async () => {
    const random = new SeededRandom(11);
    const disk = new SimulatedDisk({ random });
    const history: History = { next: 1, acknowledged: new Map(), tried: new Map(), revision: 1 };
    const images: { readonly image: SimulatedDisk; readonly history: History; readonly what: string }[] = [];
    let boundaries = 0;
    let exhaustive = 0;
    disk.beforeOperation = () => {
      boundaries++;
      const count = disk.undecided;
      const cases = outcomes(count, 128, random);
      if (cases.length === 2 ** count) exhaustive++;
      cases.forEach((survives, at) => {
        const then = {
          ...history,
          acknowledged: new Map(history.acknowledged),
          tried: new Map([...history.tried].map(([slot, tried]) => [slot, new Set(tried)])),
        };
        const image = disk.imageAfterPowerCut(survives, new SeededRandom(boundaries));
        images.push({ image, history: then, what: `before operation ${boundaries}, case ${at} of ${count} things` });
      });
    };
    const store = await open(disk, random);
    await write(store, history, 45);
    await store.close();
    disk.beforeOperation = undefined;
    expect(boundaries).toBeGreaterThan(70);
    // Most of the time there is so little unsynced that every case was tried.
    expect(exhaustive / boundaries).toBeGreaterThan(0.7);
    for (const { image, history: then, what } of images) {
      try {
        const again = await open(image, new SeededRandom(1));
        await check(again, then);
        await write(again, then, 3);
        await again.close();
        const last = await open(image, new SeededRandom(2));
        await check(last, then);
        await last.close();
      } catch (error) {
        throw new Error(`${what}: ${error}`, { cause: error });
      }
    }
    expect(images.length).toBeGreaterThan(2000);
  }, 120_000);

  test("at any operation of a first life loses nothing that was acknowledged, and leaves nothing half done", async () => {
    const operations = await live(1, []);
    expect(operations).toBeGreaterThan(40);
    for (let cut = 1; cut <= operations; cut++) for (const seed of [1, 2, 3]) await live(seed, [cut]);
  }, 60_000);

  test("at random operations of several lives in a row loses nothing either", async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = new SeededRandom(seed * 7919);
      const cuts = Array.from({ length: 4 }, () => 1 + Math.floor(random.fraction() * 90));
      try {
        await live(seed, cuts);
      } catch (error) {
        throw new Error(`seed ${seed}, cuts at ${cuts.join(", ")}: ${error}`, { cause: error });
      }
    }
  }, 60_000);

  test("after a sync that failed, and a life that went on from what the page cache had, loses nothing either", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new SeededRandom(seed);
      const disk = new SimulatedDisk({ random });
      const history: History = { next: 1, acknowledged: new Map(), tried: new Map(), revision: 1 };
      const first = await open(disk, random);
      await write(first, history, 3 * (1 + (seed % 5)));
      disk.failSyncs(1);
      await untilPowerCut(() => write(first, history, 24));
      await first.close().catch(() => undefined);
      disk.failSyncs(0);
      disk.killProcess();
      const second = await open(disk, random);
      await check(second, history);
      await write(second, history, 3 * (seed % 3));
      disk.cutPower();
      await second.close().catch(() => undefined);
      disk.restore();
      const third = await open(disk, random).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
      await check(third, history);
      await third.close();
    }
  }, 60_000);

  test("on a disk whose syncs do nothing is caught by these very checks", async () => {
    let caught = 0;
    for (let seed = 1; seed <= 20; seed++) {
      try {
        await live(seed, [60, 60], true);
      } catch {
        caught++;
      }
    }
    expect(caught).toBeGreaterThan(10);
  });
});
