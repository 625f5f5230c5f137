import { type Field, fieldType, type Message, type Type } from "../../kinds/schema.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const apimachinery = "io.k8s.apimachinery.pkg";

/** How a version of OpenAPI refers to a definition, and what it says of scalars that have several forms. */
export interface OpenApiDialect {
  readonly references: string;
  readonly quantity: JsonSchema;
  readonly intOrString: JsonSchema;
  readonly any: JsonSchema;
}

/** Version 3. */
export const openApiDialect: OpenApiDialect = {
  references: "#/components/schemas/",
  quantity: { oneOf: [{ type: "string" }, { type: "number" }] },
  intOrString: { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
  any: { type: "object" },
};

/** Version 2, which has no oneOf: its readers take a number where a string is named; what has no type may be anything. */
export const swaggerDialect: OpenApiDialect = {
  references: "#/definitions/",
  quantity: { type: "string" },
  intOrString: { type: "string", format: "int-or-string" },
  any: {},
};

/** Scalars that the published definitions name. */
function namedScalars({ quantity, intOrString, any }: OpenApiDialect) {
  const named: Readonly<Record<string, readonly [name: string, schema: JsonSchema]>> = {
    quantity: [`${apimachinery}.api.resource.Quantity`, quantity],
    intOrString: [`${apimachinery}.util.intstr.IntOrString`, intOrString],
    time: [`${apimachinery}.apis.meta.v1.Time`, { type: "string", format: "date-time" }],
    microTime: [`${apimachinery}.apis.meta.v1.MicroTime`, { type: "string", format: "date-time" }],
    duration: [`${apimachinery}.apis.meta.v1.Duration`, { type: "string" }],
    fieldsV1: [`${apimachinery}.apis.meta.v1.FieldsV1`, { type: "object" }],
    any: [`${apimachinery}.runtime.RawExtension`, any],
  };
  return named;
}
const plain: Readonly<Record<string, JsonSchema>> = {
  string: { type: "string" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  double: { type: "number", format: "double" },
  boolean: { type: "boolean" },
  bytes: { type: "string", format: "byte" },
};

/** The definitions of one document: grows by every message that is asked for, and by what it refers to. */
export class SchemaCollection {
  readonly #schemas: Record<string, JsonSchema> = {};
  readonly #dialect: OpenApiDialect;
  readonly #named: ReturnType<typeof namedScalars>;

  constructor(dialect: OpenApiDialect) {
    this.#dialect = dialect;
    this.#named = namedScalars(dialect);
  }

  /** By name. */
  sorted(): Record<string, JsonSchema> {
    return Object.fromEntries(Object.entries(this.#schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** A reference to the message's schema; `identity` says which objects it describes. */
  add(message: Message, identity: readonly GroupVersionKind[] = []): JsonSchema {
    if (!(message.name in this.#schemas)) {
      // Entered before its fields are walked: a type may refer to itself.
      this.#schemas[message.name] = {};
      const properties: Record<string, JsonSchema> = {};
      const required: string[] = [];
      for (const [name, field] of Object.entries(message.fields)) {
        properties[name] = this.#property(field);
        if (field.required) required.push(name);
      }
      this.#schemas[message.name] = {
        type: "object",
        properties,
        ...(required.length > 0 ? { required } : {}),
        ...(message.mapType ? { "x-kubernetes-map-type": message.mapType } : {}),
      };
    }
    if (identity.length > 0)
      this.#schemas[message.name] = { ...this.#schemas[message.name], "x-kubernetes-group-version-kind": identity };
    return this.#reference(message.name);
  }

  /** The list kind of a kind: apiVersion, kind, metadata and items. */
  addList(message: Message, listMeta: Message, identity: GroupVersionKind): JsonSchema {
    const name = `${message.name}List`;
    this.#schemas[name] = {
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
    return this.#reference(name);
  }

  #reference(name: string): JsonSchema {
    return { $ref: `${this.#dialect.references}${name}` };
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
    const known = this.#named[type.type];
    if (!known) return plain[type.type] ?? {};
    const [name, schema] = known;
    this.#schemas[name] = schema;
    return this.#reference(name);
  }
}
