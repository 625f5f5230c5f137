import { expect, test } from "bun:test";
import { type Node, nodeKind } from "../../kinds/core/node.ts";
import type { PodAffinityTerm, TopologySpreadConstraint } from "../../kinds/core/node_selector.ts";
import { type Pod, podKind } from "../../kinds/core/pod.ts";
import type { Live, Observed } from "../../kinds/kind.ts";
import { chooseNode } from "./choose.ts";
import { nodeView } from "./node_view.ts";

const identity = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});
const zones: Readonly<Record<string, string>> = { a: "east", b: "east", c: "west" };

function aPod(
  name: string,
  labels: Record<string, string>,
  spec: Partial<Live<Pod>["spec"]> = {},
  namespace = "default",
): Observed<Pod> {
  const { apiVersion, kind } = podKind;
  return {
    apiVersion,
    kind,
    metadata: { ...identity(name), namespace, labels },
    spec: { containers: [{ name: "m" }], ...spec },
    status: {},
  };
}

/** Nodes a and b in zone east, c in zone west, with these pods on them. */
function choose(pod: Observed<Pod>, there: Partial<Record<string, Observed<Pod>[]>>) {
  const views = Object.entries(zones).map(([name, zone]) => {
    const node: Observed<Node> = {
      apiVersion: nodeKind.apiVersion,
      kind: nodeKind.kind,
      metadata: { ...identity(name), labels: { host: name, zone } },
      spec: {},
      status: { allocatable: { cpu: "4", memory: "8Gi", pods: "110" } },
    };
    return nodeView(node, there[name] ?? []);
  });
  const { nodeName, message } = chooseNode(pod, views);
  return nodeName ?? message;
}

const db = { app: "db" };
const term = (topologyKey: string, more: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  topologyKey,
  labelSelector: { matchLabels: db },
  ...more,
});
const apart = (...terms: PodAffinityTerm[]) => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});
const together = (...terms: PodAffinityTerm[]) => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});

const none = (counted: string) => `0/3 nodes are available: ${counted}.`;

test("pods that want to be apart never share a domain, in either order of arrival", () => {
  const lone = aPod("new", db, apart(term("host")));
  expect(choose(lone, { a: [aPod("x", db)], b: [aPod("y", db)] })).toBe("c");
  expect(choose(lone, { a: [aPod("x", db)], b: [aPod("y", db)], c: [aPod("z", db)] })).toStartWith(
    none("3 node(s) didn't match pod anti-affinity rules"),
  );
  expect(choose(aPod("new", db, apart(term("zone"))), { a: [aPod("x", db)] })).toBe("c");
  const guarded = { a: [aPod("x", {}, apart(term("zone")))], c: [aPod("y", {}, apart(term("zone")))] };
  expect(choose(aPod("new", db), guarded)).toStartWith(
    none("3 node(s) didn't satisfy existing pods anti-affinity rules"),
  );
  expect(choose(aPod("new", { app: "web" }), guarded)).toBe("b");
});

test("namespaces of a term say whose pods it is about", () => {
  const elsewhere = {
    a: [aPod("x", db, {}, "other")],
    b: [aPod("y", db, {}, "other")],
    c: [aPod("z", db, {}, "other")],
  };
  expect(choose(aPod("new", db, apart(term("host"))), elsewhere)).toBe("a");
  expect(choose(aPod("new", db, apart(term("host", { namespaces: ["other"] }))), elsewhere)).toStartWith("0/3");
  expect(choose(aPod("new", db, apart(term("host", { namespaceSelector: {} }))), elsewhere)).toStartWith("0/3");
});

test("pods that want to be together follow, and the first one begins anywhere", () => {
  const follower = aPod("new", { app: "web" }, together(term("zone")));
  expect(choose(follower, { c: [aPod("x", db)] })).toBe("c");
  expect(choose(follower, {})).toStartWith(none("3 node(s) didn't match pod affinity rules"));
  expect(choose(aPod("new", db, together(term("zone"))), {})).toBe("a");
  expect(choose(aPod("new", db, together(term("rack"))), {})).toStartWith(
    none("3 node(s) didn't match pod affinity rules"),
  );
});

test("spreading keeps the difference between domains within its bound", () => {
  const constraint: TopologySpreadConstraint = {
    maxSkew: 1,
    topologyKey: "zone",
    whenUnsatisfiable: "DoNotSchedule",
    labelSelector: { matchLabels: db },
  };
  const pod = (more: Partial<TopologySpreadConstraint> = {}, spec: Partial<Live<Pod>["spec"]> = {}) =>
    aPod("new", db, { topologySpreadConstraints: [{ ...constraint, ...more }], ...spec });
  const east = { a: [aPod("x", db)], b: [aPod("y", db)] };
  expect(choose(pod(), east)).toBe("c");
  expect(choose(pod({ maxSkew: 3 }), { a: [aPod("x", db)], c: [aPod("z", db), aPod("u", db)] })).toBe("b");
  expect(
    choose(pod({ whenUnsatisfiable: "ScheduleAnyway" }), { ...east, c: [aPod("z", {}), aPod("w", {}), aPod("v", {})] }),
  ).toBe("a");
  // West is not for this pod, so that it does not count.
  expect(choose(pod({}, { nodeSelector: { zone: "east" } }), east)).toBe("a");
  expect(choose(pod({ topologyKey: "rack" }), {})).toStartWith(
    none("3 node(s) didn't match pod topology spread constraints (missing required label)"),
  );
  expect(choose(pod({ minDomains: 3 }), { ...east, c: [aPod("z", db)] })).toStartWith(
    none("3 node(s) didn't match pod topology spread constraints"),
  );
});
