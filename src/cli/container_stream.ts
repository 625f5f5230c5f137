import type { WebSocketClientConnection } from "../env/http.ts";
import type { Terminal } from "../env/terminal.ts";
import type { Query } from "./api_connection.ts";
import { statusError } from "./http_connection.ts";
import { isRecord } from "./object.ts";

/** The only subprotocol spoken: it alone can half-close standard input. */
export const channelProtocols = ["v5.channel.k8s.io"];

const [stdin, stdout, stderr, outcome, resize, halfClose] = [0, 1, 2, 3, 4, 255];

export interface StreamOptions {
  readonly stdin: boolean;
  readonly tty: boolean;
}

/** What exec and attach put into their URL. */
export function streamQuery(
  container: string,
  { stdin: withInput, tty }: StreamOptions,
  command: readonly string[] = [],
): Query {
  return [
    ...command.map((word) => ["command", word] as const),
    ["container", container] as const,
    ...(withInput ? [["stdin", "true"] as const] : []),
    ["stdout", "true"] as const,
    ...(tty ? [["tty", "true"] as const] : [["stderr", "true"] as const]),
  ];
}

/**
 * Ties a container's streams to the terminal until the container's end. Resolves to the exit code: the process's own, 0 when
 * the server told none. Throws StatusError when the server could not run it.
 */
export async function pump(
  connection: WebSocketClientConnection,
  terminal: Terminal,
  options: StreamOptions,
): Promise<number> {
  const frame = (channel: number, bytes: Uint8Array): Uint8Array => {
    const whole = new Uint8Array(bytes.length + 1);
    whole[0] = channel;
    whole.set(bytes, 1);
    return whole;
  };
  const sendSize = () => {
    const size = terminal.size();
    if (size === undefined) return;
    const text = `${JSON.stringify({ Width: size.columns, Height: size.rows })}\n`;
    void connection.send(frame(resize ?? 4, new TextEncoder().encode(text)));
  };
  const stopResizing = options.tty ? terminal.onResize(sendSize) : () => undefined;
  if (options.tty) {
    terminal.setRaw(true);
    sendSize();
  }
  if (options.stdin)
    void (async () => {
      for await (const bytes of terminal.input()) await connection.send(frame(stdin ?? 0, bytes));
      await connection.send(Uint8Array.of(halfClose ?? 255, stdin ?? 0));
      // Whatever goes wrong with our input, the container's end is told by its own channel.
    })().catch(() => undefined);
  try {
    for await (const message of connection.messages) {
      const bytes = message.subarray(1);
      if (message[0] === stdout) await terminal.write(bytes);
      else if (message[0] === stderr) await terminal.writeError(bytes);
      else if (message[0] === outcome) {
        const code = exitCode(new TextDecoder().decode(bytes));
        connection.close(1000);
        return code;
      }
    }
  } finally {
    stopResizing();
    if (options.tty) terminal.setRaw(false);
  }
  const { code, reason } = await connection.closed;
  if (code === 1000) return 0;
  throw new Error(`the connection to the container broke: code ${code}${reason === "" ? "" : `, ${reason}`}`);
}

/** Out of the Status that ends a stream. */
function exitCode(text: string): number {
  const status: unknown = JSON.parse(text);
  if (!isRecord(status) || status.status === "Success") return 0;
  const error = statusError(500, text);
  if (error.reason !== "NonZeroExitCode") throw error;
  const cause = error.details?.causes?.find(({ reason }) => reason === "ExitCode");
  return Number(cause?.message ?? "1") || 1;
}
