import { type Field, fieldType, type Message, type Type } from "../../kinds/schema.ts";
import { copyJson, equalJson, type Fields, isFields, ownField, setField } from "../registry/object.ts";
import { PatchError } from "./patch_error.ts";

/**
 * Kubernetes' strategic merge patch, driven by the descriptors: objects merge, lists are replaced unless their field says
 * that they merge by a key of their items (or, lists of scalars, as sets). Directives:
 * - `$patch: replace|delete` in an object, or in an item of a merged list;
 * - `$retainKeys: [...]` clears the object's other fields;
 * - `$deleteFromPrimitiveList/FIELD: [...]` takes values out of a list of scalars;
 * - `$setElementOrder/FIELD: [...]` orders a merged list; items that it does not name keep their place among the others.
 *
 * Neither argument is changed; the result may share with both. Throws PatchError.
 */
export function strategicMerge(schema: Message, original: Fields, patch: Fields): Fields {
  return mergeObject(schema, original, patch);
}

const orderPrefix = "$setElementOrder/";
const deletePrefix = "$deleteFromPrimitiveList/";

interface Strategy {
  readonly of: Type | undefined;
  readonly merges: boolean;
  readonly replaces: boolean;
  readonly key: string;
}

const plain: Strategy = { of: undefined, merges: false, replaces: false, key: "" };

function strategyOf(schema: Type | undefined, name: string): Strategy {
  if (schema?.type === "map") return { ...plain, of: schema.value };
  if (schema?.type !== "message" || !Object.hasOwn(schema.fields, name)) return plain;
  const field: Field | undefined = schema.fields[name];
  if (field === undefined) return plain;
  const strategies = field.options.patchStrategy?.split(",") ?? [];
  return {
    of: fieldType(field),
    merges: strategies.includes("merge"),
    replaces: strategies.includes("replace"),
    key: field.options.patchMergeKey ?? "",
  };
}

function mergeObject(schema: Type | undefined, original: Fields, patch: Fields): Fields {
  const directive = ownField(patch, "$patch");
  if (directive === "replace") return withoutDirectives({ ...patch, $patch: undefined });
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge")
    throw new PatchError(`unknown patch type found: ${JSON.stringify(directive)}`, true);

  const result: Fields = {};
  for (const [key, value] of Object.entries(original)) setField(result, key, value);
  retainKeys(result, patch);
  for (const [name, value] of Object.entries(patch)) {
    if (name === "$patch" || name === "$retainKeys" || name.startsWith(orderPrefix)) continue;
    if (name.startsWith(deletePrefix)) deleteFromList(result, name.slice(deletePrefix.length), value);
    else if (value === null) delete result[name];
    else mergeField(schema, result, name, value);
  }
  for (const [name, order] of Object.entries(patch))
    if (name.startsWith(orderPrefix)) setOrder(schema, original, result, patch, name.slice(orderPrefix.length), order);
  return result;
}

function mergeField(schema: Type | undefined, result: Fields, name: string, value: unknown): void {
  const strategy = strategyOf(schema, name);
  const present = ownField(result, name);
  if (isFields(value)) {
    const base = isFields(present) && !strategy.replaces ? present : {};
    const merged = mergeObject(strategy.of, base, value);
    // Deleting what is not there leaves nothing behind.
    if (present === undefined && ownField(value, "$patch") === "delete") return;
    setField(result, name, merged);
  } else if (Array.isArray(value) && strategy.merges)
    setField(result, name, mergeList(strategy, Array.isArray(present) ? present : [], value));
  else setField(result, name, withoutDirectives(value));
}

function retainKeys(result: Fields, patch: Fields): void {
  const keys = ownField(patch, "$retainKeys");
  if (keys === undefined) return;
  if (!Array.isArray(keys)) throw new PatchError("$retainKeys must be a list of field names", true);
  for (const name of Object.keys(patch))
    if (!name.startsWith("$") && patch[name] !== null && !keys.includes(name))
      throw new PatchError(`$retainKeys does not name ${JSON.stringify(name)}, which the patch sets`, true);
  for (const name of Object.keys(result)) if (!keys.includes(name)) delete result[name];
}

function deleteFromList(result: Fields, name: string, values: unknown): void {
  const present = ownField(result, name);
  if (!Array.isArray(values)) throw new PatchError(`${deletePrefix}${name} must be a list`, true);
  if (Array.isArray(present))
    setField(
      result,
      name,
      present.filter((item) => !values.some((value) => equalJson(item, value))),
    );
}

