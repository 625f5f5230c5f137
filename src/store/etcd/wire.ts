import { Buffer } from "node:buffer";

/** A protobuf message that cannot be read: cut off, a wrong wire type, nested too deep. */
export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

/** How the bytes of a field are found without knowing it (protobuf's encoding, "Message Structure"). */
export const wireType = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

const twoTo32 = 0x1_0000_0000;

/** Reads protobuf's wire format. Running over the end is MalformedMessage. */
export class WireReader {
  readonly bytes: Uint8Array;
  at = 0;
  /** Of the message that is being read. */
  end: number;
  depth = 0;
  /** The halves of the varint that `#long` has read, unsigned. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined || this.at >= this.end)
      throw new MalformedMessage(`A message of ${this.bytes.length} bytes is cut off at byte ${this.at}`);
    this.at++;
    return value;
  }

  #long(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      const part = byte & 0x7f;
      if (shift < 28) low |= part << shift;
      else if (shift === 28) {
        low |= part << 28;
        high = part >>> 4;
      } else high |= part << (shift - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw new MalformedMessage(`A number at byte ${this.at} has more than ten bytes`);
  }

  /** Above 2^53 the nearest number. */
  uint64(): number {
    const first = this.bytes[this.at] ?? 0xff;
    if (first < 0x80 && this.at < this.end) {
      this.at++;
      return first;
    }
    this.#long();
    return this.#high * twoTo32 + this.#low;
  }

  /** Beyond 2^53 the nearest number. */
  int64(): number {
    const first = this.bytes[this.at] ?? 0xff;
    if (first < 0x80 && this.at < this.end) {
      this.at++;
      return first;
    }
    this.#long();
    return (this.#high | 0) * twoTo32 + this.#low;
  }

  bigUint64(): bigint {
    this.#long();
    return this.#high < 0x20_0000
      ? BigInt(this.#high * twoTo32 + this.#low)
      : (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  bigInt64(): bigint {
    return BigInt.asIntN(64, this.bigUint64());
  }

  /** Where the value of a length-delimited field ends, once its length is read. */
  lengthDelimitedEnd(): number {
    const length = this.uint64();
    const end = this.at + length;
    if (end > this.end)
      throw new MalformedMessage(`A field of ${length} bytes at byte ${this.at} is longer than its message`);
    return end;
  }

  /** A view, not a copy. */
  lengthDelimited(): Uint8Array {
    const end = this.lengthDelimitedEnd();
    const value = this.bytes.subarray(this.at, end);
    this.at = end;
    return value;
  }

  text(): string {
    const end = this.lengthDelimitedEnd();
    const value = Buffer.prototype.utf8Slice.call(this.bytes, this.at, end);
    this.at = end;
    return value;
  }

  skip(type: number): void {
    if (type === wireType.varint) while (this.byte() >= 0x80);
    else if (type === wireType.lengthDelimited) this.at = this.lengthDelimitedEnd();
    else if (type === wireType.fixed64 || type === wireType.fixed32) {
      this.at += type === wireType.fixed64 ? 8 : 4;
      if (this.at > this.end) throw new MalformedMessage(`A message is cut off at byte ${this.end}`);
    } else throw new MalformedMessage(`A field at byte ${this.at} has the unknown wire type ${type}`);
  }
}

const initialBytes = 64 * 1024;

/**
 * Writes protobuf's wire format from the end to the start: a message's length is known when its bytes are there, so one pass is
 * enough. Fields, and the items of repeated ones, are written last first.
 */
export class WireWriter {
  bytes = new Uint8Array(initialBytes);
  /** The first byte that is written. */
  at = initialBytes;

  get length(): number {
    return this.bytes.length - this.at;
  }

  #reserve(more: number): void {
    if (more <= this.at) return;
    const size = Math.max(this.bytes.length * 2, this.length + more);
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(this.at), size - this.length);
    this.at = size - this.length;
    this.bytes = grown;
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.at -= value.length;
    this.bytes.set(value, this.at);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(length);
    this.at -= length;
    Buffer.prototype.utf8Write.call(this.bytes, value, this.at, length);
  }

  /** A safe integer; a negative one takes ten bytes, as an int64 does. */
  varint(value: number): void {
    this.#reserve(10);
    if ((value & 0x7f) === value) {
      this.bytes[--this.at] = value;
      return;
    }
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} cannot be sent: want a safe integer`);
    const high = Math.floor(value / twoTo32);
    this.#halves(value >>> 0, high >>> 0);
  }

  bigVarint(value: bigint): void {
    this.#reserve(10);
    this.#halves(Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n)));
  }

  #halves(low: number, high: number): void {
    let size = 1;
    if (high !== 0) size = Math.ceil((64 - Math.clz32(high)) / 7);
    else if (low !== 0) size = Math.ceil((32 - Math.clz32(low)) / 7);
    this.at -= size;
    const { bytes } = this;
    let at = this.at;
    let [restLow, restHigh] = [low, high];
    for (let left = size - 1; left > 0; left--) {
      bytes[at++] = (restLow & 0x7f) | 0x80;
      restLow = ((restLow >>> 7) | (restHigh << 25)) >>> 0;
      restHigh >>>= 7;
    }
    bytes[at] = restLow;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.bytes[--this.at] = value;
  }

  u32BigEndian(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.u8((value >>> shift) & 0xff);
  }

  /** What was written, copied; the writer is empty again. */
  take(): Uint8Array {
    const taken = this.bytes.slice(this.at);
    this.reset();
    return taken;
  }

  reset(): void {
    // One large message does not hold its memory for ever.
    if (this.bytes.length > 16 * initialBytes) this.bytes = new Uint8Array(initialBytes);
    this.at = this.bytes.length;
  }
}
