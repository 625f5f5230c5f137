import type { Change } from "./changes.ts";
import { UsageError } from "./failure.ts";
import type { AnyObject } from "./object.ts";

/** "app=web" sets, "app-" takes away. */
export function parseMetadataChanges(words: readonly string[]): Map<string, string | null> {
  const changes = new Map<string, string | null>();
  for (const word of words) {
    const equals = word.indexOf("=");
    const key = equals < 0 ? word.slice(0, -1) : word.slice(0, equals);
    if (key === "") throw new UsageError(`"${word}" has no key: write KEY=VALUE, or KEY- to take it away`);
    if (changes.has(key)) throw new UsageError(`"${key}" is given more than once`);
    changes.set(key, equals < 0 ? null : word.slice(equals + 1));
  }
  if (changes.size === 0) throw new UsageError("at least one KEY=VALUE or KEY- is required");
  return changes;
}

/** A merge patch of metadata.labels or metadata.annotations. Throws when a value would be replaced without --overwrite. */
export function metadataChange(
  object: AnyObject,
  field: "labels" | "annotations",
  changes: ReadonlyMap<string, string | null>,
  overwrite: boolean,
): Change {
  const now = object.metadata?.[field] ?? {};
  const patch: Record<string, string | null> = {};
  const absent: string[] = [];
  let set = false;
  for (const [key, value] of changes) {
    const before = Object.hasOwn(now, key) ? now[key] : undefined;
    if (value === null && before === undefined && field === "labels") absent.push(key);
    if (value === null ? before === undefined : before === value) continue;
    if (value !== null && before !== undefined && !overwrite)
      throw new Error(`'${key}' already has a value (${before}), and --overwrite is false`);
    patch[key] = value;
    if (value !== null) set = true;
  }
  const base = field === "labels" ? "labeled" : "annotated";
  const nothing = Object.keys(patch).length === 0;
  const word = nothing
    ? field === "labels"
      ? "not labeled"
      : base
    : set || field === "annotations"
      ? base
      : "unlabeled";
  return {
    contentType: "application/merge-patch+json",
    patch: nothing ? undefined : { metadata: { [field]: patch } },
    word,
    notes: absent.map((key) => `label "${key}" not found.`),
  };
}
