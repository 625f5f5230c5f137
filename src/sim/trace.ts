import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Clock } from "../env/clock.ts";
import type { Log, LogFields, LogLevel } from "../env/log.ts";

/** What happened in a simulation, line by line with virtual times, and a hash that two runs of a seed must share. */
export class Trace {
  readonly #clock: Clock;
  readonly #hash = sha256.create();
  readonly lines: string[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(text: string): void {
    const line = `${this.#clock.monotonicMs().toFixed(3)} ${text}`;
    this.lines.push(line);
    this.#hash.update(utf8ToBytes(`${line}\n`));
  }

  /** SHA-256 of all lines so far, in hexadecimal. */
  hash(): string {
    return bytesToHex(this.#hash.clone().digest());
  }
}

/** A log whose records become lines of the trace. */
export class TraceLog implements Log {
  readonly #trace: Trace;
  readonly #fields: LogFields;

  constructor(trace: Trace, fields: LogFields = {}) {
    this.#trace = trace;
    this.#fields = fields;
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    const all = { ...this.#fields, ...fields };
    const texts = Object.entries(all).map(([key, value]) => `${key}=${asText(value)}`);
    this.#trace.note([level, message, ...texts].join(" "));
  }

  debug(message: string, fields?: LogFields): void {
    this.#write("debug", message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#write("info", message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#write("warn", message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.#write("error", message, fields);
  }
  with(fields: LogFields): Log {
    return new TraceLog(this.#trace, { ...this.#fields, ...fields });
  }
}

function asText(value: unknown): string {
  if (value instanceof Error) return value.message;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
}
