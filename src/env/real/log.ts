import type { Clock } from "../clock.ts";
import { describeError, type Log, type LogFields, type LogLevel } from "../log.ts";

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly clock: Clock;
  /** One record, without its line end. */
  write(line: string): void;
}

/** Writes records of at least `level`, one a line: for people (text) or for machines (json). */
export function createLog(options: LogOptions, context: LogFields = {}): Log {
  const record = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (order[level] < order[options.level]) return;
    const time = new Date(options.clock.now()).toISOString();
    const all = { ...context, ...fields };
    options.write(
      options.format === "json"
        ? JSON.stringify({ time, level, message, ...all }, (_, value) => plain(value))
        : `${time} ${level.toUpperCase().padEnd(5)} ${message}${asText(all)}`,
    );
  };
  return {
    debug: (message, fields) => record("debug", message, fields),
    info: (message, fields) => record("info", message, fields),
    warn: (message, fields) => record("warn", message, fields),
    error: (message, fields) => record("error", message, fields),
    with: (fields) => createLog(options, { ...context, ...fields }),
  };
}

function plain(value: unknown): unknown {
  if (value instanceof Error) return describeError(value);
  return typeof value === "bigint" ? value.toString() : value;
}

function asText(fields: LogFields): string {
  let text = "";
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const shown = plain(value);
    const word = typeof shown === "string" ? shown : (JSON.stringify(shown) ?? "null");
    text += ` ${key}=${/^[^\s"=]+$/.test(word) ? word : JSON.stringify(word)}`;
  }
  return text;
}
