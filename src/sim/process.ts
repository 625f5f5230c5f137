/** A process of the simulated engine: runs the words that runtime.ts describes. */
import { type Clock, sleep } from "../env/clock.ts";
import type { LogChunk } from "../node/container_runtime.ts";

const encoder = new TextEncoder();

export class SimProcess {
  /** The exit code; 137 when it was killed, 143 when SIGTERM ended it. */
  readonly ended: Promise<number>;
  readonly #clock: Clock;
  readonly #onOutput: (chunk: LogChunk) => void;
  readonly #output: LogChunk[] = [];
  readonly #wakers = new Set<() => void>();
  readonly #over = new AbortController();
  #stdin: Uint8Array[] = [];
  #stdinEnded = false;
  #deaf = false;
  #isOver = false;
  #finish: (code: number) => void = () => undefined;

  constructor(clock: Clock, words: readonly string[], onOutput: (chunk: LogChunk) => void) {
    this.#clock = clock;
    this.#onOutput = onOutput;
    this.ended = new Promise((resolve) => {
      this.#finish = (code) => {
        if (this.#isOver) return;
        this.#isOver = true;
        resolve(code);
        this.#over.abort();
        this.#wakeAll();
      };
    });
    void this.#run(words[0] === "sim" ? words.slice(1) : []);
  }

  /** How many pieces it wrote so far. */
  get written(): number {
    return this.#output.length;
  }

  async #run(words: readonly string[]): Promise<void> {
    for (let at = 0; at < words.length && !this.#isOver; at++) {
      switch (words[at]) {
        case "print":
          this.#write("stdout", `${words[++at] ?? ""}\n`);
          break;
        case "print-error":
          this.#write("stderr", `${words[++at] ?? ""}\n`);
          break;
        case "sleep":
          await sleep(this.#clock, Number(words[++at]), this.#over.signal);
          break;
        case "copy":
          await this.#copy();
          this.#finish(0);
          break;
        case "deaf":
          this.#deaf = true;
          break;
        case "exit":
          this.#finish(Number(words[++at]));
          break;
        default:
          throw new Error(`The simulated program has no word "${words[at]}"`);
      }
    }
  }

  async #copy(): Promise<void> {
    while (!this.#isOver) {
      const bytes = this.#stdin.shift();
      if (bytes !== undefined) this.#emit({ stream: "stdout", bytes });
      else if (this.#stdinEnded) return;
      else await this.#wait();
    }
  }

  #write(stream: LogChunk["stream"], text: string): void {
    this.#emit({ stream, bytes: encoder.encode(text) });
  }

  #emit(chunk: LogChunk): void {
    this.#output.push(chunk);
    this.#onOutput(chunk);
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  #wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wakers.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#wakers.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** What it wrote from piece number `from` on; with `follow` until it ends or `signal` is aborted. */
  async *read(from: number, follow: boolean, signal: AbortSignal): AsyncGenerator<LogChunk> {
    let at = from;
    while (!signal.aborted) {
      const chunk = this.#output[at];
      if (chunk !== undefined) {
        at++;
        yield chunk;
      } else if (this.#isOver || !follow) return;
      else await this.#wait(signal);
    }
  }

  writeStdin(bytes: Uint8Array): void {
    this.#stdin.push(bytes.slice());
    this.#wakeAll();
  }

  endStdin(): void {
    this.#stdinEnded = true;
    this.#wakeAll();
  }

  /** SIGTERM. */
  terminate(): void {
    if (!this.#deaf) this.#finish(143);
  }

  /** SIGKILL. */
  kill(): void {
    this.#finish(137);
  }
}
