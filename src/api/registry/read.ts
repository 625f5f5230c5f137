import { badRequest, forbiddenValue, invalid, notFound, StatusError } from "../../kinds/status_error.ts";
import { collectionPrefix, objectKey } from "./keys.ts";
import { deepFreeze, isFields, type StoredObject } from "./object.ts";
import type { Entry } from "./object_storage.ts";
import { integerOf, type Query, revisionOf, type Selection, selectionOf } from "./query.ts";
import type { Registry, Subject } from "./registry.ts";

export interface ObjectList {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly StoredObject[];
}

/** Objects read at once while a selector is applied to a limited list. */
const chunk = 500;

export async function getObject(
  registry: Registry,
  subject: Subject,
  name: string,
  query: Query,
): Promise<StoredObject> {
  const { kind, namespace } = subject;
  const wanted = revisionOf(query.resourceVersion) ?? 0;
  const key = objectKey(kind, namespace, name);
  const { entry, revision } = await registry.storage.getAt(key);
  if (wanted > revision) throw tooLarge(wanted, revision);
  if (entry === undefined) throw notFound(kind, name);
  return registry.renewals.current(entry).object;
}

export async function listObjects(registry: Registry, subject: Subject, query: Query): Promise<ObjectList> {
  const { kind, namespace } = subject;
  const selection = selectionOf(kind, query);
  const place = startOf(query);
  const limit = integerOf(query, "limit") ?? 0;
  if (limit < 0) throw badRequest(`limit: ${limit} is negative`);
  const prefix = collectionPrefix(kind, namespace);

  const items: StoredObject[] = [];
  let from = prefix + place.start;
  let revision = place.revision;
  let more = false;
  let remaining = 0;
  const oneKey = selection.name !== undefined && (namespace !== undefined || !kind.namespaced);
  if (oneKey) {
    const found = await registry.storage.getAt(objectKey(kind, namespace, selection.name ?? ""), revision);
    revision = found.revision;
    collect(registry, found.entry ? [found.entry] : [], selection, items);
  } else
    do {
      const size = limit === 0 ? 0 : selection.everything ? limit : Math.max(limit, chunk);
      const page = await registry.storage.list(prefix, { from, revision, limit: size, serializable: place.any });
      revision = page.revision;
      const taken = collect(registry, page.entries, selection, items, limit);
      const last = page.entries[taken - 1];
      more = page.more || taken < page.entries.length;
      remaining = page.count - taken;
      if (last) from = `${last.key}\0`;
    } while (more && (limit === 0 || items.length < limit));
  if (place.atLeast > revision) throw tooLarge(place.atLeast, revision);

  return deepFreeze({
    kind: `${kind.kind}List`,
    apiVersion: kind.apiVersion,
    metadata: {
      resourceVersion: String(revision),
      ...(more ? { continue: continueToken(revision, from.slice(prefix.length)) } : {}),
      ...(more && selection.everything ? { remainingItemCount: remaining } : {}),
    },
    items,
  });
}

/** Adds what matches, up to `limit` (0: all), and says how many entries that took. */
function collect(
  registry: Registry,
  entries: readonly Entry[],
  selection: Selection,
  items: StoredObject[],
  limit = 0,
): number {
  let taken = 0;
  for (const entry of entries) {
    if (limit > 0 && items.length >= limit) break;
    taken++;
    const { object } = registry.renewals.current(entry);
    if (selection.everything || selection.matches(object)) items.push(object);
  }
  return taken;
}

interface Place {
  /** 0: the newest. */
  readonly revision: number;
  readonly start: string;
  /** The list must not be older. */
  readonly atLeast: number;
  /** Any state will do. */
  readonly any: boolean;
}

function startOf(query: Query): Place {
  const match = query.resourceVersionMatch ?? "";
  const resourceVersion = revisionOf(query.resourceVersion);
  const token = query.continue ?? "";
  const refuse = (detail: string) =>
    invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [forbiddenValue("resourceVersionMatch", detail)]);
  if (match !== "") {
    if (token !== "") throw refuse("resourceVersionMatch is forbidden when continue is provided");
    if (resourceVersion === undefined)
      throw refuse("resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (match !== "Exact" && match !== "NotOlderThan")
      throw badRequest(
        `resourceVersionMatch: Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan"`,
      );
    if (match === "Exact" && resourceVersion === 0)
      throw refuse('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (token !== "") {
    if (resourceVersion !== undefined && resourceVersion !== 0)
      throw badRequest("specifying resource version is not allowed when using continue");
    return { ...parseToken(token), atLeast: 0, any: false };
  }
  if (match === "Exact") return { revision: resourceVersion ?? 0, start: "", atLeast: 0, any: false };
  return { revision: 0, start: "", atLeast: resourceVersion ?? 0, any: resourceVersion === 0 };
}

function continueToken(revision: number, start: string): string {
  const json = JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start });
  return new TextEncoder().encode(json).toBase64({ alphabet: "base64url", omitPadding: true });
}

function parseToken(token: string): { readonly revision: number; readonly start: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(token, { alphabet: "base64url" })));
  } catch (error) {
    throw badRequest(`continue key is not valid: ${String(error)}`, error);
  }
  const { rv, start } = isFields(parsed) ? parsed : {};
  if (typeof rv !== "number" || !Number.isSafeInteger(rv) || rv < 1 || typeof start !== "string")
    throw badRequest("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  return { revision: rv, start };
}

/** What clients read as "this server is behind, try again": a resourceVersion from the future. */
export function tooLarge(wanted: number, present: number): StatusError {
  return new StatusError(504, "Timeout", `Too large resource version: ${wanted}, current: ${present}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}
