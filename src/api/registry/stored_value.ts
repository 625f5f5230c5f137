import { type ApiObject, deepFreeze, type Fields, isFields, type StoredObject } from "./object.ts";

/**
 * A stored value: one byte, the format's version, then JSON in UTF-8. resourceVersion is not in it: it is the store's
 * modRevision, which only the store knows.
 */
const formatVersion = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export class StoredValueError extends Error {
  override readonly name = "StoredValueError";
}

export function encodeStored(object: ApiObject): Uint8Array {
  const metadata: Fields = { ...object.metadata };
  delete metadata.resourceVersion;
  const json = encoder.encode(JSON.stringify({ ...object, metadata }));
  const value = new Uint8Array(json.length + 1);
  value[0] = formatVersion;
  value.set(json, 1);
  return value;
}

/** Throws StoredValueError: a newer version wrote it, or it is damaged. */
export function decodeStored(key: string, value: Uint8Array, modRevision: number): StoredObject {
  if (value[0] !== formatVersion)
    throw new StoredValueError(
      `Cannot read ${key}: its format is version ${value[0] ?? "none"}, this executable knows ${formatVersion}. ` +
        "Run the version of Wherry that wrote it, or a later one.",
    );
  let object: unknown;
  try {
    object = JSON.parse(decoder.decode(value.subarray(1)));
  } catch (error) {
    throw new StoredValueError(`Cannot read ${key}: the stored value is not JSON`, { cause: error });
  }
  if (!isFields(object) || !isFields(object.metadata))
    throw new StoredValueError(`Cannot read ${key}: the stored value is not an object with metadata`);
  object.metadata.resourceVersion = String(modRevision);
  // Written by encodeStored from an object whose identity was filled in and whose types were checked.
  return deepFreeze(object as unknown as StoredObject);
}
