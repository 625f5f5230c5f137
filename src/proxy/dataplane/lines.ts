/** Bytes to lines, with an end to how long one may be. */
export class LineReader {
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder();
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes. Throws when one is too long. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, at));
      lines.push(this.#take());
      start = at + 1;
    }
    if (start < chunk.length) this.#keep(chunk.slice(start));
    return lines;
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) throw new Error(`A line is longer than ${this.#maxBytes} bytes`);
    this.#chunks.push(part);
  }

  #take(): string {
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [];
    this.#bytes = 0;
    return this.#decoder.decode(whole);
  }
}
