/**
 * RFC 1951's inflate for SPDY's header blocks: one stream over a whole connection, flushed after each block. Written out
 * here because zlib bindings work in the background and cannot say "everything up to this flush", and because what a
 * client sends must not grow without bound.
 */
export class InflateError extends Error {
  override readonly name = "InflateError";
}

const windowSize = 32 * 1024;
/** A header block holds a few words; anything longer is an attack. */
const maxBlockBytes = 64 * 1024;

const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Canonical Huffman code: how many codes of each length, and the symbols in order. */
interface Huffman {
  readonly counts: readonly number[];
  readonly symbols: readonly number[];
}

function huffman(lengths: readonly number[]): Huffman {
  const counts = new Array<number>(16).fill(0);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  counts[0] = 0;
  const symbols = lengths
    .map((length, symbol) => ({ length, symbol }))
    .filter(({ length }) => length > 0)
    .sort((a, b) => a.length - b.length || a.symbol - b.symbol)
    .map(({ symbol }) => symbol);
  return { counts, symbols };
}

const fixedLiterals = huffman(
  Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
);
const fixedDistances = huffman(new Array<number>(30).fill(5));

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;
  #bit = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }
  take(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new InflateError("the header block is cut off");
      value |= ((byte >> this.#bit) & 1) << index;
      if (++this.#bit === 8) {
        this.#bit = 0;
        this.#at++;
      }
    }
    return value;
  }
  align(): void {
    if (this.#bit === 0) return;
    this.#bit = 0;
    this.#at++;
  }
  symbol({ counts, symbols }: Huffman): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= 15; length++) {
      code |= this.take(1);
      const count = counts[length] ?? 0;
      if (code - count < first) {
        const symbol = symbols[index + (code - first)];
        if (symbol !== undefined) return symbol;
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new InflateError("a Huffman code is not known");
  }
}

export class Inflate {
  /** The last 32 KiB of output, which later blocks refer back to. */
  #window: number[];
  #fresh = true;
  readonly #dictionary: Uint8Array;

  constructor(dictionary: Uint8Array) {
    this.#window = [];
    this.#dictionary = dictionary;
  }

  /** One flushed piece of the stream. The first begins with zlib's header (RFC 1950). */
  push(bytes: Uint8Array): Uint8Array {
    const bits = new Bits(bytes);
    if (this.#fresh) {
      if ((bits.take(8) & 0x0f) !== 8) throw new InflateError("this is no zlib stream");
      if ((bits.take(8) & 0x20) !== 0) {
        bits.take(16);
        bits.take(16);
        this.#window = [...this.#dictionary];
      }
      this.#fresh = false;
    }
    const start = this.#window.length;
    let final = false;
    while (!bits.done && !final) {
      final = bits.take(1) === 1;
      const type = bits.take(2);
      if (type === 0) this.#stored(bits, start);
      else if (type === 1) this.#compressed(bits, fixedLiterals, fixedDistances, start);
      else if (type === 2) {
        const { literals, distances } = dynamicCodes(bits);
        this.#compressed(bits, literals, distances, start);
      } else throw new InflateError("a block's type is not known");
      // A flush ends with an empty stored block, which leaves the reader at a whole byte.
    }
    const output = Uint8Array.from(this.#window.slice(start));
    if (this.#window.length > windowSize) this.#window = this.#window.slice(-windowSize);
    return output;
  }

  #emit(byte: number, start: number): void {
    if (this.#window.length - start >= maxBlockBytes) throw new InflateError(`more than ${maxBlockBytes} bytes`);
    this.#window.push(byte);
  }

  #stored(bits: Bits, start: number): void {
    bits.align();
    const length = bits.take(16);
    if ((length ^ bits.take(16)) !== 0xffff) throw new InflateError("a stored block's length is damaged");
    for (let index = 0; index < length; index++) this.#emit(bits.take(8), start);
  }

  #compressed(bits: Bits, literals: Huffman, distances: Huffman, start: number): void {
    for (;;) {
      const symbol = bits.symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.#emit(symbol, start);
        continue;
      }
      const base = lengthBase[symbol - 257];
      if (base === undefined) throw new InflateError("a length is not known");
      const length = base + bits.take(lengthExtra[symbol - 257] ?? 0);
      const code = bits.symbol(distances);
      const distance = (distanceBase[code] ?? 0) + bits.take(code < 2 ? 0 : (code >> 1) - 1);
      if (distance === 0 || distance > this.#window.length) throw new InflateError("a distance is too far");
      for (let index = 0; index < length; index++) this.#emit(this.#window[this.#window.length - distance] ?? 0, start);
    }
  }
}

function dynamicCodes(bits: Bits): { readonly literals: Huffman; readonly distances: Huffman } {
  const literalCount = bits.take(5) + 257;
  const distanceCount = bits.take(5) + 1;
  const codeCount = bits.take(4) + 4;
  const codeLengths = new Array<number>(19).fill(0);
  for (const position of codeLengthOrder.slice(0, codeCount)) codeLengths[position] = bits.take(3);
  const codes = huffman(codeLengths);
  const lengths: number[] = [];
  while (lengths.length < literalCount + distanceCount) {
    const symbol = bits.symbol(codes);
    if (symbol < 16) {
      lengths.push(symbol);
      continue;
    }
    const previous = lengths.at(-1);
    if (symbol === 16 && previous === undefined) throw new InflateError("nothing to repeat");
    const times = symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7);
    for (let index = 0; index < times; index++) lengths.push(symbol === 16 ? (previous ?? 0) : 0);
  }
  return {
    literals: huffman(lengths.slice(0, literalCount)),
    distances: huffman(lengths.slice(literalCount, literalCount + distanceCount)),
  };
}
