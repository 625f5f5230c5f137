import { expect, test } from "bun:test";
import fc from "fast-check";
import { IntervalIndex } from "./interval_index.ts";

test("An index of intervals knows which hold a name, over any sequence of additions and removals", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 4 });
  const step = fc.record({ low: name, high: name, remove: fc.boolean(), asked: name });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const index = new IntervalIndex<{ low: string; high: string }>();
      const model = new Map<string, { low: string; high: string }>();
      for (const { low, high, remove, asked } of steps) {
        const id = `${low} ${high}`;
        const present = model.get(id);
        if (present === undefined) {
          const item = { low, high };
          model.set(id, item);
          index.add(item);
        } else if (remove) {
          model.delete(id);
          index.remove(present);
        }
        const found: { low: string; high: string }[] = [];
        index.holding(asked, found);
        const expected = [...model.values()]
          .filter((item) => item.low <= asked && asked < item.high)
          .sort((a, b) => (a.low < b.low || (a.low === b.low && a.high < b.high) ? -1 : 1));
        expect(found).toEqual(expected);
        expect(index.size).toBe(model.size);
      }
    }),
    { numRuns: 100 },
  );
});
