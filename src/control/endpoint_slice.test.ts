import { expect, test } from "bun:test";
import { deploymentKind } from "../kinds/apps/deployment.ts";
import { endpointsKind } from "../kinds/core/endpoints.ts";
import { podKind } from "../kinds/core/pod.ts";
import { type Service, serviceKind } from "../kinds/core/service.ts";
import { endpointSliceKind } from "../kinds/discovery/endpoint_slice.ts";
import { type Simulation, simulate } from "../sim/simulation.ts";
import { deploymentOf, playNode, testCluster } from "./cluster.test_support.ts";
import { runDeploymentController } from "./deployment.ts";
import { runEndpointSliceController } from "./endpoint_slice.ts";
import { runEndpointsController } from "./endpoints.ts";
import { runReplicaSetController } from "./replica_set.ts";

function cluster(sim: Simulation, readyAfterMs: () => number | undefined = () => 1000) {
  const made = testCluster(sim);
  playNode(made, { readyAfterMs });
  made.run(runDeploymentController, runReplicaSetController, runEndpointSliceController, runEndpointsController);
  const slices = made.informers.of(endpointSliceKind);
  const endpoints = made.informers.of(endpointsKind);
  const conditions = () => slices.list().flatMap((slice) => slice.endpoints.map(({ conditions }) => conditions));
  return {
    ...made,
    slices,
    endpoints,
    conditions,
    ready: () => conditions().filter((each) => each?.ready).length,
  };
}

const service = (spec: Service["spec"] = {}): Service => ({
  metadata: { namespace: "default", name: "web", labels: { team: "a" } },
  spec: {
    selector: { app: "web" },
    ports: [{ port: 80, targetPort: 8080, protocol: "TCP" }],
    clusterIP: "10.43.0.5",
    ...spec,
  },
});

