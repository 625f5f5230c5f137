import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type KeyRange,
  type KeyValue,
  type Operation,
  type Store,
  StoreError,
  type StoreErrorCode,
  type TxnRequest,
  type WatchEvent,
  type WatchRequest,
} from "./store.ts";

/** One store to be tried, fresh and empty. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Lets `ms` milliseconds of the store's time pass. */
  elapse(ms: number): Promise<void>;
  /** Stops the store and opens the same data again; absent where that makes no sense. */
  reopen?(): Promise<Store>;
  dispose(): Promise<void>;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const everything = { key: Uint8Array.of(0), end: Uint8Array.of(0) };
const prefix = (start: string) => ({ key: bytes(start), end: bytes(`${start}\u{7f}`) });

const put = (key: string, value: string, more: Partial<Extract<Operation, { type: "put" }>> = {}): Operation => ({
  type: "put",
  key: bytes(key),
  value: bytes(value),
  ...more,
});
const remove = (key: string): Operation => ({ type: "deleteRange", key: bytes(key) });
const read = (key: string): Operation => ({ type: "range", request: { key: bytes(key) } });
const txn = (success: Operation[], more: Partial<TxnRequest> = {}): TxnRequest => ({
  compare: [],
  success,
  failure: [],
  ...more,
});
const brief = (kv: KeyValue) => `${text(kv.key)}=${text(kv.value)}`;

async function refusal(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error("It was not refused");
}

async function expectRefused(promise: Promise<unknown>, code: StoreErrorCode): Promise<void> {
  expect((await refusal(promise)).code).toBe(code);
}

