import { describe, expect, test } from "bun:test";
import { refusal, TestCluster, valueAt } from "./cluster.test_support.ts";

const strategic = "application/strategic-merge-patch+json";
const merge = "application/merge-patch+json";
const json = "application/json-patch+json";

const deployment = {
  metadata: { name: "web" },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "nginx", image: "nginx" }] } },
  },
};
const pod = { metadata: { name: "web" }, spec: { containers: [{ name: "nginx", image: "nginx" }] } };

async function withDeployment(): Promise<TestCluster> {
  const cluster = await TestCluster.started();
  await cluster.create("deployments", deployment);
  return cluster;
}

describe("a patch", () => {
  test("of each type changes the object", async () => {
    const cluster = await withDeployment();
    const image = "spec.template.spec.containers.0.image";
    const containers = [{ name: "nginx", image: "nginx:2" }];
    const a = await cluster.patch("deployments", "web", strategic, { spec: { template: { spec: { containers } } } });
    expect(valueAt(a, image)).toBe("nginx:2");
    const b = await cluster.patch("deployments", "web", merge, { metadata: { labels: { x: "y" } } });
    expect(valueAt(b, "metadata.labels.x")).toBe("y");
    const c = await cluster.patch("deployments", "web", json, [
      { op: "replace", path: "/spec/template/spec/containers/0/image", value: "nginx:3" },
    ]);
    expect(valueAt(c, image)).toBe("nginx:3");
    expect(valueAt(c, "metadata.generation")).toBe(3);
  });

  test("is applied anew when another wrote meanwhile", async () => {
    const cluster = await withDeployment();
    cluster.store.beforeTxn = async () => {
      await cluster.patch("deployments", "web", merge, { metadata: { labels: { rival: "1" } } });
    };
    const patched = await cluster.patch("deployments", "web", merge, { metadata: { labels: { mine: "1" } } });
    expect(valueAt(patched, "metadata.labels")).toEqual({ rival: "1", mine: "1" });
  });

  test("that names a resourceVersion holds only for that one", async () => {
    const cluster = await withDeployment();
    const resourceVersion = valueAt(await cluster.get("deployments", "web"), "metadata.resourceVersion");
    const body = { metadata: { resourceVersion, labels: { a: "1" } } };
    await cluster.patch("deployments", "web", merge, body);
    const error = await refusal(cluster.patch("deployments", "web", merge, body));
    expect([error.code, error.reason]).toEqual([409, "Conflict"]);

    const present = valueAt(await cluster.get("deployments", "web"), "metadata.resourceVersion");
    cluster.store.beforeTxn = async () => {
      await cluster.patch("deployments", "web", merge, { metadata: { labels: { rival: "1" } } });
    };
    const outrun = { metadata: { resourceVersion: present, labels: { b: "1" } } };
    expect((await refusal(cluster.patch("deployments", "web", merge, outrun))).reason).toBe("Conflict");
  });

  test("that changes nothing writes nothing", async () => {
    const cluster = await withDeployment();
    const { writes } = cluster.store;
    await cluster.patch("deployments", "web", merge, { spec: { replicas: 1 } });
    expect(cluster.store.writes).toBe(writes);
  });

  test("ignores status on the main resource", async () => {
    const cluster = await withDeployment();
    const patched = await cluster.patch("deployments", "web", strategic, { status: { replicas: 7 } });
    expect(valueAt(patched, "status.replicas")).toBeUndefined();
  });

  test("of a wrong type, with unknown fields or of an unknown media type is refused", async () => {
    const cluster = await withDeployment();
    const typed = await refusal(cluster.patch("deployments", "web", merge, { spec: { replicas: "many" } }));
    expect(typed.code).toBe(422);
    expect(typed.message).toContain("cannot unmarshal string into Go struct field");
    const where = { query: { fieldValidation: "Strict" } };
    const unknown = await refusal(cluster.patch("deployments", "web", merge, { spec: { replica: 1 } }, where));
    expect(unknown.code).toBe(422);
    expect(unknown.message).toContain('strict decoding error: unknown field "spec.replica"');
    expect((await refusal(cluster.patch("deployments", "web", "text/plain", {}))).code).toBe(415);
    expect((await refusal(cluster.patch("deployments", "web", json, [{ op: "remove", path: "/x" }]))).code).toBe(422);
    expect((await refusal(cluster.patch("deployments", "web", json, {}))).code).toBe(400);
    expect((await refusal(cluster.patch("deployments", "shop", merge, {}))).code).toBe(404);
  });

  test("with dryRun=All shows the result and stores nothing", async () => {
    const cluster = await withDeployment();
    const { writes } = cluster.store;
    const where = { query: { dryRun: "All" } };
    const shown = await cluster.patch("deployments", "web", merge, { spec: { replicas: 5 } }, where);
    expect(valueAt(shown, "spec.replicas")).toBe(5);
    expect(cluster.store.writes).toBe(writes);
  });
});

describe("status", () => {
  test("changes status and nothing else", async () => {
    const cluster = await withDeployment();
    const body = { metadata: { name: "web" }, spec: { ...deployment.spec, replicas: 9 }, status: { replicas: 2 } };
    const object = await cluster.update("deployments", "web", body, { subresource: "status" });
    expect([valueAt(object, "status.replicas"), valueAt(object, "spec.replicas")]).toEqual([2, 1]);
    expect(valueAt(object, "metadata.generation")).toBe(1);
    const patched = await cluster.patch(
      "deployments",
      "web",
      merge,
      { status: { readyReplicas: 1 } },
      { subresource: "status" },
    );
    expect(patched.status).toMatchObject({ replicas: 2, readyReplicas: 1 });
  });

  test("of a kind without one is 404", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", { metadata: { name: "web" } });
    expect((await refusal(cluster.get("configmaps", "web", { subresource: "status" }))).code).toBe(404);
  });
});

