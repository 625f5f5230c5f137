import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { HttpHandler, HttpServer, Listening, ListenOptions, Peer } from "../http.ts";
import { describeError, type Log } from "../log.ts";
import { acceptWebSocket } from "./web_socket_server.ts";

type IncomingRequest = IncomingMessage | Http2ServerRequest;
type OutgoingResponse = ServerResponse | Http2ServerResponse;

/** How long a kept connection may be silent before the kernel asks whether its peer is still there. */
const keepAliveMs = 30_000;

/**
 * HTTP/1.1 and HTTP/2 on one port by node:http2, which on Bun, Deno and Node alike gives client certificates, raw
 * upgrades and a certificate that is renewed without closing connections.
 */
export function realHttpServer(log: Log): HttpServer {
  return { listen: (options, handler) => listen(options, handler, log) };
}

async function listen(options: ListenOptions, handler: HttpHandler, log: Log): Promise<Listening> {
  const secure = options.tls
    ? createSecureServer({
        allowHTTP1: true,
        requestCert: true,
        rejectUnauthorized: false,
        // As Kubernetes: one connection may not hold more requests open, watches among them.
        settings: { maxConcurrentStreams: 250 },
        cert: options.tls.certificatePem,
        key: options.tls.privateKeyPem,
        ca: options.tls.clientCaPem,
      })
    : undefined;
  const server = secure ?? createServer({ keepAliveTimeout: keepAliveMs });
  const connections = new Set<Socket>();
  const remember = (socket: Socket) => {
    connections.add(socket);
    socket.setKeepAlive(true, keepAliveMs);
    // Without a listener, a reset by the peer would end the process.
    socket.on("error", () => socket.destroy());
    socket.once("close", () => connections.delete(socket));
  };
  server.on(secure ? "secureConnection" : "connection", remember);

  let active = 0;
  let idle: (() => void) | undefined;
  const finished = () => {
    active--;
    if (active === 0) idle?.();
  };

  server.on("request", (request: IncomingRequest, response: OutgoingResponse) => {
    active++;
    serve(handler, request, response)
      .catch((error) => {
        log.warn("a response was cut off", { path: request.url, error: describeError(error) });
        response.destroy();
      })
      .finally(finished);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    active++;
    upgrade(handler, request, socket, head)
      .catch((error) => {
        log.warn("an upgraded connection failed", { path: request.url, error: describeError(error) });
        socket.destroy();
      })
      .finally(finished);
  });
  server.on("tlsClientError", (error: Error) => log.debug("a TLS handshake failed", { error: error.message }));
  server.on("clientError", (_error: Error, socket: Duplex) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    else socket.destroy();
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new Error(`Cannot listen on ${options.address}:${options.port}: ${cause.message}`, { cause })),
    );
    server.listen(options.port, options.address, resolve);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;

  return {
    port,
    renew(tls) {
      if (!secure || !options.tls) throw new Error("Cannot renew the certificate: this listener speaks plain HTTP");
      secure.setSecureContext({ cert: tls.certificatePem, key: tls.privateKeyPem, ca: options.tls.clientCaPem });
    },
    async close(graceMs) {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      if (active > 0) {
        await new Promise<void>((resolve) => {
          idle = resolve;
          setTimeout(resolve, graceMs).unref?.();
        });
      }
      for (const socket of connections) socket.destroy();
      await stopped;
    },
  };
}

async function serve(handler: HttpHandler, incoming: IncomingRequest, outgoing: OutgoingResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => {
    // After the whole answer nobody listens any more.
    if (!outgoing.writableFinished) gone.abort();
  });
  let response: Response;
  try {
    const request = toRequest(incoming, gone.signal);
    response = await handler.fetch(request, peerOf(socketOf(incoming)));
  } catch (error) {
    writeHead(outgoing, 500, { "content-type": "text/plain" });
    outgoing.end("internal error\n");
    throw error;
  }
  await write(response, incoming, outgoing);
}

/** The socket under a request; with HTTP/2 many requests share one. */
function socketOf(incoming: IncomingRequest): Socket {
  return ("stream" in incoming ? incoming.stream.session?.socket : undefined) ?? incoming.socket;
}

const peers = new WeakMap<Socket, Peer>();

function peerOf(socket: Socket): Peer {
  const known = peers.get(socket);
  if (known) return known;
  const address = socket.remoteAddress ?? "";
  let peer: Peer = { address };
  if (socket instanceof TLSSocket && socket.authorized) {
    const { CN: commonName, O: organizations = [] } = socket.getPeerCertificate()?.subject ?? {};
    if (typeof commonName === "string" && commonName !== "")
      peer = { address, certificate: { commonName, organizations: [organizations].flat() } };
  }
  peers.set(socket, peer);
  return peer;
}

