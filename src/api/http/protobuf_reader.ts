/** Protobuf's wire format, read with bounds checked. Every malformed input is a ProtobufError. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

export type WireType = 0 | 1 | 2 | 5;

export class ProtobufReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  tag(): { readonly number: number; readonly wire: WireType } {
    const tag = this.varint();
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    if (number < 1 || number > 0x1fffffff) throw new ProtobufError(`illegal tag ${number}`);
    if (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5) throw new ProtobufError(`illegal wireType ${wire}`);
    return { number, wire };
  }

  /** Unsigned, 64 bits. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new ProtobufError("unexpected EOF");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError("integer overflow");
  }

  /** Signed, 64 bits; beyond 2^53 the nearest number, as everywhere in JSON. */
  int64(): number {
    return Number(BigInt.asIntN(64, this.varint()));
  }

  int32(): number {
    return Number(BigInt.asIntN(32, this.varint()));
  }

  double(): number {
    this.#need(8);
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const length = this.varint();
    if (length > BigInt(this.#bytes.length - this.#at)) throw new ProtobufError("unexpected EOF");
    const start = this.#at;
    this.#at += Number(length);
    return this.#bytes.subarray(start, this.#at);
  }

  string(): string {
    const bytes = this.bytes();
    try {
      return utf8.decode(bytes);
    } catch {
      throw new ProtobufError("string field contains invalid UTF-8");
    }
  }

  skip(wire: WireType): void {
    if (wire === 0) this.varint();
    else if (wire === 2) this.bytes();
    else {
      const length = wire === 1 ? 8 : 4;
      this.#need(length);
      this.#at += length;
    }
  }

  #need(length: number): void {
    if (this.#at + length > this.#bytes.length) throw new ProtobufError("unexpected EOF");
  }
}
