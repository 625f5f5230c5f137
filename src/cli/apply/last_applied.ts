import type { AnyObject } from "../object.ts";
import { isRecord } from "../object.ts";
import { goJson } from "../serialise.ts";

export const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

/** The object as it will be applied: with its own text, as it was given, in the annotation that kubectl keeps it in. */
export function withLastApplied(object: AnyObject): AnyObject {
  const { [lastAppliedAnnotation]: _, ...annotations } = object.metadata?.annotations ?? {};
  const given: AnyObject = { ...object, metadata: { ...object.metadata, annotations } };
  return {
    ...given,
    metadata: { ...given.metadata, annotations: { ...annotations, [lastAppliedAnnotation]: `${goJson(given)}\n` } },
  };
}

/** What was applied last; undefined when it was never applied, or the annotation is no JSON. */
export function lastApplied(current: AnyObject): Record<string, unknown> | undefined {
  const text = current.metadata?.annotations?.[lastAppliedAnnotation];
  if (text === undefined) return undefined;
  try {
    const object: unknown = JSON.parse(text);
    return isRecord(object) ? object : undefined;
  } catch {
    return undefined;
  }
}
