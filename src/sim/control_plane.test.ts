import { expect, test } from "bun:test";
import { Client } from "../client/client.ts";
import { startControllers } from "../control/controllers.ts";
import { isPodActive, isPodReady } from "../control/pod_state.ts";
import { startScheduler } from "../control/scheduler/scheduler.ts";
import { rfc3339 } from "../env/clock.ts";
import { componentIdentity, inProcessTransport } from "../in_process_transport.ts";
import { deploymentKind } from "../kinds/apps/deployment.ts";
import { replicaSetKind } from "../kinds/apps/replica_set.ts";
import { configMapKind } from "../kinds/core/config_map.ts";
import { endpointsKind } from "../kinds/core/endpoints.ts";
import { namespaceKind } from "../kinds/core/namespace.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { serviceKind } from "../kinds/core/service.ts";
import { serviceAccountKind } from "../kinds/core/service_account.ts";
import { endpointSliceKind } from "../kinds/discovery/endpoint_slice.ts";
import { editable } from "../kinds/kind.ts";
import { type ControlPlaneOptions, startControlPlane } from "./control_plane.test_support.ts";
import { type Simulation, simulate } from "./simulation.ts";

const web = { namespace: "default", name: "web" };
const podLabels = { app: "web" };
const deployment = (image = "nginx:1") => ({
  metadata: web,
  spec: {
    replicas: 3,
    selector: { matchLabels: podLabels },
    template: { metadata: { labels: podLabels }, spec: { containers: [{ name: "nginx", image }] } },
  },
});

async function start(sim: Simulation, options?: ControlPlaneOptions) {
  const plane = await startControlPlane(sim, options);
  const { informers, clock } = plane;
  const pods = informers.of(podKind);
  const slices = informers.of(endpointSliceKind);
  const deployments = informers.of(deploymentKind);
  const replicaSets = informers.of(replicaSetKind);
  await clock.complete(informers.synced(), 60_000);
  const ready = () => pods.list("default").filter((pod) => isPodActive(pod) && isPodReady(pod));
  return {
    ...plane,
    pods,
    slices,
    deployments,
    replicaSets,
    ready,
    endpointsReady: () =>
      slices
        .list("default")
        .flatMap(({ metadata, endpoints }) =>
          metadata.name.startsWith("web") ? endpoints.filter(({ conditions }) => conditions?.ready) : [],
        ).length,
    rolledOut: (image: string) =>
      clock.runUntil(
        () => {
          const status = deployments.get("default", "web")?.status;
          return (
            status?.updatedReplicas === 3 &&
            status.replicas === 3 &&
            status.availableReplicas === 3 &&
            ready().every(({ spec }) => spec.containers[0]?.image === image)
          );
        },
        300_000,
        `the rollout of ${image}`,
      ),
  };
}

test("a deployment on the real API gets pods, a node, an address and ready endpoints, and then writes nothing", () =>
  simulate(1, async (sim) => {
    const calls: string[] = [];
    const { client, clock, now, addNode, rolledOut, pods, endpointsReady, informers } = await start(sim, {
      onCall: (line) => calls.push(line),
    });
    await addNode("one");
    await now(client.create(deploymentKind, deployment()));
    await now(
      client.create(serviceKind, {
        metadata: web,
        spec: { selector: podLabels, ports: [{ port: 8080, targetPort: 80 }] },
      }),
    );
    await rolledOut("nginx:1");
    await clock.runUntil(() => endpointsReady() === 3, 10_000, "ready endpoints");
    expect(pods.list("default").map(({ spec }) => spec.nodeName)).toEqual(["one", "one", "one"]);
    const node = await now(client.get(nodeKind, { name: "one" }));
    expect(node.spec.podCIDR).toBe("10.42.0.0/24");
    expect(node.spec.taints ?? []).toEqual([]);
    for (const { name } of (await now(client.list(namespaceKind))).items.map(({ metadata }) => metadata)) {
      await now(client.get(serviceAccountKind, { namespace: name, name: "default" }));
      expect((await now(client.get(configMapKind, { namespace: name, name: "kube-root-ca.crt" }))).data).toEqual({
        "ca.crt": "the authority",
      });
    }
    const endpoints = informers.of(endpointsKind);
    await now(endpoints.synced);
    await clock.runUntil(() => endpoints.get("default", "web")?.subsets?.[0]?.addresses?.length === 3, 10_000);
    await clock.advance(10_000);
    calls.length = 0;
    await clock.advance(1_800_000);
    expect(calls.filter((line) => line !== "get leases kube-node-lease one")).toEqual([]);
  }));

