import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import net from "node:net";
import { realClock } from "../../env/real/clock.ts";
import { Balancer } from "../balancer.ts";
import type { EndpointAddress } from "../state.ts";
import type { TcpSockets } from "./stream.ts";
import { type ConnectionBudget, listenTcp, type TcpListener } from "./tcp.ts";

const address = "127.0.0.1";

/** What every TCP data plane must do. Clients and back ends are node:net, whatever the sockets under test are. */
export function tcpContract(name: string, sockets: TcpSockets): void {
  const cleanUps: (() => void)[] = [];
  afterEach(() => {
    for (const cleanUp of cleanUps.splice(0)) cleanUp();
  });

  async function backend(serve: (socket: net.Socket) => void): Promise<EndpointAddress> {
    const open = new Set<net.Socket>();
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket);
      socket.on("error", () => {});
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    cleanUps.push(() => {
      server.close();
      for (const socket of open) socket.destroy();
    });
    return { address, port: portOf(server) };
  }

  async function proxy(
    endpoints: readonly EndpointAddress[],
    options: { budget?: ConnectionBudget; connectTimeoutMs?: number } = {},
  ): Promise<TcpListener & { balancer: Balancer }> {
    const balancer = new Balancer({ nowMs: () => realClock.monotonicMs() });
    balancer.replace(endpoints);
    const listener = await listenTcp({
      sockets,
      clock: realClock,
      address,
      port: 0,
      balancer,
      budget: options.budget ?? { limit: 5000, open: 0, refused: 0 },
      connectTimeoutMs: options.connectTimeoutMs ?? 500,
    });
    cleanUps.push(() => {
      listener.stop();
      listener.abort();
    });
    return Object.assign(Object.create(listener), { balancer });
  }

  function client(port: number): Promise<net.Socket> {
    const socket = net.connect({ port, host: address, allowHalfOpen: true });
    cleanUps.push(() => socket.destroy());
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        socket.on("error", () => {});
        resolve(socket);
      });
    });
  }

  const answering = (text: string) => backend((socket) => socket.end(text));
  const deadPort = async (): Promise<EndpointAddress> => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    const port = portOf(server);
    await new Promise((resolve) => server.close(resolve));
    return { address, port };
  };

  describe(name, () => {
    test("a reply that is sent after the client's FIN arrives whole", async () => {
      const endpoint = await backend((socket) => {
        let received = "";
        socket.on("data", (chunk) => {
          received += chunk;
        });
        socket.on("end", () => realClock.schedule(30, () => socket.end(`heard ${received}`)));
      });
      const socket = await client((await proxy([endpoint])).port);
      socket.end("good bye");
      expect(await allOf(socket)).toBe("heard good bye");
    });

    test("a back end that finishes first still hears what the client says afterwards", async () => {
      const heard = Promise.withResolvers<string>();
      const endpoint = await backend((socket) => {
        socket.end("that is all");
        allOf(socket).then(heard.resolve);
      });
      const listener = await proxy([endpoint]);
      const socket = await client(listener.port);
      expect(await allOf(socket)).toBe("that is all");
      socket.end("but listen");
      expect(await heard.promise).toBe("but listen");
      await until(() => listener.connections === 0);
    });

    test("48 MiB each way at the same time arrive unchanged", async () => {
      const bytes = 48 * 1024 * 1024;
      const fromClient = Promise.withResolvers<string>();
      const endpoint = await backend((socket) => {
        digestOf(socket).then(fromClient.resolve);
        send(socket, bytes, 7);
      });
      const socket = await client((await proxy([endpoint])).port);
      const fromBackend = digestOf(socket);
      send(socket, bytes, 11);
      expect(await fromClient.promise).toBe(digestFor(bytes, 11));
      expect(await fromBackend).toBe(digestFor(bytes, 7));
    }, 30_000);

    test("an RST of the client reaches the back end as an RST", async () => {
      const error = Promise.withResolvers<string>();
      const opened = Promise.withResolvers<void>();
      const endpoint = await backend((socket) => {
        socket.on("error", (cause) => error.resolve("code" in cause ? String(cause.code) : cause.message));
        socket.on("data", () => opened.resolve());
      });
      const listener = await proxy([endpoint]);
      const socket = await client(listener.port);
      socket.write("x");
      await opened.promise;
      socket.resetAndDestroy();
      expect(await error.promise).toBe("ECONNRESET");
      await until(() => listener.connections === 0);
    });

    test("an RST of the back end reaches the client as an RST", async () => {
      const endpoint = await backend((socket) => socket.once("data", () => socket.resetAndDestroy()));
      const listener = await proxy([endpoint]);
      const socket = await client(listener.port);
      const error = errorOf(socket);
      socket.write("x");
      expect(await error).toBe("ECONNRESET");
      await until(() => listener.connections === 0);
    });

    test("a dead back end is passed over, and not tried again at once", async () => {
      const [dead, alive] = [await deadPort(), await answering("alive")];
      const listener = await proxy([dead, alive]);
      for (let n = 0; n < 4; n++) expect(await allOf(await client(listener.port))).toBe("alive");
    });

    test("a client is reset when every back end is dead", async () => {
      const listener = await proxy([await deadPort(), await deadPort()]);
      const socket = await client(listener.port);
      expect(await errorOf(socket)).toBe("ECONNRESET");
      await until(() => listener.connections === 0);
    });

    test("a client is reset when there is no back end", async () => {
      const listener = await proxy([]);
      const socket = await client(listener.port);
      expect(await errorOf(socket)).toBe("ECONNRESET");
      await until(() => listener.connections === 0);
    });

    test("what a client says before a back end has answered is not lost by the attempt that failed", async () => {
      const endpoint = await backend((socket) => socket.pipe(socket));
      const listener = await proxy([await deadPort(), endpoint]);
      const socket = net.connect({ port: listener.port, host: address, allowHalfOpen: true });
      cleanUps.push(() => socket.destroy());
      socket.end("early words");
      expect(await allOf(socket)).toBe("early words");
    });

    test("1,000 connections live at a time, each with its own echo", async () => {
      const endpoint = await backend((socket) => socket.pipe(socket));
      const listener = await proxy([endpoint]);
      const all: net.Socket[] = [];
      while (all.length < 1000)
        all.push(...(await Promise.all(Array.from({ length: 100 }, () => client(listener.port)))));
      await until(() => listener.connections === 1000);
      const echoes = all.map((socket, n) => {
        socket.end(`I am ${n}`);
        return allOf(socket);
      });
      expect(await Promise.all(echoes)).toEqual(all.map((_, n) => `I am ${n}`));
      await until(() => listener.connections === 0);
    }, 30_000);

    test("a client that does not read stops the back end, and gets everything when it does read", async () => {
      const bytes = 64 * 1024 * 1024;
      let backendSocket: net.Socket | undefined;
      const endpoint = await backend((socket) => {
        backendSocket = socket;
        send(socket, bytes, 3);
      });
      const listener = await proxy([endpoint]);
      const socket = await client(listener.port);
      socket.pause();
      // Kernel buffers and one chunk take their share; after that nothing moves.
      let before = -1;
      await until(() => {
        const now = (backendSocket?.bytesWritten ?? 0) - (backendSocket?.writableLength ?? 0);
        const stalled = now === before && now > 0;
        before = now;
        return stalled;
      }, 100);
      expect(before).toBeLessThan(bytes / 2);
      const digest = digestOf(socket);
      socket.resume();
      expect(await digest).toBe(digestFor(bytes, 3));
    }, 30_000);

    test("a back end that does not read stops the client", async () => {
      const bytes = 64 * 1024 * 1024;
      const held = Promise.withResolvers<net.Socket>();
      const endpoint = await backend((socket) => {
        socket.pause();
        held.resolve(socket);
      });
      const socket = await client((await proxy([endpoint])).port);
      send(socket, bytes, 5);
      const backendSocket = await held.promise;
      let before = -1;
      await until(() => {
        const now = socket.bytesWritten - socket.writableLength;
        const stalled = now === before && now > 0;
        before = now;
        return stalled;
      }, 100);
      expect(before).toBeLessThan(bytes / 2);
      const digest = digestOf(backendSocket);
      backendSocket.resume();
      expect(await digest).toBe(digestFor(bytes, 5));
    }, 30_000);

    test("a connection lives on when its endpoint leaves, new ones go to those that stay", async () => {
      const old = await backend((socket) => socket.on("data", (chunk) => socket.write(`old ${chunk}`)));
      const next = await backend((socket) => socket.on("data", (chunk) => socket.write(`new ${chunk}`)));
      const listener = await proxy([old]);
      const kept = await client(listener.port);
      expect(await exchange(kept, "1")).toBe("old 1");
      listener.balancer.replace([next]);
      for (let n = 0; n < 3; n++) expect(await exchange(await client(listener.port), "2")).toBe("new 2");
      expect(await exchange(kept, "3")).toBe("old 3");
    });

    test("a listener that has stopped refuses new connections and keeps the old", async () => {
      const endpoint = await backend((socket) => socket.pipe(socket));
      const listener = await proxy([endpoint]);
      const kept = await client(listener.port);
      expect(await exchange(kept, "a")).toBe("a");
      listener.stop();
      expect(
        await client(listener.port).then(
          () => "accepted",
          (error) => error.code,
        ),
      ).toBe("ECONNREFUSED");
      expect(await exchange(kept, "b")).toBe("b");
      kept.end();
      await until(() => listener.connections === 0);
    });

    test("connections over the limit are reset and counted, and room that was made is used", async () => {
      const endpoint = await backend((socket) => socket.pipe(socket));
      const budget = { limit: 2, open: 0, refused: 0 };
      const listener = await proxy([endpoint], { budget });
      const first = await client(listener.port);
      expect(await exchange(first, "1")).toBe("1");
      expect(await exchange(await client(listener.port), "2")).toBe("2");
      expect(await errorOf(await client(listener.port))).toBe("ECONNRESET");
      expect(budget.refused).toBe(1);
      first.end();
      await until(() => budget.open === 1);
      expect(await exchange(await client(listener.port), "4")).toBe("4");
    });
  });
}

