import { namespaceKind } from "../../kinds/core/namespace.ts";
import { readObject } from "../object.ts";
import { annotationLines, pairLines } from "./lines.ts";
import type { Subject } from "./subject.ts";

export async function describeNamespace({ api, name }: Subject): Promise<string[]> {
  const { metadata, status } = await readObject(api, namespaceKind, undefined, name);
  return [
    `Name:\t${metadata.name}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    `Status:\t${status.phase ?? ""}`,
    ...((status.conditions?.length ?? 0) > 0
      ? [
          "Conditions:",
          "  Type\tStatus\tReason\tMessage",
          "  ----\t------\t------\t-------",
          ...(status.conditions ?? []).map((c) => `  ${c.type}\t${c.status}\t${c.reason ?? ""}\t${c.message ?? ""}`),
        ]
      : []),
  ];
}
