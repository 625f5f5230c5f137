/**
 * Writes the field descriptors of published definitions in the project's own form (src/kinds/schema.ts), as a start for
 * a new kind's file: `bun scripts/kinds_from_definitions.ts --data DIR OUT=DEFINITION[,DEFINITION...] ...`.
 * An existing file is never overwritten. Definitions that several outputs need must be named by one of them.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { z } from "zod";

interface Property {
  type?: string | undefined;
  format?: string | undefined;
  $ref?: string | undefined;
  items?: Property | undefined;
  additionalProperties?: Property | undefined;
  "x-kubernetes-list-type"?: string | undefined;
  "x-kubernetes-list-map-keys"?: string[] | undefined;
  "x-kubernetes-map-type"?: string | undefined;
  "x-kubernetes-patch-merge-key"?: string | undefined;
  "x-kubernetes-patch-strategy"?: string | undefined;
}
const Property: z.ZodType<Property> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    format: z.string().optional(),
    $ref: z.string().optional(),
    items: Property.optional(),
    additionalProperties: Property.optional(),
    "x-kubernetes-list-type": z.string().optional(),
    "x-kubernetes-list-map-keys": z.array(z.string()).optional(),
    "x-kubernetes-map-type": z.string().optional(),
    "x-kubernetes-patch-merge-key": z.string().optional(),
    "x-kubernetes-patch-strategy": z.string().optional(),
  }),
);
const Definition = z.object({
  properties: z.record(z.string(), Property).optional(),
  required: z.array(z.string()).optional(),
  "x-kubernetes-map-type": z.string().optional(),
});
const Definitions = z.object({ definitions: z.record(z.string(), Definition) });
const Numbers = z.record(z.string(), z.record(z.string(), z.tuple([z.number(), z.string()]).rest(z.string())));

const scalarRefs: Record<string, string> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intOrString",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
  "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microTime",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Duration": "duration",
  "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "fieldsV1",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
};

const args = process.argv.slice(2);
const dataIndex = args.indexOf("--data");
const dataDir = dataIndex >= 0 ? args.splice(dataIndex, 2)[1] : "../shared/data";
if (dataDir === undefined || args.length === 0) {
  console.error("usage: bun scripts/kinds_from_definitions.ts [--data DIR] OUT.ts=DEFINITION[,DEFINITION...] ...");
  process.exit(2);
}
const { definitions } = Definitions.parse(
  JSON.parse(readFileSync(join(dataDir, "kubernetes-openapi-1.35.json"), "utf8")),
);
const numbers = Numbers.parse(JSON.parse(readFileSync(join(dataDir, "protobuf-fields.json"), "utf8")));

const refName = (ref: string) => ref.slice("#/definitions/".length);
const shortName = (definition: string) => definition.slice(definition.lastIndexOf(".") + 1);

function refsOf(property: Property): string[] {
  if (property.$ref) {
    const name = refName(property.$ref);
    return name in scalarRefs ? [] : [name];
  }
  if (property.items) return refsOf(property.items);
  if (property.additionalProperties) return refsOf(property.additionalProperties);
  return [];
}

/** Which file holds which definition: first the named ones, then what only one file reaches. */
const homes = new Map<string, string>();
const outputs = args.map((arg) => {
  const [file = "", names = ""] = arg.split("=");
  return { file, roots: names.split(",").filter((name) => name !== "") };
});
for (const { file, roots } of outputs) for (const root of roots) homes.set(root, file);
const reachedBy = new Map<string, Set<string>>();
function reach(definition: string, file: string) {
  const files = reachedBy.get(definition) ?? new Set();
  if (files.has(file)) return;
  reachedBy.set(definition, files.add(file));
  const found = definitions[definition];
  if (!found) throw new Error(`Cannot find definition ${definition} in ${dataDir}: check its spelling`);
  for (const property of Object.values(found.properties ?? {}))
    for (const name of refsOf(property)) if (!homes.has(name) || homes.get(name) === file) reach(name, file);
}
for (const { file, roots } of outputs) for (const root of roots) reach(root, file);
for (const [definition, files] of reachedBy) {
  if (homes.has(definition)) continue;
  const [only, ...more] = files;
  if (only === undefined || more.length > 0)
    throw new Error(`Cannot place ${definition}: ${[...files].join(" and ")} need it; name it for one of them`);
  homes.set(definition, only);
}

function protobufPath(definition: string, field: string, properties: Record<string, Property>): number[] {
  const own = numbers[definition.replace("io.k8s.", "k8s.io.")];
  if (!own) return [];
  for (const [name, [number]] of Object.entries(own)) if (name.toLowerCase() === field.toLowerCase()) return [number];
  for (const [name, [number, type]] of Object.entries(own)) {
    if (name in properties) continue;
    for (const [inner, [innerNumber]] of Object.entries(numbers[type] ?? {}))
      if (inner.toLowerCase() === field.toLowerCase()) return [number, innerNumber];
  }
  return [];
}

