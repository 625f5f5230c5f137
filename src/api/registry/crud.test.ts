import { describe, expect, test } from "bun:test";
import { admin, refusal, TestCluster, valueAt } from "./cluster.test_support.ts";

const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

describe("create", () => {
  test("gives an object its identity and answers with what is stored", async () => {
    const cluster = await TestCluster.started();
    const body = configMap("web", { a: "1" });
    const { code, object } = await cluster.send("create", "configmaps", {}, body);
    expect(code).toBe(201);
    expect(object).toMatchObject({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "web", namespace: "default", creationTimestamp: "2026-01-02T03:04:05Z", resourceVersion: "3" },
      data: { a: "1" },
    });
    expect(valueAt(object, "metadata.uid")).toMatch(/^[0-9a-f-]{36}$/);
    expect(Object.isFrozen(object.metadata)).toBe(true);
    expect(await cluster.get("configmaps", "web")).toBe(object);
  });

  test("refuses a name that is taken", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", configMap("web"));
    const error = await refusal(cluster.create("configmaps", configMap("web")));
    expect(error.code).toBe(409);
    expect(error.message).toBe('configmaps "web" already exists');
  });

  test("makes a name from generateName, and another when it is taken", async () => {
    const cluster = await TestCluster.started();
    const body = { metadata: { generateName: "web-" } };
    const first = valueAt(await cluster.create("configmaps", body), "metadata.name");
    expect(first).toMatch(/^web-[a-z0-9]{5}$/);
    cluster.store.beforeTxn = async (request) => {
      await cluster.store.txn({ compare: [], success: request.success, failure: [] });
    };
    const second = valueAt(await cluster.create("configmaps", body), "metadata.name");
    expect(second).not.toBe(first);
    expect(await cluster.list("configmaps")).toHaveLength(3);
  });

  test("ignores status and identity that a client sends", async () => {
    const cluster = await TestCluster.started();
    const object = await cluster.create("services", {
      metadata: { name: "web", uid: "mine", creationTimestamp: "2000-01-01T00:00:00Z", generation: 7 },
      spec: { ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ ip: "1.2.3.4" }] } },
    });
    expect(valueAt(object, "metadata.uid")).not.toBe("mine");
    expect(valueAt(object, "metadata.creationTimestamp")).toBe("2026-01-02T03:04:05Z");
    expect(valueAt(object, "status.loadBalancer.ingress")).toBeUndefined();
  });

  test("refuses a body whose namespace or resourceVersion contradicts the request", async () => {
    const cluster = await TestCluster.started();
    const other = await refusal(cluster.create("configmaps", { metadata: { name: "web", namespace: "other" } }));
    expect(other.code).toBe(400);
    expect(other.message).toBe("the namespace of the provided object does not match the namespace sent on the request");
    const old = await refusal(cluster.create("configmaps", { metadata: { name: "web", resourceVersion: "5" } }));
    expect(old.message).toBe("resourceVersion should not be set on objects to be created");
  });

  test("refuses a missing namespace and one that is being terminated", async () => {
    const cluster = await TestCluster.started();
    const missing = await refusal(cluster.create("configmaps", configMap("web"), { namespace: "shop" }));
    expect([missing.code, missing.message]).toEqual([404, 'namespaces "shop" not found']);

    await cluster.create("namespaces", { metadata: { name: "shop" }, spec: { finalizers: ["kubernetes"] } });
    await cluster.delete("namespaces", "shop");
    const terminating = await refusal(cluster.create("configmaps", configMap("web"), { namespace: "shop" }));
    expect(terminating.code).toBe(403);
    expect(terminating.message).toBe(
      'configmaps "web" is forbidden: unable to create new content in namespace shop because it is being terminated',
    );
    expect(terminating.details?.causes?.[0]?.reason).toBe("NamespaceTerminating");
  });

  test("sees a namespace that turns Terminating between its check and its write", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("namespaces", { metadata: { name: "shop" }, spec: { finalizers: ["kubernetes"] } });
    cluster.store.beforeTxn = async () => {
      await cluster.delete("namespaces", "shop");
    };
    const error = await refusal(cluster.create("configmaps", configMap("web"), { namespace: "shop" }));
    expect(error.code).toBe(403);
    expect(await cluster.list("configmaps", {}, { namespace: "shop" })).toEqual([]);
  });

  test("with dryRun=All answers as if, and stores nothing", async () => {
    const cluster = await TestCluster.started();
    const { writes } = cluster.store;
    const object = await cluster.create("configmaps", configMap("web"), { query: { dryRun: "All" } });
    expect(valueAt(object, "metadata.uid")).toBeString();
    expect(cluster.store.writes).toBe(writes);
    await cluster.create("configmaps", configMap("web"));
    const error = await refusal(cluster.create("configmaps", configMap("web"), { query: { dryRun: "All" } }));
    expect(error.reason).toBe("AlreadyExists");
  });
});

