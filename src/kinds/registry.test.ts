import { describe, expect, test } from "bun:test";
import { allKinds } from "./all.ts";
import { KindRegistry } from "./registry.ts";

const registry = new KindRegistry(allKinds);

describe("the registry", () => {
  const words: [string, string][] = [
    ["po", "Pod"],
    ["pod", "Pod"],
    ["Pods", "Pod"],
    ["deploy", "Deployment"],
    ["deployments.apps", "Deployment"],
    ["deployment.v1.apps", "Deployment"],
    ["rs", "ReplicaSet"],
    ["svc", "Service"],
    ["ep", "Endpoints"],
    ["endpointslices.discovery.k8s.io", "EndpointSlice"],
    ["cm", "ConfigMap"],
    ["sa", "ServiceAccount"],
    ["ev", "Event"],
    ["no", "Node"],
    ["ns", "Namespace"],
    ["lease", "Lease"],
  ];
  for (const [word, kind] of words)
    test(`knows ${kind} by ${word}`, () => expect(registry.byWord(word)?.kind).toBe(kind));

  test("knows no word for what it has not", () => {
    expect(registry.byWord("toaster")).toBeUndefined();
    expect(registry.byWord("constructor")).toBeUndefined();
  });

  test("finds kinds by URL and by object", () => {
    expect(registry.byResource("", "v1", "pods")?.kind).toBe("Pod");
    expect(registry.byResource("apps", "v1", "pods")).toBeUndefined();
    expect(registry.byKind("apps/v1", "Deployment")?.plural).toBe("deployments");
    expect(registry.byKind("v1", "Deployment")).toBeUndefined();
  });

  test("lists the category all as kubectl get all shows it", () => {
    const kinds = registry.inCategory("all").map(({ kind }) => kind);
    expect(kinds).toEqual(["Pod", "Service", "ReplicaSet", "Deployment"]);
  });

  test("has every kind once", () => {
    expect(new Set(allKinds.map(({ apiVersion, kind }) => `${apiVersion}/${kind}`)).size).toBe(allKinds.length);
    for (const kind of allKinds) expect(registry.words()).toContain(kind.plural);
  });
});