describe("scale", () => {
  test("shows and sets the replicas", async () => {
    const cluster = await withDeployment();
    const where = { subresource: "scale" };
    expect(await cluster.get("deployments", "web", where)).toMatchObject({
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name: "web", namespace: "default" },
      spec: { replicas: 1 },
      status: { replicas: 0, selector: "app=web" },
    });
    const patched = await cluster.patch("deployments", "web", merge, { spec: { replicas: 3 } }, where);
    expect(valueAt(patched, "spec.replicas")).toBe(3);
    expect(valueAt(await cluster.get("deployments", "web"), "spec.replicas")).toBe(3);
    const updated = await cluster.update("deployments", "web", { ...patched, spec: { replicas: 2 } }, where);
    expect(valueAt(updated, "spec.replicas")).toBe(2);
    expect((await refusal(cluster.update("deployments", "web", patched, where))).reason).toBe("Conflict");
    const negative = await refusal(cluster.patch("deployments", "web", merge, { spec: { replicas: -1 } }, where));
    expect(negative.message).toBe(
      'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    );
  });
});

describe("pods", () => {
  const bind = (node: string) => ({ metadata: { name: "web" }, target: { kind: "Node", name: node } });

  test("are bound to a node once", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("pods", pod);
    const { code, object } = await cluster.send("create", "pods", { name: "web", subresource: "binding" }, bind("n1"));
    expect([code, object.status]).toEqual([201, "Success"]);
    const bound = await cluster.get("pods", "web");
    expect(valueAt(bound, "spec.nodeName")).toBe("n1");
    expect(valueAt(bound, "status.conditions")).toContainEqual({
      type: "PodScheduled",
      status: "True",
      lastTransitionTime: "2026-01-02T03:04:05Z",
    });
    const error = await refusal(cluster.create("pods", bind("n2"), { name: "web", subresource: "binding" }));
    expect([error.code, error.message]).toEqual([
      409,
      'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "n1"',
    ]);
  });

  test("on a node are given time to end; the kubelet's delete with 0 ends it", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("pods", pod);
    await cluster.create("pods", bind("n1"), { name: "web", subresource: "binding" });
    const waiting = await cluster.delete("pods", "web");
    expect(waiting).toMatchObject({
      kind: "Pod",
      metadata: { deletionTimestamp: "2026-01-02T03:04:35Z", deletionGracePeriodSeconds: 30 },
    });
    expect(await cluster.delete("pods", "web")).toBe(waiting);
    const shorter = await cluster.delete("pods", "web", { gracePeriodSeconds: 10 });
    expect(shorter).toMatchObject({
      metadata: { deletionTimestamp: "2026-01-02T03:04:15Z", deletionGracePeriodSeconds: 10 },
    });
    const longer = await cluster.delete("pods", "web", { gracePeriodSeconds: 60 });
    expect(valueAt(longer, "metadata.deletionGracePeriodSeconds")).toBe(10);
    const preconditions = { uid: valueAt(waiting, "metadata.uid") };
    const gone = await cluster.delete("pods", "web", { gracePeriodSeconds: 0, preconditions });
    expect(gone).toMatchObject({ kind: "Status", status: "Success" });
    expect((await refusal(cluster.get("pods", "web"))).code).toBe(404);
  });

  test("without a node, and with gracePeriodSeconds=0, go at once", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("pods", pod);
    expect((await cluster.delete("pods", "web")).kind).toBe("Status");
    await cluster.create("pods", pod);
    await cluster.create("pods", bind("n1"), { name: "web", subresource: "binding" });
    expect((await cluster.delete("pods", "web", undefined, { query: { gracePeriodSeconds: "0" } })).kind).toBe(
      "Status",
    );
  });

  test("are evicted", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("pods", pod);
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "web", namespace: "default" } };
    const { code } = await cluster.send("create", "pods", { name: "web", subresource: "eviction" }, eviction);
    expect(code).toBe(201);
    expect(await cluster.list("pods")).toEqual([]);
  });

  test("take ephemeral containers, and keep those that they have", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("pods", pod);
    const where = { subresource: "ephemeralcontainers" };
    const add = (name: string) => ({ spec: { ephemeralContainers: [{ name, image: "busybox" }] } });
    await cluster.patch("pods", "web", strategic, add("debug"), where);
    const both = await cluster.patch("pods", "web", strategic, add("more"), where);
    expect(valueAt(both, "spec.ephemeralContainers")).toHaveLength(2);
    const remove = { spec: { ephemeralContainers: null } };
    expect((await refusal(cluster.patch("pods", "web", merge, remove, where))).code).toBe(422);
  });
});

describe("a namespace", () => {
  test("is gone when its last finalizer is taken by finalize", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("namespaces", { metadata: { name: "shop" } });
    const waiting = await cluster.delete("namespaces", "shop");
    expect(waiting).toMatchObject({ spec: { finalizers: ["kubernetes"] }, status: { phase: "Terminating" } });
    const where = { subresource: "finalize", namespace: undefined };
    await cluster.update("namespaces", "shop", { ...waiting, spec: { finalizers: [] } }, where);
    expect((await refusal(cluster.get("namespaces", "shop"))).code).toBe(404);
  });
});

test("a subresource that is not served here, or not by this method, says so", async () => {
  const cluster = await TestCluster.started();
  expect((await refusal(cluster.get("pods", "web", { subresource: "binding" }))).code).toBe(405);
  expect((await refusal(cluster.get("pods", "web", { subresource: "nothing" }))).code).toBe(404);
  expect((await refusal(cluster.list("bindings"))).code).toBe(405);
});
