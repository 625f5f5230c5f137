import { describe, expect, test } from "bun:test";
import { VirtualClock } from "../sim/clock.ts";
import { keyBytes } from "./bytes.ts";
import { Mvcc } from "./mvcc.ts";
import type { StoreError, WatchEvent, WatchListener, WatchRequest } from "./store.ts";
import { WatchHub } from "./watch_hub.ts";

const value = Uint8Array.of(1);

class Hub {
  readonly clock = new VirtualClock();
  mvcc = new Mvcc();
  readonly hub = new WatchHub(() => this.mvcc, this.clock);

  /** Puts the keys in one revision. */
  put(...names: string[]): void {
    for (const name of names) this.mvcc.put(name, value, 0n);
    this.hub.publish(this.mvcc.revision + 1, this.mvcc.commit());
  }

  watch(request: Partial<WatchRequest> & { from?: string; to?: string } = {}, more: Partial<WatchListener> = {}) {
    const seen: string[] = [];
    const batches: (readonly WatchEvent[])[] = [];
    const ends: StoreError[] = [];
    const { from = "\0", to = "\0", ...rest } = request;
    const watch = this.hub.watch(
      { key: keyBytes(from), end: keyBytes(to), ...rest },
      {
        events: (revision, events) => {
          batches.push(events);
          seen.push(`${revision} ${events.map(({ kv }) => new TextDecoder().decode(kv.key)).join(",")}`);
        },
        progress: (revision) => seen.push(`progress ${revision}`),
        ended: (reason) => ends.push(reason),
        ...more,
      },
    );
    return { seen, batches, ends, watch };
  }
}

const microtasks = async () => {
  for (let at = 0; at < 10; at++) await Promise.resolve();
};

