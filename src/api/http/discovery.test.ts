import { expect, test } from "bun:test";
import { testServer } from "./http.test_support.ts";

const aggregated = (version: string) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;

test.each(["v2", "v2beta1"])("aggregated discovery answers in the version that was asked for: %s", async (version) => {
  const server = testServer();
  const response = await server.fetch("/apis", { headers: { accept: `${aggregated(version)},application/json` } });
  expect(response.headers.get("content-type")).toBe(aggregated(version));
  const body = await response.json();
  expect(body).toMatchObject({ kind: "APIGroupDiscoveryList", apiVersion: `apidiscovery.k8s.io/${version}` });
  const apps = body.items.find((group: { metadata: { name: string } }) => group.metadata.name === "apps");
  expect(apps.versions[0].resources[0]).toMatchObject({
    resource: "deployments",
    responseKind: { group: "apps", version: "v1", kind: "Deployment" },
    scope: "Namespaced",
    singularResource: "deployment",
    shortNames: ["deploy"],
    categories: ["all"],
    subresources: [
      { subresource: "scale", responseKind: { group: "autoscaling", version: "v1", kind: "Scale" } },
      { subresource: "status", responseKind: { group: "apps", version: "v1", kind: "Deployment" } },
    ],
  });
});

test("the client's first choice wins, and plain JSON gets the legacy form", async () => {
  const server = testServer();
  const both = await server.fetch("/api", { headers: { accept: `${aggregated("v2")},${aggregated("v2beta1")}` } });
  expect(both.headers.get("content-type")).toBe(aggregated("v2"));
  expect(await (await server.fetch("/api")).json()).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
  const groups = await (await server.fetch("/apis", { headers: { accept: "application/json" } })).json();
  expect(groups.groups.map((group: { name: string }) => group.name)).toContain("apps");
  expect(groups.groups.map((group: { name: string }) => group.name)).not.toContain("");
});

test("the legacy list of v1 shows what drain looks for: pods/eviction of policy/v1", async () => {
  const server = testServer();
  const { resources } = await (await server.fetch("/api/v1")).json();
  expect(resources).toContainEqual({
    name: "pods/eviction",
    singularName: "",
    namespaced: true,
    group: "policy",
    version: "v1",
    kind: "Eviction",
    verbs: ["create"],
  });
  expect((await server.fetch("/apis/none/v1")).status).toBe(404);
  expect(await (await server.fetch("/apis/apps")).json()).toMatchObject({ preferredVersion: { version: "v1" } });
});
