import type { Socket } from "bun";
import type { Stream, StreamEvents, TcpSockets } from "./stream.ts";

/** Seconds of silence after which the kernel asks whether the peer is still there, in milliseconds. */
const keepAliveMs = 60_000;

/**
 * Bun.listen and Bun.connect. What was found out about them (Bun 1.4.5): `end()` while the
 * other direction is open loses the reply, so FIN is sent by `shutdown()`; when both FINs have passed Bun closes the socket
 * by itself, with `close` but without `end` if ours came first; `terminate()` sends RST; an RST received is `close` with an
 * error; a chunk is a copy that may be kept.
 */
class BunStream implements Stream {
  socket: Socket<BunStream> | undefined;
  events: StreamEvents | undefined;
  readonly #queue: Uint8Array[] = [];
  #finishing = false;
  #closing = false;
  #gone = false;

  write(chunk: Uint8Array): boolean {
    if (this.#gone || this.socket === undefined) return true;
    if (this.#queue.length > 0) {
      this.#queue.push(chunk);
      return false;
    }
    const written = Math.max(0, this.socket.write(chunk));
    if (written >= chunk.length) return true;
    this.#queue.push(unwritten(chunk, written));
    return false;
  }

  pause(): void {
    if (!this.#gone) this.socket?.pause();
  }

  resume(): void {
    if (!this.#gone) this.socket?.resume();
  }

  finish(): void {
    this.#finishing = true;
    if (this.#queue.length === 0 && !this.#gone) this.socket?.shutdown();
  }

  close(): void {
    this.#closing = true;
    if (this.#queue.length === 0 && !this.#gone) this.socket?.end();
  }

  keepAlive(): void {
    if (!this.#gone) this.socket?.setKeepAlive(true, keepAliveMs);
  }

  reset(): void {
    this.#queue.length = 0;
    if (!this.#gone) this.socket?.terminate();
  }

  /** Writes what waited. */
  flush(): void {
    if (this.#queue.length === 0) return;
    while (this.#queue.length > 0) {
      const chunk = this.#queue[0];
      if (chunk === undefined || this.socket === undefined || this.#gone) return;
      const written = Math.max(0, this.socket.write(chunk));
      if (written < chunk.length) {
        this.#queue[0] = unwritten(chunk, written);
        return;
      }
      this.#queue.shift();
    }
    if (this.#closing) this.socket?.end();
    else if (this.#finishing) this.socket?.shutdown();
    this.events?.drained();
  }

  gone(error: Error | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    const lost = this.#queue.length > 0 ? new Error("closed with bytes unwritten") : undefined;
    this.#queue.length = 0;
    this.events?.closed(error ?? lost);
  }
}

/** A small rest is copied, so that it does not hold the whole chunk (up to 512 KiB) for a slow reader. */
function unwritten(chunk: Uint8Array, written: number): Uint8Array {
  return written * 2 > chunk.length ? chunk.slice(written) : chunk.subarray(written);
}

/** One set of handlers for every socket: what differs is in socket.data. */
const handlers = {
  data(socket: Socket<BunStream>, chunk: Uint8Array) {
    socket.data.events?.data(chunk);
  },
  drain(socket: Socket<BunStream>) {
    socket.data.flush();
  },
  end(socket: Socket<BunStream>) {
    socket.data.events?.ended();
  },
  close(socket: Socket<BunStream>, error?: Error) {
    socket.data?.gone(error);
  },
  error(socket: Socket<BunStream>, error: Error) {
    socket.data?.gone(error);
    socket.terminate();
  },
};

export const bunTcp: TcpSockets = {
  async listen(address, port, accept) {
    const server = Bun.listen<BunStream>({
      hostname: address,
      port,
      allowHalfOpen: true,
      socket: {
        ...handlers,
        open(socket) {
          const stream = new BunStream();
          stream.socket = socket;
          socket.data = stream;
          stream.events = accept(stream, () => socket.remoteAddress);
        },
      },
    });
    return { port: server.port, stop: () => server.stop(false) };
  },

  connect(endpoint, outcome) {
    const stream = new BunStream();
    let settled = false;
    Bun.connect<BunStream>({
      hostname: endpoint.address,
      port: endpoint.port,
      allowHalfOpen: true,
      data: stream,
      socket: {
        ...handlers,
        open(socket) {
          // Cancelled meanwhile: Bun has no way to give up an attempt, so it ends here.
          if (settled) {
            socket.terminate();
            return;
          }
          settled = true;
          stream.socket = socket;
          stream.events = outcome.opened(stream);
        },
        connectError() {},
      },
    }).catch((error: unknown) => {
      if (settled) return;
      settled = true;
      outcome.failed(error instanceof Error ? error : new Error(String(error)));
    });
    return {
      cancel() {
        settled = true;
      },
    };
  },
};
