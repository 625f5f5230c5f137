import type { AnyKind } from "../../kinds/kind.ts";
import type { CoreEvent, CoreRequest, Identity } from "../core.ts";
import { subresourcesOf, verbsOf } from "./api_resources.ts";
import { decodeObject, decodePatch, readBody } from "./body.ts";
import { negotiate, type Representation } from "./negotiate.ts";
import type { HttpOptions } from "./options.ts";
import type { ResourcePath } from "./request_info.ts";
import { answer, methodNotAllowed, objectAnswer } from "./respond.ts";
import { parseIncludeObject, toPartial, toTable } from "./table.ts";
import { watchResponse } from "./watch_stream.ts";

const encoder = new TextEncoder();

/** A request for a resource whose path was read, whose kind is known and whose caller is known. */
export interface ResourceRequest {
  readonly request: Request;
  readonly url: URL;
  readonly path: ResourcePath;
  readonly kind: AnyKind;
  readonly identity: Identity;
}

/** The kind of a path; undefined when nothing is served there. */
export function kindOfPath(options: HttpOptions, path: ResourcePath): AnyKind | undefined {
  const kind = options.kinds.byResource(path.group, path.version, path.plural);
  if (!kind) return undefined;
  if (path.namespace !== undefined && !kind.namespaced) return undefined;
  // An object of a namespace is named within it; a list may span them all.
  if (path.name !== undefined && kind.namespaced && path.namespace === undefined && !path.watch) return undefined;
  if (path.subresource !== undefined && !subresourcesOf(kind).some(({ name }) => name === path.subresource))
    return undefined;
  return kind;
}

/** Every verb that the core answers: read the body, call, write the answer in the form that was asked for. */
export async function serveResource(options: HttpOptions, resource: ResourceRequest): Promise<Response> {
  const { request, url, path, kind, identity } = resource;
  const query = queryOf(url);
  const representation = negotiate(request.headers.get("accept"));
  if (request.method === "GET" && (path.watch || isTrue(query.watch)) && (path.name === undefined || path.watch))
    return serveWatch(options, resource, query, representation);

  const verb = verbOf(request.method, path);
  const allowed =
    path.subresource === undefined
      ? verbsOf(kind)
      : (subresourcesOf(kind).find(({ name }) => name === path.subresource)?.verbs ?? []);
  if (!verb || !allowed.includes(verb)) throw methodNotAllowed();

  const { subresource, namespace, name } = path;
  const answered = await options.core.call({
    identity,
    verb,
    resource: { group: path.group, version: path.version, plural: path.plural },
    namespace,
    name,
    subresource,
    query,
    userAgent: request.headers.get("user-agent")?.split("/")[0],
    ...(await bodyOf(options, resource, verb, query)),
  });
  const { format, as } = representation;
  if (format === "json" && as === "object" && options.jsonBytes) {
    // A copy: Response takes bytes of its own.
    const bytes = new Uint8Array(options.jsonBytes(answered.object));
    return answer({ code: answered.code, contentType: "application/json", bytes, warnings: answered.warnings });
  }
  const shown = represent(answered.object, resource, options, query, representation);
  return objectAnswer(answered.code, shown, format, answered.warnings);
}

async function bodyOf(
  options: HttpOptions,
  { request, kind, path }: ResourceRequest,
  verb: CoreRequest["verb"],
  query: Readonly<Record<string, string>>,
): Promise<Pick<CoreRequest, "body" | "decodeProblems" | "patchType">> {
  if (verb === "get" || verb === "list") return {};
  const body = await readBody(request);
  const deletion = verb === "delete" || verb === "deletecollection";
  if (deletion && body.length === 0) return { body: deleteOptionsOf(query) };
  const expected = subresourcesOf(kind).find(({ name }) => name === path.subresource)?.kind ?? kind.kind;
  const context = {
    kinds: options.kinds,
    contentType: request.headers.get("content-type"),
    expectedKind: deletion ? "DeleteOptions" : expected,
    findDuplicates: query.fieldValidation !== "Ignore" && !deletion,
  };
  if (verb === "patch") {
    const { value, problems, patchType } = decodePatch(body, context);
    return { body: value, decodeProblems: problems, patchType };
  }
  const { value, problems } = decodeObject(body, context);
  return { body: value, decodeProblems: problems };
}

