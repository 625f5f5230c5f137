import { expect, test } from "bun:test";
import { eventKind } from "../../kinds/core/event.ts";
import { type Node, nodeKind } from "../../kinds/core/node.ts";
import { type Pod, podKind } from "../../kinds/core/pod.ts";
import type { Live, Observed } from "../../kinds/kind.ts";
import type { OwnerReference } from "../../kinds/meta.ts";
import { SeededRandom } from "../../sim/random.ts";
import { type Simulation, simulate } from "../../sim/simulation.ts";
import { testCluster } from "../cluster.test_support.ts";
import { podCondition } from "../pod_state.ts";
import { chooseNode } from "./choose.ts";
import { nodeView } from "./node_view.ts";
import { SchedulingQueue } from "./queue.ts";
import { podRequests } from "./requests.ts";
import { runScheduler } from "./scheduler.ts";

const identity = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

function aPod(
  name: string,
  spec: Partial<Live<Pod>["spec"]> = {},
  metadata: { ownerReferences?: OwnerReference[] } = {},
): Observed<Pod> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...identity(name), namespace: "default", ...metadata },
    spec: { containers: [{ name: "main" }], ...spec },
    status: {},
  };
}

function aNode(name: string, spec: Live<Node>["spec"] = {}, labels: Record<string, string> = {}): Observed<Node> {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { ...identity(name), labels: { "kubernetes.io/hostname": name, ...labels } },
    spec,
    status: { allocatable: { cpu: "2", memory: "4Gi", pods: "3" } },
  };
}

const asking = (cpu: string, memory = "1Mi"): Partial<Live<Pod>["spec"]> => ({
  containers: [{ name: "main", resources: { requests: { cpu, memory } } }],
});

test("a pod's requests are its containers and sidecars, or its greediest init container beside earlier sidecars", () => {
  const cpu = (amount: string) => ({ resources: { requests: { cpu: amount } } });
  const sidecar = { name: "s", restartPolicy: "Always", ...cpu("300m") };
  const containers = [
    { name: "a", ...cpu("200m") },
    { name: "b", resources: { limits: { cpu: "100m" } } },
  ];
  const requests = (spec: Partial<Live<Pod>["spec"]>) => podRequests(aPod("p", { containers, ...spec })).get("cpu");
  expect(requests({})).toBe(300);
  expect(requests({ initContainers: [{ name: "i", ...cpu("250m") }] })).toBe(300);
  expect(requests({ initContainers: [{ name: "i", ...cpu("1") }] })).toBe(1000);
  expect(requests({ initContainers: [sidecar, { name: "i", ...cpu("400m") }] })).toBe(700);
  expect(requests({ initContainers: [{ name: "i", ...cpu("400m") }, sidecar] })).toBe(600);
  expect(requests({ overhead: { cpu: "50m" } })).toBe(350);
});

const affinity = (operator: string, values: string[]) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator, values }] }],
      },
    },
  },
});
const selectorText = "node(s) didn't match Pod's node affinity/selector";
const notHelpful = "Preemption is not helpful for scheduling";
const noVictims = "No preemption victims found for incoming pod";
const taint = { key: "dedicated", value: "db", effect: "NoSchedule" };
const toleration = { key: "dedicated", operator: "Equal", value: "db", effect: "NoSchedule" };
const withPort = (hostPort: number, hostIP?: string) => ({
  containers: [{ name: "main", ports: [{ containerPort: 80, hostPort, ...(hostIP ? { hostIP } : {}) }] }],
});

