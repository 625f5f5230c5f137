import { expect, test } from "bun:test";
import type { Deployment } from "../kinds/apps/deployment.ts";
import type { ReplicaSet } from "../kinds/apps/replica_set.ts";
import { type Node, nodeKind } from "../kinds/core/node.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Live, Observed } from "../kinds/kind.ts";
import { planDeployment } from "./deployment_plan.ts";
import { fenceposts } from "./deployment_rollout.ts";
import { judge, type OwnerState } from "./garbage_collector.ts";
import { namespaceConditions } from "./namespace.ts";
import { freePodCidr } from "./node_ipam.ts";
import { unheardConditions, wantedTaints } from "./node_lifecycle.ts";
import { claim } from "./ownership.ts";
import { planPodGarbage } from "./pod_garbage.ts";
import { planReplicaSet, replicaSetStatus } from "./replica_set_plan.ts";
import { sameTemplate, templateHash } from "./template_hash.ts";

const nowMs = Date.UTC(2026, 0, 1, 12);
const at = (secondsAgo: number) => new Date(nowMs - secondsAgo * 1000).toISOString().replace(".000Z", "Z");
const identity = (name: string, secondsAgo = 3600) => ({
  namespace: "default",
  name,
  uid: `uid-${name}`,
  resourceVersion: "1",
  creationTimestamp: at(secondsAgo),
  generation: 1,
});

function deployment(spec: Partial<Live<Deployment>["spec"]> = {}): Observed<Deployment> {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: identity("web"),
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } } },
      ...spec,
    },
    status: {},
  };
}

function replicaSet(
  name: string,
  spec: Partial<Live<ReplicaSet>["spec"]> = {},
  status: Partial<ReplicaSet["status"]> = {},
): Observed<ReplicaSet> {
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: identity(name),
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } } },
      ...spec,
    },
    status: { replicas: 0, ...status },
  };
}

interface PodFacts {
  readonly node?: string;
  readonly phase?: string;
  readonly readySecondsAgo?: number;
  readonly ageSeconds?: number;
  readonly restarts?: number;
  readonly cost?: string;
  readonly labels?: Record<string, string>;
  readonly deleting?: boolean;
  readonly owner?: string;
}
function pod(name: string, facts: PodFacts = {}): Observed<Pod> {
  const {
    node = "n",
    phase = "Running",
    readySecondsAgo,
    ageSeconds,
    restarts = 0,
    cost,
    labels,
    deleting,
    owner,
  } = facts;
  const ready =
    readySecondsAgo === undefined ? [] : [{ type: "Ready", status: "True", lastTransitionTime: at(readySecondsAgo) }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...identity(name, ageSeconds),
      labels: labels ?? { app: "web" },
      ...(cost === undefined ? {} : { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } }),
      ...(deleting ? { deletionTimestamp: at(0) } : {}),
      ...(owner === undefined
        ? {}
        : {
            ownerReferences: [
              { apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: `uid-${owner}`, controller: true },
            ],
          }),
    },
    spec: { containers: [{ name: "main" }], ...(node === "" ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: ready,
      containerStatuses: [{ name: "main", image: "", imageID: "", ready: true, restartCount: restarts }],
    },
  };
}

const bounds: readonly [
  replicas: number,
  surge: number | string | undefined,
  unavailable: number | string | undefined,
  maxSurge: number,
  maxUnavailable: number,
][] = [
  [10, "25%", "25%", 3, 2],
  [3, "25%", "25%", 1, 0],
  [1, undefined, undefined, 1, 0],
  [5, 0, 0, 0, 1],
  [4, 0, "20%", 0, 1],
  [2, 1, 5, 1, 2],
  [0, "25%", "25%", 0, 0],
];
for (const [replicas, surge, unavailable, maxSurge, maxUnavailable] of bounds) {
  test(`${replicas} replicas with surge ${surge} and unavailable ${unavailable} may be ${maxSurge} more and ${maxUnavailable} fewer`, () => {
    const rollingUpdate = { maxSurge: surge, maxUnavailable: unavailable };
    expect(fenceposts(deployment({ replicas, strategy: { type: "RollingUpdate", rollingUpdate } }))).toEqual({
      maxSurge,
      maxUnavailable,
    });
  });
}

const steps: readonly [
  name: string,
  old: number,
  oldAvailable: number,
  fresh: number,
  freshAvailable: number,
  want: Record<string, number>,
][] = [
  ["the new one grows by the surge", 10, 10, 0, 0, { new: 3 }],
  ["old ones shrink as far as availability allows", 10, 10, 3, 0, { old: 8 }],
  ["nothing moves while new pods are not available", 8, 8, 5, 0, {}],
  ["each new available pod lets an old one go", 8, 8, 5, 2, { old: 6 }],
  ["old pods that are not available go first", 10, 6, 3, 3, { old: 5 }],
  ["the rest of the old ones goes at the end", 2, 2, 10, 10, { old: 0 }],
];
for (const [name, old, oldAvailable, fresh, freshAvailable, want] of steps) {
  test(`rolling: ${name}`, () => {
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } };
    const view = deployment({ replicas: 10, strategy, template: { metadata: { labels: { app: "web", v: "2" } } } });
    const template = { metadata: { labels: { app: "web", v: "2", "pod-template-hash": "x" } } };
    const plan = planDeployment({
      deployment: view,
      replicaSets: [
        replicaSet("old", { replicas: old }, { replicas: old, availableReplicas: oldAvailable }),
        replicaSet("new", { replicas: fresh, template }, { replicas: fresh, availableReplicas: freshAvailable }),
      ],
      pods: [],
      nowMs,
    });
    const moved = plan.updates.filter(({ from, to }) => from !== to);
    expect(Object.fromEntries(moved.map(({ replicaSet: each, to }) => [each.metadata.name, to]))).toEqual(want);
  });
}

