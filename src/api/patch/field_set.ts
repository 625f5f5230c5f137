import { type Field, fieldType, type Type } from "../../kinds/schema.ts";
import { copyJson, equalJson, type Fields, isFields, ownField, setField } from "../registry/object.ts";
import { ordered } from "./strategic_merge.ts";

/**
 * Which fields of an object somebody has an opinion on, in the form of metav1.FieldsV1: `f:NAME` a field, `k:{...}` an item of
 * a list by its keys, `v:...` a value of a set, `.` the item itself. A step without children is owned whole.
 */
export type FieldSet = { [step: string]: FieldSet };

type Shape =
  | { readonly how: "fields"; readonly of: (name: string) => Field | Type | undefined }
  | { readonly how: "items"; readonly keys: readonly string[]; readonly item: Type; readonly defaults: Fields }
  | { readonly how: "set" }
  | { readonly how: "whole" };

/** How ownership divides a value: by field, by item, by value, or not at all. */
function shapeOf(field: Field | Type | undefined): Shape {
  if (field === undefined) return { how: "whole" };
  const type = "of" in field ? fieldType(field) : field;
  const options = "of" in field ? field.options : {};
  if (type.type === "message")
    return type.mapType === "atomic" || options.mapType === "atomic"
      ? { how: "whole" }
      : { how: "fields", of: (name) => (Object.hasOwn(type.fields, name) ? type.fields[name] : undefined) };
  if (type.type === "map")
    return options.mapType === "atomic" ? { how: "whole" } : { how: "fields", of: () => type.value };
  if (type.type !== "list") return { how: "whole" };
  if (options.listType === "set") return { how: "set" };
  if (options.listType !== "map") return { how: "whole" };
  const keys = options.listMapKeys ?? [];
  const defaults: Fields = {};
  const { item } = type;
  if (item.type === "message")
    for (const key of keys) {
      const value = item.fields[key]?.options.default ?? (key === "protocol" ? "TCP" : undefined);
      if (value !== undefined) defaults[key] = value;
    }
  return { how: "items", keys, item, defaults };
}

