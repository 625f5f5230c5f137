import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { WebSocketAccept, WebSocketConnection } from "../http.ts";

/** A single message of a stream is a terminal's worth of bytes; kubectl sends at most 32 KiB. */
const maxMessageBytes = 4 * 1024 * 1024;
/** Beyond this many unread bytes the connection is paused, so that a slow process slows its client down. */
const highWaterBytes = 256 * 1024;

const agreed = new WeakMap<IncomingMessage, string>();
const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false });
server.on("headers", (headers, request) => {
  const protocol = agreed.get(request);
  if (protocol !== undefined && protocol !== "") headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
});

/** Finishes the handshake, and resolves when the connection has been served. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  accept: WebSocketAccept,
): Promise<void> {
  agreed.set(request, accept.protocol);
  // "SPDY/3.1+portforward.k8s.io" holds a slash, which ws refuses to parse: it never sees the list, and the
  // agreed protocol is written by the listener above.
  delete request.headers["sec-websocket-protocol"];
  return new Promise((resolve, reject) => {
    socket.once("close", resolve);
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = connectionOf(webSocket, accept.protocol);
      accept.serve(connection).then(
        () => resolve(),
        (error) => {
          connection.close(1011, "internal error");
          reject(error);
        },
      );
    });
  });
}

function connectionOf(webSocket: WebSocket, protocol: string): WebSocketConnection {
  const frames: Uint8Array[] = [];
  let unread = 0;
  let ended = false;
  let wake: (() => void) | undefined;

  webSocket.on("message", (data: RawData) => {
    const frame = bytesOf(data);
    frames.push(frame);
    unread += frame.length;
    if (unread > highWaterBytes) webSocket.pause();
    wake?.();
  });
  const end = () => {
    ended = true;
    wake?.();
  };
  webSocket.once("close", end);
  webSocket.once("error", end);

  async function* messages(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const frame = frames.shift();
      if (frame) {
        unread -= frame.length;
        if (unread <= highWaterBytes && webSocket.isPaused) webSocket.resume();
        yield frame;
      } else if (ended) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    }
  }

  return {
    protocol,
    messages: messages(),
    send: (frame) =>
      new Promise((resolve) => {
        if (ended || webSocket.readyState !== webSocket.OPEN) return resolve();
        const gone = () => resolve();
        webSocket.once("close", gone);
        webSocket.send(frame, { binary: true }, () => {
          webSocket.off("close", gone);
          resolve();
        });
      }),
    close(code, reason) {
      // A paused connection would never read the answering close frame.
      if (webSocket.isPaused) webSocket.resume();
      webSocket.close(code, reason);
    },
  };
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return new Uint8Array(Buffer.concat(data));
  return data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.length);
}