test("a template's hash ignores its own label and the order of keys, and notices everything else", () => {
  const template = { metadata: { labels: { a: "1", b: "2" } }, spec: { containers: [{ name: "x", image: "y" }] } };
  const turned = {
    spec: { containers: [{ image: "y", name: "x" }] },
    metadata: { labels: { b: "2", "pod-template-hash": "h", a: "1" } },
  };
  expect(templateHash(turned, undefined)).toBe(templateHash(template, undefined));
  expect(sameTemplate(turned, template)).toBe(true);
  expect(templateHash(template, 1)).not.toBe(templateHash(template, undefined));
  const changed = { ...template, spec: { containers: [{ name: "x", image: "z" }] } };
  expect(templateHash(changed, undefined)).not.toBe(templateHash(template, undefined));
  const volume = (source: object) => ({ spec: { containers: [], volumes: [{ name: "v", ...source }] } });
  expect(sameTemplate(volume({ emptyDir: {} }), volume({}))).toBe(false);
});

const victims: readonly [name: string, first: PodFacts, second: PodFacts][] = [
  ["one without a node before one with", { node: "" }, {}],
  ["a pending one before a running one", { phase: "Pending" }, {}],
  ["one that is not ready before one that is", {}, { readySecondsAgo: 10 }],
  ["the cheaper one", { readySecondsAgo: 99, cost: "-1" }, { readySecondsAgo: 1 }],
  ["one on the crowded node", { readySecondsAgo: 99, node: "crowded" }, { readySecondsAgo: 1 }],
  ["the one that became ready last", { readySecondsAgo: 1 }, { readySecondsAgo: 99 }],
  ["the one that restarted more", { readySecondsAgo: 9, restarts: 3 }, { readySecondsAgo: 9 }],
  ["the younger one", { readySecondsAgo: 9, ageSeconds: 10 }, { readySecondsAgo: 9, ageSeconds: 20 }],
];
for (const [name, first, second] of victims) {
  test(`scaling down removes ${name}`, () => {
    const relatedOnNode = new Map([
      ["crowded", 5],
      ["n", 1],
    ]);
    for (const pods of [
      [pod("a", first), pod("b", second)],
      [pod("b", second), pod("a", first)],
    ]) {
      const plan = planReplicaSet({
        replicaSet: replicaSet("rs", { replicas: 1 }),
        pods,
        relatedOnNode: () => relatedOnNode,
      });
      expect(plan.remove.map(({ metadata }) => metadata.name)).toEqual(["a"]);
    }
  });
}

test("ended pods and pods on their way out are replaced, and counted apart", () => {
  const pods = [
    pod("ready", { readySecondsAgo: 100 }),
    pod("fresh", { readySecondsAgo: 5, labels: { app: "web", extra: "x" } }),
    pod("ended", { phase: "Failed" }),
    pod("leaving", { readySecondsAgo: 100, deleting: true }),
  ];
  const set = replicaSet("rs", {
    replicas: 4,
    minReadySeconds: 30,
    template: { metadata: { labels: { app: "web" } } },
  });
  expect(planReplicaSet({ replicaSet: set, pods, relatedOnNode: () => new Map() })).toEqual({ create: 2, remove: [] });
  expect(replicaSetStatus(set, pods, { reason: "FailedCreate", message: "quota" }, nowMs)).toEqual({
    replicas: 2,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    terminatingReplicas: 1,
    observedGeneration: 1,
    conditions: [
      { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "quota", lastTransitionTime: at(0) },
    ],
  });
});

test("claims adopt what matches and is free, keep what is owned, release what no longer matches, and leave others' alone", () => {
  const set = replicaSet("rs");
  const names = (pods: readonly Observed<Pod>[]) => pods.map(({ metadata }) => metadata.name);
  const claims = claim(set, set.spec.selector, [
    pod("free"),
    pod("mine", { owner: "rs" }),
    pod("strayed", { owner: "rs", labels: { app: "else" } }),
    pod("theirs", { owner: "other" }),
    pod("unrelated", { labels: {} }),
    pod("free-but-leaving", { deleting: true }),
  ]);
  expect([names(claims.adopt), names(claims.owned), names(claims.release)]).toEqual([["free"], ["mine"], ["strayed"]]);
});

