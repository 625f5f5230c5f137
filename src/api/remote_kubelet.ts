import { bodyChunks, type HttpClient, type WebSocketClient, type WebSocketClientConnection } from "../env/http.ts";
import { StatusError } from "../kinds/status_error.ts";
import { isRecord } from "./http/json_value.ts";
import type { AttachRequest, ByteStream, ContainerStream, ExecRequest, KubeletLink, PodRef } from "./kubelet_link.ts";

export interface RemoteKubeletOptions {
  readonly httpClient: HttpClient;
  readonly webSocketClient: WebSocketClient;
  /** The other server's API: "https://192.0.2.8:6443". */
  readonly server: string;
  readonly caPem: string;
  /** The administrator's, which all servers of a cluster share. */
  readonly token: string;
  /** A connection to a port of the pod, over the pods' network. */
  readonly connect: (pod: PodRef, port: number) => Promise<ByteStream>;
}

const protocol = "v5.channel.k8s.io";
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/**
 * The kubelet of another node, through the API of the server there: who asked was authorized here, and the servers trust each
 * other. What goes wrong there comes back as the StatusError that it is.
 */
export function remoteKubelet(options: RemoteKubeletOptions): KubeletLink {
  const { server, caPem, token } = options;
  const headers = { authorization: `Bearer ${token}` };
  const urlOf = (pod: PodRef, subresource: string, query: readonly (readonly [string, string])[]) => {
    const path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}/${subresource}`;
    return `${server}${path}?${new URLSearchParams(query.map(([name, value]) => [name, value]))}`;
  };
  const open = async (request: AttachRequest, subresource: string, command: readonly string[]) => {
    const flags = (["stdin", "stdout", "stderr", "tty"] as const).flatMap((name) =>
      request[name] ? [[name, "true"] as const] : [],
    );
    const query = [...command.map((word) => ["command", word] as const), ["container", request.container] as const];
    const url = urlOf(request.pod, subresource, [...query, ...flags]).replace(/^https/, "wss");
    return containerStream(
      await options.webSocketClient.connect(url, { protocols: [protocol], headers, tls: { caPem } }),
    );
  };
  return {
    async logs(request, signal) {
      const query = Object.entries({
        container: request.container,
        follow: request.follow,
        previous: request.previous,
        timestamps: request.timestamps,
        tailLines: request.tailLines,
        limitBytes: request.limitBytes,
        sinceSeconds: request.sinceSeconds,
        sinceTime: request.sinceTime,
        stream: request.stream,
      }).flatMap(([name, value]) => (value === undefined || value === false ? [] : [[name, String(value)] as const]));
      const response = await options.httpClient.fetch(urlOf(request.pod, "log", query), {
        headers,
        tls: { caPem },
        signal,
      });
      if (!response.ok) throw statusOf(response.status, await response.text());
      return bodyChunks(response.body);
    },
    exec: (request: ExecRequest) => open(request, "exec", request.command),
    attach: (request) => open(request, "attach", []),
    portForward: (pod, port) => options.connect(pod, port),
  };
}

function statusOf(code: number, text: string): StatusError {
  let status: unknown;
  try {
    status = JSON.parse(text);
  } catch {
    status = undefined;
  }
  const { message, reason } = isRecord(status) ? status : {};
  return new StatusError(
    code,
    typeof reason === "string" && reason !== "" ? reason : "InternalError",
    typeof message === "string" ? message : `the server of the pod's node answered ${code}`,
    {},
  );
}

/** The streams of a process, out of the channels of a WebSocket (v5). */
function containerStream(connection: WebSocketClientConnection): ContainerStream {
  const exit = Promise.withResolvers<number | undefined>();
  exit.promise.catch(() => undefined);
  const send = (number: number, bytes: Uint8Array) => {
    const frame = new Uint8Array(bytes.length + 1);
    frame[0] = number;
    frame.set(bytes, 1);
    return connection.send(frame);
  };
  async function* output(): AsyncGenerator<{ readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array }> {
    try {
      for await (const message of connection.messages) {
        const bytes = message.subarray(1);
        if (message[0] === channel.stdout) yield { stream: "stdout", bytes };
        else if (message[0] === channel.stderr) yield { stream: "stderr", bytes };
        else if (message[0] === channel.error) {
          exit.resolve(exitCodeOf(new TextDecoder().decode(bytes)));
          return;
        }
      }
      throw new StatusError(500, "InternalError", "the connection to the server of the pod's node broke", {});
    } catch (error) {
      exit.reject(error);
      throw error;
    } finally {
      connection.close(1000);
    }
  }
  return {
    output: output(),
    writeStdin: (bytes) => send(channel.stdin, bytes),
    endStdin: () => void send(channel.close, Uint8Array.of(channel.stdin)),
    resize: (columns, rows) =>
      send(channel.resize, new TextEncoder().encode(`${JSON.stringify({ Width: columns, Height: rows })}\n`)),
    exitCode: exit.promise,
    close: () => connection.close(1000),
  };
}

/** Throws StatusError when the command could not be run at all. */
function exitCodeOf(text: string): number {
  const status: unknown = JSON.parse(text);
  if (!isRecord(status) || status.status === "Success") return 0;
  const causes = isRecord(status.details) && Array.isArray(status.details.causes) ? status.details.causes : [];
  const cause: unknown = causes.find((each: unknown) => isRecord(each) && each.reason === "ExitCode");
  if (status.reason === "NonZeroExitCode" && isRecord(cause)) return Number(cause.message) || 1;
  throw statusOf(typeof status.code === "number" ? status.code : 500, text);
}
