import { WebSocket } from "ws";
import { type WebSocketClient, type WebSocketClientConnection, WebSocketRefused } from "../http.ts";

/** Bytes that may wait in the socket before send() holds its caller back. */
const bufferedLimit = 1 << 20;

/** A WebSocket client on the ws package, which takes PEM and headers on Bun and on Deno. */
export const realWebSocketClient: WebSocketClient = {
  connect(url, { protocols, headers = {}, tls = {} }) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, [...protocols], {
        headers: { ...headers },
        ...(tls.caPem === undefined ? {} : { ca: tls.caPem }),
        ...(tls.certificatePem === undefined ? {} : { cert: tls.certificatePem }),
        ...(tls.privateKeyPem === undefined ? {} : { key: tls.privateKeyPem }),
        ...(tls.insecureSkipVerify === true ? { rejectUnauthorized: false } : {}),
      });
      // Taken before "open": the first frames may come with the answer to the handshake.
      const connection = connectionOf(socket);
      socket.once("open", () => resolve(connection));
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on("end", () => reject(new WebSocketRefused(url, response.statusCode ?? 0, body)));
      });
    });
  },
};

function connectionOf(socket: WebSocket): WebSocketClientConnection {
  const waiting: Uint8Array[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => {
      ended = true;
      wake();
      resolve({ code, reason: reason?.toString() ?? "" });
    });
  });
  socket.on("error", () => undefined);
  socket.on("message", (frame) => {
    const bytes = Array.isArray(frame) ? Buffer.concat(frame) : new Uint8Array(frame);
    waiting.push(bytes);
    wake();
  });
  return {
    get protocol() {
      return socket.protocol;
    },
    closed,
    send: (frame) =>
      new Promise((resolve) => {
        const done = () => resolve();
        if (socket.readyState !== WebSocket.OPEN) return done();
        // The connection's end is told by `messages`; a failed send is no second story.
        socket.send(frame, done);
        if (socket.bufferedAmount < bufferedLimit) done();
      }),
    messages: (async function* () {
      for (;;) {
        const frame = waiting.shift();
        if (frame !== undefined) yield frame;
        else if (ended) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    })(),
    close: (code, reason) => socket.close(code, reason),
  };
}
