import { describe, expect, test } from "bun:test";
import type { AnyKind } from "../kind.ts";
import { createProblems, stored, updateProblems } from "../validation.test_support.ts";
import { deploymentKind } from "./deployment.ts";
import { replicaSetKind } from "./replica_set.ts";

type Fields = Record<string, unknown>;
const selector = { matchLabels: { app: "web" } };
const template = (more: Fields = {}, labels: Fields = { app: "web" }) => ({
  metadata: { labels },
  spec: { containers: [{ name: "a", image: "nginx" }], ...more },
});

const kinds: readonly AnyKind[] = [deploymentKind, replicaSetKind];
for (const kind of kinds)
  describe(`a ${kind.kind}`, () => {
    const create = (more: Fields) => createProblems(kind, { spec: { selector, template: template(), ...more } });

    test("that selects its own pods is accepted", () => {
      expect(create({})).toEqual([]);
      const matchExpressions = [{ key: "app", operator: "In", values: ["web", "db"] }];
      expect(create({ selector: { matchExpressions }, replicas: 0 })).toEqual([]);
    });

    const cases: [string, Fields, string[]][] = [
      [
        "no selector",
        { selector: undefined },
        [
          "spec.selector: Required value",
          'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
        ],
      ],
      [
        "a selector of everything",
        { selector: {} },
        ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
      ],
      [
        "a selector of other pods",
        { selector: { matchLabels: { app: "db" } } },
        ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
      ],
      [
        "a selector that is none",
        { selector: { matchLabels: { app: "web" }, matchExpressions: [{ key: "a", operator: "Like" }] } },
        ['spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator'],
      ],
      [
        "fewer than no replicas",
        { replicas: -1 },
        ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
      ],
      ["no containers", { template: template({ containers: [] }) }, ["spec.template.spec.containers: Required value"]],
      [
        "pods that end",
        { template: template({ restartPolicy: "Never" }) },
        ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
      ],
      [
        "pods with a deadline",
        { template: template({ activeDeadlineSeconds: 5 }) },
        ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"],
      ],
    ];
    for (const [what, more, texts] of cases) test(`is refused for ${what}`, () => expect(create(more)).toEqual(texts));

    test("keeps its selector for ever", () => {
      const other = { matchLabels: { app: "db" } };
      expect(
        updateProblems(
          kind,
          { spec: { selector, template: template() } },
          { spec: { selector: other, template: template({}, { app: "db" }) } },
        ),
      ).toEqual(['spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable']);
    });

    test("is scaled through its scale", () => {
      const object = stored(kind, { spec: { selector, template: template(), replicas: 3 } });
      expect(kind.scale?.replicas(object)).toBe(3);
      expect(kind.scale?.statusReplicas(object)).toBe(0);
      expect(kind.scale?.selector(object)).toBe("app=web");
      const draft = { metadata: {}, spec: { selector, template: template() } };
      kind.scale?.setReplicas(draft, 5);
      expect(draft.spec).toHaveProperty("replicas", 5);
    });
  });

describe("a deployment's strategy", () => {
  const create = (strategy: Fields, more: Fields = {}) =>
    createProblems(deploymentKind, { spec: { selector, template: template(), strategy, ...more } });
  const rolling = (maxUnavailable: unknown, maxSurge: unknown) =>
    create({ rollingUpdate: { maxUnavailable, maxSurge } });

  test("may be in numbers or percent", () => {
    expect(rolling(1, 0)).toEqual([]);
    expect(rolling(0, "50%")).toEqual([]);
    expect(create({ type: "Recreate" })).toEqual([]);
  });
  test("must get on", () =>
    expect(rolling(0, "0%")).toEqual([
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ]));
  test("cannot take away more than there is", () =>
    expect(rolling("101%", 1)).toEqual([
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ]));
  test("is not a word", () =>
    expect(rolling("half", 1)[0]).toStartWith(
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"half\": a valid percent string must be a numeric string followed by an ending '%'",
    ));
  test("does not mix", () =>
    expect(create({ type: "Recreate", rollingUpdate: {} })).toEqual([
      "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ]));
  test("is one of two", () =>
    expect(create({ type: "BlueGreen" })).toEqual([
      'spec.strategy.type: Unsupported value: "BlueGreen": supported values: "Recreate", "RollingUpdate"',
    ]));
  test("waits longer for progress than for readiness", () =>
    expect(create({}, { minReadySeconds: 600 })).toEqual([
      "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
    ]));
});
