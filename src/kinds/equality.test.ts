import { expect, test } from "bun:test";
import fc from "fast-check";
import { firstDifference, sameValue } from "./equality.ts";

test("a value is the same as a copy of itself", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => sameValue(value, structuredClone(value))));
});

test("what is absent, null or empty is the same", () => {
  expect(sameValue({ a: undefined, b: null, c: [], d: {} }, {})).toBe(true);
  expect(sameValue({ a: "" }, {})).toBe(false);
  expect(sameValue({ a: 0 }, {})).toBe(false);
});

test("the first difference is named by its path", () => {
  expect(firstDifference({ a: [{ b: 1 }] }, { a: [{ b: 2 }] }, "spec")).toBe("spec.a[0].b");
  expect(firstDifference({ a: [1] }, { a: [1, 2] }, "")).toBe("a");
  expect(firstDifference({ a: 1, b: 2 }, { a: 1 }, "")).toBe("b");
  expect(firstDifference([1], { 0: 1 }, "x")).toBe("x");
});