const verdicts: readonly [
  states: Record<string, OwnerState>,
  dependents: boolean,
  finalizers: string[],
  want: unknown,
][] = [
  [{ a: "solid" }, false, [], { action: "keep" }],
  [{ a: "absent" }, false, [], { action: "delete", policy: "Background" }],
  [{ a: "absent", b: "solid" }, false, [], { action: "release", from: ["a"] }],
  [{ a: "waiting", b: "solid" }, true, [], { action: "release", from: ["a"] }],
  [{ a: "waiting" }, true, [], { action: "delete", policy: "Foreground" }],
  [{ a: "waiting" }, false, [], { action: "delete", policy: "Background" }],
  [{ a: "absent" }, true, ["orphan"], { action: "delete", policy: "Orphan" }],
  [{ a: "absent" }, true, ["foregroundDeletion"], { action: "delete", policy: "Foreground" }],
];
for (const [states, dependents, finalizers, want] of verdicts) {
  test(`an object whose owners are ${JSON.stringify(states)}${dependents ? ", itself an owner," : ""} ${finalizers} is judged`, () => {
    const base = pod("p");
    const object = { ...base, metadata: { ...base.metadata, finalizers } };
    expect(judge(object, new Map(Object.entries(states)), dependents)).toEqual(want as ReturnType<typeof judge>);
  });
}

test("pod networks are given out lowest first, and run out", () => {
  expect(freePodCidr("10.42.0.0/16", new Set())).toBe("10.42.0.0/24");
  expect(freePodCidr("10.42.0.0/16", new Set(["10.42.0.0/24", "10.42.2.0/24"]))).toBe("10.42.1.0/24");
  expect(freePodCidr("172.16.254.0/23", new Set(["172.16.254.0/24"]))).toBe("172.16.255.0/24");
  expect(freePodCidr("10.0.0.0/24", new Set(["10.0.0.0/24"]))).toBeUndefined();
});

function node(conditions: Record<string, string>, spec: Live<Node>["spec"] = {}): Observed<Node> {
  return {
    apiVersion: nodeKind.apiVersion,
    kind: nodeKind.kind,
    metadata: identity("n"),
    spec,
    status: { conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })) },
  };
}
const own = { key: "mine", effect: "NoSchedule" };
const taints: readonly [name: string, view: Observed<Node>, want: string[]][] = [
  ["ready", node({ Ready: "True" }, { taints: [own] }), ["mine:NoSchedule"]],
  [
    "not ready",
    node({ Ready: "False" }),
    ["node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"],
  ],
  ["never heard of", node({}), ["node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"]],
  [
    "unknown",
    node({ Ready: "Unknown" }),
    ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"],
  ],
  ["cordoned", node({ Ready: "True" }, { unschedulable: true }), ["node.kubernetes.io/unschedulable:NoSchedule"]],
  ["short of disk", node({ Ready: "True", DiskPressure: "True" }), ["node.kubernetes.io/disk-pressure:NoSchedule"]],
  [
    "ready again",
    node({ Ready: "True" }, { taints: [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }] }),
    [],
  ],
];
for (const [name, view, want] of taints) {
  test(`a node that is ${name} has its taints`, () => {
    expect(wantedTaints(view, nowMs).map(({ key, effect }) => `${key}:${effect}`)).toEqual(want);
  });
}

test("what is written of a silent node is written once", () => {
  const first = unheardConditions(node({ Ready: "True", Custom: "True" }), nowMs);
  expect(first.map(({ type, status, reason }) => `${type} ${status} ${reason}`)).toEqual([
    "Custom True undefined",
    "Ready Unknown NodeStatusUnknown",
    "MemoryPressure Unknown NodeStatusNeverUpdated",
    "DiskPressure Unknown NodeStatusNeverUpdated",
    "PIDPressure Unknown NodeStatusNeverUpdated",
  ]);
  const silent = { ...node({}), status: { conditions: first } };
  expect(unheardConditions(silent, nowMs + 60_000)).toEqual(first);
});

test("an empty namespace says so, and a kind that fails is named", () => {
  const texts = (remainders: Parameters<typeof namespaceConditions>[1]) =>
    namespaceConditions(undefined, remainders, nowMs).map(({ status, reason }) => `${status} ${reason}`);
  const none = new Map<string, number>();
  expect(texts([{ resource: "pods.", count: 0, finalizers: none }])).toEqual([
    "False ResourcesDiscovered",
    "False ParsedGroupVersions",
    "False ContentDeleted",
    "False ContentRemoved",
    "False ContentHasNoFinalizers",
  ]);
  expect(texts([{ resource: "pods.", count: 0, finalizers: none, error: "no" }])).toContain(
    "True ContentDeletionFailed",
  );
});

test("pods of lost nodes, pods deleted before they had a node, and the oldest of too many ended ones are garbage", () => {
  const pods = [
    pod("fine"),
    pod("lost", { node: "gone" }),
    pod("unborn", { node: "", deleting: true }),
    pod("ended-old", { phase: "Succeeded", ageSeconds: 100 }),
    pod("ended-new", { phase: "Failed", ageSeconds: 10 }),
  ];
  const garbage = planPodGarbage(pods, (name) => name === "gone", 1);
  expect(garbage.map(({ metadata }) => metadata.name)).toEqual(["lost", "unborn", "ended-old"]);
});
