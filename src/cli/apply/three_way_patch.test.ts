import { describe, expect, test } from "bun:test";
import { deploymentKind } from "../../kinds/apps/deployment.ts";
import { configMapKind } from "../../kinds/core/config_map.ts";
import { podKind } from "../../kinds/core/pod.ts";
import { serviceAccountKind } from "../../kinds/core/service_account.ts";
import { lastApplied, lastAppliedAnnotation, withLastApplied } from "./last_applied.ts";
import { threeWayPatch } from "./three_way_patch.ts";

describe("the three-way patch", () => {
  const configMap = (data: Record<string, string>) => ({ data });

  test("nothing changed is no patch", () => {
    expect(
      threeWayPatch(configMap({ a: "1" }), configMap({ a: "1" }), configMap({ a: "1" }), configMapKind.schema),
    ).toBe(undefined);
  });

  test("what is new or different is set, what was applied and is no longer is taken away, what others set stays", () => {
    const patch = threeWayPatch(
      configMap({ gone: "1", same: "1", other: "1" }),
      configMap({ same: "1", other: "2", fresh: "1" }),
      configMap({ gone: "1", same: "1", other: "1", theirs: "1" }),
      configMapKind.schema,
    );
    expect(patch).toEqual({ data: { other: "2", fresh: "1", gone: null } });
  });

  test("what somebody else took away already is not taken away again", () => {
    expect(threeWayPatch(configMap({ gone: "1" }), configMap({}), configMap({}), configMapKind.schema)).toBe(undefined);
  });

  test("containers are merged by name: changed, added, removed, and those of others kept", () => {
    const spec = (containers: object[]) => ({ spec: { containers } });
    const patch = threeWayPatch(
      spec([
        { name: "web", image: "a" },
        { name: "old", image: "a" },
      ]),
      spec([
        { name: "web", image: "b" },
        { name: "new", image: "c" },
      ]),
      spec([
        { name: "web", image: "a", imagePullPolicy: "Always" },
        { name: "old", image: "a" },
        { name: "injected", image: "x" },
      ]),
      podKind.schema,
    );
    expect(patch).toEqual({
      spec: {
        containers: [
          { name: "web", image: "b" },
          { name: "new", image: "c" },
          { $patch: "delete", name: "old" },
        ],
        "$setElementOrder/containers": [{ name: "web" }, { name: "new" }],
      },
    });
  });

  test("a list without a merge key is replaced whole", () => {
    const args = (...words: string[]) => ({ spec: { containers: [{ name: "a", args: words }] } });
    const patch = threeWayPatch(args("x"), args("x", "y"), args("x"), podKind.schema);
    expect(patch?.spec).toMatchObject({ containers: [{ name: "a", args: ["x", "y"] }] });
  });

  test("a set of scalars gets additions and deletions", () => {
    const finalizers = (...names: string[]) => ({ metadata: { finalizers: names } });
    const patch = threeWayPatch(
      finalizers("a", "b"),
      finalizers("b", "c"),
      finalizers("a", "b", "theirs"),
      podKind.schema,
    );
    expect(patch).toEqual({
      metadata: {
        finalizers: ["c"],
        "$deleteFromPrimitiveList/finalizers": ["a"],
        "$setElementOrder/finalizers": ["b", "c"],
      },
    });
  });

  test("a strategy that changes its type drops what belonged to the other one", () => {
    const patch = threeWayPatch(
      undefined,
      { spec: { strategy: { type: "Recreate" } } },
      { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%" } } } },
      deploymentKind.schema,
    );
    expect(patch).toEqual({ spec: { strategy: { type: "Recreate", $retainKeys: ["type"] } } });
  });

  test("items of a keyed list whose key is inline are compared by it", () => {
    const secrets = (...names: string[]) => ({ secrets: names.map((name) => ({ name })) });
    expect(threeWayPatch(secrets("a"), secrets("a"), secrets("a", "theirs"), serviceAccountKind.schema)).toBe(
      undefined,
    );
  });
});

describe("the last-applied annotation", () => {
  const object = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "x", namespace: "default" },
    data: { b: "<1>", a: "2" },
  };

  test("is byte for byte what kubectl writes, so that either tool goes on where the other stopped", () => {
    expect(withLastApplied(object).metadata?.annotations?.[lastAppliedAnnotation]).toBe(
      '{"apiVersion":"v1","data":{"a":"2","b":"\\u003c1\\u003e"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"x","namespace":"default"}}\n',
    );
  });

  test("never holds itself, and reads back as what was applied", () => {
    const twice = withLastApplied(withLastApplied(object));
    expect(twice).toEqual(withLastApplied(object));
    expect(lastApplied(twice)).toEqual({ ...object, metadata: { ...object.metadata, annotations: {} } });
  });
});
