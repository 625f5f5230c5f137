import type { AnyKind, Kind, KubeObject, Observed } from "../kinds/kind.ts";
import { type ApiConnection, type ApiRequest, query, resourcePath } from "./api_connection.ts";

/** An object of any kind as JSON, out of a file or from the server. */
export interface AnyObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: AnyMeta;
  readonly [field: string]: unknown;
}

export interface AnyMeta {
  readonly name?: string | undefined;
  readonly generateName?: string | undefined;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly creationTimestamp?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | null | undefined;
  readonly annotations?: Readonly<Record<string, string>> | null | undefined;
  readonly [field: string]: unknown;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Sound: the server answers with a JSON object whose metadata has the published types. */
export function anyObject(answer: unknown): AnyObject {
  return answer as AnyObject;
}

export function listItems(list: unknown): readonly AnyObject[] {
  const items = anyObject(list).items;
  return Array.isArray(items) ? items.map(anyObject) : [];
}

/** An object of a kind whose fields are known. */
export async function readObject<T extends KubeObject>(
  api: ApiConnection,
  kind: Kind<T>,
  namespace: string | undefined,
  name: string,
): Promise<Observed<T>> {
  const answer = await api.json({ method: "GET", path: resourcePath(kind, namespace, name) });
  // Sound: what is stored under this path was checked against the kind's schema.
  return answer as Observed<T>;
}

export async function readList<T extends KubeObject>(
  api: ApiConnection,
  kind: Kind<T>,
  namespace: string | undefined,
  select: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined } = {},
): Promise<readonly Observed<T>[]> {
  const items = await readItems(api, { method: "GET", path: resourcePath(kind, namespace), query: query(select) });
  // Sound: a list holds objects of its kind; the server leaves out only their apiVersion and kind.
  return items.map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind }) as unknown as Observed<T>);
}

/** All pages of a list. */
async function readItems(api: ApiConnection, request: ApiRequest): Promise<AnyObject[]> {
  const items: AnyObject[] = [];
  let more: string | undefined;
  do {
    const page = query({ limit: 500, continue: more });
    const list = anyObject(await api.json({ ...request, query: [...(request.query ?? []), ...page] }));
    items.push(...listItems(list));
    more = typeof list.metadata?.continue === "string" ? list.metadata.continue : "";
  } while (more !== "");
  return items;
}

export async function readAnyList(
  api: ApiConnection,
  kind: AnyKind,
  namespace: string | undefined,
  select: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined },
): Promise<{ readonly items: readonly AnyObject[]; readonly resourceVersion: string }> {
  const items = await readItems(api, { method: "GET", path: resourcePath(kind, namespace), query: query(select) });
  return {
    items: items.map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind })),
    resourceVersion: "",
  };
}

/** "pod/nginx", "deployment.apps/nginx". */
export function shortName(kind: Pick<AnyKind, "singular" | "group">, name: string): string {
  return `${kind.group === "" ? kind.singular : `${kind.singular}.${kind.group}`}/${name}`;
}

/** `pod "nginx"`, `deployment.apps "nginx"`. */
export function quotedName(kind: Pick<AnyKind, "singular" | "group">, name: string): string {
  return `${kind.group === "" ? kind.singular : `${kind.singular}.${kind.group}`} "${name}"`;
}
