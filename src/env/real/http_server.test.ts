import { afterEach, beforeAll, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import type { HttpHandler, Listening, Peer } from "../http.ts";
import type { Log } from "../log.ts";
import type { KeyPair } from "../pki.ts";
import { realClock } from "./clock.ts";
import { realHttpClient } from "./http_client.ts";
import { realHttpServer } from "./http_server.ts";
import { realPki } from "./pki.ts";
import { realRandom } from "./random.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const pki = realPki(realClock, realRandom);
let authority: KeyPair;
let stranger: KeyPair;
let server: KeyPair;
let client: KeyPair;
let listening: Listening | undefined;

const serverRequest = { commonName: "s", ipAddresses: ["127.0.0.1"], usages: ["server"], validDays: 1 } as const;
const clientRequest = { commonName: "ann", organizations: ["devs", "ops"], usages: ["client"], validDays: 1 } as const;

beforeAll(async () => {
  authority = await pki.createAuthority("test-ca", 1);
  stranger = await pki.createAuthority("other-ca", 1);
  server = await pki.issue(authority, serverRequest);
  client = await pki.issue(authority, clientRequest);
});
afterEach(async () => {
  await listening?.close(0);
  listening = undefined;
});

const refuse: HttpHandler["upgrade"] = async () => new Response("no", { status: 403 });

async function start(handler: Partial<HttpHandler>): Promise<string> {
  listening = await realHttpServer(silent).listen(
    { address: "127.0.0.1", port: 0, tls: { ...server, clientCaPem: authority.certificatePem } },
    { fetch: async () => new Response("ok"), upgrade: refuse, ...handler },
  );
  return `https://127.0.0.1:${listening.port}`;
}

function peerEcho(): Partial<HttpHandler> {
  return { fetch: async (_request: Request, peer: Peer) => Response.json(peer) };
}

test("a certificate of our authority is an identity, one of another authority or none is not", async () => {
  const url = await start(peerEcho());
  const caPem = authority.certificatePem;
  const ask = async (tls: object) => (await realHttpClient.fetch(url, { tls: { caPem, ...tls } })).json();
  expect(await ask(client)).toMatchObject({ certificate: { commonName: "ann", organizations: ["devs", "ops"] } });
  expect((await ask({})).certificate).toBeUndefined();
  const forged = await pki.issue(stranger, clientRequest);
  expect((await ask(forged)).certificate).toBeUndefined();
});

test("a body goes in and a stream comes out as it is made, over HTTP/1.1 and HTTP/2", async () => {
  let release = () => {};
  const url = await start({
    async fetch(request) {
      const asked = await request.text();
      return new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode(asked));
            await new Promise<void>((resolve) => {
              release = resolve;
            });
            controller.enqueue(new TextEncoder().encode(" and done"));
            controller.close();
          },
        }),
      );
    },
  });
  const tls = { caPem: authority.certificatePem };
  const response = await realHttpClient.fetch(url, { method: "POST", body: "hello", tls });
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("hello");
  release();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(" and done");

  const session = connectHttp2(url, { ca: authority.certificatePem });
  const stream = session.request({ ":method": "POST", ":path": "/" });
  let text = "";
  stream.on("data", (chunk) => {
    text += String(chunk);
    if (text === "two") release();
  });
  const ended = new Promise((resolve) => stream.once("end", resolve));
  stream.end("two");
  await ended;
  session.close();
  expect(text).toBe("two and done");
});

test("a client that goes away aborts the request and cancels the response's body", async () => {
  const aborted = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  const url = await start({
    async fetch(request) {
      request.signal.addEventListener("abort", () => aborted.resolve());
      return new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array([1])),
          cancel: () => cancelled.resolve(),
        }),
      );
    },
  });
  const away = new AbortController();
  const tls = { caPem: authority.certificatePem };
  const response = await realHttpClient.fetch(url, { signal: away.signal, tls });
  const reader = response.body?.getReader();
  await reader?.read();
  away.abort();
  await reader?.read().catch(() => undefined);
  await aborted.promise;
  await cancelled.promise;
});

test("answers of known length follow each other on one kept connection", async () => {
  const url = await start({ fetch: async () => new Response("all of it", { headers: { "content-length": "9" } }) });
  const port = Number(new URL(url).port);
  const socket = connectTls({ host: "127.0.0.1", port, ca: authority.certificatePem, ALPNProtocols: ["http/1.1"] });
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  let received = "";
  for (let request = 0; request < 3; request++) {
    received = "";
    const whole = new Promise<void>((resolve) => {
      const take = (chunk: Buffer) => {
        received += String(chunk);
        if (!received.endsWith("all of it")) return;
        socket.off("data", take);
        resolve();
      };
      socket.on("data", take);
    });
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await whole;
    expect(received).toStartWith("HTTP/1.1 200");
  }
  socket.destroy();
});

/** Answers with up to 200 MiB, and counts what it was asked for. */
function flood() {
  const made = { mebibytes: 0 };
  const handler: Partial<HttpHandler> = {
    fetch: async () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            made.mebibytes++;
            controller.enqueue(new Uint8Array(1 << 20));
            if (made.mebibytes === 200) controller.close();
          },
        }),
      ),
  };
  /** Resolves when the writer has stopped. */
  const stalled = async () => {
    for (let before = -1; made.mebibytes !== before || made.mebibytes === 0; ) {
      before = made.mebibytes;
      await new Promise((resolve) => realClock.schedule(100, () => resolve(undefined)));
    }
  };
  return { made, handler, stalled };
}

