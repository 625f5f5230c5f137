import { expect, test } from "bun:test";
import { testServer } from "./http.test_support.ts";

async function document(server: ReturnType<typeof testServer>, path: string) {
  const { paths } = await (await server.fetch("/openapi/v3")).json();
  return server.fetch(paths[path].serverRelativeURL);
}

test("every group and version has a document, and no reference in it leads nowhere", async () => {
  const server = testServer();
  const { paths } = await (await server.fetch("/openapi/v3")).json();
  expect(Object.keys(paths)).toContain("apis/apps/v1");
  for (const path of Object.keys(paths)) {
    const text = await (await document(server, path)).text();
    const { components } = JSON.parse(text);
    for (const [, name] of text.matchAll(/#\/components\/schemas\/([^"]+)"/g))
      expect(components.schemas).toHaveProperty([name ?? ""]);
  }
});

test("a patch operation says what kubectl asks for: its kind, fieldValidation, dryRun, strategic merge", async () => {
  const server = testServer();
  const { paths, components } = await (await document(server, "apis/apps/v1")).json();
  const { patch } = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
  expect(patch["x-kubernetes-group-version-kind"]).toEqual({ group: "apps", kind: "Deployment", version: "v1" });
  expect(patch.parameters.map((one: { name: string }) => one.name)).toEqual(
    expect.arrayContaining(["fieldValidation", "dryRun"]),
  );
  expect(patch.requestBody.content).toHaveProperty(["application/strategic-merge-patch+json"]);
  const deployment = components.schemas["io.k8s.api.apps.v1.Deployment"];
  expect(deployment["x-kubernetes-group-version-kind"]).toEqual([{ group: "apps", version: "v1", kind: "Deployment" }]);
  expect(components.schemas["io.k8s.api.core.v1.PodSpec"].properties.containers).toMatchObject({
    type: "array",
    "x-kubernetes-patch-merge-key": "name",
    "x-kubernetes-patch-strategy": "merge",
  });
});

test("a document is cached by its hash: immutable under it, 304 when the client has it", async () => {
  const server = testServer();
  const response = await document(server, "api/v1");
  const etag = response.headers.get("etag") ?? "";
  expect(response.headers.get("cache-control")).toContain("immutable");
  const again = await server.fetch("/openapi/v3/api/v1", { headers: { "if-none-match": etag } });
  expect(again.status).toBe(304);
  expect((await server.fetch("/openapi/v3/api/v1?hash=OLD")).headers.get("cache-control")).not.toContain("immutable");
  expect((await server.fetch("/openapi/v3/apis/none/v1")).status).toBe(404);
});