/** DELETE without a body: its options may stand in the query. */
function deleteOptionsOf(query: Readonly<Record<string, string>>): unknown {
  const options: Record<string, unknown> = {};
  if (query.gracePeriodSeconds !== undefined && query.gracePeriodSeconds !== "")
    options.gracePeriodSeconds = Number(query.gracePeriodSeconds);
  if (query.orphanDependents !== undefined) options.orphanDependents = isTrue(query.orphanDependents);
  if (query.propagationPolicy !== undefined) options.propagationPolicy = query.propagationPolicy;
  return Object.keys(options).length > 0 ? options : undefined;
}

function represent(
  object: unknown,
  { kind, path }: ResourceRequest,
  options: HttpOptions,
  query: Readonly<Record<string, string>>,
  { as, metaVersion }: Representation,
): unknown {
  if (as === "object") return object;
  if (as === "partial") return toPartial(object, metaVersion);
  return toTable(object, path.subresource === "scale" ? undefined : kind, {
    includeObject: parseIncludeObject(query.includeObject),
    metaVersion,
    nowMs: options.clock.now(),
    columnDefinitions: true,
  });
}

function serveWatch(
  options: HttpOptions,
  { request, path, kind, identity }: ResourceRequest,
  query: Readonly<Record<string, string>>,
  { as, metaVersion }: Representation,
): Promise<Response> {
  if (path.subresource !== undefined || !verbsOf(kind).includes("watch")) throw methodNotAllowed();
  const { group, version, plural, namespace, name } = path;
  const named = name === undefined ? undefined : `metadata.name=${name}`;
  const fieldSelector = [query.fieldSelector, named].filter((part) => part !== undefined && part !== "").join(",");
  const includeObject = parseIncludeObject(query.includeObject);
  let first = true;
  const encode = (event: CoreEvent): Uint8Array => {
    if (as === "object" && options.jsonBytes) return joined(event.type, options.jsonBytes(event.object));
    let object = event.object;
    if (as === "partial") object = toPartial(object, metaVersion);
    if (as === "table") {
      const nowMs = options.clock.now();
      object = toTable(object, kind, { includeObject, metaVersion, nowMs, columnDefinitions: first });
      first = false;
    }
    return encoder.encode(`${JSON.stringify({ type: event.type, object })}\n`);
  };
  return watchResponse({
    clock: options.clock,
    log: options.log,
    timeoutSeconds: secondsOf(query.timeoutSeconds),
    disconnected: request.signal,
    start: (signal) =>
      options.core.watch(
        {
          identity,
          resource: { group, version, plural },
          namespace,
          query: fieldSelector === "" ? query : { ...query, fieldSelector },
        },
        signal,
      ),
    encode,
  });
}

const lineEnd = encoder.encode("}\n");

function joined(type: CoreEvent["type"], object: Uint8Array): Uint8Array {
  const head = encoder.encode(`{"type":"${type}","object":`);
  const line = new Uint8Array(head.length + object.length + lineEnd.length);
  line.set(head, 0);
  line.set(object, head.length);
  line.set(lineEnd, head.length + object.length);
  return line;
}

function verbOf(method: string, { name, subresource }: ResourcePath): CoreRequest["verb"] | undefined {
  const named = name !== undefined;
  switch (method) {
    case "GET":
    case "HEAD":
      return named ? "get" : "list";
    case "POST":
      return named && subresource === undefined ? undefined : "create";
    case "PUT":
      return named ? "update" : undefined;
    case "PATCH":
      return named ? "patch" : undefined;
    case "DELETE":
      return named ? "delete" : "deletecollection";
    default:
      return undefined;
  }
}

/** Of a repeated parameter the first counts, as in Kubernetes. */
export function queryOf(url: URL): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) if (!Object.hasOwn(query, name)) query[name] = value;
  return query;
}

/** Go's strconv.ParseBool, where a parameter without a value is true. */
export function isTrue(value: string | undefined): boolean {
  return value === "" || value === "1" || value === "t" || value === "T" || /^true$/i.test(value ?? "");
}

function secondsOf(value: string | undefined): number | undefined {
  const seconds = Number(value);
  return value !== undefined && value !== "" && Number.isInteger(seconds) && seconds > 0 ? seconds : undefined;
}
