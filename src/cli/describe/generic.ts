import { resourcePath } from "../api_connection.ts";
import { anyObject, isRecord } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, pairLines } from "./lines.ts";
import type { Subject } from "./subject.ts";

/** Any kind: its metadata, then every field under a title made of its name. */
export async function describeGeneric({ api, kind, namespace, name, nowMs }: Subject): Promise<string[]> {
  const object = anyObject(await api.json({ method: "GET", path: resourcePath(kind, namespace, name) }));
  const { metadata = {}, ...rest } = object;
  const { name: _, namespace: __, labels, annotations, managedFields: ___, ...more } = metadata;
  const lines = [
    `Name:\t${metadata.name ?? ""}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    ...pairLines("Labels", labels),
    ...annotationLines({ annotations }),
    ...fieldLines({ ...rest, metadata: more }, ""),
  ];
  const about = { kind: kind.kind, namespace: metadata.namespace, name, uids: [metadata.uid ?? ""] };
  return [...lines, ...(await eventLines(api, about, nowMs))];
}

function fieldLines(fields: Readonly<Record<string, unknown>>, indent: string): string[] {
  return Object.keys(fields)
    .sort()
    .flatMap((key) => valueLines(titleOf(key), fields[key], indent));
}

function valueLines(title: string, value: unknown, indent: string): string[] {
  if (isRecord(value)) return [`${indent}${title}:`, ...fieldLines(value, `${indent}  `)];
  if (!Array.isArray(value)) return [`${indent}${title}:\t${value ?? "<nil>"}`];
  const items: unknown[] = value;
  return [
    `${indent}${title}:`,
    ...items.flatMap((item) => (isRecord(item) ? fieldLines(item, `${indent}  `) : [`${indent}  ${item}`])),
  ];
}

/** "creationTimestamp" is "Creation Timestamp", "podIPs" is "Pod IPs", "uid" is "UID". */
function titleOf(key: string): string {
  const words = key.replace(/([a-z0-9])([A-Z])/g, "$1 $2");
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  return title.replace(/\b(Api|Uid|Url)\b/g, (word) => word.toUpperCase());
}
