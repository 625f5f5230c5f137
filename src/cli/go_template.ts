import { UsageError } from "./failure.ts";
import { isRecord } from "./object.ts";

/**
 * The part of Go's templates that people use with kubectl in passing: text with {{.a.b}} paths. Anything more (range, if,
 * pipes, functions) is refused in words: JSONPath does it.
 */
export function goTemplate(template: string): (value: unknown) => string {
  const parts: { readonly text: string; readonly path: readonly string[] | undefined }[] = [];
  let at = 0;
  for (const match of template.matchAll(/\{\{(-?)([\s\S]*?)(-?)\}\}/g)) {
    let before = template.slice(at, match.index);
    if (match[1] === "-") before = before.trimEnd();
    parts.push({ text: before, path: undefined });
    const expression = (match[2] ?? "").trim();
    const literal = /^"((?:[^"\\]|\\.)*)"$/.exec(expression);
    if (literal) parts.push({ text: JSON.parse(expression), path: undefined });
    else if (/^\.$|^(\.[A-Za-z_]\w*)+$/.test(expression))
      parts.push({ text: "", path: expression.split(".").filter((name) => name !== "") });
    else
      throw new UsageError(
        `{{${match[2]}}} is more of Go's templates than wherry knows, which is {{.a.b}}; use -o jsonpath={...} instead`,
      );
    at = match.index + match[0].length;
    if (match[3] === "-") at += /^\s*/.exec(template.slice(at))?.[0].length ?? 0;
  }
  const rest = template.slice(at);
  return (value) =>
    parts.map((part) => (part.path ? goValue(follow(value, part.path), "<no value>") : part.text)).join("") + rest;
}

function follow(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) found = isRecord(found) ? found[name] : undefined;
  return found;
}

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