function toRequest(incoming: IncomingRequest, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value === undefined || name.startsWith(":")) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  const host = incoming.headers.host ?? incoming.headers[":authority"] ?? "localhost";
  // Only path and query matter further on; the host is what the client called us.
  const url = `https://${/^[\w.:[\]-]+$/.test(String(host)) ? String(host) : "localhost"}${incoming.url ?? "/"}`;
  const method = incoming.method ?? "GET";
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers, signal });
  const init: RequestInit & { duplex: "half" } = { method, headers, signal, body: bodyOf(incoming), duplex: "half" };
  return new Request(url, init);
}

/** A request's body as a stream that reads no further than its consumer does. */
function bodyOf(incoming: IncomingRequest): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        incoming.pause();
        incoming.on("data", (chunk: Uint8Array) => {
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
        });
        incoming.once("end", () => controller.close());
        incoming.once("error", (error: Error) => controller.error(error));
      },
      pull() {
        incoming.resume();
      },
      cancel() {
        // What is left is thrown away, so that the connection can carry the answer and the next request.
        incoming.removeAllListeners("data");
        incoming.removeAllListeners("end");
        incoming.resume();
      },
    },
    { highWaterMark: 1 },
  );
}

/** Writes headers at once, then the body as fast as the peer takes it. */
async function write(response: Response, incoming: IncomingRequest, outgoing: OutgoingResponse): Promise<void> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of response.headers) {
    const before = headers[name];
    headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  if (outgoing.destroyed || outgoing.closed) {
    await response.body?.cancel();
    return;
  }
  writeHead(outgoing, response.status, headers);
  if (!response.body || incoming.method === "HEAD") {
    await response.body?.cancel();
    await end(outgoing);
    return;
  }
  if (response.headers.has("content-length")) {
    // The whole body is there: head and body leave together, in one record of TLS where they fit.
    await end(outgoing, new Uint8Array(await response.arrayBuffer()));
    return;
  }
  if ("flushHeaders" in outgoing) outgoing.flushHeaders();
  const reader = response.body.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  outgoing.once("close", cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || outgoing.destroyed) break;
      if (!writeChunk(outgoing, value)) await drained(outgoing);
    }
  } finally {
    outgoing.off("close", cancel);
    await end(outgoing);
  }
}

/** Resolves when everything is handed to the kernel, or the peer is gone. */
function end(outgoing: OutgoingResponse, body?: Uint8Array): Promise<void> {
  if (outgoing.destroyed || outgoing.closed) return Promise.resolve();
  return new Promise((resolve) => {
    outgoing.once("finish", resolve);
    outgoing.once("close", resolve);
    // HTTP/1.1 hands head and body to the socket one after the other; corked they leave together.
    const socket = "stream" in outgoing ? undefined : outgoing.socket;
    socket?.cork();
    if (body) outgoing.end(body);
    else outgoing.end();
    socket?.uncork();
  });
}

/** The two kinds of response have the same methods with incompatible overloads: hence the branches that look alike. */
function writeHead(outgoing: OutgoingResponse, status: number, headers: Record<string, string | string[]>): void {
  if ("stream" in outgoing) outgoing.writeHead(status, headers);
  else outgoing.writeHead(status, headers);
}

function writeChunk(outgoing: OutgoingResponse, chunk: Uint8Array): boolean {
  return "stream" in outgoing ? outgoing.stream.write(chunk) : outgoing.write(chunk);
}

/** Resolves when the peer has taken what was written, or is gone. */
function drained(outgoing: OutgoingResponse): Promise<void> {
  const writable = "stream" in outgoing ? outgoing.stream : outgoing;
  return new Promise((resolve) => {
    const done = () => {
      writable.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    writable.once("drain", done);
    outgoing.once("close", done);
  });
}

async function upgrade(handler: HttpHandler, incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  socket.on("error", () => socket.destroy());
  const gone = new AbortController();
  socket.once("close", () => gone.abort());
  const answer = await handler.upgrade(toRequest(incoming, gone.signal), peerOf(incoming.socket));
  if (!(answer instanceof Response)) return acceptWebSocket(incoming, socket, head, answer);

  const body = new Uint8Array(await answer.arrayBuffer());
  let headers = `HTTP/1.1 ${answer.status} ${answer.statusText || "Refused"}\r\nconnection: close\r\n`;
  for (const [name, value] of answer.headers) if (name !== "content-length") headers += `${name}: ${value}\r\n`;
  socket.end(Buffer.concat([Buffer.from(`${headers}content-length: ${body.length}\r\n\r\n`), body]));
}
