/** metav1.Time and metav1.MicroTime: RFC 3339, always written in UTC, in seconds and in microseconds. */

/** Throws TimeError with Go's text. `fraction` is what stands after the point, without trailing zeros. */
function parse(text: string): { readonly seconds: number; readonly fraction: string } {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text);
  if (match === null) throw new TimeError(text, whereItFails(text));
  const [, year, month, day, hour, minute, second, fraction = "", sign, zoneHour = "0", zoneMinute = "0"] = match;
  const [y, mo, d, h, mi, s] = [Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second)];
  if (mo < 1 || mo > 12) throw new TimeError(text, "month out of range");
  if (d < 1 || d > daysOf(y, mo)) throw new TimeError(text, "day out of range");
  if (h > 23) throw new TimeError(text, "hour out of range");
  if (mi > 59) throw new TimeError(text, "minute out of range");
  if (s > 59) throw new TimeError(text, "second out of range");
  const date = new Date(0);
  date.setUTCFullYear(y, mo - 1, d);
  date.setUTCHours(h, mi, s);
  const offset = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60 * (sign === "-" ? -1 : 1);
  return { seconds: date.getTime() / 1000 - offset, fraction };
}

function daysOf(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const layout = "2006-01-02T15:04:05Z07:00";

/** What Go's time.Parse says of a text that has not the layout's form. */
function whereItFails(text: string): string {
  const elements: [RegExp, string][] = [
    [/^\d{4}/, "2006"],
    [/^-/, "-"],
    [/^\d\d/, "01"],
    [/^-/, "-"],
    [/^\d\d/, "02"],
    [/^T/, "T"],
    [/^\d\d/, "15"],
    [/^:/, ":"],
    [/^\d\d/, "04"],
    [/^:/, ":"],
    [/^\d\d(?:[.,]\d+)?/, "05"],
    [/^(?:Z|[+-]\d\d:\d\d)/, "Z07:00"],
  ];
  let rest = text;
  for (const [pattern, element] of elements) {
    const found = pattern.exec(rest);
    if (found === null) return `as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as "${element}"`;
    rest = rest.slice(found[0].length);
  }
  return `extra text: ${JSON.stringify(rest)}`;
}

export class TimeError extends Error {
  override readonly name = "TimeError";
  constructor(text: string, detail: string) {
    super(`parsing time ${JSON.stringify(text)}${detail.startsWith("as ") ? " " : ": "}${detail}`);
  }
}

/** "2026-11-23T21:44:00Z". */
export function formatTime(milliseconds: number): string {
  return `${new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** "2026-11-23T21:44:00.123000Z". */
export function formatMicroTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 23)}000Z`;
}

const plainTime = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** Throws TimeError. Returns the same string where it is canonical already. */
export function canonicalTime(text: string): string {
  return plainTime.test(text) ? text : formatTime(parse(text).seconds * 1000);
}

/** Throws TimeError. Digits after the sixth are cut off. */
export function canonicalMicroTime(text: string): string {
  const { seconds, fraction } = parse(text);
  return `${formatTime(seconds * 1000).slice(0, 19)}.${fraction.slice(0, 6).padEnd(6, "0")}Z`;
}

/** Milliseconds since the epoch, with a fraction where the text has one; undefined for what is no RFC 3339 time. */
export function timeMs(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    const { seconds, fraction } = parse(text);
    return seconds * 1000 + (fraction === "" ? 0 : Number(`0.${fraction}`) * 1000);
  } catch (error) {
    if (error instanceof TimeError) return undefined;
    throw error;
  }
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["µs", 1e-3],
  ["μs", 1e-3],
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** A Go duration ("1h30m", "1.5s", "-2m") in milliseconds; undefined for what is none. */
export function durationMs(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text);
  if (match === null) return undefined;
  const [, sign, terms = ""] = match;
  let total = 0;
  for (const [, amount, unit = ""] of terms.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g))
    total += Number(amount) * (unitMs.get(unit) ?? 0);
  return sign === "-" ? -total : total;
}
