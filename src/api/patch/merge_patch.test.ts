import { expect, test } from "bun:test";
import fc from "fast-check";
import { copyJson, equalJson, type Fields, isFields, setField } from "../registry/object.ts";
import { mergePatch } from "./merge_patch.ts";

test("the examples of RFC 7386", () => {
  const examples: [unknown, unknown, unknown][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of examples) expect(mergePatch(target, patch)).toEqual(result);
});

/** The merge patch from `a` to `b`. */
function difference(a: unknown, b: unknown): unknown {
  if (!isFields(a) || !isFields(b)) return b;
  const patch: Fields = {};
  for (const key of Object.keys(a)) if (!Object.hasOwn(b, key)) setField(patch, key, null);
  for (const [key, value] of Object.entries(b)) {
    if (!Object.hasOwn(a, key)) setField(patch, key, value);
    else if (!equalJson(a[key], value)) setField(patch, key, difference(a[key], value));
  }
  return patch;
}

const { value: document } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string(),
    fc.integer(),
    fc.array(fc.integer()),
    fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), tie("value")),
  ),
}));

test("the difference of two documents turns one into the other, and changes neither", () => {
  fc.assert(
    fc.property(document, document, (a, b) => {
      const before = copyJson(a);
      expect(equalJson(mergePatch(a, difference(a, b)), b)).toBe(true);
      expect(equalJson(a, before)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("a patch applied twice is a patch applied once", () => {
  fc.assert(
    fc.property(document, document, (a, patch) => {
      const once = mergePatch(a, patch);
      expect(equalJson(mergePatch(once, patch), once)).toBe(true);
    }),
  );
});
