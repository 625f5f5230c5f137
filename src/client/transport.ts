/**
 * What a client needs of a server, declared by the consumer. In process it is the API server's own registry, identity,
 * admission and authorization included, without serialising; over the wire it is HTTPS (http_transport.test_support.ts, until a part on another node needs it).
 */
export interface Transport {
  /**
   * One request, one object (or list, or Status). Rejects with StatusError. What comes back may be shared with others:
   * it must not be changed. `body` is handed over: the caller no longer changes it.
   */
  send(call: ApiCall, signal?: AbortSignal): Promise<unknown>;
  /**
   * Yields events until the server or `signal` ends the watch. Throws StatusError 410 when `resourceVersion` is too old,
   * at the start or later; the caller lists again.
   */
  watch(call: WatchCall, signal: AbortSignal): AsyncIterable<TransportEvent>;
}

export interface ResourceRef {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

export interface ApiCall {
  readonly verb: "get" | "list" | "create" | "update" | "patch" | "delete" | "deletecollection";
  readonly resource: ResourceRef;
  /** Absent for cluster-scoped kinds and for every namespace. */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
  /** Query parameters by their names on the wire: limit, continue, labelSelector, fieldSelector, resourceVersion ... */
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
  /** For patch. */
  readonly patchType?: PatchType | undefined;
}

export type PatchType =
  | "application/json-patch+json"
  | "application/merge-patch+json"
  | "application/strategic-merge-patch+json"
  | "application/apply-patch+yaml";

export interface WatchCall {
  readonly resource: ResourceRef;
  readonly namespace?: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
}

/** ERROR never appears: it is thrown. A BOOKMARK's object carries only its resourceVersion (and annotations). */
export interface TransportEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: unknown;
}