const cases: readonly [
  name: string,
  pod: Observed<Pod>,
  node: Observed<Node>,
  there: Observed<Pod>[],
  why: string | undefined,
  hint?: string,
][] = [
  ["an empty node takes a pod", aPod("p"), aNode("n"), [], undefined],
  [
    "too much processor",
    aPod("p", asking("1500m")),
    aNode("n"),
    [aPod("q", asking("1"))],
    "Insufficient cpu",
    noVictims,
  ],
  [
    "more than the node has",
    aPod("p", asking("3", "5Gi")),
    aNode("n"),
    [],
    "Insufficient cpu, 1 Insufficient memory",
    notHelpful,
  ],
  [
    "a resource that no node has",
    aPod("p", { containers: [{ name: "m", resources: { requests: { "example.com/gpu": "1" } } }] }),
    aNode("n"),
    [],
    "Insufficient example.com/gpu",
    notHelpful,
  ],
  ["exactly what is left", aPod("p", asking("1")), aNode("n"), [aPod("q", asking("1"))], undefined],
  ["a full node", aPod("p"), aNode("n"), [aPod("a"), aPod("b"), aPod("c")], "Too many pods", noVictims],
  [
    "a node selector that fits",
    aPod("p", { nodeSelector: { disk: "ssd" } }),
    aNode("n", {}, { disk: "ssd" }),
    [],
    undefined,
  ],
  [
    "a node selector that does not",
    aPod("p", { nodeSelector: { disk: "ssd" } }),
    aNode("n"),
    [],
    selectorText,
    notHelpful,
  ],
  ["affinity In", aPod("p", affinity("In", ["ssd", "nvme"])), aNode("n", {}, { disk: "nvme" }), [], undefined],
  [
    "affinity NotIn",
    aPod("p", affinity("NotIn", ["ssd"])),
    aNode("n", {}, { disk: "ssd" }),
    [],
    selectorText,
    notHelpful,
  ],
  ["affinity Gt", aPod("p", affinity("Gt", ["10"])), aNode("n", {}, { disk: "9" }), [], selectorText, notHelpful],
  [
    "a taint",
    aPod("p"),
    aNode("n", { taints: [taint] }),
    [],
    "node(s) had untolerated taint {dedicated: db}",
    notHelpful,
  ],
  [
    "a taint that is tolerated",
    aPod("p", { tolerations: [toleration] }),
    aNode("n", { taints: [taint] }),
    [],
    undefined,
  ],
  [
    "a taint that only advises",
    aPod("p"),
    aNode("n", { taints: [{ ...taint, effect: "PreferNoSchedule" }] }),
    [],
    undefined,
  ],
  ["a cordoned node", aPod("p"), aNode("n", { unschedulable: true }), [], "node(s) were unschedulable", notHelpful],
  [
    "a cordoned node, for who tolerates everything",
    aPod("p", { tolerations: [{ operator: "Exists" }] }),
    aNode("n", { unschedulable: true }),
    [],
    undefined,
  ],
  [
    "a host port that is taken",
    aPod("p", withPort(80)),
    aNode("n"),
    [aPod("q", withPort(80, "10.0.0.1"))],
    "node(s) didn't have free ports for the requested pod ports",
    noVictims,
  ],
  [
    "a host port on another address",
    aPod("p", withPort(80, "10.0.0.2")),
    aNode("n"),
    [aPod("q", withPort(80, "10.0.0.1"))],
    undefined,
  ],
];

for (const [name, pod, node, there, why, hint] of cases) {
  test(`filter: ${name}`, () => {
    const choice = chooseNode(pod, [nodeView(node, there)]);
    if (why === undefined) expect(choice).toEqual({ nodeName: "n" });
    else
      expect(choice.message).toBe(`0/1 nodes are available: 1 ${why}. preemption: 0/1 nodes are available: 1 ${hint}.`);
  });
}

test("reasons of several nodes are counted, and no node at all is said", () => {
  const views = [aNode("a", { unschedulable: true }), aNode("b", { unschedulable: true }), aNode("c")].map((node) =>
    nodeView(node, []),
  );
  expect(chooseNode(aPod("p", asking("9")), views).message).toBe(
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
  );
  expect(chooseNode(aPod("p"), []).message).toBe("no nodes available to schedule pods");
});

test("pods of one owner spread, and go where most is free", () => {
  const ownerReferences = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "rs", uid: "rs", controller: true }];
  const busy = nodeView(aNode("a"), [aPod("x", asking("1"))]);
  const sibling = nodeView(aNode("b"), [aPod("y", {}, { ownerReferences })]);
  expect(chooseNode(aPod("p"), [busy, sibling]).nodeName).toBe("b");
  expect(chooseNode(aPod("p", {}, { ownerReferences }), [busy, sibling]).nodeName).toBe("a");
});