describe("field validation", () => {
  const body = { metadata: { name: "web" }, data: {}, dat: {} };

  test("Strict refuses unknown and duplicate fields", async () => {
    const cluster = await TestCluster.started();
    const where = { query: { fieldValidation: "Strict" }, decodeProblems: ['duplicate field "data"'] };
    const error = await refusal(cluster.create("configmaps", body, where));
    expect(error.code).toBe(400);
    expect(error.message).toBe('strict decoding error: duplicate field "data", unknown field "dat"');
  });

  test("Warn warns, Ignore says nothing, and both leave the field out", async () => {
    const cluster = await TestCluster.started();
    const warned = await cluster.send("create", "configmaps", {}, body);
    expect(warned.warnings).toEqual(['unknown field "dat"']);
    expect(warned.object.dat).toBeUndefined();
    const ignored = await cluster.send(
      "update",
      "configmaps",
      { name: "web", query: { fieldValidation: "Ignore" } },
      body,
    );
    expect(ignored.warnings).toEqual([]);
  });

  test("an unknown mode is refused", async () => {
    const cluster = await TestCluster.started();
    const error = await refusal(cluster.create("configmaps", body, { query: { fieldValidation: "Maybe" } }));
    expect(error.code).toBe(422);
  });
});

describe("update", () => {
  test("changes what it may and keeps identity", async () => {
    const cluster = await TestCluster.started();
    const old = await cluster.create("configmaps", configMap("web", { a: "1" }));
    const changed = await cluster.update("configmaps", "web", { ...configMap("web", { a: "2" }) });
    expect(changed.data).toEqual({ a: "2" });
    expect(valueAt(changed, "metadata.uid")).toBe(valueAt(old, "metadata.uid"));
    expect(Number(valueAt(changed, "metadata.resourceVersion"))).toBeGreaterThan(
      Number(valueAt(old, "metadata.resourceVersion")),
    );
  });

  test("of a resourceVersion that is not the newest is a conflict in Kubernetes' words", async () => {
    const cluster = await TestCluster.started();
    const spec = {
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "nginx" }] } },
    };
    const old = await cluster.create("deployments", { metadata: { name: "web" }, spec });
    await cluster.update("deployments", "web", { metadata: { name: "web" }, spec: { ...spec, replicas: 3 } });
    const error = await refusal(cluster.update("deployments", "web", old));
    expect(error.code).toBe(409);
    expect(error.message).toBe(
      'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes to the latest version and try again',
    );
  });

  test("that changes nothing writes nothing", async () => {
    const cluster = await TestCluster.started();
    const old = await cluster.create("configmaps", configMap("web", { a: "1" }));
    const { writes } = cluster.store;
    expect(await cluster.update("configmaps", "web", old)).toBe(old);
    expect(cluster.store.writes).toBe(writes);
  });

  test("without resourceVersion goes through although another wrote meanwhile", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", configMap("web", { a: "1" }));
    cluster.store.beforeTxn = async () => {
      await cluster.update("configmaps", "web", configMap("web", { a: "rival" }));
    };
    expect((await cluster.update("configmaps", "web", configMap("web", { a: "2" }))).data).toEqual({ a: "2" });
  });

  test("with another uid or another name is refused", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", configMap("web"));
    const uid = await refusal(cluster.update("configmaps", "web", { metadata: { name: "web", uid: "other" } }));
    expect(uid.reason).toBe("Conflict");
    const name = await refusal(cluster.update("configmaps", "web", configMap("shop")));
    expect(name.message).toBe("the name of the object (shop) does not match the name on the URL (web)");
    expect((await refusal(cluster.update("configmaps", "shop", configMap("shop")))).code).toBe(404);
  });

  test("counts generations of spec, not of metadata", async () => {
    const cluster = await TestCluster.started();
    const spec = {
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "nginx" }] } },
    };
    const generation = (object: unknown) => valueAt(object, "metadata.generation");
    expect(generation(await cluster.create("deployments", { metadata: { name: "web" }, spec }))).toBe(1);
    const labelled = { metadata: { name: "web", labels: { a: "b" } }, spec };
    expect(generation(await cluster.update("deployments", "web", labelled))).toBe(1);
    const scaled = { metadata: { name: "web" }, spec: { ...spec, replicas: 3 } };
    expect(generation(await cluster.update("deployments", "web", scaled))).toBe(2);
  });
});

