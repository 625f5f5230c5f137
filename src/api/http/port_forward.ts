/**
 * pods/portforward over WebSocket, in its two forms: kubectl 1.31 and later tunnels SPDY ("SPDY/3.1+portforward.k8s.io"),
 * with a pair of streams for each connection; other clients use channels, two for each port that they name.
 */
import type { WebSocketConnection } from "../../env/http.ts";
import { describeError } from "../../env/log.ts";
import type { ByteStream } from "../kubelet_link.ts";
import { SpdySession, type SpdyStream } from "./spdy_session.ts";

export const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";
export const portChannelProtocol = "v4.channel.k8s.io";

/** A connection to a port of the pod. Rejects with words for the person who forwards. */
export type Dial = (port: number) => Promise<ByteStream>;

const encoder = new TextEncoder();
const maxQueuedBytes = 1 << 20;

/** Serves until the client is gone. */
export async function serveTunnel(connection: WebSocketConnection, dial: Dial): Promise<void> {
  /** The error stream comes first and waits here for its data stream. */
  const waiting = new Map<string, SpdyStream>();
  const session = new SpdySession({
    send: (bytes) => connection.send(bytes),
    onStream(stream) {
      const request = stream.headers.get("requestid") ?? "";
      if (stream.headers.get("streamtype") === "error") {
        waiting.set(request, stream);
        return;
      }
      const errors = waiting.get(request);
      waiting.delete(request);
      void forward(stream, errors, Number(stream.headers.get("port")), dial);
    },
  });
  try {
    // Copied: a stream may keep what it cannot write yet, and frames share their message's memory.
    for await (const message of connection.messages) await session.receive(message.slice());
    connection.close(1000);
  } finally {
    session.close();
  }
}

/** One connection: both directions, then both streams closed. A failure's words go to the error stream. */
async function forward(data: SpdyStream, errors: SpdyStream | undefined, port: number, dial: Dial): Promise<void> {
  // Data may come before the connection to the pod is there.
  const opening = dial(port);
  let writing: Promise<unknown> = opening.catch(() => undefined);
  let queuedBytes = 0;
  data.onData = (bytes) => {
    queuedBytes += bytes.length;
    writing = writing
      .then(async () => (await opening).write(bytes))
      // The pod's side is gone; the reading below ends, and says so.
      .catch(() => undefined)
      .then(() => {
        queuedBytes -= bytes.length;
      });
    // The session goes on reading for its other connections, until this one has too much on its way.
    return queuedBytes > maxQueuedBytes ? writing.then(() => undefined) : undefined;
  };
  data.onEnd = (reset) => {
    const act = async () => {
      const stream = await opening;
      if (reset) stream.close();
      else stream.end();
    };
    void (reset ? act() : writing.then(act)).catch(() => undefined);
  };
  try {
    const stream = await opening;
    for await (const bytes of stream.input) await data.write(bytes);
    stream.close();
  } catch (error) {
    await errors?.write(encoder.encode(`error forwarding port ${port} to pod: ${describeError(error)}`));
  }
  await data.end();
  await errors?.end();
}

/** Channel 2i carries port i's data, 2i+1 its errors; each starts with the port, two bytes little-endian. */
export async function servePortChannels(
  connection: WebSocketConnection,
  ports: readonly number[],
  dial: Dial,
): Promise<void> {
  const send = (channel: number, bytes: Uint8Array) => {
    const frame = new Uint8Array(bytes.length + 1);
    frame[0] = channel;
    frame.set(bytes, 1);
    return connection.send(frame);
  };
  // Data may come before the connection to the pod is there.
  const streams = ports.map((port) => {
    const opening = dial(port);
    // Looked at below, after the ports have been named.
    opening.catch(() => undefined);
    return opening;
  });
  const copies = ports.map(async (port, index) => {
    const name = Uint8Array.from([port & 255, port >> 8]);
    try {
      await send(2 * index, name);
      await send(2 * index + 1, name);
      const stream = await streams[index];
      if (!stream) return;
      for await (const bytes of stream.input) await send(2 * index, bytes);
    } catch (error) {
      await send(2 * index + 1, encoder.encode(`error forwarding port ${port} to pod: ${describeError(error)}`));
    }
  });
  const over = Promise.allSettled(copies).then(() => connection.close(1000));
  for await (const message of connection.messages) {
    const channel = message[0] ?? 0;
    if (channel % 2 === 1) continue;
    // A connection that failed has said so on its error channel.
    await streams[channel / 2]?.then((stream) => stream.write(message.slice(1))).catch(() => undefined);
  }
  for (const stream of streams) void stream.then((open) => open.close()).catch(() => undefined);
  await over;
}
