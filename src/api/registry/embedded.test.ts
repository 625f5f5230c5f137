import { expect, test } from "bun:test";
import { VirtualClock } from "../../sim/clock.ts";
import { SimulatedDisk } from "../../sim/disk.ts";
import { SeededRandom } from "../../sim/random.ts";
import { openEmbeddedStore } from "../../store/embedded_store.ts";
import { refusal, silentLog, TestCluster, valueAt } from "./cluster.test_support.ts";
import { ensureSystemObjects } from "./system_objects.ts";

const clock = new VirtualClock();
const disk = new SimulatedDisk({ random: new SeededRandom(3) });
const open = () =>
  openEmbeddedStore({
    disk,
    clock,
    random: new SeededRandom(4),
    log: silentLog,
    directory: "/data",
    compaction: "off",
  });
const system = { serviceCidr: "10.43.0.0/16", addresses: ["192.0.2.1"], port: 6443 };

test("on the real store: writes, watches from history, claims, and all of it after a restart", async () => {
  let store = await open();
  let cluster = new TestCluster({ store });
  await ensureSystemObjects(cluster.core, system);
  const first = await cluster.create("configmaps", { metadata: { name: "a" } });
  const watch = cluster.watch("configmaps");
  expect(await watch.names(1)).toEqual(["ADDED a"]);
  await cluster.update("configmaps", "a", { metadata: { name: "a" }, data: { k: "v" } });
  await cluster.create("configmaps", { metadata: { name: "b" } });
  await cluster.delete("configmaps", "b");
  expect(await watch.names(3)).toEqual(["MODIFIED a", "ADDED b", "DELETED b"]);
  const service = await cluster.create("services", { metadata: { name: "web" }, spec: { ports: [{ port: 80 }] } });
  await cluster.create("events", { metadata: { name: "e" }, involvedObject: { namespace: "default" }, reason: "R" });
  await store.close();

  store = await open();
  cluster = new TestCluster({ store });
  await ensureSystemObjects(cluster.core, system);
  expect(valueAt(await cluster.get("configmaps", "a"), "data.k")).toBe("v");
  expect(await cluster.list("events")).toHaveLength(1);
  const resourceVersion = String(valueAt(first, "metadata.resourceVersion"));
  const history = cluster.watch("configmaps", { resourceVersion });
  expect(await history.names(3)).toEqual(["MODIFIED a", "ADDED b", "DELETED b"]);
  const spec = { clusterIP: valueAt(service, "spec.clusterIP"), ports: [{ port: 80 }] };
  expect((await refusal(cluster.create("services", { metadata: { name: "shop" }, spec }))).code).toBe(422);

  await store.compact(store.status().revision);
  expect((await refusal(cluster.watch("configmaps", { resourceVersion }).next())).code).toBe(410);
  await store.close();
  expect((await refusal(cluster.get("configmaps", "a"))).code).toBe(503);
});

test("what the parts of a deposed leader write is void, and what they read is not", async () => {
  const disk = new SimulatedDisk({ random: new SeededRandom(5) });
  const random = new SeededRandom(6);
  const store = await openEmbeddedStore({ disk, clock, random, log: silentLog, directory: "/data" });
  const { core } = new TestCluster({ store });
  const identity = { name: "system:kube-scheduler", groups: ["system:masters"] };
  const resource = { group: "", version: "v1", plural: "namespaces" };
  const create = (name: string, term: number) =>
    core.call({ identity, verb: "create", resource, query: {}, body: { metadata: { name } }, term });
  const { term } = store.status();
  expect((await create("mine", term)).code).toBe(201);
  const error = await refusal(create("late", term - 1));
  expect([error.code, error.message]).toEqual([503, expect.stringContaining(`term ${term - 1} is void`)]);
  const { code } = await core.call({ identity, verb: "get", resource, name: "mine", query: {}, term: term - 1 });
  expect(code).toBe(200);
  await store.close();
});