describe("Watchers", () => {
  test("of overlapping ranges and of single keys are each told of what is theirs, once, and together what is of one revision", async () => {
    const hub = new Hub();
    const all = hub.watch();
    const ab = hub.watch({ from: "a", to: "c" });
    const bc = hub.watch({ from: "b", to: "d" });
    const none = hub.watch({ from: "c", to: "a" });
    const one = hub.watch({ key: keyBytes("b"), end: new Uint8Array(0) });
    await microtasks();
    hub.put("a", "b", "c");
    hub.put("c");
    expect(all.seen).toEqual(["2 a,b,c", "3 c"]);
    expect(ab.seen).toEqual(["2 a,b"]);
    expect(bc.seen).toEqual(["2 b,c", "3 c"]);
    expect(one.seen).toEqual(["2 b"]);
    expect(none.seen).toEqual([]);
  });

  test("of one range share the lists of events that they are given", async () => {
    const hub = new Hub();
    const watchers = [hub.watch(), hub.watch(), hub.watch({ previous: true })];
    await microtasks();
    hub.put("a");
    hub.put("a");
    const [one, two, three] = watchers.map(({ batches }) => batches[1]);
    expect(one).toBe(two);
    expect(three?.[0]?.previous?.modRevision).toBe(2);
    expect(one?.[0]?.previous).toBeUndefined();
  });

  test("that start far in the past catch up bit by bit, without gap or repetition, while writes go on", async () => {
    const hub = new Hub();
    for (let at = 0; at < 60_000; at++) hub.put(`k${at % 7}`);
    const late = hub.watch({ startRevision: 2 });
    const later = hub.watch({ startRevision: 30_000, from: "k1", to: "k3" });
    late.watch.requestProgress();
    const present = hub.watch();
    await microtasks();
    expect(late.seen.length).toBeGreaterThan(0);
    expect(late.seen.length).toBeLessThan(30_000);
    // Between two pieces of the history there is a write each time.
    let turns = 0;
    const write = () => {
      hub.put(`k${turns++ % 7}`);
      if (!late.seen.some((line) => line.startsWith("progress"))) hub.clock.schedule(0, write);
    };
    hub.clock.schedule(0, write);
    await hub.clock.advance(1);
    expect(turns).toBeGreaterThan(2);
    hub.put("k1");
    const revision = hub.mvcc.revision;
    const revisions = late.seen
      .filter((line) => !line.startsWith("progress"))
      .map((line) => Number(line.split(" ")[0]));
    expect(revisions).toEqual(Array.from({ length: revision - 1 }, (_, at) => at + 2));
    // Told only when all before it had been.
    const answer = late.seen.findIndex((line) => line.startsWith("progress"));
    expect(late.seen[answer]).toBe(`progress ${late.seen[answer - 1]?.split(" ")[0]}`);
    const expected: string[] = [];
    hub.mvcc.changesFrom(30_000, ({ name, modRevision }) => {
      if (name >= "k1" && name < "k3") expected.push(`${modRevision} ${name}`);
      return true;
    });
    expect(later.seen).toEqual(expected);
    expect(present.seen.length).toBe(turns + 1);
  });

  test("that are overtaken by a compaction while they catch up are told so", async () => {
    const hub = new Hub();
    for (let at = 0; at < 60_000; at++) hub.put("k");
    const late = hub.watch({ startRevision: 2 });
    await microtasks();
    hub.mvcc.compact(59_000);
    await hub.clock.advance(10);
    expect(late.ends.map(({ code, compactRevision }) => [code, compactRevision])).toEqual([["Compacted", 59_000]]);
    const told = late.seen.length;
    hub.put("k");
    expect(late.seen.length).toBe(told);
    expect(hub.hub.size).toBe(0);
  });

  test("go on in the history of a state that was put in place of the one they knew, or are told that it is gone", async () => {
    const hub = new Hub();
    hub.put("a");
    const watcher = hub.watch();
    const ahead = hub.watch({ startRevision: 9 });
    const behind = hub.watch({ startRevision: 3 });
    await microtasks();
    hub.put("a");
    const newer = new Mvcc();
    for (const name of ["a", "a", "b", "c", "d"]) {
      newer.put(name, value, 0n);
      newer.commit();
    }
    hub.mvcc = newer;
    hub.hub.resume();
    await microtasks();
    expect(watcher.seen).toEqual(["3 a", "4 b", "5 c", "6 d"]);
    expect(behind.seen).toEqual(watcher.seen);
    expect(ahead.seen).toEqual([]);
    hub.put("e");
    expect(watcher.seen.at(-1)).toBe("7 e");
    const compacted = new Mvcc();
    for (let at = 0; at < 20; at++) {
      compacted.put("a", value, 0n);
      compacted.commit();
    }
    compacted.compact(15);
    hub.mvcc = compacted;
    hub.hub.resume();
    await microtasks();
    expect(watcher.ends.map(({ code }) => code)).toEqual(["Compacted"]);
    expect(ahead.ends.map(({ compactRevision }) => compactRevision)).toEqual([15]);
  });

  test("may watch and cancel from inside their own calls", async () => {
    const hub = new Hub();
    const inner: string[] = [];
    const other = hub.watch();
    const first = hub.watch(
      {},
      {
        events: (revision) => {
          other.watch.cancel();
          hub.watch({ startRevision: revision }, { events: (again) => inner.push(`${again}`) });
        },
      },
    );
    await microtasks();
    hub.put("a");
    first.watch.cancel();
    await microtasks();
    hub.put("b");
    expect(inner).toEqual(["2", "3"]);
    // It came first, and so had been told already.
    expect(other.seen).toEqual(["2 a"]);
  });

  test("in their thousands cost a change no more than those that it concerns", async () => {
    const hub = new Hub();
    let calls = 0;
    for (let at = 0; at < 10_000; at++) {
      const name = `ns${String(at).padStart(5, "0")}`;
      hub.watch({ from: `${name}/`, to: `${name}0` }, { events: () => calls++ });
    }
    await microtasks();
    const from = performance.now();
    for (let at = 0; at < 10_000; at++) hub.put(`ns${String(at).padStart(5, "0")}/pod`);
    const tookMs = performance.now() - from;
    expect(calls).toBe(10_000);
    // Each change against each range would be 100 million comparisons, some seconds.
    expect(tookMs).toBeLessThan(1500);
  });
});
