import type { Clock, Timer } from "../env/clock.ts";
import type { Log } from "../env/log.ts";

/**
 * One life of a simulated process. What the process is given passes through here; when it dies, nothing comes back to it any
 * more: calls under way and later ones never settle, timers do not fire, streams stay silent, nothing is logged. So code that
 * was killed in the middle of anything stays there for ever, as it does on a real machine. What the other side (a disk, an
 * engine) had already been asked to do, it does.
 */
export class Life {
  #isOver = false;
  #markEnded: () => void = () => undefined;
  /** Resolves with its end. */
  readonly ended = new Promise<void>((resolve) => {
    this.#markEnded = resolve;
  });

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
    this.#markEnded();
  }

  clock(clock: Clock): Clock {
    const nothing: Timer = { cancel: () => undefined };
    return {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      schedule: (delayMs, callback) =>
        this.#isOver
          ? nothing
          : clock.schedule(delayMs, () => {
              if (!this.#isOver) callback();
            }),
    };
  }

  log(log: Log): Log {
    return {
      debug: (message, fields) => this.#isOver || log.debug(message, fields),
      info: (message, fields) => this.#isOver || log.info(message, fields),
      warn: (message, fields) => this.#isOver || log.warn(message, fields),
      error: (message, fields) => this.#isOver || log.error(message, fields),
      with: (fields) => this.log(log.with(fields)),
    };
  }

  /** The same object, whose methods, and what they return, serve this life only. */
  bind<T extends object>(effect: T): T {
    return new Proxy(effect, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return this.#bound(value);
        return (...args: unknown[]): unknown =>
          this.#isOver ? silence() : this.#bound(Reflect.apply(value, target, args));
      },
    });
  }

  #bound(value: unknown): unknown {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
    if (value instanceof Promise) return this.#promise(value);
    if (isAsyncIterable(value)) return this.#iterable(value);
    const speaks = Object.values(value).some((member) => typeof member === "function");
    return speaks ? this.bind(value) : value;
  }

  #promise(promise: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#isOver || resolve(this.#bound(value)),
        (error) => this.#isOver || reject(error),
      );
    });
  }

  #iterable(iterable: AsyncIterable<unknown>): AsyncIterable<unknown> {
    return {
      [Symbol.asyncIterator]: () => {
        const iterator = iterable[Symbol.asyncIterator]();
        const step = (result: Promise<IteratorResult<unknown>>) =>
          new Promise<IteratorResult<unknown>>((resolve, reject) => {
            result.then(
              (value) => this.#isOver || resolve(value),
              (error) => this.#isOver || reject(error),
            );
          });
        return {
          next: () => step(iterator.next()),
          return: () => step(iterator.return?.() ?? Promise.resolve({ done: true, value: undefined })),
        };
      },
    };
  }
}

/** What a dead process gets: as a promise or as a stream, it never answers. */
function silence(): Promise<never> & AsyncIterable<never> {
  const never = new Promise<never>(() => undefined);
  return Object.assign(never, {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<never>>(() => undefined) }),
  });
}

function isAsyncIterable(value: object): value is AsyncIterable<unknown> {
  return Symbol.asyncIterator in value;
}
