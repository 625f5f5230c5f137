import { ageColumn, nameColumn } from "../../kinds/columns.ts";
import type { AnyKind, Column, KubeObject, Observed } from "../../kinds/kind.ts";
import { badRequest } from "../../kinds/status_error.ts";
import { arrayAt, isList, isRecord, recordAt, stringAt } from "./json_value.ts";

export type IncludeObject = "None" | "Metadata" | "Object";

export function parseIncludeObject(value: string | undefined): IncludeObject {
  if (value === undefined || value === "") return "Metadata";
  if (value === "None" || value === "Metadata" || value === "Object") return value;
  throw badRequest(`unrecognized includeObject value: ${JSON.stringify(value)}`);
}

export interface TableOptions {
  readonly includeObject: IncludeObject;
  readonly metaVersion: string;
  readonly nowMs: number;
  /** A watch describes its columns only in its first event. */
  readonly columnDefinitions: boolean;
}

/** For objects that no kind describes: subresources such as a Scale. */
const genericColumns: readonly Column<KubeObject>[] = [nameColumn, ageColumn];

/** meta.k8s.io Table of an object or a list; a Status (and what is no object) stays as it is. */
export function toTable(object: unknown, kind: AnyKind | undefined, options: TableOptions): unknown {
  if (!isRecord(object) || stringAt(object, "kind") === "Status") return object;
  const columns = kind?.columns ?? genericColumns;
  const items = isList(object) ? arrayAt(object, "items") : [object];
  const listMeta = recordAt(object, "metadata");
  const metadata: Record<string, unknown> = { resourceVersion: listMeta.resourceVersion };
  if (isList(object)) {
    if (listMeta.continue !== undefined) metadata.continue = listMeta.continue;
    if (listMeta.remainingItemCount !== undefined) metadata.remainingItemCount = listMeta.remainingItemCount;
  }
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${options.metaVersion}`,
    metadata,
    columnDefinitions: options.columnDefinitions
      ? columns.map(({ name, type, format, description, priority }) => ({
          name,
          type,
          format: format ?? "",
          description,
          priority: priority ?? 0,
        }))
      : null,
    rows: items.map((item) => row(item, columns, options)),
  };
}

function row(item: unknown, columns: readonly Column<KubeObject>[], options: TableOptions): unknown {
  // Sound: the core returns objects of this kind, checked against its schema; a bookmark has no fields to show.
  const object = item as Observed<KubeObject>;
  const live = stringAt(recordAt(item, "metadata"), "name") !== "";
  return {
    cells: live ? columns.map((column) => column.cell(object, options.nowMs)) : columns.map(() => ""),
    ...(options.includeObject === "None"
      ? {}
      : { object: options.includeObject === "Object" ? item : toPartial(item, options.metaVersion) }),
  };
}

/** meta.k8s.io PartialObjectMetadata(List): only what every object has. */
export function toPartial(object: unknown, metaVersion: string): unknown {
  if (!isRecord(object) || stringAt(object, "kind") === "Status") return object;
  const apiVersion = `meta.k8s.io/${metaVersion}`;
  if (!isList(object)) return { kind: "PartialObjectMetadata", apiVersion, metadata: object.metadata };
  return {
    kind: "PartialObjectMetadataList",
    apiVersion,
    metadata: object.metadata,
    items: arrayAt(object, "items").map((item) => toPartial(item, metaVersion)),
  };
}