test("no node is ever given more than it has, for any mix of pods", () => {
  const random = new SeededRandom(5);
  for (let run = 0; run < 50; run++) {
    const nodes = ["a", "b", "c"].map((name) => aNode(name));
    const placed = new Map<string, Observed<Pod>[]>(nodes.map(({ metadata }) => [metadata.name, []]));
    for (let n = 0; n < 15; n++) {
      const pod = aPod(`p${n}`, asking(`${random.between(1, 15) * 100}m`, `${random.between(1, 3000)}Mi`));
      const { nodeName } = chooseNode(
        pod,
        nodes.map((node) => nodeView(node, placed.get(node.metadata.name) ?? [])),
      );
      if (nodeName !== undefined) placed.get(nodeName)?.push(pod);
    }
    for (const node of nodes) {
      const view = nodeView(node, placed.get(node.metadata.name) ?? []);
      expect(view.pods.length).toBeLessThanOrEqual(3);
      for (const [name, amount] of view.requested) expect(amount).toBeLessThanOrEqual(view.allocatable.get(name) ?? 0);
    }
  }
});

test("the queue gives the highest priority first, pauses after failures, and wakes when something changes", () =>
  simulate(1, async ({ clock }) => {
    const queue = new SchedulingQueue(clock);
    queue.add("low", "1", 0);
    queue.add("high", "2", 10);
    expect(await queue.next()).toBe("high");
    queue.placed("high");
    expect(await queue.next()).toBe("low");
    queue.failed("low");
    const waiting = queue.next();
    let got: string | undefined;
    waiting.then((key) => {
      got = key;
    });
    await clock.advance(100);
    queue.somethingChanged();
    await clock.advance(899);
    expect(got).toBeUndefined();
    await clock.advance(1);
    expect(got).toBe("low");
    queue.somethingChanged();
    queue.failed("low");
    expect(await clock.complete(queue.next(), 2001)).toBe("low");
    queue.failed("low");
    const startMs = clock.monotonicMs();
    expect(await clock.complete(queue.next(), 400_000)).toBe("low");
    expect(clock.monotonicMs() - startMs).toBe(300_000);
    queue.close();
    expect(await queue.next()).toBeUndefined();
  }));

test("the queue tries every pod at once when a node changes, the highest priority first, also while one is being tried", () =>
  simulate(1, async ({ clock }) => {
    const queue = new SchedulingQueue(clock);
    queue.add("low", "1", 0);
    queue.add("high", "2", 10);
    for (const key of ["high", "low"]) {
      expect(await queue.next()).toBe(key);
      queue.failed(key);
    }
    queue.somethingChanged();
    const waiting = queue.next();
    queue.nodeChanged();
    expect(await waiting).toBe("high");
    queue.nodeChanged();
    queue.failed("high");
    expect(await queue.next()).toBe("high");
    queue.placed("high");
    expect(await queue.next()).toBe("low");
    queue.close();
  }));

function cluster(sim: Simulation) {
  const made = testCluster(sim);
  made.run(runScheduler);
  return { ...made, pods: made.informers.of(podKind) };
}
const node = (name: string, spec: Node["spec"] = {}): Node => ({
  metadata: { name },
  spec,
  status: { allocatable: { cpu: "1", memory: "1Gi", pods: "110" } },
});
const pod = (name: string, cpu = "100m"): Pod => ({
  metadata: { namespace: "default", name },
  spec: { containers: [{ name: "main", resources: { requests: { cpu } } }] },
});

test("a pod is bound with the event people look for", () =>
  simulate(2, async (sim) => {
    const { client, clock, pods } = cluster(sim);
    await client.create(nodeKind, node("one"));
    await client.create(podKind, pod("p"));
    await clock.runUntil(() => pods.get("default", "p")?.spec.nodeName === "one", 1000);
    await clock.advance(10);
    const { items } = await client.list(eventKind);
    expect(items).toMatchObject([
      {
        type: "Normal",
        reason: "Scheduled",
        message: "Successfully assigned default/p to one",
        source: { component: "default-scheduler" },
      },
    ]);
  }));