/** What every Store promises. Each implementation's tests call this with a way to make a fresh one. */
export function storeContract(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store's contract`, () => {
    let made: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      made = await makeStore();
      store = made.store;
    });
    afterEach(async () => {
      await made.dispose();
    });

    const write = async (key: string, value: string) => (await store.txn(txn([put(key, value)]))).revision;
    const get = async (key: string, revision = 0) => (await store.range({ key: bytes(key), revision })).kvs[0];
    const list = async (request = {}) => (await store.range({ ...everything, ...request })).kvs.map(brief);

    /** Collects events; `until` resolves once enough have come. */
    const watcher = (request: Partial<WatchRequest> = {}, range: KeyRange = everything) => {
      const seen: string[] = [];
      const batches: { revision: number; events: readonly WatchEvent[] }[] = [];
      const ends: StoreError[] = [];
      let wake = () => {};
      const watch = store.watch(
        { ...range, ...request },
        {
          events: (revision, events) => {
            batches.push({ revision, events });
            for (const event of events)
              seen.push(`${revision} ${event.type} ${event.type === "put" ? brief(event.kv) : text(event.kv.key)}`);
            wake();
          },
          ended: (reason) => {
            ends.push(reason);
            wake();
          },
        },
      );
      const until = async (condition: () => boolean) => {
        while (!condition())
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      };
      return { seen, batches, ends, cancel: () => watch.cancel(), until };
    };

    test("a fresh store is at revision 1 and empty", async () => {
      const answer = await store.range(everything);
      expect(answer).toEqual({ revision: 1, kvs: [], count: 0, more: false });
      expect(store.status().revision).toBe(1);
    });

    test("a put can be read back with its revisions and version", async () => {
      expect(await write("a", "1")).toBe(2);
      expect(await write("a", "2")).toBe(3);
      const kv = await get("a");
      expect(kv && brief(kv)).toBe("a=2");
      expect([kv?.createRevision, kv?.modRevision, kv?.version, kv?.lease]).toEqual([2, 3, 2, 0n]);
    });

    test("a deleted key starts again at version 1", async () => {
      await write("a", "1");
      const gone = await store.txn(txn([remove("a")]));
      expect(gone.results).toMatchObject([{ type: "deleteRange", deleted: 1 }]);
      expect(await get("a")).toBeUndefined();
      await write("a", "2");
      const kv = await get("a");
      expect([kv?.createRevision, kv?.modRevision, kv?.version]).toEqual([4, 4, 1]);
    });

    test("a delete of nothing makes no revision", async () => {
      const answer = await store.txn(txn([remove("a")]));
      expect(answer.revision).toBe(1);
      expect(answer.results).toMatchObject([{ type: "deleteRange", deleted: 0 }]);
    });

    test("keys are ordered by their bytes, and any byte may be in a key", async () => {
      const keys = [[255], [0, 1], [1], [128, 0], [1, 0], [127]].map((key) => Uint8Array.from(key));
      for (const key of keys) await store.txn(txn([{ type: "put", key, value: key }]));
      const answer = await store.range(everything);
      expect(answer.kvs.map((kv) => [...kv.key])).toEqual([[0, 1], [1], [1, 0], [127], [128, 0], [255]]);
      expect(answer.kvs.map((kv) => [...kv.value])).toEqual(answer.kvs.map((kv) => [...kv.key]));
    });

    test("a range has its first key and not its end, and an empty or reversed one has nothing", async () => {
      for (const key of ["a", "b", "c"]) await write(key, key);
      const between = async (from: string, to: string) =>
        (await store.range({ key: bytes(from), end: bytes(to) })).kvs.map(brief);
      expect(await between("a", "c")).toEqual(["a=a", "b=b"]);
      expect(await between("b", "b")).toEqual([]);
      expect(await between("c", "a")).toEqual([]);
      expect((await store.range({ key: bytes("b"), end: Uint8Array.of(0) })).kvs.map(brief)).toEqual(["b=b", "c=c"]);
    });

    test("limit bounds what is sent, and count tells how much there is", async () => {
      for (const key of ["a", "b", "c"]) await write(key, key);
      const two = await store.range({ ...everything, limit: 2 });
      expect([two.kvs.map(brief), two.count, two.more]).toEqual([["a=a", "b=b"], 3, true]);
      const three = await store.range({ ...everything, limit: 3 });
      expect([three.kvs.length, three.count, three.more]).toEqual([3, 3, false]);
      const counted = await store.range({ ...everything, countOnly: true });
      expect([counted.kvs.length, counted.count]).toEqual([0, 3]);
      const keys = await store.range({ ...everything, keysOnly: true });
      expect(keys.kvs.map(brief)).toEqual(["a=", "b=", "c="]);
    });

    test("results are sorted by key, version, revisions or value, and filtered by revisions", async () => {
      await write("a", "z");
      await write("b", "y");
      await write("c", "x");
      await write("a", "w");
      const by = (sortBy: "key" | "version" | "create" | "mod" | "value", order: "ascend" | "descend", limit = 0) =>
        list({ sort: { by: sortBy, order }, limit });
      expect(await by("key", "descend")).toEqual(["c=x", "b=y", "a=w"]);
      expect(await by("value", "ascend")).toEqual(["a=w", "c=x", "b=y"]);
      expect(await by("mod", "ascend")).toEqual(["b=y", "c=x", "a=w"]);
      expect(await by("create", "descend")).toEqual(["c=x", "b=y", "a=w"]);
      expect(await by("version", "descend", 1)).toEqual(["a=w"]);
      expect(await list({ minModRevision: 4 })).toEqual(["a=w", "c=x"]);
      expect(await list({ maxModRevision: 4 })).toEqual(["b=y", "c=x"]);
      expect(await list({ minCreateRevision: 3, maxCreateRevision: 3 })).toEqual(["b=y"]);
    });

    test("an old revision can be read until it is compacted", async () => {
      await write("a", "1");
      await write("b", "1");
      await write("a", "2");
      await store.txn(txn([remove("b")]));
      expect(await list({ revision: 2 })).toEqual(["a=1"]);
      expect(await list({ revision: 3 })).toEqual(["a=1", "b=1"]);
      expect(await list({ revision: 4 })).toEqual(["a=2", "b=1"]);
      expect(await list({ revision: 5 })).toEqual(["a=2"]);
      await store.compact(4);
      await expectRefused(store.range({ ...everything, revision: 3 }), "Compacted");
      expect(await list({ revision: 4 })).toEqual(["a=2", "b=1"]);
      expect(await list()).toEqual(["a=2"]);
    });

    test("a revision that is not there yet is refused", async () => {
      await expectRefused(store.range({ ...everything, revision: 2 }), "FutureRevision");
      await expectRefused(store.compact(2), "FutureRevision");
    });

    test("a compaction to where the store is compacted already is refused", async () => {
      await write("a", "1");
      await write("a", "2");
      await store.compact(2);
      const error = await refusal(store.compact(2));
      expect(error.code).toBe("Compacted");
      await write("a", "3");
      const kv = await get("a");
      expect([kv?.createRevision, kv?.version]).toEqual([2, 3]);
    });

    test("the branch is chosen by all comparisons together", async () => {
      await write("a", "m");
      const choose = async (...compare: TxnRequest["compare"]) =>
        (await store.txn({ compare, success: [read("a")], failure: [] })).succeeded;
      const a = { key: bytes("a") };
      const none = { key: bytes("none") };
      expect(await choose()).toBe(true);
      expect(await choose({ ...a, target: "mod", result: "=", operand: 2 })).toBe(true);
      expect(await choose({ ...a, target: "mod", result: "=", operand: 1 })).toBe(false);
      expect(await choose({ ...a, target: "mod", result: "!=", operand: 1 })).toBe(true);
      expect(await choose({ ...a, target: "create", result: "<", operand: 3 })).toBe(true);
      expect(await choose({ ...a, target: "version", result: ">", operand: 1 })).toBe(false);
      expect(await choose({ ...a, target: "value", result: "=", operand: bytes("m") })).toBe(true);
      expect(await choose({ ...a, target: "value", result: "<", operand: bytes("n") })).toBe(true);
      expect(await choose({ ...a, target: "value", result: ">", operand: bytes("n") })).toBe(false);
      expect(await choose({ ...a, target: "lease", result: "=", operand: 0n })).toBe(true);
      expect(await choose({ ...none, target: "create", result: "=", operand: 0 })).toBe(true);
      expect(await choose({ ...none, target: "value", result: "!=", operand: bytes("x") })).toBe(false);
      expect(
        await choose(
          { ...a, target: "mod", result: "=", operand: 2 },
          { ...none, target: "version", result: ">", operand: 0 },
        ),
      ).toBe(false);
    });

    test("a comparison of a range holds when it holds for every key in it", async () => {
      await write("a", "1");
      await write("b", "2");
      const choose = async (compare: TxnRequest["compare"][number]) =>
        (await store.txn({ compare: [compare], success: [], failure: [read("a")] })).succeeded;
      expect(await choose({ ...everything, target: "version", result: "=", operand: 1 })).toBe(true);
      expect(await choose({ ...everything, target: "mod", result: "=", operand: 2 })).toBe(false);
      expect(await choose({ ...everything, target: "mod", result: ">", operand: 1 })).toBe(true);
    });

    test("all changes of a transaction share one revision, and later operations see earlier ones", async () => {
      await write("a", "1");
      const answer = await store.txn(txn([put("a", "2", { previous: true }), put("b", "1"), read("a"), remove("c")]));
      expect(answer.revision).toBe(3);
      const [first, second, third, fourth] = answer.results;
      expect(first?.type === "put" && first.previous && brief(first.previous)).toBe("a=1");
      expect(second?.type === "put" && second.previous).toBeUndefined();
      expect(third?.type === "range" && third.kvs.map(brief)).toEqual(["a=2"]);
      expect(fourth?.type === "deleteRange" && fourth.deleted).toBe(0);
      expect((await store.range(everything)).kvs.map((kv) => kv.modRevision)).toEqual([3, 3]);
    });

    test("of two compare-and-swaps of the same revision one wins", async () => {
      await write("a", "0");
      const swap = (value: string) =>
        store.txn({
          compare: [{ key: bytes("a"), target: "mod", result: "=", operand: 2 }],
          success: [put("a", value)],
          failure: [read("a")],
        });
      const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => swap(`${at}`)));
      expect(answers.filter((answer) => answer.succeeded)).toHaveLength(1);
      const winner = answers.findIndex((answer) => answer.succeeded);
      expect(text((await get("a"))?.value ?? bytes(""))).toBe(`${winner}`);
      for (const answer of answers.filter(({ succeeded }) => !succeeded))
        expect(answer.results).toMatchObject([{ type: "range", count: 1 }]);
    });

    test("nested transactions choose by the state before the outer one", async () => {
      const inner: Operation = {
        type: "txn",
        request: {
          compare: [{ key: bytes("a"), target: "version", result: "=", operand: 0 }],
          success: [put("b", "a was absent")],
          failure: [put("b", "a was there")],
        },
      };
      const answer = await store.txn(txn([put("a", "1"), inner]));
      expect(answer.results[1]).toMatchObject({ type: "txn", succeeded: true });
      expect(await list()).toEqual(["a=1", "b=a was absent"]);
    });

    test("a key may be changed only once in a transaction", async () => {
      await expectRefused(store.txn(txn([put("a", "1"), put("a", "2")])), "DuplicateKey");
      await expectRefused(store.txn(txn([put("a", "1"), { type: "deleteRange", ...everything }])), "DuplicateKey");
      await expectRefused(
        store.txn(txn([put("a", "1"), { type: "txn", request: txn([put("a", "2")]) }])),
        "DuplicateKey",
      );
      expect(await list()).toEqual([]);
      const either: Operation = { type: "txn", request: txn([put("b", "1")], { failure: [put("b", "2")] }) };
      expect((await store.txn(txn([either]))).revision).toBe(2);
    });

    test("an empty key is refused", async () => {
      await expectRefused(store.txn(txn([put("", "1")])), "InvalidArgument");
      await expectRefused(store.range({ key: bytes("") }), "InvalidArgument");
    });

    test("a put can keep the value or the lease of a key that is there, and of no other", async () => {
      await expectRefused(store.txn(txn([put("a", "", { ignoreValue: true })])), "KeyNotFound");
      const { id } = await store.leaseGrant(60);
      await store.txn(txn([put("a", "1", { lease: id })]));
      await store.txn(txn([put("a", "2", { ignoreLease: true })]));
      expect((await get("a"))?.lease).toBe(id);
      await store.txn(txn([put("a", "", { ignoreValue: true })]));
      const kv = await get("a");
      expect([kv && brief(kv), kv?.lease, kv?.version]).toEqual(["a=2", 0n, 3]);
    });

    test("a refused transaction changes nothing, its first operations included", async () => {
      await expectRefused(store.txn(txn([put("a", "1"), put("b", "1", { lease: 4711n })])), "LeaseNotFound");
      expect(await list()).toEqual([]);
      expect(store.status().revision).toBe(1);
    });

    test("a value of more than a megabyte is kept, and one that is far too large is refused", async () => {
      const large = new Uint8Array(1_400_000).fill(7);
      await store.txn(txn([{ type: "put", key: bytes("large"), value: large }]));
      expect((await get("large"))?.value).toEqual(large);
      await expectRefused(
        store.txn(txn([{ type: "put", key: bytes("larger"), value: new Uint8Array(4_000_000) }])),
        "TooLarge",
      );
      expect(await get("larger")).toBeUndefined();
    });

    test("a delete of a range tells what was deleted", async () => {
      for (const key of ["a1", "a2", "b1"]) await write(key, key);
      const answer = await store.txn(txn([{ type: "deleteRange", ...prefix("a"), previous: true }]));
      const [result] = answer.results;
      expect(result?.type === "deleteRange" && result.previous.map(brief)).toEqual(["a1=a1", "a2=a2"]);
      expect(await list()).toEqual(["b1=b1"]);
    });

    test("what the caller does with its buffers afterwards does not matter", async () => {
      const value = bytes("good");
      const key = bytes("a");
      const done = store.txn(txn([{ type: "put", key, value }]));
      value.fill(0);
      key.fill(0);
      await done;
      expect(await list()).toEqual(["a=good"]);
    });

    test("a watch sees changes from the next one on, in order, those of a revision together", async () => {
      await write("a", "before");
      const w = watcher();
      await store.txn(txn([put("a", "1"), put("b", "1")]));
      await store.txn(txn([remove("a")]));
      await w.until(() => w.seen.length >= 3);
      expect(w.seen).toEqual(["3 put a=1", "3 put b=1", "4 delete a"]);
      expect(w.batches.map(({ revision, events }) => [revision, events.length])).toEqual([
        [3, 2],
        [4, 1],
      ]);
      const deleted = w.batches[1]?.events[0]?.kv;
      expect([deleted?.modRevision, deleted?.createRevision, deleted?.version, deleted?.value.length]).toEqual([
        4, 0, 0, 0,
      ]);
      w.cancel();
    });

    test("a watch can start in the past, and goes on into the present without gap or repetition", async () => {
      for (let at = 0; at < 5; at++) await write("a", `${at}`);
      const w = watcher({ startRevision: 3 });
      const more = [write("a", "5"), write("b", "6")];
      await Promise.all(more);
      await w.until(() => w.seen.length >= 6);
      expect(w.seen).toEqual(["3 put a=1", "4 put a=2", "5 put a=3", "6 put a=4", "7 put a=5", "8 put b=6"]);
      w.cancel();
    });

    test("a watch can start in the future", async () => {
      const w = watcher({ startRevision: 3 });
      await write("a", "1");
      await write("a", "2");
      await w.until(() => w.seen.length >= 1);
      expect(w.seen).toEqual(["3 put a=2"]);
      w.cancel();
    });

    test("a watch tells only of its range, and as filtered", async () => {
      const one = watcher({}, { key: bytes("b") });
      const single = watcher({ ...prefix("b") });
      const puts = watcher({ filter: { noDelete: true } });
      const deletes = watcher({ filter: { noPut: true } });
      await write("a", "1");
      await write("b", "2");
      await store.txn(txn([remove("a")]));
      await write("b", "3");
      await Promise.all([
        puts.until(() => puts.seen.length >= 3),
        single.until(() => single.seen.length >= 2),
        one.until(() => one.seen.length >= 2),
        deletes.until(() => deletes.seen.length >= 1),
      ]);
      expect(single.seen).toEqual(["3 put b=2", "5 put b=3"]);
      expect(one.seen).toEqual(single.seen);
      expect(puts.seen).toEqual(["2 put a=1", "3 put b=2", "5 put b=3"]);
      expect(deletes.seen).toEqual(["4 delete a"]);
      for (const w of [one, single, puts, deletes]) w.cancel();
    });

    test("a watch gives previous values when asked", async () => {
      await write("a", "1");
      const w = watcher({ previous: true });
      await write("a", "2");
      await store.txn(txn([remove("a")]));
      await write("a", "3");
      await w.until(() => w.seen.length >= 3);
      const previous = w.batches.map(({ events }) => events[0]?.previous && brief(events[0].previous));
      expect(previous).toEqual(["a=1", "a=2", undefined]);
      w.cancel();
    });

    test("a watch from a compacted revision ends with Compacted and says where to go on", async () => {
      for (let at = 0; at < 4; at++) await write("a", `${at}`);
      await store.compact(4);
      const w = watcher({ startRevision: 2 });
      await w.until(() => w.ends.length > 0);
      expect([w.ends[0]?.code, w.ends[0]?.compactRevision]).toEqual(["Compacted", 4]);
      const rest = watcher({ startRevision: 4 });
      await rest.until(() => rest.seen.length >= 2);
      expect(rest.seen).toEqual(["4 put a=2", "5 put a=3"]);
      rest.cancel();
    });

    test("a cancelled watch is told nothing more", async () => {
      const w = watcher();
      w.cancel();
      const other = watcher();
      await write("a", "1");
      await other.until(() => other.seen.length >= 1);
      expect(w.seen).toEqual([]);
      other.cancel();
    });

    test("a lease deletes its keys in one revision when it is revoked", async () => {
      const { id, ttlSeconds } = await store.leaseGrant(60);
      expect(ttlSeconds).toBeGreaterThanOrEqual(60);
      await store.txn(txn([put("a", "1", { lease: id }), put("b", "1", { lease: id }), put("c", "1")]));
      const { keys, grantedSeconds, remainingSeconds } = await store.leaseTimeToLive(id);
      expect(keys.map(text).sort()).toEqual(["a", "b"]);
      expect(grantedSeconds).toBe(ttlSeconds);
      expect(remainingSeconds).toBeLessThanOrEqual(ttlSeconds);
      const w = watcher();
      await store.leaseRevoke(id);
      await w.until(() => w.seen.length >= 2);
      expect(w.seen).toEqual(["3 delete a", "3 delete b"]);
      expect(await list()).toEqual(["c=1"]);
      await expectRefused(store.leaseTimeToLive(id), "LeaseNotFound");
      await expectRefused(store.leaseRevoke(id), "LeaseNotFound");
      await expectRefused(store.leaseKeepAlive(id), "LeaseNotFound");
      w.cancel();
    });

    test("a key that was put again without its lease outlives it", async () => {
      const { id } = await store.leaseGrant(60);
      await store.txn(txn([put("a", "1", { lease: id })]));
      await write("a", "2");
      await store.leaseRevoke(id);
      expect(await list()).toEqual(["a=2"]);
    });

    test("a lease can have a chosen id, once", async () => {
      const { id } = await store.leaseGrant(60, 77n);
      expect(id).toBe(77n);
      await expectRefused(store.leaseGrant(60, 77n), "LeaseExists");
    });

    test("a lease that nobody keeps alive is over in time", async () => {
      const { id, ttlSeconds } = await store.leaseGrant(2);
      await store.txn(txn([put("a", "1", { lease: id })]));
      const w = watcher();
      await made.elapse(ttlSeconds * 500);
      expect(await list()).toEqual(["a=1"]);
      expect((await store.leaseKeepAlive(id)).ttlSeconds).toBe(ttlSeconds);
      await made.elapse(ttlSeconds * 750);
      expect(await list()).toEqual(["a=1"]);
      await made.elapse(ttlSeconds * 1000 + 1500);
      await w.until(() => w.seen.length >= 1);
      expect(w.seen).toEqual(["3 delete a"]);
      await expectRefused(store.leaseKeepAlive(id), "LeaseNotFound");
      w.cancel();
    });

    test("a transaction of a term that is not the leader's is void", async () => {
      const { term, isLeader } = store.status();
      if (!isLeader) return;
      await expectRefused(store.txn(txn([put("a", "1")], { term: term + 1 })), "Unavailable");
      expect(await list()).toEqual([]);
      await store.txn(txn([put("a", "1")], { term }));
      expect(await list()).toEqual(["a=1"]);
    });

    test("many writers at once are all served, each with a revision of its own", async () => {
      const revisions = await Promise.all(Array.from({ length: 200 }, (_, at) => write(`k${at}`, `${at}`)));
      expect(new Set(revisions).size).toBe(200);
      expect(Math.max(...revisions)).toBe(201);
      expect((await store.range({ ...everything, countOnly: true })).count).toBe(200);
    });

    test("everything is there after the store was opened again", async () => {
      if (made.reopen === undefined) return;
      const { id } = await store.leaseGrant(600);
      await store.txn(txn([put("a", "1", { lease: id }), put("b", "1")]));
      await write("a", "2");
      await store.txn(txn([remove("b")]));
      const before = await store.range(everything);
      store = await made.reopen();
      expect(await store.range(everything)).toEqual(before);
      expect(await list({ revision: 2 })).toEqual(["a=1", "b=1"]);
      expect((await store.leaseTimeToLive(id)).keys).toEqual([]);
      const w = watcher({ startRevision: 2 });
      await w.until(() => w.seen.length >= 4);
      expect(w.seen).toEqual(["2 put a=1", "2 put b=1", "3 put a=2", "4 delete b"]);
      expect(await write("c", "1")).toBe(5);
      w.cancel();
    });

    test("a closed store ends its watches and refuses everything", async () => {
      const w = watcher();
      await store.close();
      expect(w.ends.map(({ code }) => code)).toEqual(["Unavailable"]);
      await expectRefused(store.range(everything), "Unavailable");
      await expectRefused(store.txn(txn([put("a", "1")])), "Unavailable");
    });
  });
}
