import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { allKinds } from "./all.ts";
import { Scale } from "./autoscaling/scale.ts";
import { DeleteOptions, Status } from "./meta.ts";
import { type Field, fieldType, type Message, type Type } from "./schema.ts";

/** The published 1.35 definitions lie beside the repository; where they do not, there is nothing to compare with. */
const data = join(import.meta.dirname, "../../../shared/data");
const there = existsSync(join(data, "kubernetes-openapi-1.35.json"));

interface Property {
  readonly type?: string;
  readonly format?: string;
  readonly $ref?: string;
  readonly items?: Property;
  readonly additionalProperties?: Property;
  readonly [extension: `x-kubernetes-${string}`]: unknown;
}
interface Definition {
  readonly properties?: Readonly<Record<string, Property>>;
  readonly required?: readonly string[];
  readonly "x-kubernetes-map-type"?: string;
}

const read = (file: string): unknown => (there ? JSON.parse(readFileSync(join(data, file), "utf8")) : {});
// The files are the facts that this test is about; a wrong shape fails it.
const { definitions = {} } = read("kubernetes-openapi-1.35.json") as { definitions?: Record<string, Definition> };
const numbers = read("protobuf-fields.json") as Record<string, Record<string, readonly [number, ...string[]]>>;

const scalars: Readonly<Record<string, string>> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intOrString",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
  "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microTime",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Duration": "duration",
  "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "fieldsV1",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
};

function publishedType(property: Property): string {
  const { type, format, $ref, items, additionalProperties } = property;
  if ($ref !== undefined) {
    const name = $ref.slice("#/definitions/".length);
    return scalars[name] ?? name;
  }
  if (items !== undefined) return `list of ${publishedType(items)}`;
  if (additionalProperties !== undefined) return `map of ${publishedType(additionalProperties)}`;
  if (type === "string") return format === "byte" ? "bytes" : "string";
  if (type === "integer") return format === "int64" ? "int64" : "int32";
  return type === "number" ? "double" : (type ?? "any");
}

function ourType(type: Type): string {
  if (type.type === "message") return type.name;
  if (type.type === "list") return `list of ${ourType(type.item)}`;
  return type.type === "map" ? `map of ${ourType(type.value)}` : type.type;
}

function innermost(type: Type): Type {
  if (type.type === "list") return innermost(type.item);
  return type.type === "map" ? innermost(type.value) : type;
}

/** Every message that the kinds reach, by name. */
function reachable(): Map<string, Message> {
  const found = new Map<string, Message>();
  const visit = (message: Message) => {
    if (found.get(message.name) === message) return;
    found.set(message.name, message);
    for (const field of Object.values(message.fields)) {
      const type = innermost(fieldType(field));
      if (type.type === "message") visit(type);
    }
  };
  for (const { schema } of allKinds) visit(schema);
  for (const message of [Scale, Status, DeleteOptions]) visit(message);
  return found;
}

const goNames = (name: string) => name.replace("io.k8s.", "k8s.io.");

/** Numbers from the message down to the field; Go's inlined structs make the path longer than one. */
function publishedNumbers(definition: string, field: string): readonly number[] {
  const own = numbers[goNames(definition)] ?? {};
  const same = (name: string) => name.toLowerCase() === field.toLowerCase();
  for (const [name, [number]] of Object.entries(own)) if (same(name)) return [number];
  for (const [name, [number, type = ""]] of Object.entries(own)) {
    if (definitions[definition]?.properties?.[name] !== undefined) continue;
    for (const [inner, [innerNumber]] of Object.entries(numbers[type] ?? {}))
      if (same(inner)) return [number, innerNumber];
  }
  return [];
}

function publishedOptions(property: Property): Record<string, unknown> {
  return {
    patchMergeKey: property["x-kubernetes-patch-merge-key"],
    patchStrategy: property["x-kubernetes-patch-strategy"],
    listType: property["x-kubernetes-list-type"],
    listMapKeys: property["x-kubernetes-list-map-keys"],
    mapType: property["x-kubernetes-map-type"],
  };
}