test("a Service's slice and Endpoints list its ready pods with names, nodes and ports", () =>
  simulate(1, async (sim) => {
    const { client, clock, slices, endpoints, ready } = cluster(sim);
    await client.create(serviceKind, service());
    await clock.runUntil(() => slices.list().length === 1, 1000, "the empty slice");
    expect(slices.list()[0]).toMatchObject({ endpoints: [], ports: [], addressType: "IPv4" });
    await client.create(deploymentKind, deploymentOf("web", { replicas: 2 }));
    await clock.runUntil(() => ready() === 2, 10_000, "two ready endpoints");
    await clock.advance(100);
    const [slice] = slices.list();
    expect(slices.list()).toHaveLength(1);
    expect(slice?.metadata.labels).toEqual({
      team: "a",
      "kubernetes.io/service-name": "web",
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    expect(slice?.metadata.ownerReferences?.[0]).toMatchObject({ kind: "Service", name: "web", controller: true });
    expect(slice?.ports).toEqual([{ name: "", port: 8080, protocol: "TCP" }]);
    expect(slice?.endpoints[0]).toMatchObject({
      addresses: ["10.42.0.1"],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: "node-1",
      targetRef: { kind: "Pod", namespace: "default" },
    });
    expect(endpoints.list()[0]?.subsets).toMatchObject([
      { addresses: [{ ip: "10.42.0.1" }, { ip: "10.42.0.2" }], ports: [{ port: 8080, protocol: "TCP" }] },
    ]);
  }));

test("a pod that is being deleted is not ready in the slice at once, though it still serves", () =>
  simulate(2, async (sim) => {
    const { client, clock, slices, endpoints, ready, conditions } = cluster(sim);
    await client.create(serviceKind, service());
    await client.create(podKind, {
      metadata: { namespace: "default", name: "one", labels: { app: "web" } },
      spec: { containers: [{ name: "main" }] },
    });
    await clock.runUntil(() => ready() === 1, 10_000);
    const atMs = clock.monotonicMs();
    await client.delete(podKind, { namespace: "default", name: "one" });
    await clock.runUntil(() => ready() === 0, 10_000);
    expect(clock.monotonicMs() - atMs).toBeLessThan(5);
    expect(conditions()).toEqual([{ ready: false, serving: true, terminating: true }]);
    await clock.advance(5000);
    expect(slices.list().map((slice) => slice.endpoints)).toEqual([[]]);
    expect(endpoints.list()[0]?.subsets).toEqual([]);
  }));

test("a pod that is not ready is in no ready list, unless the Service publishes it", () =>
  simulate(3, async (sim) => {
    const { client, clock, endpoints, conditions } = cluster(sim, () => undefined);
    await client.create(serviceKind, service());
    await client.create(serviceKind, {
      ...service({ publishNotReadyAddresses: true, clusterIP: "None" }),
      metadata: { namespace: "default", name: "all" },
    });
    const pod = await client.create(podKind, {
      metadata: { namespace: "default", name: "one", labels: { app: "web" } },
      spec: { containers: [{ name: "main" }], hostname: "zero", subdomain: "all" },
    });
    await client.patch(
      podKind,
      pod.metadata,
      "application/merge-patch+json",
      { status: { phase: "Running", podIP: "10.42.0.9" } },
      { subresource: "status" },
    );
    await clock.advance(1000);
    expect(conditions()).toEqual([
      { ready: true, serving: false, terminating: false },
      { ready: false, serving: false, terminating: false },
    ]);
    const [all, web] = endpoints.list();
    expect(all?.subsets?.[0]?.addresses).toMatchObject([{ ip: "10.42.0.9", hostname: "zero" }]);
    expect(all?.metadata.labels).toMatchObject({ "service.kubernetes.io/headless": "" });
    expect(web?.subsets?.[0]).toMatchObject({ notReadyAddresses: [{ ip: "10.42.0.9" }] });
    expect(web?.subsets?.[0]?.addresses).toBeUndefined();
  }));

test("named target ports with different numbers stand in different slices", () =>
  simulate(4, async (sim) => {
    const { client, clock, slices, endpoints, ready } = cluster(sim);
    await client.create(
      serviceKind,
      service({ ports: [{ name: "web", port: 80, targetPort: "http", protocol: "TCP" }] }),
    );
    for (const [name, containerPort] of [
      ["a", 8000],
      ["b", 9000],
    ] as const) {
      await client.create(podKind, {
        metadata: { namespace: "default", name, labels: { app: "web" } },
        spec: { containers: [{ name: "main", ports: [{ name: "http", containerPort }] }] },
      });
    }
    await clock.runUntil(() => ready() === 2, 10_000);
    await clock.advance(100);
    expect(
      slices
        .list()
        .map(({ ports, endpoints: list }) => [ports?.[0]?.port, list.length])
        .sort(),
    ).toEqual([
      [8000, 1],
      [9000, 1],
    ]);
    expect(endpoints.list()[0]?.subsets?.map(({ ports }) => ports?.[0]?.port)).toEqual([8000, 9000]);
    await client.delete(serviceKind, { namespace: "default", name: "web" });
    await clock.advance(1000);
    expect(endpoints.list()).toEqual([]);
  }));

test(
  "250 pods fill three slices, and changes touch only the slice concerned",
  () =>
    simulate(5, async (sim) => {
      const { client, clock, slices, ready, api } = cluster(sim);
      await client.create(serviceKind, service());
      await client.create(deploymentKind, deploymentOf("web", { replicas: 250 }));
      await clock.runUntil(() => ready() === 250, 60_000);
      expect(
        slices
          .list()
          .map(({ endpoints }) => endpoints.length)
          .sort(),
      ).toEqual([100, 100, 50]);
      await clock.advance(5000);
      const before = new Map(slices.list().map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
      const [victim] = slices.list()[0]?.endpoints ?? [];
      api.calls.length = 0;
      await client.delete(podKind, { namespace: "default", name: victim?.targetRef?.name ?? "" });
      await clock.advance(10);
      const changed = slices.list().filter(({ metadata }) => before.get(metadata.name) !== metadata.resourceVersion);
      expect(changed).toHaveLength(1);
    }),
  60_000,
);