function mergeList(strategy: Strategy, original: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const item = strategy.of?.type === "list" ? strategy.of.item : undefined;
  const { key } = strategy;
  if (key === "") {
    const merged = [...original];
    for (const value of patch) if (!merged.some((other) => equalJson(other, value))) merged.push(copyJson(value));
    return ordered(merged, patch, original, equalJson);
  }
  const wanted = patch.map((value) => {
    if (!isFields(value)) throw new PatchError(`items of a list that merges by ${key} must be objects`, true);
    return value;
  });
  if (wanted.some((value) => ownField(value, "$patch") === "replace"))
    return wanted.filter((value) => ownField(value, "$patch") !== "replace").map(withoutDirectives);

  const same = sameKey(key);
  let merged = [...original];
  for (const value of wanted) {
    if (ownField(value, key) === undefined)
      throw new PatchError(`map: ${JSON.stringify(value)} does not contain declared merge key: ${key}`, true);
    if (ownField(value, "$patch") === "delete") {
      merged = merged.filter((other) => !same(other, value));
      continue;
    }
    const at = merged.findIndex((other) => same(other, value));
    const base = merged[at];
    const result = mergeObject(item, isFields(base) ? base : {}, value);
    if (at < 0) merged.push(result);
    else merged[at] = result;
  }
  const kept = wanted.filter((value) => ownField(value, "$patch") !== "delete");
  return ordered(merged, kept, original, same);
}

function setOrder(
  schema: Type | undefined,
  original: Fields,
  result: Fields,
  patch: Fields,
  name: string,
  order: unknown,
): void {
  if (!Array.isArray(order)) throw new PatchError(`${orderPrefix}${name} must be a list`, true);
  const { key } = strategyOf(schema, name);
  const same = key === "" ? equalJson : sameKey(key);
  if (key !== "")
    for (const value of order)
      if (!isFields(value) || ownField(value, key) === undefined)
        throw new PatchError(`${orderPrefix}${name}: each item must have the merge key ${key}`, true);
  const wanted = ownField(patch, name);
  if (Array.isArray(wanted))
    for (const value of wanted)
      if (!(isFields(value) && value.$patch !== undefined) && !order.some((other) => same(other, value)))
        throw new PatchError(`The order in patch list: ${name} doesn't match ${orderPrefix}${name}`, true);
  const merged = ownField(result, name);
  const before = ownField(original, name);
  if (Array.isArray(merged)) setField(result, name, ordered(merged, order, Array.isArray(before) ? before : [], same));
}

type Same = (a: unknown, b: unknown) => boolean;

function sameKey(key: string): Same {
  return (a, b) => isFields(a) && isFields(b) && equalJson(ownField(a, key), ownField(b, key));
}

/**
 * Items that `order` names come in its order. The others keep their order, each before the first named item that it stood
 * before in `before`.
 */
export function ordered(
  items: readonly unknown[],
  order: readonly unknown[],
  before: readonly unknown[],
  same: Same,
): unknown[] {
  const place = (list: readonly unknown[], value: unknown) => list.findIndex((other) => same(other, value));
  const named = items.filter((value) => place(order, value) >= 0);
  named.sort((a, b) => place(order, a) - place(order, b));
  const others = items.filter((value) => place(order, value) < 0);
  const result: unknown[] = [];
  for (const value of named) {
    const was = place(before, value);
    // What only the server knows goes first where it stood first.
    while (others.length > 0 && was >= 0) {
      const other = place(before, others[0]);
      if (other < 0 || other > was) break;
      result.push(others.shift());
    }
    result.push(value);
  }
  return [...result, ...others];
}

/** What a patch says, where there is nothing to merge it with: without directives, deleted items and nulls in objects. */
function withoutDirectives<T>(value: T): T;
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value))
    return value.filter((item) => !(isFields(item) && item.$patch === "delete")).map((item) => withoutDirectives(item));
  if (!isFields(value)) return value;
  const result: Fields = {};
  for (const [name, member] of Object.entries(value))
    if (member !== null && member !== undefined && !isDirective(name))
      setField(result, name, withoutDirectives(member));
  return result;
}

function isDirective(name: string): boolean {
  return name === "$patch" || name === "$retainKeys" || name.startsWith(orderPrefix) || name.startsWith(deletePrefix);
}