function portOf(server: net.Server): number {
  const bound = server.address();
  if (typeof bound !== "object" || bound === null) throw new Error("not bound to a port");
  return bound.port;
}

function allOf(socket: net.Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}

function exchange(socket: net.Socket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once("data", (chunk) => resolve(String(chunk)));
    socket.once("error", reject);
    socket.once("end", () => reject(new Error("ended before it answered")));
    socket.write(text);
  });
}

function errorOf(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
    socket.on("end", () => resolve("FIN"));
    socket.resume();
  });
}

const blockBytes = 64 * 1024;

/** Block `n` of a stream: bytes that differ from block to block and from seed to seed. */
function block(seed: number, n: number): Uint8Array {
  const bytes = new Uint8Array(blockBytes);
  let state = (seed * 2654435761 + n * 40503) >>> 0;
  for (let at = 0; at < blockBytes; at += 4) {
    state = (state * 1664525 + 1013904223) >>> 0;
    bytes[at] = state;
    bytes[at + 1] = state >>> 8;
    bytes[at + 2] = state >>> 16;
    bytes[at + 3] = state >>> 24;
  }
  return bytes;
}

/** Sends `bytes` (a multiple of 64 KiB) and a FIN, as fast as the socket takes them. */
function send(socket: net.Socket, bytes: number, seed: number): void {
  let n = 0;
  const more = () => {
    while (n < bytes / blockBytes) if (!socket.write(block(seed, n++))) return void socket.once("drain", more);
    socket.end();
  };
  more();
}

function digestFor(bytes: number, seed: number): string {
  const hash = createHash("sha256");
  for (let n = 0; n < bytes / blockBytes; n++) hash.update(block(seed, n));
  return hash.digest("hex");
}

function digestOf(socket: net.Socket): Promise<string> {
  const hash = createHash("sha256");
  return new Promise((resolve, reject) => {
    socket.on("data", (chunk) => hash.update(chunk));
    socket.on("end", () => resolve(hash.digest("hex")));
    socket.on("error", reject);
  });
}

/** Looks every few milliseconds; fails after 10 s. */
export async function until(condition: () => boolean, everyMs = 5): Promise<void> {
  const giveUpMs = realClock.monotonicMs() + 10_000;
  while (!condition()) {
    if (realClock.monotonicMs() > giveUpMs) throw new Error(`Never came true: ${condition}`);
    await new Promise<void>((resolve) => realClock.schedule(everyMs, resolve));
  }
}
