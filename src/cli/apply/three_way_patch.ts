import { type Field, type FieldMap, fieldType, type Type } from "../../kinds/schema.ts";
import { isRecord } from "../object.ts";

type Values = Readonly<Record<string, unknown>>;

/**
 * The strategic merge patch that makes `current` say what `modified` says, and takes away what `original` (applied last)
 * said and `modified` no longer does. What neither says, others own: it stays. Undefined: nothing to change.
 */
export function threeWayPatch(
  original: Values | undefined,
  modified: Values,
  current: Values,
  schema: Type,
): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  for (const [key, wanted] of Object.entries(modified)) {
    const now = current[key];
    if (wanted === null || wanted === undefined) {
      if (now !== null && now !== undefined && key !== "creationTimestamp") patch[key] = null;
      continue;
    }
    const field = fieldOf(schema, key);
    if (now === undefined || now === null) patch[key] = wanted;
    else if (isRecord(wanted) && isRecord(now)) mapPatch(patch, key, original?.[key], wanted, now, field);
    else if (Array.isArray(wanted) && Array.isArray(now)) listPatch(patch, key, original?.[key], wanted, now, field);
    else if (wanted !== now) patch[key] = wanted;
  }
  for (const key of Object.keys(original ?? {}))
    if (modified[key] === undefined && current[key] !== undefined && current[key] !== null) patch[key] = null;
  return Object.keys(patch).length > 0 ? patch : undefined;
}

function mapPatch(
  patch: Record<string, unknown>,
  key: string,
  original: unknown,
  wanted: Values,
  now: Values,
  field: Field | undefined,
): void {
  const strategy = field?.options.patchStrategy ?? "";
  if (strategy === "replace") {
    if (!same(wanted, now)) patch[key] = wanted;
    return;
  }
  const inner = threeWayPatch(isRecord(original) ? original : undefined, wanted, now, typeOf(field));
  if (inner === undefined) return;
  patch[key] = strategy.includes("retainKeys") ? { ...inner, $retainKeys: Object.keys(wanted).sort() } : inner;
}

function listPatch(
  patch: Record<string, unknown>,
  key: string,
  original: unknown,
  wanted: readonly unknown[],
  now: readonly unknown[],
  field: Field | undefined,
): void {
  const { patchStrategy = "", patchMergeKey = "" } = field?.options ?? {};
  const before: readonly unknown[] = Array.isArray(original) ? original : [];
  if (!patchStrategy.includes("merge")) {
    if (!same(wanted, now)) patch[key] = wanted;
    return;
  }
  if (patchMergeKey === "") {
    const added = wanted.filter((value) => !now.includes(value));
    const removed = before.filter((value) => !wanted.includes(value) && now.includes(value));
    if (added.length > 0) patch[key] = added;
    if (removed.length > 0) patch[`$deleteFromPrimitiveList/${key}`] = removed;
    if (added.length + removed.length > 0) patch[`$setElementOrder/${key}`] = wanted;
    return;
  }
  const items = (list: readonly unknown[]) => list.filter(isRecord);
  const named = (list: readonly unknown[], name: unknown) => items(list).find((item) => item[patchMergeKey] === name);
  const type = typeOf(field);
  const itemType: Type = type.type === "list" ? type.item : type;
  const changes: unknown[] = [];
  for (const item of items(wanted)) {
    const name = item[patchMergeKey];
    const there = named(now, name);
    if (there === undefined) {
      changes.push(item);
      continue;
    }
    const inner = threeWayPatch(named(before, name), item, there, itemType);
    if (inner === undefined) continue;
    const retained = patchStrategy.includes("retainKeys") ? { $retainKeys: Object.keys(item).sort() } : {};
    changes.push({ ...inner, ...retained, [patchMergeKey]: name });
  }
  for (const item of items(before)) {
    const name = item[patchMergeKey];
    if (named(wanted, name) === undefined && named(now, name) !== undefined)
      changes.push({ $patch: "delete", [patchMergeKey]: name });
  }
  if (changes.length === 0) return;
  patch[key] = changes;
  patch[`$setElementOrder/${key}`] = items(wanted).map((item) => ({ [patchMergeKey]: item[patchMergeKey] }));
}

function fieldOf(schema: Type, key: string): Field | undefined {
  if (schema.type !== "message") return undefined;
  const fields: FieldMap = schema.fields;
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

function typeOf(field: Field | undefined): Type {
  return field === undefined ? { type: "any" } : fieldType(field);
}

/** Equal as JSON, whatever the order of keys. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => same(item, b[at]));
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}
