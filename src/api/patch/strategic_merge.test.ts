import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Deployment } from "../../kinds/apps/deployment.ts";
import { Pod } from "../../kinds/core/pod.ts";
import { Service } from "../../kinds/core/service.ts";
import { copyJson, deepFreeze, equalJson, type Fields } from "../registry/object.ts";
import { strategicMerge } from "./strategic_merge.ts";

const pod = (containers: unknown, rest: Fields = {}) => deepFreeze({ spec: { containers, ...rest } });

describe("lists of objects", () => {
  test("merge by the key of their items, and keep what the patch does not name, new items first", () => {
    const original = pod([
      { name: "a", image: "1", env: [{ name: "X", value: "1" }] },
      { name: "b", image: "1" },
    ]);
    const patch = { spec: { containers: [{ name: "a", image: "2", env: [{ name: "Y", value: "2" }] }] } };
    expect(strategicMerge(Pod, original, patch)).toEqual({
      spec: {
        containers: [
          {
            name: "a",
            image: "2",
            env: [
              { name: "Y", value: "2" },
              { name: "X", value: "1" },
            ],
          },
          { name: "b", image: "1" },
        ],
      },
    });
  });

  test("lose an item to $patch: delete, and everything to $patch: replace", () => {
    const original = pod([{ name: "a" }, { name: "b" }]);
    expect(strategicMerge(Pod, original, { spec: { containers: [{ name: "a", $patch: "delete" }] } })).toEqual(
      pod([{ name: "b" }]),
    );
    const replace = { spec: { containers: [{ $patch: "replace" }, { name: "c" }] } };
    expect(strategicMerge(Pod, original, replace)).toEqual(pod([{ name: "c" }]));
  });

  test("are ordered by $setElementOrder; what only the server knows keeps its place", () => {
    const original = pod([{ name: "sidecar" }, { name: "a" }, { name: "b" }]);
    const patch = {
      spec: {
        "$setElementOrder/containers": [{ name: "b" }, { name: "a" }, { name: "c" }],
        containers: [{ name: "c", image: "3" }],
      },
    };
    expect(strategicMerge(Pod, original, patch)).toEqual(
      pod([{ name: "sidecar" }, { name: "b" }, { name: "a" }, { name: "c", image: "3" }]),
    );
  });

  test("as kubectl set image sends it", () => {
    const original = deepFreeze({
      spec: { template: { spec: { containers: [{ name: "nginx", image: "nginx", ports: [{ containerPort: 80 }] }] } } },
    });
    const patch = {
      spec: {
        template: {
          spec: {
            "$setElementOrder/containers": [{ name: "nginx" }],
            containers: [{ image: "nginx:2", name: "nginx" }],
          },
        },
      },
    };
    expect(strategicMerge(Deployment, original, patch)).toEqual({
      spec: {
        template: { spec: { containers: [{ name: "nginx", image: "nginx:2", ports: [{ containerPort: 80 }] }] } },
      },
    });
  });

  test("without a merge key in their definition are replaced", () => {
    const original = deepFreeze({ spec: { clusterIPs: ["10.43.0.1"], ports: [{ port: 80 }, { port: 81 }] } });
    const patch = { spec: { clusterIPs: ["10.43.0.2"], ports: [{ port: 80, name: "http" }] } };
    expect(strategicMerge(Service, original, patch)).toEqual({
      spec: { clusterIPs: ["10.43.0.2"], ports: [{ port: 80, name: "http" }, { port: 81 }] },
    });
  });
});

describe("lists of scalars", () => {
  const original = deepFreeze({ metadata: { finalizers: ["a/x", "b/x", "c/x"] } });

  test("merge as sets", () => {
    expect(strategicMerge(Pod, original, { metadata: { finalizers: ["d/x", "a/x"] } })).toEqual({
      metadata: { finalizers: ["d/x", "a/x", "b/x", "c/x"] },
    });
  });

  test("lose values to $deleteFromPrimitiveList", () => {
    const patch = { metadata: { "$deleteFromPrimitiveList/finalizers": ["b/x", "z/x"] } };
    expect(strategicMerge(Pod, original, patch)).toEqual({ metadata: { finalizers: ["a/x", "c/x"] } });
  });

  test("are ordered by $setElementOrder", () => {
    const patch = { metadata: { "$setElementOrder/finalizers": ["c/x", "b/x"] } };
    expect(strategicMerge(Pod, original, patch)).toEqual({ metadata: { finalizers: ["a/x", "c/x", "b/x"] } });
  });
});

