import { expect, test } from "bun:test";
import { TestCluster, valueAt } from "./cluster.test_support.ts";
import { ensureSystemObjects } from "./system_objects.ts";

const options = { serviceCidr: "10.43.0.0/16", addresses: ["192.0.2.1"], port: 6443 };

test("a new cluster gets its namespaces and the Service kubernetes", async () => {
  const cluster = new TestCluster();
  await ensureSystemObjects(cluster.core, options);
  expect((await cluster.list("namespaces")).map((item) => valueAt(item, "metadata.name"))).toEqual([
    "default",
    "kube-node-lease",
    "kube-public",
    "kube-system",
  ]);
  expect(await cluster.get("services", "kubernetes")).toMatchObject({
    spec: { clusterIP: "10.43.0.1", ports: [{ name: "https", port: 443, targetPort: 6443, protocol: "TCP" }] },
  });
  expect(await cluster.get("endpoints", "kubernetes")).toMatchObject({
    subsets: [{ addresses: [{ ip: "192.0.2.1" }], ports: [{ port: 6443 }] }],
  });
});

test("a second start writes nothing, a new address is written", async () => {
  const cluster = new TestCluster();
  await ensureSystemObjects(cluster.core, options);
  const { writes } = cluster.store;
  await ensureSystemObjects(cluster.core, options);
  expect(cluster.store.writes).toBe(writes);
  await ensureSystemObjects(cluster.core, { ...options, addresses: ["192.0.2.7"] });
  expect(valueAt(await cluster.get("endpointslices", "kubernetes"), "endpoints.0.addresses.0")).toBe("192.0.2.7");
});
