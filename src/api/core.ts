/**
 * The API without HTTP: what the HTTP layer (http/) and in-process clients both call. Implemented in registry/.
 * Everything that Kubernetes promises about an object happens behind this face: authorization, decoding against the
 * kind's schema, defaults, admission, validation, optimistic concurrency, storage, watch.
 */
export interface ApiCore {
  /** Rejects with StatusError, and with nothing else. */
  call(request: CoreRequest): Promise<CoreResponse>;
  /**
   * Yields events until `signal` aborts or the server ends the watch. Throws StatusError: at once for a bad request
   * (unknown selector, forbidden), 410 Expired when the history is gone, 429 when this watcher is too slow.
   */
  watch(request: CoreWatchRequest, signal: AbortSignal): AsyncIterable<CoreEvent>;
}

/** Who asks. Anonymous is a user too: system:anonymous in system:unauthenticated. */
export interface Identity {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface CoreTarget {
  readonly resource: { readonly group: string; readonly version: string; readonly plural: string };
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

export interface CoreRequest extends CoreTarget {
  readonly identity: Identity;
  readonly verb: "get" | "list" | "create" | "update" | "patch" | "delete" | "deletecollection";
  /** Query parameters by their names on the wire: limit, continue, dryRun, fieldManager, fieldValidation ... */
  readonly query: Readonly<Record<string, string>>;
  /** Decoded JSON (or protobuf turned into JSON), types not checked yet. The core owns it from here on. */
  readonly body?: unknown;
  /** What the decoder noticed that strict field validation must report: `duplicate field "spec.x"`. */
  readonly decodeProblems?: readonly string[];
  readonly patchType?: string | undefined;
  /** What it writes is void unless this is the term of the store's leader: a deposed leader's parts write nothing. */
  readonly term?: number | undefined;
  /** The client's User-Agent up to the first "/": the field manager where none is named. */
  readonly userAgent?: string | undefined;
}

export interface CoreResponse {
  /** 200, 201 (created) or 202. */
  readonly code: number;
  /** An object, a list or a Status; shared and frozen, with apiVersion and kind. */
  readonly object: unknown;
  /** Texts for Warning headers. */
  readonly warnings: readonly string[];
}

export interface CoreWatchRequest extends CoreTarget {
  readonly identity: Identity;
  readonly query: Readonly<Record<string, string>>;
}

export interface CoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: unknown;
}

/** JSON bytes of an object from CoreResponse or CoreEvent, made once and shared by all who send it. */
export type JsonBytes = (object: unknown) => Uint8Array;
