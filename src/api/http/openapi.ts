import type { AnyKind } from "../../kinds/kind.ts";
import { DeleteOptions, ListMeta, Status } from "../../kinds/meta.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { type ApiSubresource, subresourcesOf, verbsOf } from "./api_resources.ts";
import { type JsonSchema, openApiDialect, SchemaCollection } from "./openapi_schemas.ts";
import { schemaOf } from "./wire_kinds.ts";

const bodyTypes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];

function parameter(name: string, type = "string"): JsonSchema {
  return { name, in: "query", schema: { type, uniqueItems: true } };
}
function pathParameter(name: string): JsonSchema {
  return { name, in: "path", required: true, schema: { type: "string", uniqueItems: true } };
}
const listParameters = [
  parameter("allowWatchBookmarks", "boolean"),
  parameter("continue"),
  parameter("fieldSelector"),
  parameter("labelSelector"),
  parameter("limit", "integer"),
  parameter("resourceVersion"),
  parameter("resourceVersionMatch"),
  parameter("sendInitialEvents", "boolean"),
  parameter("timeoutSeconds", "integer"),
  parameter("watch", "boolean"),
];
/** kubectl asks the patch operation whether the server knows dryRun and fieldValidation. */
const writeParameters = [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")];
const deleteParameters = [
  parameter("dryRun"),
  parameter("gracePeriodSeconds", "integer"),
  parameter("orphanDependents", "boolean"),
  parameter("propagationPolicy"),
];

const actions: Readonly<Record<string, string>> = {
  get: "get",
  list: "list",
  create: "post",
  update: "put",
  patch: "patch",
  delete: "delete",
  deletecollection: "deletecollection",
};

function content(types: readonly string[], schema: JsonSchema): JsonSchema {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

interface OperationOptions {
  readonly verb: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly schemas: SchemaCollection;
  readonly schema: JsonSchema;
}

function operation({ verb, kind, schemas, schema }: OperationOptions): JsonSchema {
  const identity = { group: kind.group, kind: kind.kind, version: kind.version };
  const done = { 200: { description: "OK", content: content(bodyTypes, schema) } };
  const base = {
    "x-kubernetes-action": actions[verb] ?? verb,
    "x-kubernetes-group-version-kind": identity,
    responses: done,
  };
  switch (verb) {
    case "list":
      return { ...base, parameters: listParameters };
    case "create":
      return {
        ...base,
        parameters: writeParameters,
        requestBody: { required: true, content: content(["*/*"], schema) },
        responses: { ...done, 201: { description: "Created", content: content(bodyTypes, schema) } },
      };
    case "update":
      return {
        ...base,
        parameters: writeParameters,
        requestBody: { required: true, content: content(["*/*"], schema) },
      };
    case "patch":
      return {
        ...base,
        parameters: [...writeParameters, parameter("force", "boolean")],
        requestBody: { required: true, content: content(patchTypes, { type: "object" }) },
      };
    case "delete":
    case "deletecollection":
      return {
        ...base,
        parameters: verb === "delete" ? deleteParameters : [...deleteParameters, ...listParameters],
        requestBody: { content: content(["*/*"], schemas.add(DeleteOptions)) },
        responses: { 200: { description: "OK", content: content(bodyTypes, schemas.add(Status)) } },
      };
    default:
      return base;
  }
}

/** OpenAPI v3 of one group and version, made of the kinds' descriptors. */
export function openApiDocument(
  kinds: KindRegistry,
  group: string,
  version: string,
  members: readonly AnyKind[],
  productVersion: string,
): JsonSchema {
  const schemas = new SchemaCollection(openApiDialect);
  const paths: Record<string, JsonSchema> = {};
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  for (const kind of members) {
    const identity = { group, version, kind: kind.kind };
    const schema = schemas.add(kind.schema, [identity]);
    const verbs = verbsOf(kind);
    const listSchema = verbs.includes("list")
      ? schemas.addList(kind.schema, ListMeta, { ...identity, kind: `${kind.kind}List` })
      : schema;
    const make = (verb: string) =>
      verbs.includes(verb)
        ? { [methodOf(verb)]: operation({ verb, kind, schemas, schema: verb === "list" ? listSchema : schema }) }
        : {};
    const scope = kind.namespaced ? "/namespaces/{namespace}" : "";
    const scopeParameters = kind.namespaced ? [pathParameter("namespace")] : [];
    const collection = `${root}${scope}/${kind.plural}`;
    paths[collection] = {
      ...make("list"),
      ...make("create"),
      ...make("deletecollection"),
      parameters: [...scopeParameters, parameter("pretty")],
    };
    if (kind.namespaced && verbs.includes("list")) paths[`${root}/${kind.plural}`] = make("list");
    const objectParameters = [pathParameter("name"), ...scopeParameters, parameter("pretty")];
    const one = { ...make("get"), ...make("update"), ...make("patch"), ...make("delete") };
    if (Object.keys(one).length > 0) paths[`${collection}/{name}`] = { ...one, parameters: objectParameters };
    for (const sub of subresourcesOf(kind))
      paths[`${collection}/{name}/${sub.name}`] = {
        ...subresourceOperations(kinds, sub, schemas),
        parameters: objectParameters,
      };
  }
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: productVersion },
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: { schemas: schemas.sorted() },
  };
}

function subresourceOperations(kinds: KindRegistry, sub: ApiSubresource, schemas: SchemaCollection): JsonSchema {
  const message = schemaOf(kinds, sub.group === "" ? sub.version : `${sub.group}/${sub.version}`, sub.kind);
  // Kinds of parameters (PodExecOptions) and kinds that are not served yet have no schema to refer to.
  const schema = message
    ? schemas.add(message, [{ group: sub.group, version: sub.version, kind: sub.kind }])
    : { type: "object" };
  return Object.fromEntries(sub.verbs.map((verb) => [methodOf(verb), operation({ verb, kind: sub, schemas, schema })]));
}

function methodOf(verb: string): string {
  if (verb === "list") return "get";
  if (verb === "create") return "post";
  if (verb === "update") return "put";
  return verb === "deletecollection" ? "delete" : verb;
}
