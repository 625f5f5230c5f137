import { expect, test } from "bun:test";
import fc from "fast-check";
import { scanJson } from "./json_scan.ts";

test("every text that JSON.parse takes is accepted, and every text that it refuses has an error", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.json().map((text) => text.slice(1)),
      ),
      (text) => {
        let parses = true;
        try {
          JSON.parse(text);
        } catch {
          parses = false;
        }
        expect(scanJson(text).error === undefined).toBe(parses);
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  ["", "unexpected end of JSON input"],
  ["{bad", "invalid character 'b' looking for beginning of object key string"],
  ["nope", "invalid character 'o' in literal null (expecting 'u')"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
  ["[1 2]", "invalid character '2' after array element"],
  ["{}{}", "invalid character '{' after top-level value"],
  ['"a\nb"', "invalid character '\\n' in string literal"],
])("%p is refused in Go's words", (text, error) => {
  expect(scanJson(text).error).toBe(error);
});

test("texts that only serve to exhaust the stack are refused", () => {
  expect(scanJson("[".repeat(5000)).error).toBe("exceeded max depth");
});

test("repeated keys are reported by their path, once each", () => {
  const text = '{"spec":{"a":1,"b":[{"n":1,"n":2,"n":3}],"\\u0061":2},"spec2":{},"metadata":{"x":1}}';
  expect(scanJson(text).duplicates).toEqual(["spec.b[0].n", "spec.a"]);
});
