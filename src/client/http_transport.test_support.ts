import type { HttpClient } from "../env/http.ts";
import { StatusError } from "../kinds/status_error.ts";
import type { ApiCall, ResourceRef, Transport, TransportEvent, WatchCall } from "./transport.ts";

export interface HttpTransportOptions {
  readonly http: HttpClient;
  /** https://ADDRESS:PORT, without a trailing slash. */
  readonly server: string;
  readonly token?: string | undefined;
  readonly tls?: {
    readonly caPem?: string;
    readonly insecureSkipVerify?: boolean;
    readonly certificatePem?: string;
    readonly privateKeyPem?: string;
  };
  /** Becomes the field manager of writes that name none. */
  readonly userAgent?: string;
}

const methods: Readonly<Record<ApiCall["verb"], string>> = {
  get: "GET",
  list: "GET",
  create: "POST",
  update: "PUT",
  patch: "PATCH",
  delete: "DELETE",
  deletecollection: "DELETE",
};

/**
 * The API over HTTPS, for parts on other nodes. Until there are such parts only tests of the whole way use it, and its
 * name says so; the command line has a connection of its own, for Tables and streams.
 */
export function httpTransport(options: HttpTransportOptions): Transport {
  const request = (path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set("accept", "application/json");
    headers.set("user-agent", options.userAgent ?? "wherry");
    if (options.token !== undefined) headers.set("authorization", `Bearer ${options.token}`);
    return options.http.fetch(`${options.server}${path}`, {
      ...init,
      headers,
      ...(options.tls ? { tls: options.tls } : {}),
    });
  };
  const reach = async (path: string, init: RequestInit): Promise<Response> => {
    try {
      return await request(path, init);
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new StatusError(503, "ServiceUnavailable", `Cannot reach ${options.server}: ${why}`, undefined, cause);
    }
  };

  return {
    async send(call, signal): Promise<unknown> {
      const response = await reach(pathOf(call) + queryString(call.query), {
        method: methods[call.verb],
        ...(signal ? { signal } : {}),
        ...(call.body === undefined
          ? {}
          : {
              body: JSON.stringify(call.body),
              headers: { "content-type": call.patchType ?? "application/json" },
            }),
      });
      const text = await response.text();
      if (!response.ok) throw statusErrorOf(response.status, text);
      return parse(text, options.server);
    },

    async *watch(call, signal): AsyncGenerator<TransportEvent> {
      const path = pathOf(call) + queryString({ ...call.query, watch: "true" });
      const response = await reach(path, { method: "GET", signal });
      if (!response.ok) throw statusErrorOf(response.status, await response.text());
      if (!response.body) return;
      try {
        for await (const line of lines(response.body)) {
          const event = parse(line, options.server);
          if (!isEvent(event))
            throw new StatusError(500, "InternalError", `Unexpected watch event: ${line.slice(0, 200)}`);
          if (event.type === "ERROR") throw statusErrorOf(500, JSON.stringify(event.object));
          yield { type: event.type, object: event.object };
        }
      } catch (error) {
        // A connection that breaks ends the watch, as the server may at any time: the caller watches on.
        if (error instanceof StatusError) throw error;
      }
    },
  };
}

function pathOf(call: {
  readonly resource: ResourceRef;
  readonly namespace?: WatchCall["namespace"];
  readonly name?: ApiCall["name"];
  readonly subresource?: ApiCall["subresource"];
}): string {
  const { group, version, plural } = call.resource;
  const parts = group === "" ? ["api", version] : ["apis", group, version];
  if (call.namespace !== undefined) parts.push("namespaces", call.namespace);
  parts.push(plural);
  if (call.name !== undefined) parts.push(call.name);
  if (call.subresource !== undefined) parts.push(call.subresource);
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

function queryString(query: Readonly<Record<string, string>> | undefined): string {
  const text = new URLSearchParams({ ...query }).toString();
  return text === "" ? "" : `?${text}`;
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) if (part !== "") yield part;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEvent(
  value: unknown,
): value is { readonly type: TransportEvent["type"] | "ERROR"; readonly object: unknown } {
  const types: readonly unknown[] = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"];
  return isRecord(value) && types.includes(value.type);
}

function parse(text: string, server: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 100));
    throw new StatusError(500, "InternalError", `${server} answered with what is not JSON: ${start}`, undefined, cause);
  }
}

/** The server's Status as the error that in-process clients get; any other body becomes its message. */
export function statusErrorOf(code: number, body: string): StatusError {
  let status: unknown;
  try {
    status = JSON.parse(body);
  } catch {
    status = undefined;
  }
  if (!isRecord(status) || status.kind !== "Status") {
    const text = code === 404 ? "the server could not find the requested resource" : body.trim();
    return new StatusError(code, code === 404 ? "NotFound" : "", text === "" ? `the server answered ${code}` : text);
  }
  const word = (value: unknown): string => (typeof value === "string" ? value : "");
  return new StatusError(
    typeof status.code === "number" ? status.code : code,
    word(status.reason),
    word(status.message),
    detailsOf(status.details),
  );
}

function detailsOf(value: unknown): ConstructorParameters<typeof StatusError>[3] {
  if (!isRecord(value)) return undefined;
  const { name, group, kind, uid, causes, retryAfterSeconds } = value;
  return {
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof group === "string" ? { group } : {}),
    ...(typeof kind === "string" ? { kind } : {}),
    ...(typeof uid === "string" ? { uid } : {}),
    ...(typeof retryAfterSeconds === "number" ? { retryAfterSeconds } : {}),
    ...(Array.isArray(causes) ? { causes: causes.filter(isRecord).map(causeOf) } : {}),
  };
}

function causeOf(cause: Readonly<Record<string, unknown>>) {
  const { reason, message, field } = cause;
  return {
    ...(typeof reason === "string" ? { reason } : {}),
    ...(typeof message === "string" ? { message } : {}),
    ...(typeof field === "string" ? { field } : {}),
  };
}
