import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KeyTree } from "./key_tree.ts";

interface Value {
  readonly number: number;
  readonly live: boolean;
}

/** A map in the plainest form, beside the tree. */
class Pair {
  readonly tree = new KeyTree<Value>((value) => value.live);
  readonly model = new Map<string, Value>();

  put(name: string, value: Value): void {
    expect(this.tree.locate(name)).toBe(this.model.get(name));
    this.tree.place(name, value);
    this.model.set(name, value);
  }

  remove(name: string): void {
    this.tree.locate(name);
    this.tree.remove();
    this.model.delete(name);
  }

  sorted(low: string, high: string): [string, Value][] {
    return [...this.model].filter(([name]) => name >= low && name < high).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  check(low: string, high: string): void {
    const expected = this.sorted(low, high);
    const found: [string, Value][] = [];
    this.tree.scan(low, high, (value, name) => {
      found.push([name, value]);
      return true;
    });
    expect(found).toEqual(expected);
    expect(this.tree.countLive(low, high)).toBe(expected.filter(([, { live }]) => live).length);
    expect(this.tree.size).toBe(this.model.size);
  }
}

const top = "\u{ffff}";

describe("A tree of keys", () => {
  test("agrees with a plain map over any sequence of changes", () => {
    const name = fc.integer({ min: 0, max: 400 }).map((number) => `k${number}`);
    const change = fc.record({ name, live: fc.boolean(), remove: fc.integer({ min: 0, max: 9 }) });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 900, size: "max" }),
        fc.integer({ min: 1, max: 9 }),
        name,
        name,
        (all, removals, a, b) => {
          const pair = new Pair();
          all.forEach(({ name, live, remove }, number) => {
            if (remove < removals) pair.remove(name);
            else pair.put(name, { number, live });
          });
          pair.check("", top);
          pair.check(a, b);
          for (const { name } of all) expect(pair.tree.get(name)).toBe(pair.model.get(name));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("of many names is right when they come in order, in reverse, scattered, and when all go again", () => {
    const orders: ((at: number) => number)[] = [(at) => at, (at) => 9999 - at, (at) => (at * 7919) % 10_000];
    for (const order of orders) {
      const pair = new Pair();
      const name = (at: number) => `key-${String(order(at)).padStart(5, "0")}`;
      for (let at = 0; at < 10_000; at++) pair.put(name(at), { number: at, live: at % 3 > 0 });
      pair.check("", top);
      for (const [low, high] of [
        ["key-00100", "key-00101"],
        ["key-01000", "key-07777"],
        ["key-05", "key-0"],
      ] as const)
        pair.check(low, high);
      for (let at = 0; at < 10_000; at++) {
        pair.remove(name((at * 3) % 10_000));
        if (at % 2500 === 2000) pair.check("key-02000", top);
      }
      pair.check("", top);
      expect(pair.tree.live).toBe(0);
    }
  });

  test("that was filled at once can be changed like any other", () => {
    for (const count of [0, 1, 47, 49, 3000]) {
      const names = Array.from({ length: count }, (_, at) => `key-${String(at).padStart(5, "0")}`);
      const pair = new Pair();
      const values = names.map((name, number) => {
        const value = { number, live: number % 2 === 0 };
        pair.model.set(name, value);
        return value;
      });
      pair.tree.fill(names, values);
      pair.check("", top);
      for (let at = 0; at < 500; at++)
        pair.put(`key-${String((at * 37) % 5000).padStart(5, "0")}x`, { number: at, live: true });
      for (const name of names.slice(0, 1000)) pair.remove(name);
      pair.check("", top);
    }
  });

  test("stops a scan when it is told to", () => {
    const pair = new Pair();
    for (let at = 0; at < 1000; at++) pair.put(`k${at}`, { number: at, live: true });
    let seen = 0;
    pair.tree.scan("", top, () => ++seen < 100);
    expect(seen).toBe(100);
  });
});
