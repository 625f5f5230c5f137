import { describe, expect, test } from "bun:test";
import { refusal, TestCluster, valueAt } from "./cluster.test_support.ts";

const labelled = (name: string, app: string, data: Record<string, string> = {}) => ({
  metadata: { name, labels: { app } },
  data,
});

describe("a watch", () => {
  test("without resourceVersion begins with what is there and goes on with changes", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", labelled("a", "x"));
    const watch = cluster.watch("configmaps");
    expect(await watch.names(1)).toEqual(["ADDED a"]);
    const pending = watch.names(3);
    await cluster.create("configmaps", labelled("b", "x"));
    await cluster.update("configmaps", "a", labelled("a", "x", { k: "v" }));
    await cluster.delete("configmaps", "b");
    expect(await pending).toEqual(["ADDED b", "MODIFIED a", "DELETED b"]);
    watch.abort();
    expect(await watch.next()).toBeUndefined();
  });

  test("from a resourceVersion sees what came after it, from memory and from the store's history", async () => {
    const cluster = await TestCluster.started();
    const first = await cluster.create("configmaps", labelled("a", "x"));
    const resourceVersion = String(valueAt(first, "metadata.resourceVersion"));
    await cluster.create("configmaps", labelled("b", "x"));
    await cluster.delete("configmaps", "a");
    // Nobody has watched yet: this one is served from the store.
    const old = cluster.watch("configmaps", { resourceVersion });
    expect(await old.names(2)).toEqual(["ADDED b", "DELETED a"]);
    const later = await cluster.create("configmaps", labelled("c", "x"));
    expect(await old.names(1)).toEqual(["ADDED c"]);
    await cluster.create("configmaps", labelled("d", "x"));
    const recent = cluster.watch("configmaps", {
      resourceVersion: String(valueAt(later, "metadata.resourceVersion")),
    });
    expect(await recent.names(1)).toEqual(["ADDED d"]);
  });

  test("shares the object that get returns, and tells a deletion at its own revision", async () => {
    const cluster = await TestCluster.started();
    const watch = cluster.watch("configmaps");
    const pending = watch.next();
    await cluster.create("configmaps", labelled("a", "x"));
    expect((await pending)?.object).toBe(await cluster.get("configmaps", "a"));
    await cluster.delete("configmaps", "a");
    const deleted = await watch.next();
    expect(deleted?.type).toBe("DELETED");
    expect(valueAt(deleted?.object, "metadata.resourceVersion")).toBe(String(cluster.store.revision));
    expect(valueAt(deleted?.object, "metadata.labels.app")).toBe("x");
  });

  test("with a selector turns entering into ADDED and leaving into DELETED", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", labelled("a", "x"));
    const watch = cluster.watch("configmaps", { labelSelector: "app=x" });
    expect(await watch.names(1)).toEqual(["ADDED a"]);
    await cluster.update("configmaps", "a", labelled("a", "y"));
    await cluster.update("configmaps", "a", labelled("a", "z"));
    await cluster.update("configmaps", "a", labelled("a", "x"));
    await cluster.update("configmaps", "a", labelled("a", "x", { k: "v" }));
    const left = await watch.next();
    expect([left?.type, valueAt(left?.object, "metadata.labels.app")]).toEqual(["DELETED", "x"]);
    expect(await watch.names(2)).toEqual(["ADDED a", "MODIFIED a"]);
  });

  test("of one namespace, or of one name, sees nothing else", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("namespaces", { metadata: { name: "shop" } });
    const shop = cluster.watch("configmaps", {}, { namespace: "shop" });
    const one = cluster.watch("configmaps", { fieldSelector: "metadata.name=b" });
    const pending = [shop.names(1), one.names(1)];
    await cluster.create("configmaps", labelled("a", "x"));
    await cluster.create("configmaps", labelled("b", "x"));
    await cluster.create("configmaps", labelled("c", "x"), { namespace: "shop" });
    expect(await Promise.all(pending)).toEqual([["ADDED c"], ["ADDED b"]]);
  });

  test("in the WatchList form marks the end of the initial events", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", labelled("a", "x"));
    const watch = cluster.watch("configmaps", {
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
      allowWatchBookmarks: "true",
    });
    expect(await watch.names(1)).toEqual(["ADDED a"]);
    const mark = await watch.next();
    expect(mark).toEqual({
      type: "BOOKMARK",
      object: {
        kind: "ConfigMap",
        apiVersion: "v1",
        metadata: { resourceVersion: "3", annotations: { "k8s.io/initial-events-end": "true" } },
      },
    });
    const pending = watch.names(1);
    await cluster.create("configmaps", labelled("b", "x"));
    expect(await pending).toEqual(["ADDED b"]);
  });

  test("sends a bookmark each minute, with the revision that all have seen", async () => {
    const cluster = await TestCluster.started();
    const watch = cluster.watch("configmaps", { allowWatchBookmarks: "true", resourceVersion: "2" });
    const pending = watch.next();
    await cluster.create("secrets", { metadata: { name: "s" } });
    cluster.clock.advance(60_000);
    expect(await pending).toMatchObject({ type: "BOOKMARK", object: { metadata: { resourceVersion: "3" } } });
    const second = watch.next();
    cluster.clock.advance(60_000);
    expect((await second)?.type).toBe("BOOKMARK");
    watch.abort();
    await watch.next();
    expect(cluster.clock.timers).toBe(0);
  });

  test("ends after timeoutSeconds", async () => {
    const cluster = await TestCluster.started();
    const watch = cluster.watch("configmaps", { timeoutSeconds: "30", resourceVersion: "2" });
    const pending = watch.next();
    await Promise.resolve();
    cluster.clock.advance(30_000);
    expect(await pending).toBeUndefined();
  });

  test("from a compacted revision is 410 Expired", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("configmaps", labelled("a", "x"));
    await cluster.store.compact(3);
    const error = await refusal(cluster.watch("configmaps", { resourceVersion: "1" }).next());
    expect([error.code, error.reason, error.message]).toEqual([410, "Expired", "too old resource version: 1 (3)"]);
  });

  test("that nobody reads is dropped, and the others go on", async () => {
    const cluster = await TestCluster.started();
    const slow = cluster.watch("configmaps", { resourceVersion: "2" });
    const quick = cluster.watch("configmaps", { resourceVersion: "2" });
    const started = [slow.next(), quick.next()];
    await cluster.create("configmaps", labelled("a", "x"));
    await Promise.all(started);
    for (let at = 0; at <= 1_001; at++) {
      await cluster.update("configmaps", "a", labelled("a", "x", { at: String(at) }));
      await quick.next();
    }
    expect((await refusal(slow.next())).code).toBe(429);
    const pending = quick.names(1);
    await cluster.delete("configmaps", "a");
    expect(await pending).toEqual(["DELETED a"]);
  });

  test("with a bad query or without rights is refused when it is asked for", async () => {
    const cluster = await TestCluster.started();
    expect(() => cluster.watch("configmaps", { labelSelector: "a in" })).toThrow("unable to parse requirement");
    expect(() => cluster.watch("configmaps", { sendInitialEvents: "true" })).toThrow(
      "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    );
    expect(() => cluster.watch("pods", {}, { identity: { name: "jane", groups: [] } })).toThrow(
      'User "jane" cannot watch resource "pods"',
    );
  });

  test("ends with 503 when the store closes", async () => {
    const cluster = await TestCluster.started();
    const watch = cluster.watch("configmaps");
    const first = watch.next();
    await cluster.create("configmaps", labelled("a", "x"));
    expect((await first)?.type).toBe("ADDED");
    const pending = refusal(watch.next());
    await cluster.store.close();
    expect((await pending).code).toBe(503);
  });
});
