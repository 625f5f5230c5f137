import { Buffer } from "node:buffer";

/** A key's bytes as a string with one character a byte: strings compare as their bytes do, and faster. */
export function keyText(bytes: Uint8Array): string {
  // Works on any Uint8Array, without making a view.
  return Buffer.prototype.latin1Slice.call(bytes, 0, bytes.length);
}

export function keyBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  Buffer.prototype.latin1Write.call(bytes, text, 0, text.length);
  return bytes;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** A buffer that grows, for the store's binary formats: numbers little-endian or LEB128, bytes with their length. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #reserve(more: number): void {
    const need = this.length + more;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  u64(value: bigint): void {
    this.#reserve(8);
    this.#view.setBigUint64(this.length, BigInt.asUintN(64, value), true);
    this.length += 8;
  }

  /** A non-negative safe integer, 1 to 8 bytes. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a non-negative safe integer`);
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.length++] = (rest % 0x80) | 0x80;
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#bytes[this.length++] = rest;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** As `bytes`, of a text with one character a byte. */
  text(text: string): void {
    this.varint(text.length);
    this.#reserve(text.length);
    Buffer.prototype.latin1Write.call(this.#bytes, text, this.length, text.length);
    this.length += text.length;
  }

  /** `count` bytes of `value`. */
  fill(value: number, count: number): void {
    this.#reserve(count);
    this.#bytes.fill(value, this.length, this.length + count);
    this.length += count;
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** A view of what was written so far; valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  reset(): void {
    this.length = 0;
  }
}

/** Numbers of 64 bits pass through here: a DataView on the bytes themselves would cost more than all the rest of a small message. */
const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

/** Reads what ByteWriter wrote. Running over the end throws RangeError: the caller knows which file it was. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.at;
  }

  u8(): number {
    const value = this.#bytes[this.at];
    if (value === undefined) throw new RangeError(`the bytes end at ${this.at}`);
    this.at++;
    return value;
  }

  u32(): number {
    this.#take(4);
    return scratchView.getUint32(0, true);
  }

  u64(): bigint {
    this.#take(8);
    return scratchView.getBigUint64(0, true);
  }

  i64(): bigint {
    this.#take(8);
    return scratchView.getBigInt64(0, true);
  }

  #take(count: number): void {
    if (count > this.remaining) throw new RangeError(`the bytes end at ${this.#bytes.length}`);
    for (let at = 0; at < count; at++) scratch[at] = this.#bytes[this.at++] ?? 0;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    while (true) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    if (!Number.isSafeInteger(value)) throw new RangeError(`a number at byte ${this.at} is out of range`);
    return value;
  }

  /** A copy, so that the whole buffer is not kept alive by one part of it. */
  bytes(): Uint8Array {
    const from = this.#skip();
    return this.#bytes.slice(from, this.at);
  }

  /** As `bytes`, one character a byte. */
  text(): string {
    const from = this.#skip();
    return Buffer.prototype.latin1Slice.call(this.#bytes, from, this.at);
  }

  #skip(): number {
    const length = this.varint();
    if (length > this.remaining)
      throw new RangeError(`${length} bytes wanted at byte ${this.at}, ${this.remaining} left`);
    const from = this.at;
    this.at += length;
    return from;
  }
}
