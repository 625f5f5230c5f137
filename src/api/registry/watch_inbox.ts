import type { Clock, Timer } from "../../env/clock.ts";
import { StatusError } from "../../kinds/status_error.ts";
import type { CoreEvent } from "../core.ts";

/** What may wait for a client before it is dropped. */
const waitingEvents = 1_000;
const waitingBytes = 16 << 20;

/** What waits for one client: bounded, ended by a signal, a time-out or an error. */
export class Inbox {
  #events: { readonly event: CoreEvent; readonly size: number }[] = [];
  #bytes = 0;
  #reminder: (() => CoreEvent) | undefined;
  #ended = false;
  #error: StatusError | undefined;
  #wake: (() => void) | undefined;
  readonly #signal: AbortSignal;
  readonly #timer: Timer | undefined;
  readonly #finish = () => this.#end();

  readonly #release: () => void;

  /** `release` is called once, at the end. */
  constructor(clock: Clock, signal: AbortSignal, timeoutMs: number, release: () => void) {
    this.#signal = signal;
    this.#release = release;
    this.#ended = signal.aborted;
    if (this.#ended) return;
    signal.addEventListener("abort", this.#finish, { once: true });
    if (timeoutMs > 0) this.#timer = clock.schedule(timeoutMs, this.#finish);
  }

  push(event: CoreEvent, size: number): void {
    if (this.#ended || this.#error) return;
    this.#events.push({ event, size });
    this.#bytes += size;
    if (this.#events.length > waitingEvents || this.#bytes > waitingBytes) {
      this.#events = [];
      this.fail(
        new StatusError(
          429,
          "TooManyRequests",
          `This watch is too slow: more than ${waitingEvents} events or ${waitingBytes >> 20} MB wait for it. List again and watch from there.`,
          { retryAfterSeconds: 1 },
        ),
      );
    }
    this.#wake?.();
  }

  /** Calls `make` for an event once nothing else waits, so that a bookmark never overtakes a change. */
  remind(make: () => CoreEvent): void {
    this.#reminder = make;
    this.#wake?.();
  }

  fail(error: StatusError): void {
    this.#error ??= error;
    this.#wake?.();
  }

  /** The next event; undefined at the end. What waits is delivered before an error is thrown. */
  async next(): Promise<CoreEvent | undefined> {
    for (;;) {
      if (this.#ended) return undefined;
      const first = this.#events.shift();
      if (first) {
        this.#bytes -= first.size;
        return first.event;
      }
      if (this.#error) throw this.#error;
      const reminder = this.#reminder;
      if (reminder) {
        this.#reminder = undefined;
        return reminder();
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  get ended(): boolean {
    return this.#ended;
  }

  close(): void {
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events = [];
    this.#timer?.cancel();
    this.#signal.removeEventListener("abort", this.#finish);
    this.#release();
    this.#wake?.();
  }
}