test("a pod without room is marked with the reason, and bound once there is room", () =>
  simulate(3, async (sim) => {
    const { client, clock, pods, api } = cluster(sim);
    await client.create(nodeKind, node("one"));
    await client.create(podKind, pod("first", "700m"));
    await clock.advance(100);
    await client.create(podKind, pod("second", "700m"));
    await clock.advance(100);
    const second = pods.get("default", "second");
    expect(second && podCondition(second, "PodScheduled")).toMatchObject({
      status: "False",
      reason: "Unschedulable",
      message:
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    });
    api.calls.length = 0;
    await clock.advance(200_000);
    expect(api.calls).toEqual([]);
    await client.delete(podKind, { namespace: "default", name: "first" }, { gracePeriodSeconds: 0 });
    await clock.runUntil(() => pods.get("default", "second")?.spec.nodeName === "one", 12_000);
    const { items } = await client.list(eventKind);
    expect(items.filter(({ reason }) => reason === "FailedScheduling")).toHaveLength(1);
  }));

test("a hundred pods at once fill three nodes and never more than that", () =>
  simulate(4, async (sim) => {
    const { client, clock, pods } = cluster(sim);
    for (const name of ["a", "b", "c"]) await client.create(nodeKind, node(name));
    for (let n = 0; n < 100; n++) await client.create(podKind, pod(`p${n}`));
    await clock.advance(30_000);
    const counts = new Map<string, number>();
    for (const { spec } of pods.list())
      counts.set(spec.nodeName ?? "none", (counts.get(spec.nodeName ?? "none") ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({ a: 10, b: 10, c: 10, none: 70 });
  }));

test("a pod that wants to be beside another is bound once the other is", () =>
  simulate(6, async (sim) => {
    const { client, clock, pods } = cluster(sim);
    await client.create(nodeKind, { ...node("one"), metadata: { name: "one", labels: { zone: "z" } } });
    const terms = [{ topologyKey: "zone", labelSelector: { matchLabels: { app: "db" } } }];
    const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
    const made = pod("follower");
    await client.create(podKind, { ...made, spec: { containers: [{ name: "main" }], affinity } });
    await clock.advance(20_000);
    expect(pods.get("default", "follower")?.spec.nodeName).toBeUndefined();
    await client.create(podKind, {
      ...pod("leader"),
      metadata: { namespace: "default", name: "leader", labels: { app: "db" } },
    });
    await clock.runUntil(() => pods.get("default", "follower")?.spec.nodeName === "one", 12_000);
  }));

test("a pod that arrives before any node is bound when the node becomes schedulable", () =>
  simulate(5, async (sim) => {
    const { client, clock, pods } = cluster(sim);
    await client.create(podKind, pod("p"));
    await clock.advance(5000);
    const notReady = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };
    await client.create(nodeKind, node("one", { taints: [notReady] }));
    await clock.advance(20_000);
    expect(podCondition(pods.list()[0] ?? aPod("none"), "PodScheduled")?.message).toStartWith(
      "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }",
    );
    await client.patch(nodeKind, { name: "one" }, "application/merge-patch+json", { spec: { taints: null } });
    // At once: a node that has become ready does not wait for a pod's pause, which has grown to seconds here.
    await clock.runUntil(() => pods.list()[0]?.spec.nodeName === "one", 100);
  }));

test("a pod that was refused a moment before the node became schedulable does not wait for its pause", () =>
  simulate(7, async (sim) => {
    const { client, clock, pods } = cluster(sim);
    const notReady = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };
    await client.create(nodeKind, node("one", { taints: [notReady] }));
    await clock.advance(1000);
    await client.create(podKind, pod("p"));
    await clock.runUntil(() => podCondition(pods.list()[0] ?? aPod("none"), "PodScheduled")?.status === "False", 100);
    await client.patch(nodeKind, { name: "one" }, "application/merge-patch+json", { spec: { taints: null } });
    await clock.runUntil(() => pods.list()[0]?.spec.nodeName === "one", 100);
  }));
