/** Where things stand in the store. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function keyBytes(key: string): Uint8Array {
  return encoder.encode(key);
}

export function keyText(key: Uint8Array): string {
  return decoder.decode(key);
}

/** Every object of a resource, or those of one namespace, stand under this prefix. */
export function collectionPrefix(
  resource: { readonly group: string; readonly plural: string },
  namespace?: string,
): string {
  const prefix = `/registry/${resource.group === "" ? "core" : resource.group}/${resource.plural}/`;
  return namespace === undefined ? prefix : `${prefix}${namespace}/`;
}

export function objectKey(
  resource: { readonly group: string; readonly plural: string },
  namespace: string | undefined,
  name: string,
): string {
  return collectionPrefix(resource, namespace) + name;
}

/** The first key after all that begin with `prefix`, which is ASCII and not empty. */
export function prefixEnd(prefix: string): Uint8Array {
  const end = keyBytes(prefix);
  const last = end.length - 1;
  end[last] = (end[last] ?? 0) + 1;
  return end;
}
