import { UsageError } from "./failure.ts";
import { goValue } from "./go_value.ts";
import { isRecord } from "./object.ts";

/** Arguments are evaluated when they are asked for: `and` and `or` stop early. */
type Argument = () => unknown;

/** What text/template takes for true: all but nothing, false, 0 and what is empty. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isRecord(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** Functions of text/template that make sense for objects of the API, and kubectl's own: exists, base64decode. */
const functions: Readonly<Record<string, (args: readonly Argument[]) => unknown>> = {
  and: (args) => firstWhere(args, (value) => !isTrue(value)),
  or: (args) => firstWhere(args, isTrue),
  not: (args) => !isTrue(args[0]?.()),
  len: ([of]) => {
    const value = of?.();
    if (typeof value === "string") return new TextEncoder().encode(value).length;
    if (Array.isArray(value)) return value.length;
    if (isRecord(value)) return Object.keys(value).length;
    return failed("len", `${goValue(value)} has no length`);
  },
  index: ([of, ...keys]) => keys.reduce((value: unknown, key) => item(value, key()), of?.()),
  exists: ([of, ...keys]) => {
    try {
      return keys.reduce((value: unknown, key) => item(value, key()), of?.()) !== undefined;
    } catch {
      return false;
    }
  },
  eq: ([first, ...others]) => others.some((other) => other() === first?.()),
  ne: ([a, b]) => a?.() !== b?.(),
  lt: ([a, b]) => order("lt", a?.(), b?.()) < 0,
  le: ([a, b]) => order("le", a?.(), b?.()) <= 0,
  gt: ([a, b]) => order("gt", a?.(), b?.()) > 0,
  ge: ([a, b]) => order("ge", a?.(), b?.()) >= 0,
  // As Go's Sprint: a space only between two that are no strings.
  print: (args) => {
    const values = args.map((arg) => arg());
    const apart = (at: number) => at > 0 && typeof values[at] !== "string" && typeof values[at - 1] !== "string";
    return values.map((value, at) => (apart(at) ? " " : "") + goValue(value)).join("");
  },
  println: (args) => `${args.map((arg) => goValue(arg())).join(" ")}\n`,
  printf: ([format, ...args]) => formatted(String(format?.() ?? ""), args),
  base64decode: ([of]) => {
    const value = of?.();
    try {
      return new TextDecoder().decode(Uint8Array.from(atob(String(value)), (char) => char.charCodeAt(0)));
    } catch {
      return failed("base64decode", `${goValue(value)} is not base64`);
    }
  },
};

export function isFunction(name: string): boolean {
  return Object.hasOwn(functions, name);
}

/** Throws Error as kubectl tells it when the arguments do not fit, UsageError when there is no such function. */
export function callFunction(name: string, args: readonly Argument[]): unknown {
  const called = functions[name];
  if (called === undefined) throw new UsageError(`function "${name}" not defined in Go's templates`);
  return called(args);
}

function failed(name: string, why: string): never {
  throw new Error(`error executing template: error calling ${name}: ${why}`);
}

function firstWhere(args: readonly Argument[], ends: (value: unknown) => boolean): unknown {
  let value: unknown;
  for (const arg of args) {
    value = arg();
    if (ends(value)) break;
  }
  return value;
}

function item(value: unknown, key: unknown): unknown {
  if (Array.isArray(value) && typeof key === "number") {
    if (key >= 0 && key < value.length) return value[key];
    return failed("index", `index out of range: ${key}`);
  }
  if (isRecord(value) && typeof key === "string") return Object.hasOwn(value, key) ? value[key] : undefined;
  return failed("index", `${goValue(value)} has no item ${goValue(key)}`);
}

function order(name: string, a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a === b ? 0 : a < b ? -1 : 1;
  return failed(name, `incompatible types for comparison: ${goValue(a)} and ${goValue(b)}`);
}

/** Go's verbs %s %d %v %q %t %f and %%, with "-", "0", a width and a precision. */
function formatted(format: string, args: readonly Argument[]): string {
  let next = 0;
  return format.replace(/%([-0]*)(\d*)(?:\.(\d+))?([sdvqtf%])/g, (_, flags: string, width: string, digits, verb) => {
    if (verb === "%") return "%";
    const arg = args[next++];
    if (arg === undefined) return `%!${verb}(MISSING)`;
    const value = arg();
    let text = verb === "q" ? JSON.stringify(goValue(value)) : goValue(value);
    if (verb === "f") text = Number(value).toFixed(digits === undefined ? 6 : Number(digits));
    if (verb === "s" && digits !== undefined) text = text.slice(0, Number(digits));
    if (flags.includes("-")) return text.padEnd(Number(width));
    return text.padStart(Number(width), flags.includes("0") ? "0" : " ");
  });
}
