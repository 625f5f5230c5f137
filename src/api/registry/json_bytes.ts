import type { JsonBytes } from "../core.ts";
import { isFields } from "./object.ts";

const encoder = new TextEncoder();

/**
 * JSON of objects that are shared and frozen: made when first asked for, kept as long as the object is. A list is put
 * together from the bytes of its items.
 */
export function createJsonBytes(): JsonBytes {
  const made = new WeakMap<object, Uint8Array>();
  const bytesOf = (object: unknown): Uint8Array => {
    if (typeof object !== "object" || object === null) return encoder.encode(JSON.stringify(object) ?? "null");
    const present = made.get(object);
    if (present) return present;
    if (isList(object)) return listBytes(object, bytesOf);
    const bytes = encoder.encode(JSON.stringify(object));
    // Only what cannot change any more may be kept.
    if (Object.isFrozen(object)) made.set(object, bytes);
    return bytes;
  };
  return bytesOf;
}

interface List {
  readonly items: readonly unknown[];
}

function isList(object: object): object is List {
  return isFields(object) && Array.isArray(object.items) && String(object.kind).endsWith("List");
}

function listBytes(list: List, bytesOf: JsonBytes): Uint8Array {
  const head = encoder.encode(`${JSON.stringify({ ...list, items: undefined }).slice(0, -1)},"items":[`);
  const parts = list.items.map(bytesOf);
  const size = parts.reduce((sum, part) => sum + part.length + 1, head.length + 2);
  const bytes = new Uint8Array(size);
  bytes.set(head);
  let at = head.length;
  for (const [index, part] of parts.entries()) {
    if (index > 0) bytes[at++] = 0x2c;
    bytes.set(part, at);
    at += part.length;
  }
  bytes[at++] = 0x5d;
  bytes[at++] = 0x7d;
  return bytes.subarray(0, at);
}
