import { secretKind } from "../../kinds/core/secret.ts";
import { readObject } from "../object.ts";
import { annotationLines, pairLines } from "./lines.ts";
import type { Subject } from "./subject.ts";

/** Sizes, never contents. */
export async function describeSecret({ api, namespace, name }: Subject): Promise<string[]> {
  const { metadata, type, data = {} } = await readObject(api, secretKind, namespace, name);
  return [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    "",
    `Type:\t${type ?? ""}`,
    "",
    "Data",
    "====",
    ...Object.keys(data)
      .sort()
      .map((key) => `${key}:\t${atob(data[key] ?? "").length} bytes`),
  ];
}
