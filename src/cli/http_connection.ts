import { bodyChunks, type HttpClient, type WebSocketClient, WebSocketRefused } from "../env/http.ts";
import { describeError } from "../env/log.ts";
import { type StatusDetails, StatusError } from "../kinds/status_error.ts";
import type { ApiConnection, ApiRequest, Query } from "./api_connection.ts";
import { ConnectionFailed } from "./failure.ts";
import type { ClusterAccess } from "./kubeconfig_file.ts";
import { isRecord } from "./object.ts";

export interface HttpConnectionOptions {
  readonly access: ClusterAccess;
  readonly httpClient: HttpClient;
  readonly webSocketClient: WebSocketClient;
  /** "wherry/0.1.0": the server's default field manager is what stands before the slash. */
  readonly userAgent: string;
  /** Called with each text of a Warning header. */
  warn(text: string): void;
}

/** The API over HTTPS. */
export function httpConnection({
  access,
  httpClient,
  webSocketClient,
  userAgent,
  warn,
}: HttpConnectionOptions): ApiConnection {
  const headers: Record<string, string> = { "user-agent": userAgent };
  if (access.token !== undefined) headers.authorization = `Bearer ${access.token}`;

  const send = async (request: ApiRequest, signal?: AbortSignal): Promise<Response> => {
    const url = access.server + request.path + search(request.query);
    let response: Response;
    try {
      response = await httpClient.fetch(url, {
        method: request.method,
        headers: {
          ...headers,
          accept: request.accept ?? "application/json",
          ...(request.body === undefined ? {} : { "content-type": request.contentType ?? "application/json" }),
        },
        tls: access.tls,
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw noAnswer(access.server, cause);
    }
    for (const text of warnings(response.headers.get("warning") ?? "")) warn(text);
    if (!response.ok) throw statusError(response.status, await response.text());
    return response;
  };

  return {
    server: access.server,
    json: async (request, signal) => {
      const response = await send(request, signal);
      const text = await response.text();
      try {
        return JSON.parse(text);
      } catch (cause) {
        throw new Error(`the server's answer to ${request.method} ${request.path} is not JSON`, { cause });
      }
    },
    stream: async (request, signal) => {
      const { body } = await send(request, signal);
      return bodyChunks(body);
    },
    webSocket: async (path, query, protocols) => {
      const url = access.server.replace(/^http/, "ws") + path + search(query);
      try {
        return await webSocketClient.connect(url, { protocols, headers, tls: access.tls });
      } catch (cause) {
        if (cause instanceof WebSocketRefused) throw statusError(cause.status, cause.body);
        throw noAnswer(access.server, cause);
      }
    },
  };
}

function search(query: Query | undefined): string {
  if (query === undefined || query.length === 0) return "";
  return `?${query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&")}`;
}

/** Texts of `299 - "text"`, several separated by commas (RFC 7234). */
export function warnings(header: string): string[] {
  return [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map((match) => (match[1] ?? "").replace(/\\(.)/g, "$1"));
}

function noAnswer(server: string, cause: unknown): ConnectionFailed {
  const why = describeError(cause);
  const host = server.replace(/^https?:\/\//, "");
  const code = isRecord(cause) ? String(cause.code ?? "") : "";
  if (/ConnectionRefused|ECONNREFUSED/.test(code) || /ECONNREFUSED|refused|Unable to connect/i.test(why))
    return new ConnectionFailed(
      `The connection to the server ${host} was refused - did you specify the right host or port? Is its node up ("wherry up")?`,
      { cause },
    );
  return new ConnectionFailed(`Unable to connect to the server ${host}: ${why}`, { cause });
}

/** A Status out of an answer's body, or one made of its code and text. */
export function statusError(code: number, body: string): StatusError {
  let status: unknown;
  try {
    status = JSON.parse(body);
  } catch {
    status = undefined;
  }
  // The Status that ends an exec comes without its kind.
  if (isRecord(status) && (status.kind === "Status" || status.status === "Failure")) {
    const { message, reason, details } = status;
    return new StatusError(
      typeof status.code === "number" ? status.code : code,
      typeof reason === "string" ? reason : "",
      typeof message === "string" ? message : "",
      // Sound: a Status has the published form; its parts are only shown.
      isRecord(details) ? (details as StatusDetails) : undefined,
    );
  }
  const text = body.trim() === "" ? "the server did not say why" : body.trim().slice(0, 1024);
  return new StatusError(code, "", `the server answered with HTTP status ${code}: ${text}`);
}
