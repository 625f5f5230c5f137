/**
 * What two peers say over their connection, TLS underneath: u32 length, u8 type, payload; the length counts type and payload.
 * The first message each way is the hello, which carries the protocol's version; everything after it has that version's form.
 */
import { maxFrameBytes } from "../peer_link.ts";

export const protocolVersion = 1;

/** The types of version 1. */
export const message = {
  hello: 0,
  /** A frame of the user's. */
  data: 1,
  /** Eight bytes that the pong repeats. */
  ping: 2,
  pong: 3,
  /** From the side that decides: this is the connection that we use. */
  use: 4,
  /** Why the sender is about to close, as text. */
  bye: 5,
} as const;

const headerBytes = 5;
/** What may come before we know who is speaking our language. */
const maxHelloBytes = 1024;
const magic = 0x57_52_50_4c; // "WRPL"

export interface Hello {
  readonly version: number;
  readonly clusterId: bigint | undefined;
  /** 16 random bytes, base64: another one means that the peer's process has started anew. */
  readonly instance: string;
  readonly build: string;
}

/** A message ready to be written; the payload is copied. */
export function encodeMessage(type: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length);
  bytes.writeUInt32BE(payload.length + 1, 0);
  bytes[4] = type;
  bytes.set(payload, headerBytes);
  return bytes;
}

/** magic u32, version u16, has cluster id u8, cluster id u64, instance 16 bytes, build as UTF-8. */
export function encodeHello(hello: Hello): Uint8Array {
  const build = Buffer.from(hello.build.slice(0, 64));
  const bytes = Buffer.alloc(31 + build.length);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt16BE(hello.version, 4);
  bytes[6] = hello.clusterId === undefined ? 0 : 1;
  bytes.writeBigUInt64BE(hello.clusterId ?? 0n, 7);
  bytes.set(Buffer.from(hello.instance, "base64"), 15);
  bytes.set(build, 31);
  return bytes;
}

/** Only magic and version are fixed for ever: of another version nothing else is read. Undefined: it is no hello. */
export function decodeHello(payload: Uint8Array): Hello | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  if (bytes.length < 6 || bytes.readUInt32BE(0) !== magic) return undefined;
  const version = bytes.readUInt16BE(4);
  if (version !== protocolVersion) return { version, clusterId: undefined, instance: "", build: "" };
  if (bytes.length < 31) return undefined;
  return {
    version,
    clusterId: bytes[6] === 1 ? bytes.readBigUInt64BE(7) : undefined,
    instance: bytes.toString("base64", 15, 31),
    build: bytes.toString("utf8", 31),
  };
}

/** What came is not what a peer sends. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/**
 * Cuts what comes in into messages. A payload may be kept, and holds no more than twice its size: it has a buffer of its own,
 * unless it makes up most of its chunk.
 */
export class MessageReader {
  readonly #header = Buffer.alloc(headerBytes);
  #headerLength = 0;
  /** The message that has begun in an earlier chunk. */
  #partial: { readonly type: number; readonly payload: Uint8Array; length: number } | undefined;
  #isGreeted = false;

  /** Calls `take` for each message; it returns whether to go on. Throws ProtocolError. */
  read(chunk: Uint8Array, take: (type: number, payload: Uint8Array) => boolean): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial !== undefined) {
        const { type, payload } = this.#partial;
        const taken = Math.min(payload.length - this.#partial.length, chunk.length - at);
        payload.set(chunk.subarray(at, at + taken), this.#partial.length);
        this.#partial.length += taken;
        at += taken;
        if (this.#partial.length < payload.length) return;
        this.#partial = undefined;
        if (!take(type, payload)) return;
        continue;
      }
      const taken = Math.min(headerBytes - this.#headerLength, chunk.length - at);
      this.#header.set(chunk.subarray(at, at + taken), this.#headerLength);
      this.#headerLength += taken;
      at += taken;
      if (this.#headerLength < headerBytes) return;
      this.#headerLength = 0;
      const { type, length } = this.#begin();
      if (chunk.length - at >= length) {
        // Not a Buffer, whose slice() is no copy.
        const view = new Uint8Array(chunk.buffer, chunk.byteOffset + at, length);
        const payload = 2 * length < chunk.buffer.byteLength ? view.slice() : view;
        at += length;
        if (!take(type, payload)) return;
      } else this.#partial = { type, payload: new Uint8Array(length), length: 0 };
    }
  }

  #begin(): { type: number; length: number } {
    const length = this.#header.readUInt32BE(0) - 1;
    const type = this.#header[4] ?? 0;
    if (!this.#isGreeted) {
      // A refusal may come in its place.
      const isKnown = type === message.hello || type === message.bye;
      if (!isKnown || length < 0 || length > maxHelloBytes) throw new ProtocolError("it began with no hello");
      this.#isGreeted = true;
    } else if (length < 0 || length > maxFrameBytes) throw new ProtocolError(`a message of ${length} bytes`);
    return { type, length };
  }
}
