import { lastAppliedAnnotation } from "../apply/last_applied.ts";
import type { AnyMeta } from "../object.ts";

/** RFC 1123 with a zone, as kubectl writes times: "Mon, 23 Nov 2026 22:05:00 +0000". */
export function longTime(timestamp: string | undefined): string {
  if (timestamp === undefined || timestamp === "") return "";
  const time = Date.parse(timestamp);
  return Number.isNaN(time) ? timestamp : new Date(time).toUTCString().replace("GMT", "+0000");
}

/** `Labels:\ta=b`, one pair a line; the first line carries the title. */
export function pairLines(
  title: string,
  pairs: Readonly<Record<string, string>> | null | undefined,
  { indent = "" } = {},
): string[] {
  const keys = Object.keys(pairs ?? {}).sort();
  if (keys.length === 0) return [`${indent}${title}:\t<none>`];
  return keys.map((key, at) => `${indent}${at === 0 ? `${title}:` : ""}\t${key}=${pairs?.[key]}`);
}

/** Longer lines are cut, and go below their key. */
const annotationWidth = 140;

/** The annotation that apply keeps is left out, as kubectl does. */
export function annotationLines(metadata: AnyMeta, indent = ""): string[] {
  const annotations = metadata.annotations ?? {};
  const keys = Object.keys(annotations)
    .filter((key) => key !== lastAppliedAnnotation)
    .sort();
  if (keys.length === 0) return [`${indent}Annotations:\t<none>`];
  return keys.flatMap((key, at) => {
    const head = `${indent}${at === 0 ? "Annotations:" : ""}\t`;
    const value = String(annotations[key]).replace(/\n$/, "");
    if (!value.includes("\n") && key.length + value.length + 2 <= annotationWidth) return [`${head}${key}: ${value}`];
    const cut = (line: string) =>
      line.length > annotationWidth - 2 ? `${line.slice(0, annotationWidth - 2)}...` : line;
    return [`${head}${key}:`, ...value.split("\n").map((line) => `${indent}\t  ${cut(line)}`)];
  });
}

export function controlledBy(metadata: {
  readonly ownerReferences?:
    | readonly { readonly kind: string; readonly name: string; readonly controller?: boolean | undefined }[]
    | undefined;
}): string[] {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return owner === undefined ? [] : [`Controlled By:\t${owner.kind}/${owner.name}`];
}
