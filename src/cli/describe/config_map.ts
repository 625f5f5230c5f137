import { configMapKind } from "../../kinds/core/config_map.ts";
import { readObject } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, pairLines } from "./lines.ts";
import type { Subject } from "./subject.ts";

export async function describeConfigMap({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const { metadata, data = {}, binaryData = {} } = await readObject(api, configMapKind, namespace, name);
  const size = (base64: string) => atob(base64).length;
  return [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    "",
    "Data",
    "====",
    ...Object.keys(data)
      .sort()
      // A tab in the text is the text's own: it must not become a column.
      .flatMap((key) => [`${key}:`, "----", ...(data[key] ?? "").replaceAll("\t", "        ").split("\n"), ""]),
    "",
    "BinaryData",
    "====",
    ...Object.keys(binaryData)
      .sort()
      .map((key) => `${key}: ${size(binaryData[key] ?? "")} bytes`),
    "",
    ...(await eventLines(api, { kind: "ConfigMap", namespace, name, uids: [metadata.uid] }, nowMs)),
  ];
}