test("a rolling update on the real API keeps enough pods in the endpoints at every moment", () =>
  simulate(2, async (sim) => {
    const delays = sim.random.fork();
    const plane = await start(sim, { readyAfterMs: () => delays.between(100, 4000) });
    const { client, now, addNode, rolledOut, endpointsReady, slices, clock } = plane;
    await addNode("one");
    await now(client.create(serviceKind, { metadata: web, spec: { selector: podLabels, ports: [{ port: 80 }] } }));
    await now(client.create(deploymentKind, deployment()));
    await rolledOut("nginx:1");
    await clock.runUntil(() => endpointsReady() === 3, 10_000);
    let fewest = 3;
    slices.on({
      update: () => {
        fewest = Math.min(fewest, endpointsReady());
      },
    });
    for (const image of ["nginx:2", "nginx:3"]) {
      const copy = editable(await now(client.get(deploymentKind, web)));
      copy.spec.template.spec = { containers: [{ name: "nginx", image }] };
      await now(client.update(deploymentKind, copy));
      await rolledOut(image);
    }
    expect(fewest).toBe(3);
  }));

for (const policy of ["Background", "Foreground", "Orphan"] as const) {
  test(`deleting a deployment with ${policy} propagation does to its pods what it says`, () =>
    simulate(3, async (sim) => {
      const { client, clock, now, addNode, rolledOut, pods, replicaSets, deployments } = await start(sim);
      await addNode("one");
      await now(client.create(deploymentKind, deployment()));
      await rolledOut("nginx:1");
      const order: string[] = [];
      deployments.on({ delete: () => order.push("deployment") });
      replicaSets.on({ delete: () => order.push("replicaset") });
      pods.on({ delete: () => order.push("pod") });
      await now(client.delete(deploymentKind, web, { propagationPolicy: policy }));
      await clock.advance(30_000);
      if (policy === "Orphan") {
        expect(order).toEqual(["deployment"]);
        expect(pods.list("default")).toHaveLength(3);
        expect(replicaSets.list("default").map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([[]]);
        // A deployment that comes again adopts what is there.
        await now(client.create(deploymentKind, deployment()));
        await clock.advance(5000);
        expect(pods.list("default")).toHaveLength(3);
        expect(replicaSets.list("default").map(({ metadata }) => metadata.ownerReferences?.[0]?.name)).toEqual(["web"]);
      } else if (policy === "Background") {
        expect(order).toEqual(["deployment", "replicaset", "pod", "pod", "pod"]);
      } else {
        expect(order).toEqual(["pod", "pod", "pod", "replicaset", "deployment"]);
      }
    }));
}

test("an object whose owner never was is collected, one whose owner is there stays, and a lost owner only leaves the list", () =>
  simulate(4, async (sim) => {
    const { client, clock, now } = await start(sim);
    const owner = await now(client.create(configMapKind, { metadata: { namespace: "default", name: "owner" } }));
    const reference = (name: string, uid: string) => ({ apiVersion: "v1", kind: "ConfigMap", name, uid });
    const real = reference("owner", owner.metadata.uid);
    const ghost = reference("owner", "11111111-2222-4333-8444-555555555555");
    const make = (name: string, ...ownerReferences: (typeof real)[]) =>
      now(client.create(configMapKind, { metadata: { namespace: "default", name, ownerReferences } }));
    await make("kept", real);
    await make("collected", ghost);
    await make("both", real, ghost);
    await clock.advance(5000);
    const names = async () =>
      (await now(client.list(configMapKind, { namespace: "default" }))).items
        .map(({ metadata }) => metadata.name)
        .filter((name) => name !== "kube-root-ca.crt");
    expect(await names()).toEqual(["both", "kept", "owner"]);
    const both = await now(client.get(configMapKind, { namespace: "default", name: "both" }));
    expect(both.metadata.ownerReferences?.map(({ uid }) => uid)).toEqual([owner.metadata.uid]);
    await now(client.delete(configMapKind, { namespace: "default", name: "owner" }));
    await clock.advance(5000);
    expect(await names()).toEqual([]);
  }));

test("a namespace goes with everything in it, and says what it waits for", () =>
  simulate(5, async (sim) => {
    const { client, clock, now, addNode, informers } = await start(sim);
    const namespaces = informers.of(namespaceKind);
    await now(namespaces.synced);
    await addNode("one");
    await now(client.create(namespaceKind, { metadata: { name: "shop" } }));
    await now(client.create(deploymentKind, { ...deployment(), metadata: { namespace: "shop", name: "web" } }));
    await now(
      client.create(configMapKind, { metadata: { namespace: "shop", name: "held", finalizers: ["example.com/hold"] } }),
    );
    await clock.advance(10_000);
    await now(client.delete(namespaceKind, { name: "shop" }));
    await clock.advance(30_000);
    const conditions = namespaces.get(undefined, "shop")?.status.conditions ?? [];
    expect(
      conditions.filter(({ status }) => status === "True").map(({ reason, message }) => `${reason}: ${message}`),
    ).toEqual([
      "SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances",
      "SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
    ]);
    await now(
      client.patch(configMapKind, { namespace: "shop", name: "held" }, "application/merge-patch+json", {
        metadata: { finalizers: null },
      }),
    );
    await clock.runUntil(() => namespaces.get(undefined, "shop") === undefined, 10_000, "the end of the namespace");
    expect((await now(client.list(podKind, { namespace: "shop" }))).items).toEqual([]);
  }));

test("a node that falls silent becomes Unknown and tainted, its pods leave the endpoints, and it recovers", () =>
  simulate(6, async (sim) => {
    const { client, clock, now, addNode, rolledOut, endpointsReady, informers } = await start(sim);
    const nodes = informers.of(nodeKind);
    await now(nodes.synced);
    const silence = await addNode("one");
    await now(client.create(serviceKind, { metadata: web, spec: { selector: podLabels, ports: [{ port: 80 }] } }));
    await now(client.create(deploymentKind, deployment()));
    await rolledOut("nginx:1");
    await clock.advance(120_000);
    const condition = () => nodes.get(undefined, "one")?.status.conditions?.find(({ type }) => type === "Ready");
    expect(condition()?.status).toBe("True");
    silence();
    await clock.runUntil(() => condition()?.status === "Unknown", 70_000, "the node to be given up");
    expect(condition()).toMatchObject({ reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." });
    await clock.runUntil(() => endpointsReady() === 0, 10_000, "the endpoints to be empty");
    expect(nodes.get(undefined, "one")?.spec.taints?.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      "node.kubernetes.io/unreachable:NoSchedule",
      "node.kubernetes.io/unreachable:NoExecute",
    ]);
    const copy = editable(await now(client.get(nodeKind, { name: "one" })));
    for (const each of copy.status.conditions ?? []) {
      if (each.type !== "Ready") continue;
      each.status = "True";
      each.lastHeartbeatTime = rfc3339(clock.now());
    }
    await now(client.updateStatus(nodeKind, copy));
    await clock.runUntil(
      () => (nodes.get(undefined, "one")?.spec.taints ?? []).length === 0,
      10_000,
      "the taints to go",
    );
  }));

test("pods leave a node that stays silent after five minutes, and only when another one lives", () =>
  simulate(10, async (sim) => {
    const { client, clock, now, addNode, ready, pods } = await start(sim);
    const silenceA = await addNode("a");
    const silenceB = await addNode("b");
    const tolerations = ["unreachable", "not-ready"].map((key) => ({
      key: `node.kubernetes.io/${key}`,
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: 300,
    }));
    const made = deployment();
    const template = { ...made.spec.template, spec: { ...made.spec.template.spec, tolerations } };
    await now(client.create(deploymentKind, { ...made, spec: { ...made.spec, replicas: 4, template } }));
    await clock.runUntil(() => ready().length === 4, 60_000, "four pods");
    const on = (node: string) =>
      pods
        .list("default")
        .filter(({ spec }) => spec.nodeName === node)
        .filter(isPodActive).length;
    expect([on("a"), on("b")]).toEqual([2, 2]);
    silenceA();
    await clock.advance(300_000);
    expect([on("a"), on("b")]).toEqual([2, 2]);
    await clock.advance(80_000);
    expect([on("a"), on("b")]).toEqual([0, 4]);
    silenceB();
    await clock.advance(1_800_000);
    expect(on("b")).toBe(4);
  }));

test("a NoExecute taint drives out who does not tolerate it, at once", () =>
  simulate(11, async (sim) => {
    const { client, clock, now, addNode, pods } = await start(sim);
    await addNode("a");
    const taint = { key: "maintenance", effect: "NoExecute" };
    const pod = (name: string, tolerations: { key: string; operator: string }[]) =>
      now(
        client.create(podKind, {
          metadata: { namespace: "default", name },
          spec: { containers: [{ name: "x", image: "y" }], tolerations },
        }),
      );
    await pod("stays", [{ key: "maintenance", operator: "Exists" }]);
    await pod("goes", []);
    await clock.advance(5000);
    await now(client.patch(nodeKind, { name: "a" }, "application/merge-patch+json", { spec: { taints: [taint] } }));
    await clock.advance(2000);
    expect(pods.list("default").map(({ metadata }) => metadata.name)).toEqual(["stays"]);
  }));

test("pods spread over three nodes, each with a network of its own", () =>
  simulate(7, async (sim) => {
    const { client, clock, now, addNode, ready } = await start(sim);
    for (const name of ["a", "b", "c"]) await addNode(name);
    await now(client.create(deploymentKind, { ...deployment(), spec: { ...deployment().spec, replicas: 9 } }));
    await clock.runUntil(() => ready().length === 9, 60_000, "nine pods");
    const counts: Record<string, number> = {};
    for (const { spec } of ready()) counts[spec.nodeName ?? ""] = (counts[spec.nodeName ?? ""] ?? 0) + 1;
    expect(counts).toEqual({ a: 3, b: 3, c: 3 });
    const { items } = await now(client.list(nodeKind));
    expect(items.map(({ spec }) => spec.podCIDR)).toEqual(["10.42.0.0/24", "10.42.1.0/24", "10.42.2.0/24"]);
  }));

test("controllers and scheduler end when they are told to, in the middle of their work", () =>
  simulate(12, async (sim) => {
    const { client, clock, now, core } = await startControlPlane(sim);
    const ending = new AbortController();
    const context = {
      client: new Client(inProcessTransport(core, componentIdentity("system:second"), "second")),
      ...sim,
    };
    const running = [
      startControllers({ ...context, clusterCidr: "10.42.0.0/16" }, ending.signal),
      startScheduler(context, ending.signal),
    ];
    await clock.advance(500);
    await now(client.create(deploymentKind, { ...deployment(), spec: { ...deployment().spec, replicas: 50 } }));
    ending.abort();
    await clock.complete(Promise.all(running), 1000, "the end");
    const aborted = new AbortController();
    aborted.abort();
    await clock.complete(startControllers({ ...context, clusterCidr: "10.42.0.0/16" }, aborted.signal), 1000);
    await clock.complete(startScheduler(context, aborted.signal), 1000);
  }));

test("the same seed gives the same run of the whole control plane, down to every request", async () => {
  const run = (seed: number) =>
    simulate(seed, async (sim) => {
      const plane = await start(sim, {
        onCall: (line) => sim.trace.note(line),
        readyAfterMs: () => sim.random.between(1, 3000),
      });
      await plane.addNode("one");
      await plane.now(plane.client.create(deploymentKind, deployment()));
      await plane.rolledOut("nginx:1");
      return plane.pods.list("default").map(({ metadata }) => metadata.uid);
    });
  const [first, second, other] = [await run(8), await run(8), await run(9)];
  expect(second.hash).toBe(first.hash);
  expect(second.value).toEqual(first.value);
  expect(other.hash).not.toBe(first.hash);
});