describe("delete", () => {
  test("answers with a Status that names what is gone", async () => {
    const cluster = await TestCluster.started();
    const object = await cluster.create("configmaps", configMap("web"));
    expect(await cluster.delete("configmaps", "web", { propagationPolicy: "Background" })).toMatchObject({
      kind: "Status",
      status: "Success",
      details: { name: "web", kind: "configmaps", uid: valueAt(object, "metadata.uid") },
    });
    expect((await refusal(cluster.get("configmaps", "web"))).message).toBe('configmaps "web" not found');
  });

  test("waits for finalizers, and ends when the last one is taken away", async () => {
    const cluster = await TestCluster.started();
    const body = { metadata: { name: "web", finalizers: ["example.com/hold"] } };
    await cluster.create("configmaps", body);
    const waiting = await cluster.delete("configmaps", "web");
    expect(waiting).toMatchObject({ kind: "ConfigMap", metadata: { deletionTimestamp: "2026-01-02T03:04:05Z" } });
    const more = { metadata: { name: "web", finalizers: ["example.com/hold", "example.com/more"] } };
    expect((await refusal(cluster.update("configmaps", "web", more))).code).toBe(422);
    await cluster.update("configmaps", "web", { metadata: { name: "web", finalizers: [] } });
    expect((await refusal(cluster.get("configmaps", "web"))).code).toBe(404);
  });

  test("with Foreground and Orphan leaves a finalizer for the garbage collector", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", configMap("a"));
    await cluster.create("configmaps", configMap("b"));
    const foreground = await cluster.delete("configmaps", "a", { propagationPolicy: "Foreground" });
    expect(valueAt(foreground, "metadata.finalizers")).toEqual(["foregroundDeletion"]);
    const orphan = await cluster.delete("configmaps", "b", undefined, { query: { propagationPolicy: "Orphan" } });
    expect(valueAt(orphan, "metadata.finalizers")).toEqual(["orphan"]);
  });

  test("holds to the preconditions", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", configMap("web"));
    const error = await refusal(cluster.delete("configmaps", "web", { preconditions: { uid: "other" } }));
    expect(error.reason).toBe("Conflict");
    expect(await cluster.get("configmaps", "web")).toBeDefined();
  });

  test("with dryRun=All deletes nothing", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", configMap("web"));
    await cluster.delete("configmaps", "web", { dryRun: ["All"] });
    expect(await cluster.get("configmaps", "web")).toBeDefined();
  });

  test("of a collection takes what is selected", async () => {
    const cluster = await TestCluster.started();
    for (const name of ["a", "b", "c"])
      await cluster.create("configmaps", { metadata: { name, labels: { keep: String(name === "b") } } });
    await cluster.send("deletecollection", "configmaps", { query: { labelSelector: "keep=false" } });
    expect((await cluster.list("configmaps")).map((item) => valueAt(item, "metadata.name"))).toEqual(["b"]);
  });

  test("of a namespace sets it Terminating, of a namespace that the cluster needs is refused", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("namespaces", { metadata: { name: "shop" }, spec: { finalizers: ["kubernetes"] } });
    const waiting = await cluster.delete("namespaces", "shop");
    expect(waiting).toMatchObject({ status: { phase: "Terminating" }, spec: { finalizers: ["kubernetes"] } });
    const error = await refusal(cluster.delete("namespaces", "default"));
    expect([error.code, error.message]).toEqual([
      403,
      'namespaces "default" is forbidden: this namespace may not be deleted',
    ]);
  });
});

