import type { KubeObject, Observed } from "../../kinds/kind.ts";
import type { ObjectMeta } from "../../kinds/meta.ts";

/** A JSON object whose fields are not known. */
export type Fields = { [field: string]: unknown };

/** An object on its way in: types are checked, what stands in it is not yet. Ours to change. */
export interface ApiObject extends KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** An object as stored, at one revision: shared, never changed. */
export type StoredObject = Observed<KubeObject> & { readonly [field: string]: unknown };

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A deep copy of JSON, leaving out undefined members. */
export function copyJson<T>(value: T): T {
  return copied(value) as T; // Same shape by construction; only undefined members, which mean absent, are gone.
}

function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied);
  if (!isFields(value)) return value;
  const copy: Fields = {};
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member !== undefined) setField(copy, key, copied(member));
  }
  return copy;
}

/** Assignment that holds for every name: `__proto__` from a client is a field like any other. */
export function setField(target: Fields, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  else target[key] = value;
}

/** A copy of a stored object that may be changed. */
export function draftOf(object: StoredObject): ApiObject {
  return copied(object) as ApiObject; // A stored object has all that an ApiObject must have; the copy is ours.
}

/** Equality of JSON; an undefined member equals an absent one. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, at) => equalJson(item, b[at]));
  }
  if (!isFields(a) || !isFields(b)) return false;
  for (const key of Object.keys(a)) if (!equalJson(a[key], ownField(b, key))) return false;
  for (const key of Object.keys(b)) if (b[key] !== undefined && ownField(a, key) === undefined) return false;
  return true;
}

/** A field of the object itself, never of its prototype. */
export function ownField(object: Readonly<Fields>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
