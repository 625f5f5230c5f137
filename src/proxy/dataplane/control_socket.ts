import { chmodSync, rmSync } from "node:fs";
import { describeError, type Log } from "../../env/log.ts";
import { type Hello, maxLineBytes, parseRequest, type Reply, type Request } from "./control_protocol.ts";
import { LineReader } from "./lines.ts";

export interface ControlServer {
  close(): void;
}

export interface ControlServerOptions {
  readonly path: string;
  readonly hello: Hello;
  readonly log: Log;
  /** Answers one request. What it throws is told to the client. */
  handle(request: Request): Promise<Omit<Extract<Reply, { ok: true }>, "id" | "ok">>;
}

const maxClients = 4;
/** A client that sends so many requests without reading answers is cut off. */
const maxWaiting = 64;

/** Serves the control socket. A stale socket file is removed: the caller holds the folder. */
export async function serveControl(options: ControlServerOptions): Promise<ControlServer> {
  rmSync(options.path, { force: true });
  const server = typeof Bun === "undefined" ? await serveByNode(options) : serveByBun(options);
  chmodSync(options.path, 0o600);
  return server;
}

/** One client, whatever the runtime: bytes in, bytes out. */
class ControlClient {
  readonly #options: ControlServerOptions;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #cut: () => void;
  readonly #reader = new LineReader(maxLineBytes);
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(options: ControlServerOptions, send: (bytes: Uint8Array) => void, cut: () => void) {
    this.#options = options;
    this.#send = send;
    this.#cut = cut;
    send(encode(options.hello));
  }

  receive(chunk: Uint8Array): void {
    let lines: string[];
    try {
      lines = this.#reader.push(chunk);
    } catch (error) {
      this.#options.log.warn("Cutting a control client off", { error: describeError(error) });
      this.#cut();
      return;
    }
    for (const line of lines) {
      this.#waiting++;
      if (this.#waiting > maxWaiting) {
        this.#cut();
        return;
      }
      this.#turn = this.#turn.then(() => this.#answer(line));
    }
  }

  async #answer(line: string): Promise<void> {
    let id = 0;
    try {
      const request = parseRequest(line);
      id = request.id;
      const reply = await this.#options.handle(request);
      this.#send(encode({ id, ok: true, ...reply } satisfies Reply));
    } catch (error) {
      // A request that cannot be read still names its id, when it is an object at all.
      id = id || idOf(line);
      this.#send(encode({ id, ok: false, error: describeError(error) } satisfies Reply));
    } finally {
      this.#waiting--;
    }
  }
}

function serveByBun(options: ControlServerOptions): ControlServer {
  interface Peer {
    client: ControlClient;
    unsent: Uint8Array[];
  }
  let clients = 0;
  const listener = Bun.listen<Peer | undefined>({
    unix: options.path,
    socket: {
      open(socket) {
        clients++;
        if (clients > maxClients) {
          socket.end();
          return;
        }
        const unsent: Uint8Array[] = [];
        const send = (bytes: Uint8Array) => {
          if (unsent.length > 0) return void unsent.push(bytes);
          const sent = Math.max(0, socket.write(bytes));
          if (sent < bytes.length) unsent.push(bytes.subarray(sent));
        };
        socket.data = { client: new ControlClient(options, send, () => socket.terminate()), unsent };
      },
      data(socket, chunk) {
        socket.data?.client.receive(chunk);
      },
      drain(socket) {
        const unsent = socket.data?.unsent ?? [];
        for (let bytes = unsent.shift(); bytes !== undefined; bytes = unsent.shift()) {
          const sent = Math.max(0, socket.write(bytes));
          if (sent === bytes.length) continue;
          unsent.unshift(bytes.subarray(sent));
          return;
        }
      },
      close() {
        clients--;
      },
      error() {},
    },
  });
  return { close: () => listener.stop(true) };
}

async function serveByNode(options: ControlServerOptions): Promise<ControlServer> {
  const { createServer } = await import("node:net");
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    const client = new ControlClient(
      options,
      (bytes) => void socket.write(bytes),
      () => socket.destroy(),
    );
    socket.on("data", (chunk) => client.receive(chunk));
  });
  server.maxConnections = maxClients;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.path, resolve);
  });
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function encode(message: Hello | Reply): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(message)}\n`);
}

function idOf(line: string): number {
  const id = Number(/"id"\s*:\s*(\d{1,15})/.exec(line.slice(0, 1000))?.[1]);
  return Number.isInteger(id) ? id : 0;
}
