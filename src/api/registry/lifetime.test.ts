import { describe, expect, test } from "bun:test";
import { refusal, TestCluster, valueAt } from "./cluster.test_support.ts";
import { ensureSystemObjects } from "./system_objects.ts";

async function withLease(): Promise<TestCluster> {
  const cluster = new TestCluster();
  await ensureSystemObjects(cluster.core, { serviceCidr: "10.43.0.0/16", addresses: ["192.0.2.1"], port: 6443 });
  await cluster.create("leases", lease(0), nodeLeases);
  return cluster;
}

const nodeLeases = { namespace: "kube-node-lease" };
const lease = (second: number, holderIdentity = "n1") => ({
  metadata: { name: "n1" },
  spec: {
    holderIdentity,
    leaseDurationSeconds: 40,
    renewTime: `2026-01-02T03:04:${String(second).padStart(2, "0")}.000000Z`,
  },
});

describe("a node's lease", () => {
  test("is renewed in memory, under the same resourceVersion, and read back renewed", async () => {
    const cluster = await withLease();
    const first = await cluster.get("leases", "n1", nodeLeases);
    const { writes } = cluster.store;
    const renewed = await cluster.update("leases", "n1", lease(10), nodeLeases);
    expect(cluster.store.writes).toBe(writes);
    expect(valueAt(renewed, "metadata.resourceVersion")).toBe(valueAt(first, "metadata.resourceVersion"));
    const patch = { spec: { renewTime: "2026-01-02T03:04:20.000000Z" } };
    await cluster.patch("leases", "n1", "application/merge-patch+json", patch, nodeLeases);
    const read = await cluster.get("leases", "n1", nodeLeases);
    expect(valueAt(read, "spec.renewTime")).toBe("2026-01-02T03:04:20.000000Z");
    expect(valueAt((await cluster.list("leases", {}, nodeLeases))[0], "spec.renewTime")).toBe(
      "2026-01-02T03:04:20.000000Z",
    );
    // The client's next renewal carries the resourceVersion that it knows.
    await cluster.update("leases", "n1", { ...renewed, spec: lease(30).spec }, nodeLeases);
    expect(cluster.store.writes).toBe(writes);
  });

  test("is written every ten minutes", async () => {
    const cluster = await withLease();
    const { writes } = cluster.store;
    for (let second = 10; second <= 1200; second += 10) {
      cluster.clock.advance(10_000);
      await cluster.update("leases", "n1", lease((second / 10) % 60), nodeLeases);
    }
    expect(cluster.store.writes - writes).toBe(2);
  });

  test("is written when its holder changes, and by a server that has not seen it before", async () => {
    const cluster = await withLease();
    const { writes } = cluster.store;
    await cluster.update("leases", "n1", lease(1), nodeLeases);
    await cluster.update("leases", "n1", lease(2, "n2"), nodeLeases);
    expect(cluster.store.writes).toBe(writes + 1);
    expect(valueAt(await cluster.get("leases", "n1", nodeLeases), "spec.renewTime")).toBe(
      "2026-01-02T03:04:02.000000Z",
    );
    const later = new TestCluster({ store: cluster.store });
    await later.update("leases", "n1", lease(3, "n2"), nodeLeases);
    expect(cluster.store.writes).toBe(writes + 2);
  });

  test("of another namespace is always written: it is somebody's lock", async () => {
    const cluster = await withLease();
    await cluster.create("leases", lease(0));
    const { writes } = cluster.store;
    await cluster.update("leases", "n1", lease(1));
    expect(cluster.store.writes).toBe(writes + 1);
  });
});

describe("events", () => {
  const event = (name: string) => ({
    metadata: { name },
    involvedObject: { kind: "Pod", name: "web", namespace: "default" },
    reason: "Started",
    type: "Normal",
  });

  test("share a store lease while they are of one time, and vanish with it", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("events", event("a"));
    await cluster.create("events", event("b"));
    expect([...cluster.store.leases.values()]).toEqual([3600 + 300]);
    cluster.clock.advance(300_000);
    await cluster.create("events", event("c"));
    expect(cluster.store.leases.size).toBe(2);
    await cluster.store.leaseRevoke(1n);
    expect((await cluster.list("events")).map((item) => valueAt(item, "metadata.name"))).toEqual(["c"]);
  });

  test("are written although the lease of their time is gone", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("events", event("a"));
    await cluster.store.leaseRevoke(1n);
    cluster.store.leases.set(7n, 1);
    await cluster.create("events", event("b"));
    expect(await cluster.list("events")).toHaveLength(1);
  });

  test("are found by what they are about", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("events", event("a"));
    const fieldSelector = "involvedObject.name=web,involvedObject.kind=Pod";
    expect(await cluster.list("events", { fieldSelector })).toHaveLength(1);
    expect(await cluster.list("events", { fieldSelector: "involvedObject.name=shop" })).toHaveLength(0);
  });
});

describe("a pod's service account", () => {
  const pod = (serviceAccountName?: string) => ({
    metadata: { name: "web" },
    spec: { containers: [{ name: "c", image: "nginx" }], serviceAccountName },
  });

  test("must exist, but for the default one", async () => {
    const cluster = await TestCluster.started();
    expect(valueAt(await cluster.create("pods", pod()), "spec.serviceAccountName")).toBe("default");
    await cluster.delete("pods", "web");
    const error = await refusal(cluster.create("pods", pod("robot")));
    expect([error.code, error.message]).toEqual([
      403,
      'pods "web" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
    ]);
    await cluster.create("serviceaccounts", { metadata: { name: "robot" }, imagePullSecrets: [{ name: "registry" }] });
    expect(valueAt(await cluster.create("pods", pod("robot")), "spec.imagePullSecrets")).toEqual([
      { name: "registry" },
    ]);
  });
});
