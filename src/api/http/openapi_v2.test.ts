import { expect, test } from "bun:test";
import { list, type Message, message, optional, string } from "../../kinds/schema.ts";
import { testServer } from "./http.test_support.ts";
import { isRecord } from "./json_value.ts";
import { decodeMessage } from "./protobuf.ts";

/** What kubectl asks by when it validates the items of a List. */
const accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/** The messages of github.com/google/gnostic-models/openapiv2 that the document has. */
const Any = message("Any", { yaml: optional(2, string) });
const NamedAny = message("NamedAny", { name: optional(1, string), value: optional(2, Any) });
const Schema: Message = message("Schema", {
  $ref: optional(1, string),
  format: optional(2, string),
  default: optional(5, Any),
  required: optional(19, list(string)),
  additionalProperties: optional(21, () => message("AdditionalPropertiesItem", { schema: optional(1, Schema) })),
  type: optional(22, message("TypeItem", { value: optional(1, list(string)) })),
  items: optional(23, () => message("ItemsItem", { schema: optional(1, Schema) })),
  properties: optional(25, () => Named),
  extensions: optional(31, list(NamedAny)),
});
const NamedSchema = message("NamedSchema", { name: optional(1, string), value: optional(2, Schema) });
const Named = message("Definitions", { entries: optional(1, list(NamedSchema)) });
const Document = message("Document", {
  swagger: optional(1, string),
  info: optional(2, message("Info", { title: optional(1, string), version: optional(2, string) })),
  definitions: optional(9, Named),
});

/** A decoded Schema back in OpenAPI's own words. */
function inWords(schema: unknown): unknown {
  if (!isRecord(schema)) return {};
  const words: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    const record = isRecord(value) ? value : {};
    if (key === "properties") words.properties = namedInWords(value);
    else if (key === "items" || key === "additionalProperties") words[key] = inWords(record.schema);
    else if (key === "type" && Array.isArray(record.value)) words.type = record.value[0];
    else if (key === "default") words.default = JSON.parse(String(record.yaml));
    else if (key === "extensions" && Array.isArray(value))
      for (const { name, value: any } of value) words[name] = JSON.parse(any.yaml);
    else words[key] = value;
  }
  return words;
}

function namedInWords(named: unknown): Record<string, unknown> {
  const entries = isRecord(named) && Array.isArray(named.entries) ? named.entries : [];
  return Object.fromEntries(entries.map(({ name, value }) => [name, inWords(value)]));
}

test("kubectl's protobuf says what the JSON says, of every kind and its list", async () => {
  const server = testServer();
  const asJson = await (await server.fetch("/openapi/v2")).json();
  const response = await server.fetch("/openapi/v2", { headers: { accept } });
  expect(response.headers.get("content-type")).toBe("application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  const { definitions, ...rest } = decodeMessage(Document, new Uint8Array(await response.arrayBuffer()));
  expect(rest).toEqual({ swagger: "2.0", info: asJson.info });
  const decoded = namedInWords(definitions);
  // A message without fields is written without properties, for its readers would take none at all.
  for (const schema of Object.values<Record<string, unknown>>(asJson.definitions))
    if (isRecord(schema.properties) && Object.keys(schema.properties).length === 0) delete schema.properties;
  expect(decoded).toEqual(asJson.definitions);
  expect(decoded["io.k8s.api.apps.v1.Deployment"]).toMatchObject({
    "x-kubernetes-group-version-kind": [{ group: "apps", version: "v1", kind: "Deployment" }],
    properties: { spec: { $ref: "#/definitions/io.k8s.api.apps.v1.DeploymentSpec" } },
  });
  expect(decoded["io.k8s.api.apps.v1.DeploymentList"]).toMatchObject({ required: ["items"] });
});

test("no reference of it leads nowhere, and a scalar of several forms has no single type that refuses the others", async () => {
  const text = await (await testServer().fetch("/openapi/v2")).text();
  const { definitions } = JSON.parse(text);
  for (const [, name] of text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g))
    expect(definitions).toHaveProperty([name ?? ""]);
  expect(text).not.toContain("oneOf");
  expect(definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"].type).toBe("string");
  expect(definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]).toEqual({ type: "string" });
});

test("a client that has the document in the form that it asks for gets 304, one that takes neither form 406", async () => {
  const server = testServer();
  const etag = (await server.fetch("/openapi/v2", { headers: { accept } })).headers.get("etag") ?? "";
  const ask = (headers: Record<string, string>) => server.fetch("/openapi/v2", { headers });
  expect((await ask({ accept, "if-none-match": etag })).status).toBe(304);
  expect((await ask({ accept: "application/json", "if-none-match": etag })).status).toBe(200);
  expect((await ask({ accept: "application/yaml" })).status).toBe(406);
});