function ourOptions({ options }: Field): Record<string, unknown> {
  const { patchMergeKey, patchStrategy, listType, listMapKeys, mapType } = options;
  return { patchMergeKey, patchStrategy, listType, listMapKeys, mapType };
}

describe.skipIf(!there)("the published 1.35 definitions", () => {
  const messages = reachable();

  test("are reached from the kinds of the first release", () => {
    expect(messages.size).toBeGreaterThan(150);
    expect([...messages.keys()]).toContain("io.k8s.api.core.v1.EphemeralContainer");
  });

  for (const [name, message] of messages) {
    test(`have the same fields as ${name}`, () => {
      const definition = definitions[name];
      if (definition === undefined) throw new Error(`Cannot find a definition ${name}: check its spelling`);
      const properties = definition.properties ?? {};
      expect(Object.keys(message.fields).sort()).toEqual(Object.keys(properties).sort());
      expect(message.mapType).toBe(definition["x-kubernetes-map-type"] as typeof message.mapType);
      for (const [field, descriptor] of Object.entries(message.fields)) {
        const property = properties[field] ?? {};
        const ours = {
          field,
          type: ourType(fieldType(descriptor)),
          required: descriptor.required,
          number: descriptor.number,
          ...ourOptions(descriptor),
        };
        const published: Record<string, unknown> = {
          field,
          type: publishedType(property),
          required: definition.required?.includes(field) ?? false,
          number: publishedNumbers(name, field),
          ...publishedOptions(property),
        };
        expect<Record<string, unknown>>(ours).toEqual(published);
      }
    });
  }
});

interface Route {
  readonly path: string;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const routes: Route[] = there
  ? readFileSync(join(data, "kubernetes-paths-1.35.tsv"), "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const [path = "", verb = "", group = "", version = "", kind = ""] = line.split("\t");
        return { path, verb, group, version, kind };
      })
  : [];

describe.skipIf(!there)("the published 1.35 paths", () => {
  const verbs: Readonly<Record<string, string>> = { post: "create", put: "update", patch: "patch", get: "get" };

  for (const kind of allKinds) {
    const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
    const collection = `${root}/${kind.namespaced ? "namespaces/{namespace}/" : ""}${kind.plural}`;

    test(`have ${kind.plural} where the kind says they are`, () => {
      const create = routes.find(({ path, verb }) => path === collection && verb === "post");
      expect(create).toMatchObject({ group: kind.group, version: kind.version, kind: kind.kind });
    });

    test(`have the subresources of ${kind.plural}, each with its kind`, () => {
      const published = new Map<string, { kind: string; verbs: Set<string> }>();
      for (const route of routes) {
        if (!route.path.startsWith(`${collection}/{name}/`)) continue;
        const name = route.path.slice(`${collection}/{name}/`.length);
        if (name === "" || name.includes("/")) continue;
        const known = published.get(name) ?? {
          kind: `${route.group}/${route.version}/${route.kind}`,
          verbs: new Set(),
        };
        published.set(name, known);
        const verb = verbs[route.verb];
        if (verb !== undefined) known.verbs.add(verb);
      }
      const own = (kind.subresources ?? []).map(({ name }) => name);
      if (kind.status) own.push("status");
      if (kind.scale) own.push("scale");
      expect(own.sort()).toEqual([...published.keys()].sort());
      for (const subresource of kind.subresources ?? []) {
        const { name, group, version } = subresource;
        const expected = published.get(name);
        expect(`${group}/${version}/${subresource.kind}`).toBe(expected?.kind ?? "");
        // What is connected to passes methods through, and the paths do not say which.
        if (expected !== undefined && expected.verbs.size > 0)
          expect([...subresource.verbs].sort()).toEqual([...expected.verbs].sort());
      }
    });
  }
});
