/**
 * Kubernetes' remote command protocol over WebSocket: the first byte of a frame is its channel. v4 has a Status as JSON on
 * the error channel; v5 adds [255, channel], the half-close that lets `cat` see end of file.
 */
import type { WebSocketConnection } from "../../env/http.ts";
import { describeError } from "../../env/log.ts";
import type { StatusError } from "../../kinds/status_error.ts";
import type { ContainerStream } from "../kubelet_link.ts";
import { isRecord } from "./json_value.ts";

export const channelProtocols: readonly string[] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
const encoder = new TextEncoder();

export interface ChannelOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Copies both ways until the process has ended or the client is gone. */
export async function serveChannels(
  connection: WebSocketConnection,
  stream: ContainerStream,
  options: ChannelOptions,
): Promise<void> {
  // The client's side must not keep us: it ends when the connection is closed.
  const input = copyInput(connection, stream, options).then(
    () => stream.close(),
    () => stream.close(),
  );
  let status: unknown;
  try {
    for await (const { stream: name, bytes } of stream.output)
      if (options[name]) await connection.send(frame(channel[name], bytes));
    status = exitStatus(await stream.exitCode);
  } catch (error) {
    status = failure("InternalError", 500, `error executing command in container: ${describeError(error)}`, []);
  }
  await connection.send(frame(channel.error, encoder.encode(JSON.stringify(status))));
  connection.close(1000);
  stream.close();
  await input;
}

/** Tells the client on the error channel why there is no stream. */
export async function refuseChannels(connection: WebSocketConnection, refusal: StatusError): Promise<void> {
  await connection.send(frame(channel.error, encoder.encode(JSON.stringify(refusal.toStatus()))));
  connection.close(1000);
}

async function copyInput(
  connection: WebSocketConnection,
  stream: ContainerStream,
  options: ChannelOptions,
): Promise<void> {
  let open = options.stdin;
  for await (const message of connection.messages) {
    const payload = message.subarray(1);
    switch (message[0]) {
      case channel.stdin:
        if (open && payload.length > 0) await stream.writeStdin(payload);
        break;
      case channel.resize: {
        const size = terminalSize(payload);
        if (size) await stream.resize(size.columns, size.rows).catch(() => undefined);
        break;
      }
      case channel.close:
        if (open && payload[0] === channel.stdin && connection.protocol === "v5.channel.k8s.io") {
          open = false;
          stream.endStdin();
        }
        break;
    }
  }
}

function terminalSize(payload: Uint8Array): { readonly columns: number; readonly rows: number } | undefined {
  try {
    const size: unknown = JSON.parse(new TextDecoder().decode(payload));
    if (!isRecord(size)) return undefined;
    const { Width: columns, Height: rows } = size;
    return typeof columns === "number" && typeof rows === "number" ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}

function frame(number: number, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + 1);
  whole[0] = number;
  whole.set(bytes, 1);
  return whole;
}

function exitStatus(code: number | undefined): unknown {
  if (code === undefined || code === 0) return { metadata: {}, status: "Success" };
  const message = `command terminated with non-zero exit code: exit status ${code}`;
  return failure("NonZeroExitCode", undefined, message, [{ reason: "ExitCode", message: String(code) }]);
}

function failure(
  reason: string,
  code: number | undefined,
  message: string,
  causes: readonly { readonly reason: string; readonly message: string }[],
): unknown {
  return {
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(causes.length > 0 ? { details: { causes } } : {}),
    ...(code === undefined ? {} : { code }),
  };
}
