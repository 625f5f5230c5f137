import net from "node:net";
import type { Stream, StreamEvents, TcpSockets } from "./stream.ts";

const keepAliveMs = 60_000;

/** node:net, for Deno and Node. node buffers what it cannot write, so that nothing is queued here. */
class NodeStream implements Stream {
  readonly #socket: net.Socket;

  constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  listen(events: StreamEvents): void {
    let failure: Error | undefined;
    this.#socket.on("data", (chunk) => events.data(chunk));
    this.#socket.on("drain", () => events.drained());
    this.#socket.on("end", () => events.ended());
    this.#socket.on("error", (error) => {
      failure = error;
    });
    this.#socket.on("close", () => events.closed(failure));
  }

  write(chunk: Uint8Array): boolean {
    return this.#socket.destroyed || this.#socket.write(chunk);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  finish(): void {
    this.#socket.end();
  }

  /** node destroys a socket by itself once both directions have ended. */
  close(): void {
    this.#socket.end();
  }

  keepAlive(): void {
    this.#socket.setKeepAlive(true, keepAliveMs);
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

export const nodeTcp: TcpSockets = {
  listen(address, port, accept) {
    return new Promise((resolve, reject) => {
      const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        const stream = new NodeStream(socket);
        stream.listen(accept(stream, () => socket.remoteAddress ?? ""));
      });
      server.once("error", reject);
      server.listen({ host: address, port, backlog: 1024 }, () => {
        server.off("error", reject);
        server.on("error", () => {});
        const bound = server.address();
        resolve({
          port: typeof bound === "object" && bound !== null ? bound.port : port,
          stop: () => server.close(),
        });
      });
    });
  },

  connect(endpoint, outcome) {
    const socket = net.connect({
      host: endpoint.address,
      port: endpoint.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    const fail = (error: Error) => outcome.failed(error);
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.off("error", fail);
      const stream = new NodeStream(socket);
      stream.listen(outcome.opened(stream));
    });
    return {
      cancel() {
        socket.removeAllListeners();
        socket.on("error", () => {});
        socket.destroy();
      },
    };
  },
};