test("a slow reader holds the writer back, over HTTP/1.1", async () => {
  const { made, handler, stalled } = flood();
  const url = await start(handler);
  const socket = connectTls({
    host: "127.0.0.1",
    port: Number(new URL(url).port),
    ca: authority.certificatePem,
    ALPNProtocols: ["http/1.1"],
  });
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await stalled();
  expect(made.mebibytes).toBeLessThan(100);
  socket.destroy();
});

test("a slow reader holds the writer back, over HTTP/2", async () => {
  const { made, handler, stalled } = flood();
  const session = connectHttp2(await start(handler), { ca: authority.certificatePem });
  // Nobody reads this stream: its flow-control window stays full.
  const stream = session.request({ ":path": "/" });
  await new Promise((resolve) => stream.once("response", resolve));
  stream.pause();
  await stalled();
  expect(made.mebibytes).toBeLessThan(100);
  session.destroy();
});

test("a renewed certificate is shown to new connections while an old one goes on", async () => {
  const url = await start({});
  const port = Number(new URL(url).port);
  const connection = () =>
    new Promise<ReturnType<typeof connectTls>>((resolve) => {
      const socket = connectTls({ host: "127.0.0.1", port, ca: authority.certificatePem, ALPNProtocols: ["http/1.1"] });
      socket.once("secureConnect", () => resolve(socket));
    });
  const old = await connection();
  const renewed = await pki.issue(authority, { ...serverRequest, commonName: "renewed" });
  listening?.renew(renewed);
  const fresh = await connection();
  expect(old.getPeerCertificate().subject.CN).toBe("s");
  expect(fresh.getPeerCertificate().subject.CN).toBe("renewed");
  const answered = new Promise<string>((resolve) => old.once("data", (chunk: Buffer) => resolve(String(chunk))));
  old.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(await answered).toStartWith("HTTP/1.1 200");
  old.destroy();
  fresh.destroy();
});

test("a WebSocket agrees on a protocol with a slash and carries frames both ways until it is closed", async () => {
  const protocol = "SPDY/3.1+portforward.k8s.io";
  let served = false;
  const url = await start({
    upgrade: async (request) => ({
      protocol: request.headers.get("sec-websocket-protocol") ?? "",
      async serve(connection) {
        for await (const message of connection.messages) {
          await connection.send(message);
          if (message[0] === 9) connection.close(1000, "enough");
        }
        served = true;
      },
    }),
  });
  const port = new URL(url).port;
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  const socket = connectTls({ host: "127.0.0.1", port: Number(port), ca: authority.certificatePem });
  const answer = new Promise<string>((resolve) => socket.once("data", (chunk: Buffer) => resolve(String(chunk))));
  socket.write(
    `GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`,
  );
  const head = await answer;
  expect(head).toStartWith("HTTP/1.1 101");
  expect(head.toLowerCase()).toContain(`sec-websocket-protocol: ${protocol.toLowerCase()}`);
  socket.destroy();

  served = false;
  const webSocket = new WebSocket(`wss://127.0.0.1:${port}/`, { ca: authority.certificatePem });
  const received: number[] = [];
  const closed = new Promise<number>((resolve) => webSocket.once("close", resolve));
  webSocket.on("message", (data: Buffer) => received.push(...data));
  webSocket.once("open", () => {
    webSocket.send(new Uint8Array([1, 2]));
    webSocket.send(new Uint8Array([9]));
  });
  expect(await closed).toBe(1000);
  expect(received).toEqual([1, 2, 9]);
  expect(served).toBe(true);
});

test("a refused upgrade is an ordinary response", async () => {
  const url = await start({});
  const webSocket = new WebSocket(`wss://127.0.0.1:${new URL(url).port}/`, { ca: authority.certificatePem });
  const status = await new Promise((resolve) => {
    webSocket.once("error", (error) => resolve(error.message));
  });
  expect(String(status)).toContain("403");
});

test("closing cuts what has not ended within the grace", async () => {
  const url = await start({
    fetch: async () =>
      new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) })),
  });
  const response = await realHttpClient.fetch(url, { tls: { caPem: authority.certificatePem } });
  const reader = response.body?.getReader();
  await reader?.read();
  await listening?.close(20);
  listening = undefined;
  const ended = await reader?.read().then(
    ({ done }) => done,
    () => true,
  );
  expect(ended).toBe(true);
});

test("closing lets a running request end within the grace", async () => {
  const entered = Promise.withResolvers<void>();
  const url = await start({
    fetch: () => {
      entered.resolve();
      return new Promise((resolve) => realClock.schedule(100, () => resolve(new Response("late"))));
    },
  });
  const tls = { caPem: authority.certificatePem };
  const asked = realHttpClient.fetch(url, { tls });
  await entered.promise;
  const closing = listening?.close(5000);
  expect(await (await asked).text()).toBe("late");
  await closing;
  await expect(realHttpClient.fetch(url, { tls })).rejects.toThrow();
});
