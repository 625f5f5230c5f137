import { describe, expect, test } from "bun:test";
import { configMapKind } from "./core/config_map.ts";
import { podKind } from "./core/pod.ts";
import { demandedValue, fieldMatcher, parseFieldSelector } from "./field_selector.ts";

const metadata = {
  name: "web",
  namespace: "default",
  uid: "u",
  resourceVersion: "1",
  creationTimestamp: "2026-11-23T21:44:00Z",
};
const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata,
  spec: { containers: [], nodeName: "n1", restartPolicy: "Always" },
  status: { phase: "Running" },
};

describe("a field selector", () => {
  const cases: [string, boolean][] = [
    ["", true],
    ["metadata.name=web", true],
    ["metadata.name==web,metadata.namespace=default", true],
    ["metadata.name=db", false],
    ["spec.nodeName=n1,status.phase!=Succeeded,status.phase!=Failed", true],
    ["spec.nodeName=", false],
    ["spec.nodeName!=", true],
    ["status.phase!=Running", false],
    ["spec.restartPolicy=Always", true],
  ];
  for (const [text, matches] of cases)
    test(`${JSON.stringify(text)} ${matches ? "matches" : "does not match"}`, () =>
      expect(fieldMatcher(podKind, parseFieldSelector(text))(pod)).toBe(matches));

  test("may hold escaped signs", () => {
    expect(parseFieldSelector("a=x\\,y\\=z\\\\")).toEqual([{ field: "a", operator: "=", value: "x,y=z\\" }]);
    expect(() => parseFieldSelector("a=b=c")).toThrow("invalid field selector");
    expect(() => parseFieldSelector("a=\\n")).toThrow("invalid field selector");
  });

  test("that says nothing of a value is refused", () => {
    expect(() => parseFieldSelector("metadata.name")).toThrow(
      "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
    );
  });

  test("on a field that the kind does not offer is refused", () => {
    expect(() => fieldMatcher(podKind, parseFieldSelector("spec.foo=1"))).toThrow(
      "field label not supported: spec.foo",
    );
    expect(() => fieldMatcher(configMapKind, parseFieldSelector("constructor=1"))).toThrow(
      '"constructor" is not a known field selector: only "metadata.name", "metadata.namespace"',
    );
  });

  test("tells the one name that it demands", () => {
    expect(demandedValue(parseFieldSelector("metadata.name=web"), "metadata.name")).toBe("web");
    expect(demandedValue(parseFieldSelector("metadata.name!=web"), "metadata.name")).toBeUndefined();
  });
});
