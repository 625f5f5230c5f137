/** TCP connections into pods. Has the shape that node/machine_link.ts asks for. */
import { connect } from "node:net";

const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
  ECONNRESET: "connect: connection reset by peer",
};

interface RealConnection {
  readonly input: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
  close(): void;
}

export const realDialer = {
  /** Rejects with "dial tcp ADDRESS:PORT: connect: connection refused", as Kubernetes' clients know it. */
  connect(address: string, port: number, signal: AbortSignal): Promise<RealConnection> {
    return new Promise((resolve, reject) => {
      const where = `dial tcp ${address}:${port}`;
      if (signal.aborted) {
        reject(new Error(`${where}: operation was canceled`));
        return;
      }
      const socket = connect({ host: address, port, allowHalfOpen: true });
      const stop = () => {
        socket.destroy();
        reject(new Error(`${where}: i/o timeout`));
      };
      signal.addEventListener("abort", stop, { once: true });
      socket.once("error", (cause) => {
        signal.removeEventListener("abort", stop);
        const code = "code" in cause ? String(cause.code) : "";
        reject(new Error(`${where}: ${causes[code] ?? cause.message}`, { cause }));
      });
      socket.once("connect", () => {
        signal.removeEventListener("abort", stop);
        socket.on("error", () => undefined);
        resolve({
          input: received(socket),
          write: (bytes) =>
            new Promise((done, failed) => {
              socket.write(bytes, (error) => (error ? failed(error) : done()));
            }),
          end: () => {
            socket.end();
          },
          close: () => {
            socket.destroy();
          },
        });
      });
    });
  },
};

/** What comes in, as fast as it is taken. A connection that was cut ends it. */
async function* received(socket: ReturnType<typeof connect>): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of socket) yield chunk;
  } catch (error) {
    if (!socket.destroyed) throw error;
  }
}