function emitFile(file: string): string {
  const mine = [...homes].filter(([, home]) => home === file).map(([definition]) => definition);
  const used = new Set<string>(["message", "type Infer"]);
  const imports = new Map<string, Set<string>>();
  const done = new Set<string>();
  const open = new Set<string>();
  const chunks: string[] = [];

  function typeExpression(property: Property): string {
    if (property.$ref) {
      const name = refName(property.$ref);
      const scalar = scalarRefs[name];
      if (scalar) {
        used.add(scalar);
        return scalar;
      }
      const home = homes.get(name);
      if (home === undefined) throw new Error(`Cannot find a file for ${name}`);
      if (home !== file) {
        const from = relative(dirname(file), home);
        const path = from.startsWith(".") ? from : `./${from}`;
        imports.set(path, (imports.get(path) ?? new Set()).add(shortName(name)));
      }
      return shortName(name);
    }
    if (property.type === "array") {
      used.add("list");
      return `list(${typeExpression(property.items ?? {})})`;
    }
    if (property.additionalProperties) {
      used.add("map");
      return `map(${typeExpression(property.additionalProperties)})`;
    }
    const scalar =
      property.type === "string"
        ? property.format === "byte"
          ? "bytes"
          : "string"
        : property.type === "integer"
          ? property.format === "int64"
            ? "int64"
            : "int32"
          : property.type === "number"
            ? "double"
            : property.type === "boolean"
              ? "boolean"
              : "any";
    used.add(scalar);
    return scalar;
  }

  function emit(definition: string) {
    if (done.has(definition)) return;
    open.add(definition);
    const found = definitions[definition];
    const properties = found?.properties ?? {};
    const order = Object.entries(properties);
    for (const [, property] of order)
      for (const name of refsOf(property)) if (homes.get(name) === file && !open.has(name)) emit(name);
    const lines = order.map(([name, property]) => {
      const path = protobufPath(definition, name, properties);
      const options: string[] = [];
      const mergeKey = property["x-kubernetes-patch-merge-key"];
      const strategy = property["x-kubernetes-patch-strategy"];
      const listType = property["x-kubernetes-list-type"];
      const keys = property["x-kubernetes-list-map-keys"];
      if (mergeKey !== undefined) options.push(`patchMergeKey: ${JSON.stringify(mergeKey)}`);
      if (strategy !== undefined) options.push(`patchStrategy: ${JSON.stringify(strategy)}`);
      if (listType !== undefined) options.push(`listType: ${JSON.stringify(listType)}`);
      if (keys !== undefined) options.push(`listMapKeys: ${JSON.stringify(keys)}`);
      const mapType = property["x-kubernetes-map-type"];
      if (mapType !== undefined) options.push(`mapType: ${JSON.stringify(mapType)}`);
      const kind = found?.required?.includes(name) ? "required" : "optional";
      used.add(kind);
      const expression = typeExpression(property);
      const recursive = refsOf(property).some((ref) => open.has(ref));
      const of = recursive ? `() => ${expression}` : expression;
      const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
      const number = path.length === 1 ? String(path[0]) : JSON.stringify(path);
      return `  ${key}: ${kind}(${number}, ${of}${options.length > 0 ? `, { ${options.join(", ")} }` : ""}),`;
    });
    open.delete(definition);
    done.add(definition);
    const name = shortName(definition);
    const atomic = found?.["x-kubernetes-map-type"] === "atomic" ? `, { mapType: "atomic" }` : "";
    chunks.push(
      `export const ${name} = message(${JSON.stringify(definition)}, {\n${lines.join("\n")}\n}${atomic});\nexport type ${name} = Infer<typeof ${name}>;\n`,
    );
  }
  for (const definition of mine.sort()) emit(definition);
  const schemaFrom = relative(dirname(file), "src/kinds/schema.ts");
  const head = [
    `import { ${[...used].sort().join(", ")} } from "${schemaFrom.startsWith(".") ? schemaFrom : `./${schemaFrom}`}";`,
  ];
  for (const [path, names] of imports) head.push(`import { ${[...names].sort().join(", ")} } from "${path}";`);
  return `${head.join("\n")}\n\n${chunks.join("\n")}`;
}

for (const { file } of outputs) {
  if (existsSync(file)) {
    console.error(`kept ${file}: it exists`);
    continue;
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, emitFile(file));
  console.error(`wrote ${file}`);
}
