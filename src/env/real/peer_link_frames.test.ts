import { expect, test } from "bun:test";
import fc from "fast-check";
import { maxFrameBytes } from "../peer_link.ts";
import {
  decodeHello,
  encodeHello,
  encodeMessage,
  MessageReader,
  message,
  ProtocolError,
  protocolVersion,
} from "./peer_link_frames.ts";

const hello = {
  version: protocolVersion,
  clusterId: 0xffff_ffff_ffff_fffen,
  instance: Buffer.alloc(16, 5).toString("base64"),
  build: "0.1.0",
};
const helloMessage = encodeMessage(message.hello, encodeHello(hello));

function readAll(chunks: readonly Uint8Array[]): { type: number; payload: Uint8Array }[] {
  const reader = new MessageReader();
  const all: { type: number; payload: Uint8Array }[] = [];
  for (const chunk of chunks) reader.read(chunk, (type, payload) => all.push({ type, payload }) > 0);
  return all;
}

test("messages come out as they went in, wherever the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (payloads, cuts) => {
        const stream = Buffer.concat([
          helloMessage,
          ...payloads.map((payload) => encodeMessage(message.data, payload)),
        ]);
        const chunks: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const length = cuts[turn % cuts.length] ?? 1;
          chunks.push(stream.subarray(at, at + length));
          at += length;
        }
        const [first, ...rest] = readAll(chunks);
        expect(first?.type).toBe(message.hello);
        expect(rest.map(({ payload }) => [...payload])).toEqual(payloads.map((payload) => [...payload]));
      },
    ),
  );
});

test("a payload that is kept holds no more than twice its size, and copies when sliced", () => {
  const chunk = new Uint8Array(
    Buffer.concat([helloMessage, encodeMessage(message.data, new Uint8Array(10)), new Uint8Array(5000)]),
  );
  const reader = new MessageReader();
  const payloads: Uint8Array[] = [];
  reader.read(chunk, (_type, payload) => payloads.push(payload) < 2);
  expect(payloads[1]?.buffer.byteLength).toBeLessThanOrEqual(20);
  const slice = payloads[1]?.slice();
  slice?.fill(1);
  expect(payloads[1]).toEqual(new Uint8Array(10));
});

test("nothing is read after the taker has had enough", () => {
  const chunk = Buffer.concat([helloMessage, helloMessage, helloMessage]);
  let taken = 0;
  new MessageReader().read(chunk, () => ++taken < 2);
  expect(taken).toBe(2);
});

test("a stream that does not begin with a hello, or claims an impossible length, is refused before anything is stored", () => {
  const header = (length: number, type: number) => {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt32BE(length, 0);
    bytes[4] = type;
    return bytes;
  };
  expect(() => readAll([Buffer.from("GET / HTTP/1.1\r\n\r\n")])).toThrow(ProtocolError);
  expect(() => readAll([encodeMessage(message.data, new Uint8Array(3))])).toThrow("it began with no hello");
  expect(() => readAll([header(1_000_000, message.hello)])).toThrow(ProtocolError);
  for (const length of [0, maxFrameBytes + 2, 0xffff_ffff])
    expect(() => readAll([helloMessage, header(length, message.data)])).toThrow(ProtocolError);
});

test("a hello is read back; of another version only the version, and garbage is none", () => {
  expect(decodeHello(encodeHello(hello))).toEqual(hello);
  expect(decodeHello(encodeHello({ ...hello, clusterId: undefined }))).toEqual({ ...hello, clusterId: undefined });
  expect(decodeHello(encodeHello({ ...hello, version: 9 }).subarray(0, 6))?.version).toBe(9);
  expect(decodeHello(encodeHello(hello).subarray(0, 20))).toBeUndefined();
  expect(decodeHello(Buffer.from("not at all a hello, but long enough"))).toBeUndefined();
  expect(decodeHello(new Uint8Array(0))).toBeUndefined();
});
