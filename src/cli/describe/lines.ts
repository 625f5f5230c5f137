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
  { indent = "", separator = "=", skip = [] as readonly string[] } = {},
): string[] {
  const keys = Object.keys(pairs ?? {})
    .filter((key) => !skip.includes(key))
    .sort();
  if (keys.length === 0) return [`${indent}${title}:\t<none>`];
  return keys.map((key, at) => `${indent}${at === 0 ? `${title}:` : ""}\t${key}${separator}${pairs?.[key]}`);
}

/** Annotations, each cut to a line; the one that apply keeps is left out, as kubectl does. */
export function annotationLines(metadata: AnyMeta, indent = ""): string[] {
  const shown: Record<string, string> = {};
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    const text = String(value).trim();
    shown[key] = text.includes("\n")
      ? ` ${text.split("\n")[0]}...`
      : text.length > 140
        ? `${text.slice(0, 140)}...`
        : text;
  }
  return pairLines("Annotations", shown, {
    indent,
    separator: ": ",
    skip: ["kubectl.kubernetes.io/last-applied-configuration"],
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
