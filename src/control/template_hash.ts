import type { PodTemplateSpec } from "../kinds/core/pod_spec.ts";
import type { DeepReadonly } from "../kinds/schema.ts";

export const templateHashLabel = "pod-template-hash";

const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/**
 * The short name of a pod template: FNV-1a (32 bits) of its JSON with sorted keys, without its hash label, spelled in Kubernetes'
 * alphabet. `collisionCount` is mixed in, to get away from a name that is taken.
 */
export function templateHash(template: DeepReadonly<PodTemplateSpec>, collisionCount: number | undefined): string {
  let hash = 0x811c9dc5;
  const text = `${textOf(template)}${collisionCount === undefined ? "" : `#${collisionCount}`}`;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return Array.from(String(hash), (digit) => alphabet[digit.charCodeAt(0) % alphabet.length]).join("");
}

/** Whether two templates mean the same, whatever their hash labels; absent and empty are the same. */
export function sameTemplate(a: DeepReadonly<PodTemplateSpec>, b: DeepReadonly<PodTemplateSpec>): boolean {
  return textOf(a) === textOf(b);
}

/** Templates are read again and again and never change. */
const texts = new WeakMap<object, string>();
function textOf(template: DeepReadonly<PodTemplateSpec>): string {
  const known = texts.get(template);
  if (known !== undefined) return known;
  const text = canonical(withoutHash(template));
  texts.set(template, text);
  return text;
}

function withoutHash(template: DeepReadonly<PodTemplateSpec>): DeepReadonly<PodTemplateSpec> {
  if (template.metadata?.labels?.[templateHashLabel] === undefined) return template;
  const { [templateHashLabel]: _hash, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** JSON with sorted keys; what is absent, null or an empty list or object within an object is left out. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const parts: string[] = [];
  // Sound: a JSON object.
  const record = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(record).sort()) {
    const inner = record[key];
    if (inner === undefined || inner === null) continue;
    const text = canonical(inner);
    // An emptyDir: {} says something, though it is empty: only maps and lists that repeat nothing are dropped.
    if (text === "[]" || (text === "{}" && (key === "labels" || key === "annotations" || key === "metadata"))) continue;
    parts.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${parts.join(",")}}`;
}
