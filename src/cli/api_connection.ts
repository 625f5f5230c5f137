import type { WebSocketClientConnection } from "../env/http.ts";
import type { AnyKind } from "../kinds/kind.ts";

/** What commands need of a server, beyond the typed client: Tables, streams, WebSockets, any path. */
export interface ApiConnection {
  /** One request, one JSON answer. Rejects with StatusError, or ConnectionFailed when there is no answer. */
  json(request: ApiRequest, signal?: AbortSignal): Promise<unknown>;
  /** The answer's bytes as they come: logs, watches. Rejects as `json` does. */
  stream(request: ApiRequest, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  webSocket(path: string, query: Query, protocols: readonly string[]): Promise<WebSocketClientConnection>;
  /** "https://127.0.0.1:6443". */
  readonly server: string;
}

export type Query = readonly (readonly [name: string, value: string])[];

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Query;
  /** JSON unless said. */
  readonly accept?: string;
  readonly contentType?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** "/apis/apps/v1/namespaces/default/deployments/web/scale". `namespace` undefined: every one, or a cluster-scoped kind. */
export function resourcePath(
  kind: Pick<AnyKind, "apiVersion" | "plural" | "namespaced">,
  namespace: string | undefined,
  ...rest: readonly string[]
): string {
  const root = kind.apiVersion.includes("/") ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  const scope = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return [root + scope, kind.plural, ...rest.map(encodeURIComponent)].join("/");
}

/** The pairs that have a value. */
export function query(values: Readonly<Record<string, string | number | boolean | undefined>>): Query {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, String(value)] as const],
  );
}
