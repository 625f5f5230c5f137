import { describe, expect, test } from "bun:test";
import { refusal, TestCluster, valueAt } from "./cluster.test_support.ts";

const type = "application/apply-patch+yaml";
const deployment = (spec: object = {}, metadata: object = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", ...metadata },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: { containers: [{ name: "nginx", image: "nginx", ports: [{ containerPort: 80 }] }] },
    },
    ...spec,
  },
});
const configMap = (data: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "web" },
  data,
});

function apply(
  cluster: TestCluster,
  plural: string,
  body: unknown,
  manager = "kubectl",
  query: Record<string, string> = {},
) {
  const where = { name: "web", patchType: type, query: { fieldManager: manager, ...query } };
  return cluster.send("patch", plural, where, body);
}

describe("apply", () => {
  test("creates what is absent, and says 201 and who owns what", async () => {
    const cluster = await TestCluster.started();
    const { code, object } = await apply(cluster, "deployments", deployment());
    expect(code).toBe(201);
    expect(valueAt(object, "metadata.managedFields")).toEqual([
      {
        manager: "kubectl",
        operation: "Apply",
        apiVersion: "apps/v1",
        fieldsType: "FieldsV1",
        time: "2026-01-02T03:04:05Z",
        fieldsV1: {
          "f:spec": {
            "f:selector": {},
            "f:template": {
              "f:metadata": { "f:labels": { "f:app": {} } },
              "f:spec": {
                "f:containers": {
                  'k:{"name":"nginx"}': {
                    ".": {},
                    "f:name": {},
                    "f:image": {},
                    "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
                  },
                },
              },
            },
          },
        },
      },
    ]);
  });

  test("of the same again writes nothing", async () => {
    const cluster = await TestCluster.started();
    const first = await apply(cluster, "deployments", deployment());
    const { writes } = cluster.store;
    cluster.clock.advance(5000);
    const { code, object } = await apply(cluster, "deployments", deployment());
    expect([code, cluster.store.writes]).toEqual([200, writes]);
    expect(object).toBe(first.object);
  });

  test("takes away what the applier no longer says, and leaves what others wrote", async () => {
    const cluster = await TestCluster.started();
    await apply(cluster, "configmaps", configMap({ a: "1", b: "2" }));
    await cluster.patch("configmaps", "web", "application/merge-patch+json", { data: { other: "x" } });
    expect((await apply(cluster, "configmaps", configMap({ b: "3" }))).object.data).toEqual({ b: "3", other: "x" });
  });

  test("merges lists by their keys: items of two appliers stand side by side", async () => {
    const cluster = await TestCluster.started();
    await apply(cluster, "deployments", deployment());
    const sidecar = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      spec: { template: { spec: { containers: [{ name: "sidecar", image: "log" }] } } },
    };
    const both = await apply(cluster, "deployments", sidecar, "injector");
    const names = (object: unknown) =>
      [0, 1]
        .map((at) => valueAt(object, `spec.template.spec.containers.${at}.name`))
        .filter(Boolean)
        .sort();
    expect(names(both.object)).toEqual(["nginx", "sidecar"]);
    const again = await apply(cluster, "deployments", deployment({ replicas: 2 }));
    expect(names(again.object)).toEqual(["nginx", "sidecar"]);
    const empty = { apiVersion: "apps/v1", kind: "Deployment" };
    expect(names((await apply(cluster, "deployments", empty, "injector")).object)).toEqual(["nginx"]);
  });

  test("of what another applier says differently is a conflict, and force takes it over", async () => {
    const cluster = await TestCluster.started();
    await apply(cluster, "deployments", deployment({ replicas: 1 }), "one");
    const error = await refusal(apply(cluster, "deployments", deployment({ replicas: 2 }), "two"));
    expect([error.code, error.reason, error.message]).toEqual([
      409,
      "Conflict",
      'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
    ]);
    expect(error.details?.causes?.[0]).toEqual({
      reason: "FieldManagerConflict",
      message: 'conflict with "one"',
      field: ".spec.replicas",
    });
    const forced = await apply(cluster, "deployments", deployment({ replicas: 2 }), "two", { force: "true" });
    expect(valueAt(forced.object, "spec.replicas")).toBe(2);
    // It is the other's no more: leaving it out does not take it away.
    const without = await apply(cluster, "deployments", deployment(), "one");
    expect(valueAt(without.object, "spec.replicas")).toBe(2);
  });

  test("of what another applier says too is shared: it goes with the last who says it", async () => {
    const cluster = await TestCluster.started();
    await apply(cluster, "configmaps", configMap({ a: "1" }), "one");
    await apply(cluster, "configmaps", configMap({ a: "1" }), "two");
    expect((await apply(cluster, "configmaps", configMap({}), "one")).object.data).toEqual({ a: "1" });
    expect((await apply(cluster, "configmaps", configMap({}), "two")).object.data).toEqual({});
  });

  test("keeps what it recorded through other writes", async () => {
    const cluster = await TestCluster.started();
    const { object } = await apply(cluster, "configmaps", configMap({ a: "1" }));
    const updated = await cluster.update("configmaps", "web", configMap({ a: "1", b: "2" }));
    expect(valueAt(updated, "metadata.managedFields")).toEqual(valueAt(object, "metadata.managedFields"));
  });

  test("with dryRun=All, without a manager, with managedFields, or of another name", async () => {
    const cluster = await TestCluster.started();
    const { writes } = cluster.store;
    const shown = await apply(cluster, "configmaps", configMap({ a: "1" }), "kubectl", { dryRun: "All" });
    expect([valueAt(shown.object, "data.a"), cluster.store.writes]).toEqual(["1", writes]);
    expect((await refusal(apply(cluster, "configmaps", configMap({}), ""))).message).toContain(
      "is required for apply patch",
    );
    const managed = { ...configMap({}), metadata: { name: "web", managedFields: [{ manager: "x" }] } };
    expect((await refusal(apply(cluster, "configmaps", managed))).message).toBe("metadata.managedFields must be nil");
    const other = { ...configMap({}), metadata: { name: "shop" } };
    expect((await refusal(apply(cluster, "configmaps", other))).code).toBe(400);
    const strict = { ...configMap({}), dat: {} };
    expect(
      (await refusal(apply(cluster, "configmaps", strict, "kubectl", { fieldValidation: "Strict" }))).message,
    ).toBe('strict decoding error: unknown field "dat"');
  });
});
