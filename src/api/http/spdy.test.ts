import { expect, test } from "bun:test";
import { constants, createDeflate, createInflate } from "node:zlib";
import fc from "fast-check";
import type { WebSocketConnection } from "../../env/http.ts";
import type { ByteStream } from "../kubelet_link.ts";
import { until } from "./http.test_support.ts";
import { servePortChannels, serveTunnel } from "./port_forward.ts";
import { dictionary, EmptyHeaderWriter, HeaderReader } from "./spdy_headers.ts";
import { Inflate, InflateError } from "./spdy_inflate.ts";
import { SpdyError, SpdySession } from "./spdy_session.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** zlib's own deflate with the dictionary, one flushed piece a call, as SPDY clients do. */
function compressor(level: number) {
  const deflate = createDeflate({ dictionary, level });
  return (bytes: Uint8Array) =>
    new Promise<Uint8Array>((resolve, reject) => {
      let made: number[] = [];
      // A flush ends with an empty stored block; its callback may come before its bytes.
      const collect = (chunk: Buffer) => {
        made = [...made, ...chunk];
        if (made.slice(-4).join() !== "0,0,255,255") return;
        deflate.off("data", collect);
        resolve(Uint8Array.from(made));
      };
      deflate.on("data", collect);
      deflate.once("error", reject);
      deflate.write(bytes);
      deflate.flush(constants.Z_SYNC_FLUSH);
    });
}

test.each([0, 1, 6, 9])("what zlib deflates at level %d in several pieces is inflated again", async (level) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.string({ minLength: 1 }).map(text)), {
        minLength: 1,
        maxLength: 6,
      }),
      async (pieces) => {
        const compress = compressor(level);
        const inflate = new Inflate(dictionary);
        for (const piece of pieces) expect(inflate.push(await compress(piece))).toEqual(Uint8Array.from(piece));
      },
    ),
    { numRuns: 40 },
  );
});

test("damaged and endless blocks are refused with an InflateError", async () => {
  const whole = await compressor(9)(text("options head post put delete ".repeat(20)));
  for (let length = 1; length < whole.length; length++) {
    try {
      new Inflate(dictionary).push(whole.subarray(0, length));
    } catch (error) {
      expect(error).toBeInstanceOf(InflateError);
    }
  }
  const bomb = await compressor(9)(new Uint8Array(1_000_000));
  expect(() => new Inflate(dictionary).push(bomb)).toThrow(InflateError);
});

function headerBlock(headers: Record<string, string>): Uint8Array {
  const entries = Object.entries(headers);
  const bytes = [...uint32(entries.length)];
  for (const pair of entries) for (const word of pair) bytes.push(...uint32(word.length), ...text(word));
  return Uint8Array.from(bytes);
}
const uint32 = (value: number) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

test("our empty header blocks are what zlib inflates to no headers", async () => {
  const writer = new EmptyHeaderWriter();
  const inflate = createInflate({ dictionary: Buffer.from(dictionary) });
  const read = (block: Uint8Array) =>
    new Promise<number[]>((resolve) => {
      inflate.once("data", (bytes: Buffer) => resolve([...bytes]));
      inflate.write(block);
    });
  expect(await read(writer.block())).toEqual([0, 0, 0, 0]);
  expect(await read(writer.block())).toEqual([0, 0, 0, 0]);
});

test("headers that claim more than there is are refused", async () => {
  const compress = compressor(9);
  const reader = new HeaderReader();
  expect(reader.read(await compress(headerBlock({ Port: "80" })))).toEqual(new Map([["port", "80"]]));
  const lying = await compress(Uint8Array.from([0, 0, 0, 1, 0, 0, 255, 255, 65]));
  expect(() => reader.read(lying)).toThrow(InflateError);
});

/** A client's frames. */
const synStream = (id: number, block: Uint8Array, flags = 0) =>
  Uint8Array.from([0x80, 3, 0, 1, flags, 0, 0, block.length + 10, ...uint32(id), 0, 0, 0, 0, 0, 0, ...block]);
const dataFrame = (id: number, payload: string, flags = 0) =>
  Uint8Array.from([...uint32(id), flags, 0, 0, payload.length, ...text(payload)]);

/** What the server sent, frame by frame. */
function frames(bytes: readonly Uint8Array[]) {
  const all = Uint8Array.from(bytes.flatMap((part) => [...part]));
  const found: { control: boolean; id: number; type: number; fin: boolean; payload: string }[] = [];
  for (let at = 0; at < all.length; ) {
    const view = new DataView(all.buffer, at);
    const length = view.getUint32(4) & 0xffffff;
    const control = (view.getUint8(0) & 0x80) !== 0;
    const id = (control ? view.getUint32(8) : view.getUint32(0)) & 0x7fffffff;
    const payload = control ? "" : new TextDecoder().decode(all.subarray(at + 8, at + 8 + length));
    found.push({ control, id, type: control ? view.getUint16(2) : 0, fin: (view.getUint8(4) & 1) === 1, payload });
    at += 8 + length;
  }
  return found;
}

