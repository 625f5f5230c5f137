import { type Field, fieldType, type Message, type Type } from "../../kinds/schema.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const apimachinery = "io.k8s.apimachinery.pkg";
/** Scalars that the published definitions name. */
const named: Readonly<Record<string, readonly [name: string, schema: JsonSchema]>> = {
  quantity: [`${apimachinery}.api.resource.Quantity`, { oneOf: [{ type: "string" }, { type: "number" }] }],
  intOrString: [
    `${apimachinery}.util.intstr.IntOrString`,
    { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
  ],
  time: [`${apimachinery}.apis.meta.v1.Time`, { type: "string", format: "date-time" }],
  microTime: [`${apimachinery}.apis.meta.v1.MicroTime`, { type: "string", format: "date-time" }],
  duration: [`${apimachinery}.apis.meta.v1.Duration`, { type: "string" }],
  fieldsV1: [`${apimachinery}.apis.meta.v1.FieldsV1`, { type: "object" }],
  any: [`${apimachinery}.runtime.RawExtension`, { type: "object" }],
};
const plain: Readonly<Record<string, JsonSchema>> = {
  string: { type: "string" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  double: { type: "number", format: "double" },
  boolean: { type: "boolean" },
  bytes: { type: "string", format: "byte" },
};

export function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** components.schemas of one document: grows by every message that is asked for, and by what it refers to. */
export class SchemaCollection {
  readonly schemas: Record<string, JsonSchema> = {};

  /** A reference to the message's schema; `identity` says which objects it describes. */
  add(message: Message, identity: readonly GroupVersionKind[] = []): JsonSchema {
    if (!(message.name in this.schemas)) {
      // Entered before its fields are walked: a type may refer to itself.
      this.schemas[message.name] = {};
      const properties: Record<string, JsonSchema> = {};
      const required: string[] = [];
      for (const [name, field] of Object.entries(message.fields)) {
        properties[name] = this.#property(field);
        if (field.required) required.push(name);
      }
      this.schemas[message.name] = {
        type: "object",
        properties,
        ...(required.length > 0 ? { required } : {}),
        ...(message.mapType ? { "x-kubernetes-map-type": message.mapType } : {}),
      };
    }
    if (identity.length > 0)
      this.schemas[message.name] = { ...this.schemas[message.name], "x-kubernetes-group-version-kind": identity };
    return reference(message.name);
  }

  /** The list kind of a kind: apiVersion, kind, metadata and items. */
  addList(message: Message, listMeta: Message, identity: GroupVersionKind): JsonSchema {
    const name = `${message.name}List`;
    this.schemas[name] = {
      type: "object",
      properties: {
        apiVersion: { type: "string" },
        items: { type: "array", items: this.add(message) },
        kind: { type: "string" },
        metadata: this.add(listMeta),
      },
      required: ["items"],
      "x-kubernetes-group-version-kind": [identity],
    };
    return reference(name);
  }

  #property(field: Field): JsonSchema {
    const { patchMergeKey, patchStrategy, listType, listMapKeys, mapType, default: preset } = field.options;
    return {
      ...this.#type(fieldType(field)),
      ...(preset === undefined ? {} : { default: preset }),
      ...(listType ? { "x-kubernetes-list-type": listType } : {}),
      ...(listMapKeys ? { "x-kubernetes-list-map-keys": listMapKeys } : {}),
      ...(mapType ? { "x-kubernetes-map-type": mapType } : {}),
      ...(patchMergeKey ? { "x-kubernetes-patch-merge-key": patchMergeKey } : {}),
      ...(patchStrategy ? { "x-kubernetes-patch-strategy": patchStrategy } : {}),
    };
  }

  #type(type: Type): JsonSchema {
    if (type.type === "message") return this.add(type);
    if (type.type === "list") return { type: "array", items: this.#type(type.item) };
    if (type.type === "map") return { type: "object", additionalProperties: this.#type(type.value) };
    const known = named[type.type];
    if (!known) return plain[type.type] ?? {};
    const [name, schema] = known;
    this.schemas[name] = schema;
    return reference(name);
  }
}