function keyStep(shape: Shape & { how: "items" }, item: unknown): string {
  const keys: Fields = {};
  for (const key of [...shape.keys].sort()) {
    const value = isFields(item) ? (ownField(item, key) ?? shape.defaults[key]) : undefined;
    if (value !== undefined) keys[key] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

export function fieldSetOf(field: Field | Type | undefined, value: unknown): FieldSet {
  const shape = shapeOf(field);
  const set: FieldSet = {};
  if (shape.how === "fields" && isFields(value)) {
    for (const [name, member] of Object.entries(value))
      if (member !== undefined && member !== null) set[`f:${name}`] = fieldSetOf(shape.of(name), member);
  } else if (shape.how === "items" && Array.isArray(value)) {
    for (const item of value) set[keyStep(shape, item)] = { ".": {}, ...fieldSetOf(shape.item, item) };
  } else if (shape.how === "set" && Array.isArray(value))
    for (const item of value) set[`v:${JSON.stringify(item)}`] = {};
  return set;
}

/** `live` with everything that `config` says. Neither is changed. */
export function mergeApplied(field: Field | Type | undefined, live: unknown, config: unknown): unknown {
  const shape = shapeOf(field);
  if (shape.how === "fields" && isFields(live) && isFields(config)) {
    const result: Fields = { ...live };
    for (const [name, member] of Object.entries(config))
      if (member !== undefined && member !== null)
        setField(result, name, mergeApplied(shape.of(name), ownField(live, name), member));
    return result;
  }
  if (shape.how === "items" && Array.isArray(live) && Array.isArray(config)) {
    const same = (a: unknown, b: unknown) => keyStep(shape, a) === keyStep(shape, b);
    const result: unknown[] = [...live];
    for (const item of config) {
      const at = result.findIndex((other) => same(other, item));
      if (at < 0) result.push(copyJson(item));
      else result[at] = mergeApplied(shape.item, result[at], item);
    }
    return ordered(result, config, live, same);
  }
  if (shape.how === "set" && Array.isArray(live) && Array.isArray(config))
    return [...live, ...config.filter((item) => !live.some((other) => equalJson(other, item)))];
  return copyJson(config);
}

/** `value` without the fields of `set`. What is left empty by it goes too; undefined: nothing is left. */
export function withoutFields(field: Field | Type | undefined, value: unknown, set: FieldSet): unknown {
  const shape = shapeOf(field);
  if (Object.keys(set).length === 0) return undefined;
  if (shape.how === "fields" && isFields(value)) {
    const result: Fields = {};
    for (const [name, member] of Object.entries(value)) {
      const gone = ownField(set, `f:${name}`);
      const rest = isFieldSet(gone) ? withoutFields(shape.of(name), member, gone) : member;
      if (rest !== undefined) setField(result, name, rest);
    }
    return Object.keys(result).length === 0 ? undefined : result;
  }
  if (shape.how === "items" && Array.isArray(value)) {
    const rest = value.flatMap((item: unknown): unknown[] => {
      const gone = ownField(set, keyStep(shape, item));
      if (!isFieldSet(gone)) return [item];
      if (ownField(gone, ".") !== undefined) return [];
      const left = withoutFields(shape.item, item, gone);
      return left === undefined ? [] : [left];
    });
    return rest.length === 0 ? undefined : rest;
  }
  if (shape.how === "set" && Array.isArray(value)) {
    const rest = value.filter((item) => !Object.hasOwn(set, `v:${JSON.stringify(item)}`));
    return rest.length === 0 ? undefined : rest;
  }
  return undefined;
}

function isFieldSet(value: unknown): value is FieldSet {
  return isFields(value);
}

/** What of `a` is not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [step, children] of Object.entries(a)) {
    const other = Object.hasOwn(b, step) ? b[step] : undefined;
    if (other === undefined) result[step] = children;
    else if (Object.keys(children).length > 0) {
      // A step without children that has some elsewhere is an empty object or list.
      const rest = difference(children, other);
      if (Object.keys(rest).length > 0) result[step] = rest;
    }
  }
  return result;
}

export function isEmptySet(set: FieldSet): boolean {
  return Object.keys(set).length === 0;
}

/** Fields of `set` on which two objects differ, though both have an opinion: `.spec.replicas`. */
export function disagreements(
  field: Field | Type | undefined,
  set: FieldSet,
  live: unknown,
  config: unknown,
  path = "",
): { readonly path: string; readonly set: FieldSet }[] {
  if (config === undefined || config === null) return [];
  const shape = shapeOf(field);
  const children = Object.entries(set).filter(([step]) => step !== ".");
  if (shape.how === "whole") return equalJson(live, config) ? [] : [{ path, set: {} }];
  const found: { path: string; set: FieldSet }[] = [];
  for (const [step, below] of children) {
    let deeper: { readonly path: string; readonly set: FieldSet }[] = [];
    if (shape.how === "fields" && step.startsWith("f:")) {
      const name = step.slice(2);
      const at = (value: unknown) => (isFields(value) ? ownField(value, name) : undefined);
      deeper = disagreements(shape.of(name), below, at(live), at(config), `${path}.${name}`);
    } else if (shape.how === "items" && step.startsWith("k:")) {
      const at = (value: unknown): unknown =>
        Array.isArray(value) ? value.find((item) => keyStep(shape, item) === step) : undefined;
      deeper = disagreements(shape.item, below, at(live), at(config), `${path}[${keyText(step)}]`);
    }
    // Values of a set never disagree: they are there or not.
    for (const { path: where, set: rest } of deeper) found.push({ path: where, set: { [step]: rest } });
  }
  return found;
}

function keyText(step: string): string {
  const keys: unknown = JSON.parse(step.slice(2));
  return Object.entries(isFields(keys) ? keys : {})
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(",");
}
