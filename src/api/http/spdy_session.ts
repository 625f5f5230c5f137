/**
 * The part of SPDY/3.1 that Kubernetes' clients use for port-forward: they open streams with headers, both sides send data
 * and half-close. Server's side only; no priorities, and no flow control, which those clients do not do either.
 */
import { EmptyHeaderWriter, HeaderReader } from "./spdy_headers.ts";

export class SpdyError extends Error {
  override readonly name = "SpdyError";
}

const frameType = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7 } as const;
const fin = 1;
/** A frame's length has 24 bits; clients send at most 32 KiB. */
const maxFrameBytes = 1 << 20;
const maxStreams = 1000;

export interface SpdyStream {
  readonly headers: ReadonlyMap<string, string>;
  /** Sends; resolves when the transport took it. */
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close: no more will be written. */
  end(): Promise<void>;
  /** Set by who serves the stream. Awaited: a slow consumer slows the whole session, as one connection does. */
  onData: (bytes: Uint8Array) => void | Promise<void>;
  /** The client will send no more; `reset`: and wants no more either. */
  onEnd: (reset: boolean) => void;
}

/** Which sides have half-closed. */
interface OpenStream extends SpdyStream {
  sent: boolean;
  received: boolean;
}

export interface SpdySessionOptions {
  send(bytes: Uint8Array): Promise<void>;
  onStream(stream: SpdyStream): void;
}

export class SpdySession {
  readonly #options: SpdySessionOptions;
  readonly #reader = new HeaderReader();
  readonly #writer = new EmptyHeaderWriter();
  readonly #streams = new Map<number, OpenStream>();
  #rest: Uint8Array = new Uint8Array(0);

  constructor(options: SpdySessionOptions) {
    this.#options = options;
  }

  /** Bytes as they come; frames may be cut anywhere. Rejects with SpdyError or InflateError when the peer is no SPDY. */
  async receive(bytes: Uint8Array): Promise<void> {
    let input = bytes;
    if (this.#rest.length > 0) {
      input = new Uint8Array(this.#rest.length + bytes.length);
      input.set(this.#rest);
      input.set(bytes, this.#rest.length);
    }
    let at = 0;
    while (input.length - at >= 8) {
      const view = new DataView(input.buffer, input.byteOffset + at);
      const length = view.getUint32(4) & 0xffffff;
      if (length > maxFrameBytes) throw new SpdyError(`a frame of ${length} bytes is too long`);
      if (input.length - at < 8 + length) break;
      const payload = input.subarray(at + 8, at + 8 + length);
      at += 8 + length;
      const head = view.getUint32(0);
      const flags = view.getUint8(4);
      if (head < 0x80000000) await this.#data(head, flags, payload);
      else await this.#control(head, flags, payload);
    }
    this.#rest = input.slice(at);
  }

  /** The transport is gone: every stream that is open learns of it. */
  close(): void {
    for (const stream of this.#streams.values()) stream.onEnd(true);
    this.#streams.clear();
  }

  async #control(head: number, flags: number, payload: Uint8Array): Promise<void> {
    if (((head >>> 16) & 0x7fff) !== 3) throw new SpdyError("only SPDY/3.1 is spoken here");
    const id = payload.length >= 4 ? new DataView(payload.buffer, payload.byteOffset).getUint32(0) & 0x7fffffff : 0;
    switch (head & 0xffff) {
      case frameType.synStream:
        await this.#open(id, flags, payload.subarray(10));
        break;
      case frameType.rstStream: {
        const stream = this.#streams.get(id);
        this.#streams.delete(id);
        stream?.onEnd(true);
        break;
      }
      case frameType.ping:
        // Ours would be even: an odd one is the client's and wants its echo.
        if ((id & 1) === 1) await this.#options.send(controlFrame(frameType.ping, payload));
        break;
      default:
        break;
    }
  }

  async #open(id: number, flags: number, block: Uint8Array): Promise<void> {
    if (this.#streams.size >= maxStreams) throw new SpdyError(`more than ${maxStreams} streams`);
    const headers = this.#reader.read(block);
    const { send } = this.#options;
    const stream: OpenStream = {
      headers,
      sent: false,
      received: (flags & fin) !== 0,
      onData: () => undefined,
      onEnd: () => undefined,
      write: (bytes: Uint8Array) => (this.#streams.has(id) ? send(dataFrame(id, 0, bytes)) : Promise.resolve()),
      end: async () => {
        if (stream.sent || !this.#streams.has(id)) return;
        stream.sent = true;
        await send(dataFrame(id, fin, new Uint8Array(0)));
        if (stream.received) this.#streams.delete(id);
      },
    };
    this.#streams.set(id, stream);
    const reply = new Uint8Array([...uint32(id), ...this.#writer.block()]);
    await send(controlFrame(frameType.synReply, reply));
    this.#options.onStream(stream);
    if (stream.received) stream.onEnd(false);
  }

  async #data(id: number, flags: number, payload: Uint8Array): Promise<void> {
    const stream = this.#streams.get(id);
    if (!stream) return;
    if (payload.length > 0) await stream.onData(payload);
    if ((flags & fin) === 0) return;
    stream.received = true;
    stream.onEnd(false);
    if (stream.sent) this.#streams.delete(id);
  }
}

function uint32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function controlFrame(type: number, payload: Uint8Array): Uint8Array {
  return frame([0x80, 0x03, 0x00, type], 0, payload);
}

function dataFrame(id: number, flags: number, payload: Uint8Array): Uint8Array {
  return frame(uint32(id), flags, payload);
}

function frame(head: readonly number[], flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  bytes.set(head);
  bytes.set(uint32(((flags << 24) | payload.length) >>> 0), 4);
  bytes.set(payload, 8);
  return bytes;
}
