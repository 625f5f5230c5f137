import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Balancer } from "./balancer.ts";
import type { EndpointAddress } from "./state.ts";

const at = (n: number): EndpointAddress => ({ address: `10.42.0.${n}`, port: 80 });

function balancer(count: number, affinitySeconds = 0) {
  const time = { ms: 0 };
  const under = new Balancer({ nowMs: () => time.ms, failureMemoryMs: 2000, affinityLimit: 3 });
  under.replace(
    Array.from({ length: count }, (_, n) => at(n)),
    affinitySeconds,
  );
  return { under, time };
}
const picks = (under: Balancer, times: number, client = "c") =>
  Array.from({ length: times }, () => under.pick(client)?.address.split(".")[3]).join("");

describe("Balancer", () => {
  test("endpoints take turns", () => {
    expect(picks(balancer(3).under, 7)).toBe("0120120");
    expect(picks(balancer(1).under, 3)).toBe("000");
    expect(balancer(0).under.pick("c")).toBeUndefined();
  });

  test("one that failed is passed over for its time, then tried again", () => {
    const { under, time } = balancer(3);
    under.failed(at(1));
    expect(picks(under, 4)).toBe("0202");
    time.ms = 2000;
    expect(picks(under, 3)).toContain("1");
  });

  test("one that failed and then succeeded is back at once", () => {
    const { under } = balancer(2);
    under.failed(at(1));
    under.succeeded(at(1));
    expect(picks(under, 2)).toBe("01");
  });

  test("when all have failed they are tried all the same", () => {
    const { under } = balancer(2);
    under.failed(at(0));
    under.failed(at(1));
    expect(under.pick("c")).toBeDefined();
  });

  test("each is tried once for one connection", () => {
    const { under } = balancer(3);
    const tried = new Set<EndpointAddress>();
    for (let next = under.pick("c", tried); next !== undefined; next = under.pick("c", tried)) {
      expect(tried.has(next)).toBe(false);
      tried.add(next);
      under.failed(next);
    }
    expect(tried.size).toBe(3);
  });

  test("a client keeps its endpoint until it was silent too long, or the endpoint left or failed", () => {
    const { under, time } = balancer(3, 60);
    expect(picks(under, 3, "a")).toBe("000");
    expect(picks(under, 2, "b")).toBe("11");
    time.ms = 59_000;
    expect(picks(under, 1, "a")).toBe("0");
    time.ms = 118_000;
    expect(picks(under, 1, "a")).toBe("0");
    expect(picks(under, 1, "b")).toBe("2");
    under.failed(at(0));
    expect(picks(under, 2, "a")).not.toContain("0");
    under.replace([at(0)], 60);
    expect(picks(under, 1, "b")).toBe("0");
  });

  test("memory of clients is bounded", () => {
    const { under } = balancer(2, 60);
    const first = under.pick("a");
    for (const client of ["b", "c", "d"]) under.pick(client);
    under.pick("e");
    // "a" has been forgotten: it takes the next turn, which is the other one's.
    expect(under.pick("a")).not.toEqual(first);
  });

  test("who replaces endpoints hears when one that left was chosen last", () => {
    const { under, time } = balancer(2);
    time.ms = 500;
    under.pick("c");
    time.ms = 900;
    expect(under.replace([at(1), at(0), at(2)])).toBe(Number.NEGATIVE_INFINITY);
    expect(under.replace([at(1), at(0)])).toBe(500);
  });

  test("only present endpoints are picked, all of them when nothing fails, whatever came before", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("replace" as const), of: fc.uniqueArray(fc.integer({ min: 0, max: 5 })) }),
      fc.record({
        do: fc.constantFrom("pick" as const, "fail" as const, "succeed" as const, "wait" as const),
        of: fc.constant([]),
        n: fc.integer({ min: 0, max: 5 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { under, time } = balancer(2);
        let present = new Set([0, 1]);
        for (const s of steps) {
          if (s.do === "replace") {
            present = new Set(s.of);
            under.replace(s.of.map(at));
          } else if (s.do === "fail") under.failed(at(s.n));
          else if (s.do === "succeed") under.succeeded(at(s.n));
          else if (s.do === "wait") time.ms += s.n * 700;
          const picked = under.pick("c");
          expect(picked !== undefined).toBe(present.size > 0);
          if (picked !== undefined) expect(present.has(Number(picked.address.split(".")[3]))).toBe(true);
        }
        time.ms += 10_000;
        expect(
          new Set(
            picks(under, present.size)
              .split("")
              .filter((c) => c !== ""),
          ).size,
        ).toBe(present.size);
      }),
      { numRuns: 200 },
    );
  });
});
