/** Who is on the other end of a connection, as far as the transport can tell. */
export interface Peer {
  readonly address: string;
  /** Subject of a client certificate that OUR authority signed; absent otherwise. Never an unverified one. */
  readonly certificate?: { readonly commonName: string; readonly organizations: readonly string[] };
}

/** One accepted WebSocket, binary frames both ways. */
export interface WebSocketConnection {
  /** The subprotocol that was agreed on, "" when none. */
  readonly protocol: string;
  /** Resolves when the frame is handed to the kernel or the connection is gone: await it, and slow readers bound us. */
  send(frame: Uint8Array): Promise<void>;
  /** The peer's frames, in order; ends when the connection does. */
  readonly messages: AsyncIterable<Uint8Array>;
  close(code: number, reason?: string): void;
}

export interface WebSocketAccept {
  /** The subprotocol to agree on; must be one that the client offered. */
  readonly protocol: string;
  /** Called once the handshake is done. The connection is closed with 1011 when it rejects. */
  serve(connection: WebSocketConnection): Promise<void>;
}

export interface HttpHandler {
  fetch(request: Request, peer: Peer): Promise<Response>;
  /** A request to upgrade to WebSocket; answer with a Response to refuse it. */
  upgrade(request: Request, peer: Peer): Promise<WebSocketAccept | Response>;
}

export interface ListenOptions {
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** PEM. Absent: plain HTTP (only for sockets that never leave the machine). */
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string; readonly clientCaPem: string };
}

export interface Listening {
  readonly port: number;
  /** Replaces the certificate for new connections, without closing the old ones. */
  renew(tls: { readonly certificatePem: string; readonly privateKeyPem: string }): void;
  /** Stops accepting, ends what runs within `graceMs` milliseconds, then cuts it. */
  close(graceMs: number): Promise<void>;
}

export interface HttpServer {
  listen(options: ListenOptions, handler: HttpHandler): Promise<Listening>;
}

/** How a client trusts a server and proves itself; all PEM. */
export interface ClientTls {
  readonly caPem?: string;
  readonly insecureSkipVerify?: boolean;
  readonly certificatePem?: string;
  readonly privateKeyPem?: string;
}

/** A global-fetch-like client that takes PEM for TLS. */
export interface HttpClient {
  fetch(url: string, init?: RequestInit & { readonly tls?: ClientTls }): Promise<Response>;
}

/** The client's side of a WebSocket: exec, attach and port-forward of the command line. */
export interface WebSocketClient {
  /** Rejects with WebSocketRefused when the server answers the handshake with an ordinary response. */
  connect(url: string, options: WebSocketConnectOptions): Promise<WebSocketClientConnection>;
}

export interface WebSocketConnectOptions {
  readonly protocols: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: ClientTls;
}

export interface WebSocketClientConnection extends WebSocketConnection {
  /** The peer's close code and reason, once `messages` has ended. 1006 when the connection broke. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

export class WebSocketRefused extends Error {
  override readonly name = "WebSocketRefused";
  readonly status: number;
  readonly body: string;

  constructor(url: string, status: number, body: string) {
    super(`Cannot open a WebSocket to ${url}: the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** A body's chunks as they come; who stops reading lets the connection go. */
export async function* bodyChunks(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
