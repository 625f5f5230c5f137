/**
 * Equality of JSON as Kubernetes means it: what is absent, null or empty (list or map) is the same. Strings, numbers and
 * booleans are compared as they are; quantities and times are canonical already.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  return a === b || firstDifference(a, b, "") === undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

/** The path of the first difference, below `path`; undefined where there is none. */
export function firstDifference(a: unknown, b: unknown, path: string): string | undefined {
  if (a === b || (isNothing(a) && isNothing(b))) return undefined;
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return path;
    for (let index = 0; index < a.length; index++) {
      const found = firstDifference(a[index], b[index], `${path}[${index}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (isRecord(a) && isRecord(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = firstDifference(a[key], b[key], path === "" ? key : `${path}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return path;
}
