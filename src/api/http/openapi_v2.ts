import { ListMeta } from "../../kinds/meta.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { verbsOf } from "./api_resources.ts";
import { isRecord } from "./json_value.ts";
import { type JsonSchema, SchemaCollection, swaggerDialect } from "./openapi_schemas.ts";
import { field, joined } from "./protobuf_writer.ts";

/**
 * OpenAPI v2, for the one thing that clients of today still read it for: kubectl checks the items of a `kind: List` against
 * its definitions, because no path of v3 is that of a List. It has every kind's definition and no paths.
 */
export interface OpenApiV2 {
  readonly swagger: "2.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, never>>;
  readonly definitions: Readonly<Record<string, JsonSchema>>;
}

export function openApiV2(kinds: KindRegistry, productVersion: string): OpenApiV2 {
  const schemas = new SchemaCollection(swaggerDialect);
  for (const kind of kinds.kinds) {
    const identity = { group: kind.group, version: kind.version, kind: kind.kind };
    schemas.add(kind.schema, [identity]);
    if (verbsOf(kind).includes("list"))
      schemas.addList(kind.schema, ListMeta, { ...identity, kind: `${kind.kind}List` });
  }
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: productVersion },
    paths: {},
    definitions: schemas.sorted(),
  };
}

/** The document as the message openapi.v2.Document (github.com/google/gnostic-models): what kubectl asks for. */
export function encodeOpenApiV2({ swagger, info, definitions }: OpenApiV2): Uint8Array<ArrayBuffer> {
  return joined([
    field(1, swagger),
    field(2, joined([field(1, info.title), field(2, info.version)])),
    field(8, ""),
    field(9, namedSchemas(definitions)),
  ]);
}

/** Definitions and Properties alike: repeated NamedSchema. */
function namedSchemas(schemas: Readonly<Record<string, unknown>>): Uint8Array {
  return joined(
    Object.entries(schemas).map(([name, schema]) => field(1, joined([field(1, name), field(2, encodeSchema(schema))]))),
  );
}

/** openapi.v2.Schema, of the keywords that openapi_schemas.ts writes. */
function encodeSchema(schema: unknown): Uint8Array {
  if (!isRecord(schema)) return new Uint8Array(0);
  return joined(Object.entries(schema).flatMap(([keyword, value]) => encodeKeyword(keyword, value)));
}

function encodeKeyword(keyword: string, value: unknown): Uint8Array[] {
  switch (keyword) {
    case "$ref":
      return [field(1, String(value))];
    case "format":
      return [field(2, String(value))];
    case "default":
      return [field(5, anyValue(value))];
    case "required":
      return Array.isArray(value) ? value.map((name) => field(19, String(name))) : [];
    case "additionalProperties":
      return [field(21, field(1, encodeSchema(value)))];
    case "type":
      return [field(22, field(1, String(value)))];
    case "items":
      return [field(23, field(1, encodeSchema(value)))];
    case "properties":
      // Present but empty would mean that no field is known; absent it means that any is taken.
      return isRecord(value) && Object.keys(value).length > 0 ? [field(25, namedSchemas(value))] : [];
    default:
      if (keyword.startsWith("x-")) return [field(31, joined([field(1, keyword), field(2, anyValue(value))]))];
      throw new Error(`Cannot write the keyword "${keyword}" of an OpenAPI v2 schema: add its field number here`);
  }
}

/** openapi.v2.Any holds YAML; JSON is YAML. */
function anyValue(value: unknown): Uint8Array {
  return field(2, JSON.stringify(value));
}