describe("objects", () => {
  test("merge, lose a field to null, and labels one by one", () => {
    const original = deepFreeze({ metadata: { labels: { a: "1", b: "2" }, annotations: { x: "y" } } });
    const patch = { metadata: { labels: { a: null, c: "3" }, annotations: null } };
    expect(strategicMerge(Pod, original, patch)).toEqual({ metadata: { labels: { b: "2", c: "3" } } });
  });

  test("keep only what $retainKeys names", () => {
    const original = deepFreeze({ spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } });
    const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
    expect(strategicMerge(Deployment, original, patch)).toEqual({ spec: { strategy: { type: "Recreate" } } });
  });

  test("are replaced by $patch: replace and emptied by $patch: delete", () => {
    const original = deepFreeze({ spec: { securityContext: { runAsUser: 1 }, hostname: "x" } });
    expect(strategicMerge(Pod, original, { spec: { securityContext: { $patch: "replace", runAsGroup: 2 } } })).toEqual({
      spec: { securityContext: { runAsGroup: 2 }, hostname: "x" },
    });
    expect(strategicMerge(Pod, original, { spec: { securityContext: { $patch: "delete" } } })).toEqual({
      spec: { securityContext: {}, hostname: "x" },
    });
  });

  test("that are new come without directives, deleted items and nulls", () => {
    const patch = {
      spec: {
        containers: [
          { name: "a", image: null, env: [{ name: "X", $patch: "delete" }] },
          { name: "b", $patch: "delete" },
        ],
        "$setElementOrder/containers": [{ name: "a" }],
      },
    };
    expect(strategicMerge(Pod, {}, patch)).toEqual({ spec: { containers: [{ name: "a", env: [] }] } });
  });
});

test.each([
  [{ spec: { $patch: "grow" } }, 'unknown patch type found: "grow"'],
  [{ spec: { containers: [{ image: "x" }] } }, "does not contain declared merge key: name"],
  [{ spec: { containers: ["x"] } }, "items of a list that merges by name must be objects"],
  [{ spec: { $retainKeys: "x" } }, "$retainKeys must be a list"],
  [{ spec: { "$setElementOrder/containers": [{ name: "b" }], containers: [{ name: "a" }] } }, "doesn't match"],
  [{ spec: { "$deleteFromPrimitiveList/x": "y" } }, "must be a list"],
])("%j is refused", (patch, message) => {
  expect(() => strategicMerge(Pod, pod([{ name: "a" }]), patch)).toThrow(message);
});

interface Item {
  readonly name: string;
  readonly value: string;
}

const items = fc
  .uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 5 })
  .chain((names) =>
    fc.tuple(...names.map((name) => fc.record<Item>({ name: fc.constant(name), value: fc.constantFrom("1", "2") }))),
  );

/** The patch that kubectl makes of two versions of a list that merges by name. */
function listPatch(from: readonly Item[], to: readonly Item[]): Fields {
  const changed = to.filter((item) => !from.some((other) => equalJson(other, item)));
  const gone = from.filter((item) => !to.some((other) => other.name === item.name));
  return {
    "$setElementOrder/env": to.map(({ name }) => ({ name })),
    env: [...changed, ...gone.map(({ name }) => ({ name, $patch: "delete" }))],
  };
}

const withEnv = (env: unknown) => pod([{ name: "c", env }]);

test("kubectl's patch between two lists turns one into the other, in its order", () => {
  fc.assert(
    fc.property(items, items, (from, to) => {
      const original = withEnv(from);
      const patch = { spec: { containers: [{ name: "c", ...listPatch(from, to) }] } };
      expect(strategicMerge(Pod, original, patch)).toEqual(withEnv(to));
    }),
    { numRuns: 500 },
  );
});

test("what another added meanwhile survives a patch between two lists", () => {
  fc.assert(
    fc.property(items, items, fc.nat(5), (from, to, at) => {
      const foreign = { name: "foreign", value: "x" };
      const live = [...from];
      live.splice(at, 0, foreign);
      const patch = { spec: { containers: [{ name: "c", ...listPatch(from, to) }] } };
      const env = (strategicMerge(Pod, withEnv(live), patch) as { spec: { containers: { env: Item[] }[] } }).spec
        .containers[0]?.env;
      expect(env?.filter(({ name }) => name !== "foreign")).toEqual([...to]);
      expect(env?.filter(({ name }) => name === "foreign")).toEqual([foreign]);
    }),
    { numRuns: 500 },
  );
});

test("a patch applied twice is a patch applied once, and the original is untouched", () => {
  fc.assert(
    fc.property(items, items, items, (from, a, b) => {
      const original = withEnv(from);
      const before = copyJson(original);
      const patch = { spec: { containers: [{ name: "c", ...listPatch(a, b) }] } };
      const once = strategicMerge(Pod, original, patch);
      expect(strategicMerge(Pod, once, patch)).toEqual(once);
      expect(original).toEqual(before);
    }),
  );
});