function clientOf(protocol: string) {
  const sent: Uint8Array[] = [];
  const queue: Uint8Array[] = [];
  let wake = () => {};
  let over = false;
  const connection: WebSocketConnection = {
    protocol,
    async send(frame) {
      sent.push(frame);
    },
    messages: (async function* () {
      for (;;) {
        const next = queue.shift();
        if (next) yield next;
        else if (over) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    })(),
    close() {
      over = true;
      wake();
    },
  };
  return {
    connection,
    sent,
    say(bytes: Uint8Array) {
      queue.push(bytes);
      wake();
    },
    hangUp: () => connection.close(1000),
  };
}

/** Answers each write in upper case, and ends when it is half-closed. */
function shouting(): ByteStream & { closed: boolean } {
  const queue: Uint8Array[] = [];
  let wake = () => {};
  let over = false;
  const finish = () => {
    over = true;
    wake();
  };
  const stream = {
    closed: false,
    input: (async function* () {
      for (;;) {
        const next = queue.shift();
        if (next) yield next;
        else if (over) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    })(),
    async write(bytes: Uint8Array) {
      queue.push(text(new TextDecoder().decode(bytes).toUpperCase()));
      wake();
    },
    end: finish,
    close() {
      stream.closed = true;
      finish();
    },
  };
  return stream;
}

test("a tunnelled connection is copied both ways and both of its streams are closed at the end", async () => {
  const compress = compressor(6);
  const client = clientOf("SPDY/3.1+portforward.k8s.io");
  const dialled: number[] = [];
  const serving = serveTunnel(client.connection, async (port) => {
    dialled.push(port);
    return shouting();
  });
  const headers = { port: "80", requestid: "0" };
  const opening = [
    synStream(1, await compress(headerBlock({ streamtype: "error", ...headers })), 1),
    synStream(3, await compress(headerBlock({ streamtype: "data", ...headers }))),
    dataFrame(3, "hello"),
    dataFrame(3, "", 1),
  ];
  // Cut into single bytes: frames may be split anywhere.
  for (const byte of opening.flatMap((part) => [...part])) client.say(Uint8Array.from([byte]));
  await until(() => frames(client.sent).filter(({ fin }) => fin).length === 2, "both streams are closed");
  expect(dialled).toEqual([80]);
  expect(frames(client.sent)).toMatchObject([
    { control: true, type: 2, id: 1 },
    { control: true, type: 2, id: 3 },
    { control: false, id: 3, payload: "HELLO", fin: false },
    { control: false, id: 3, payload: "", fin: true },
    { control: false, id: 1, payload: "", fin: true },
  ]);
  client.hangUp();
  await serving;
});

test("a port where nobody listens is told on the error stream, and other connections go on", async () => {
  const compress = compressor(6);
  const client = clientOf("SPDY/3.1+portforward.k8s.io");
  const serving = serveTunnel(client.connection, () => Promise.reject(new Error("connection refused")));
  const headers = { port: "81", requestid: "7" };
  client.say(synStream(1, await compress(headerBlock({ streamtype: "error", ...headers })), 1));
  client.say(synStream(3, await compress(headerBlock({ streamtype: "data", ...headers }))));
  await until(() => frames(client.sent).filter(({ fin }) => fin).length === 2, "both streams are closed");
  expect(frames(client.sent)).toContainEqual({
    control: false,
    id: 1,
    type: 0,
    fin: false,
    payload: "error forwarding port 81 to pod: connection refused",
  });
  client.hangUp();
  await serving;
});

test("a client that is gone, or resets a stream, closes the connection to the pod", async () => {
  const compress = compressor(6);
  const client = clientOf("SPDY/3.1+portforward.k8s.io");
  const opened: ReturnType<typeof shouting>[] = [];
  const serving = serveTunnel(client.connection, async () => {
    const stream = shouting();
    opened.push(stream);
    return stream;
  });
  for (const [id, request] of [
    [1, "a"],
    [3, "b"],
  ] as const)
    client.say(synStream(id, await compress(headerBlock({ streamtype: "data", port: "1", requestid: request }))));
  await until(() => opened.length === 2, "both are dialled");
  client.say(Uint8Array.from([0x80, 3, 0, 3, 0, 0, 0, 8, ...uint32(1), ...uint32(5)]));
  await until(() => opened[0]?.closed === true, "the reset stream is closed");
  expect(opened[1]?.closed).toBe(false);
  client.hangUp();
  await serving;
  await until(() => opened[1]?.closed === true, "the other is closed too");
});

test("pings are echoed, and what is no SPDY/3.1 ends the session", async () => {
  const sent: Uint8Array[] = [];
  const session = new SpdySession({ send: async (bytes) => void sent.push(bytes), onStream() {} });
  const ping = Uint8Array.from([0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]);
  await session.receive(ping);
  expect(sent).toEqual([ping]);
  await expect(session.receive(Uint8Array.from([0x80, 2, 0, 1, 0, 0, 0, 0]))).rejects.toThrow(SpdyError);
  await expect(session.receive(Uint8Array.from([0, 0, 0, 1, 0, 255, 255, 255]))).rejects.toThrow(SpdyError);
});

test("in the form with channels each port has two, and they begin with the port", async () => {
  const client = clientOf("v4.channel.k8s.io");
  client.say(Uint8Array.from([0, ...text("early")]));
  const serving = servePortChannels(client.connection, [80, 8080], async (port) => {
    if (port === 8080) throw new Error("connection refused");
    return shouting();
  });
  await until(() => client.sent.length === 6, "the ports are named, one fails, and what came early is answered");
  expect(client.sent.map((frame) => [...frame])).toContainEqual([0, ...text("EARLY")]);
  expect(client.sent.slice(0, 4).map((frame) => [...frame])).toContainEqual([2, 0x90, 0x1f]);
  client.say(Uint8Array.from([0, ...text("hi")]));
  await until(() => client.sent.length === 7, "the answer comes");
  expect([...(client.sent[6] ?? [])]).toEqual([0, ...text("HI")]);
  client.hangUp();
  await serving;
});
