import type { AnyObject } from "./object.ts";
import { isRecord } from "./object.ts";

/** Keys in order, as Go's encoder writes maps. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) if (value[key] !== undefined) copy[key] = sorted(value[key]);
  return copy;
}

/** JSON byte for byte as kubectl writes it: sorted keys, and <, >, & and U+2028/9 escaped. */
export function goJson(value: unknown, indent?: string): string {
  return JSON.stringify(sorted(value), null, indent).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export async function yamlText(value: unknown): Promise<string> {
  const { Document } = await import("yaml");
  // YAML 1.1 as kubectl reads it: what would be a boolean or a time there is quoted.
  const document = new Document(sorted(value), { version: "1.1", aliasDuplicateObjects: false });
  return document.toString({ indentSeq: false, lineWidth: 0, blockQuote: "literal" });
}

/** Who owns which field is shown only on demand. */
export function withoutManagedFields(object: AnyObject): AnyObject {
  if (!isRecord(object.metadata) || object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