describe("list", () => {
  test("in pages is of one revision, and counts what remains", async () => {
    const cluster = await TestCluster.started();
    for (const name of ["a", "b", "c", "d", "e"]) await cluster.create("configmaps", configMap(name));
    const first = await cluster.send("list", "configmaps", { query: { limit: "2" } });
    expect(valueAt(first.object, "metadata.remainingItemCount")).toBe(3);
    await cluster.create("configmaps", configMap("bb"));
    const query = { limit: "2", continue: String(valueAt(first.object, "metadata.continue")) };
    const second = await cluster.send("list", "configmaps", { query });
    expect(valueAt(second.object, "items.0.metadata.name")).toBe("c");
    expect(valueAt(second.object, "metadata.resourceVersion")).toBe(valueAt(first.object, "metadata.resourceVersion"));
    const last = await cluster.send("list", "configmaps", {
      query: { limit: "2", continue: String(valueAt(second.object, "metadata.continue")) },
    });
    expect(valueAt(last.object, "metadata.continue")).toBeUndefined();
    expect(valueAt(last.object, "items.0.metadata.name")).toBe("e");
  });

  test("continued after compaction is 410 Expired", async () => {
    const cluster = await TestCluster.started();
    for (const name of ["a", "b", "c"]) await cluster.create("configmaps", configMap(name));
    const first = await cluster.send("list", "configmaps", { query: { limit: "1" } });
    await cluster.create("configmaps", configMap("d"));
    await cluster.store.compact(cluster.store.revision);
    const query = { limit: "1", continue: String(valueAt(first.object, "metadata.continue")) };
    const error = await refusal(cluster.send("list", "configmaps", { query }));
    expect([error.code, error.reason]).toEqual([410, "Expired"]);
  });

  test("narrows by labels and fields, also in pages", async () => {
    const cluster = await TestCluster.started();
    for (const [at, name] of ["a", "b", "c", "d"].entries())
      await cluster.create("configmaps", { metadata: { name, labels: { odd: String(at % 2) } } });
    const names = async (query: Record<string, string>) =>
      (await cluster.list("configmaps", query)).map((item) => valueAt(item, "metadata.name"));
    expect(await names({ labelSelector: "odd=1" })).toEqual(["b", "d"]);
    expect(await names({ labelSelector: "odd=1", limit: "1" })).toEqual(["b"]);
    expect(await names({ fieldSelector: "metadata.name!=a,metadata.name!=c" })).toEqual(["b", "d"]);
    expect(await names({ fieldSelector: "metadata.name=c" })).toEqual(["c"]);
    expect((await refusal(cluster.list("configmaps", { fieldSelector: "spec.x=1" }))).code).toBe(400);
    expect((await refusal(cluster.list("configmaps", { labelSelector: "a in" }))).code).toBe(400);
  });

  test("at an exact revision shows the past, of the future is refused", async () => {
    const cluster = await TestCluster.started();
    const { resourceVersion } = {
      resourceVersion: String(valueAt(await cluster.create("configmaps", configMap("a")), "metadata.resourceVersion")),
    };
    await cluster.create("configmaps", configMap("b"));
    expect(await cluster.list("configmaps", { resourceVersion, resourceVersionMatch: "Exact" })).toHaveLength(1);
    expect(await cluster.list("configmaps", { resourceVersion, resourceVersionMatch: "NotOlderThan" })).toHaveLength(2);
    const error = await refusal(cluster.list("configmaps", { resourceVersion: "999" }));
    expect([error.code, error.message]).toEqual([504, "Too large resource version: 999, current: 4"]);
  });

  test("of every namespace at once", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("namespaces", { metadata: { name: "shop" } });
    await cluster.create("configmaps", configMap("a"));
    await cluster.create("configmaps", configMap("b"), { namespace: "shop" });
    expect(await cluster.list("configmaps", {}, { namespace: undefined })).toHaveLength(2);
    expect(await cluster.list("configmaps", {}, { namespace: "shop" })).toHaveLength(1);
  });
});

describe("who may", () => {
  test("others than administrators and components are refused in Kubernetes' words", async () => {
    const cluster = await TestCluster.started();
    const identity = { name: "jane", groups: ["system:authenticated"] };
    const error = await refusal(cluster.list("pods", {}, { identity }));
    expect([error.code, error.message]).toEqual([
      403,
      'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    ]);
    const everywhere = await refusal(cluster.list("deployments", {}, { identity, namespace: undefined }));
    expect(everywhere.message).toBe(
      'deployments.apps is forbidden: User "jane" cannot list resource "deployments" in API group "apps" at the cluster scope',
    );
    for (const name of ["system:anonymous", "system:serviceaccount:default:default"])
      expect((await refusal(cluster.get("pods", "web", { identity: { name, groups: [] } }))).code).toBe(403);
    expect(await cluster.list("pods", {}, { identity: { name: "system:kube-scheduler", groups: [] } })).toEqual([]);
    expect(await cluster.list("pods", {}, { identity: admin })).toEqual([]);
  });

  test("an unknown resource is 404", async () => {
    const cluster = await TestCluster.started();
    const request = cluster.request("get", "pods", { name: "x" });
    const error = await refusal(
      cluster.core.call({ ...request, resource: { group: "", version: "v1", plural: "pots" } }),
    );
    expect([error.code, error.message]).toEqual([404, "the server could not find the requested resource"]);
  });
});
