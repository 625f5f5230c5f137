import { isRecord } from "./object.ts";

/** As Go prints values: maps and lists in brackets. */
export function goValue(value: unknown, missing = "<nil>"): string {
  if (value === undefined || value === null) return missing;
  if (Array.isArray(value)) return `[${value.map((item) => goValue(item)).join(" ")}]`;
  if (isRecord(value)) {
    const keys = Object.keys(value).sort();
    return `map[${keys.map((key) => `${key}:${goValue(value[key])}`).join(" ")}]`;
  }
  return String(value);
}
