import { expect, test } from "bun:test";
import fc from "fast-check";
import { copyJson } from "../registry/object.ts";
import { jsonPatch } from "./json_patch.ts";
import { PatchError } from "./patch_error.ts";

const document = () => ({ metadata: { labels: { a: "1" } }, list: ["x", "y"], "a/b": { "m~n": 1 } });

test("each operation does what RFC 6902 says", () => {
  const patched = jsonPatch(document(), [
    { op: "add", path: "/metadata/labels/b", value: "2" },
    { op: "replace", path: "/metadata/labels/a", value: "3" },
    { op: "add", path: "/list/0", value: "w" },
    { op: "add", path: "/list/-", value: "z" },
    { op: "remove", path: "/list/1" },
    { op: "copy", from: "/list/0", path: "/first" },
    { op: "move", from: "/a~1b/m~0n", path: "/moved" },
    { op: "test", path: "/moved", value: 1 },
    { op: "test", path: "/absent", value: null },
  ]);
  expect(patched).toEqual({
    metadata: { labels: { a: "3", b: "2" } },
    list: ["w", "y", "z"],
    "a/b": {},
    first: "w",
    moved: 1,
  });
});

test.each([
  [[{ op: "remove", path: "/absent" }], "doc is missing path: /absent", false],
  [[{ op: "replace", path: "/metadata/absent", value: 1 }], "doc is missing path: /metadata/absent", false],
  [[{ op: "add", path: "/absent/x", value: 1 }], "doc is missing path: /absent", false],
  [[{ op: "add", path: "/list/3", value: 1 }], 'index "3" of /list/3 is out of bounds', false],
  [[{ op: "add", path: "/list/01", value: 1 }], 'index "01" of /list/01 is out of bounds', false],
  [[{ op: "test", path: "/list/0", value: "y" }], "testing value /list/0 failed", false],
  [[{ op: "move", from: "/metadata", path: "/metadata/labels/x" }], "cannot move /metadata into itself", false],
  [[{ op: "add", path: "list", value: 1 }], 'operation 0: "list" is not a JSON pointer', true],
  [[{ op: "add", path: "/x" }], "operation 0: add needs a value", true],
  [[{ op: "grow", path: "/x" }], 'operation 0: unexpected kind "grow"', true],
  [{ op: "add" }, "a JSON patch is a list of operations", true],
])("%j is refused", (patch, message, malformed) => {
  try {
    jsonPatch(document(), patch);
    throw new Error("it was applied");
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    expect([error.message, error.malformed]).toEqual([message, malformed]);
  }
});

test("copies cannot blow a document up", () => {
  const patch = Array.from({ length: 40 }, (_, at) => ({ op: "copy", from: "", path: `/c${at}` }));
  expect(() => jsonPatch({ list: ["x".repeat(1000)] }, patch)).toThrow("the copies of this patch exceed");
});

test("a field called __proto__ is a field", () => {
  const patched = jsonPatch({}, [{ op: "add", path: "/__proto__", value: { polluted: true } }]);
  expect(Object.hasOwn(patched as object, "__proto__")).toBe(true);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

const json = fc.jsonValue({ maxDepth: 3 });

test("what is added can be tested, and removing it restores the document", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json), fc.string(), json, (fields, name, value) => {
      fc.pre(!Object.hasOwn(fields, name));
      const path = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const before = copyJson(fields);
      const after = jsonPatch(fields, [
        { op: "add", path, value },
        { op: "test", path, value },
        { op: "remove", path },
      ]);
      expect(after).toEqual(before);
    }),
    { numRuns: 200 },
  );
});

test("any patch is applied or refused, never anything else", () => {
  const path = fc.constantFrom("", "/list", "/list/0", "/list/-", "/metadata/labels", "/a~1b/m~0n", "/absent/x");
  const operation = fc.record({
    op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test"),
    path,
    from: path,
    value: json,
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 8 }), (operations) => {
      try {
        jsonPatch(document(), operations);
      } catch (error) {
        expect(error).toBeInstanceOf(PatchError);
      }
    }),
    { numRuns: 300 },
  );
});
