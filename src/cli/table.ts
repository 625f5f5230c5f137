import { z } from "zod";
import { alignTabs, tableStops } from "./elastic_tabs.ts";
import { type AnyMeta, type AnyObject, anyObject, isRecord } from "./object.ts";

/** meta.k8s.io/v1 Table: the server says what the columns are and what stands in them. */
const Table = z.object({
  kind: z.literal("Table"),
  metadata: z
    .object({ resourceVersion: z.string().optional(), continue: z.string().optional() })
    .nullish()
    .transform((metadata) => metadata ?? {}),
  columnDefinitions: z
    .array(z.object({ name: z.string(), type: z.string().default("string"), priority: z.number().default(0) }))
    .nullish()
    .transform((list) => list ?? []),
  rows: z
    .array(z.object({ cells: z.array(z.unknown()), object: z.unknown().optional() }))
    .nullish()
    .transform((list) => list ?? []),
});
export type Table = z.infer<typeof Table>;

export const tableAccept =
  "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

/** A Table, or for a server that sends the objects themselves, one with names and ages. */
export function readTable(answer: unknown, ageOf: (timestamp: string | undefined) => string): Table {
  const parsed = Table.safeParse(answer);
  if (parsed.success) return parsed.data;
  const object = anyObject(answer);
  const items = Array.isArray(object.items) ? object.items.map(anyObject) : [object];
  return {
    kind: "Table",
    metadata: { resourceVersion: object.metadata?.resourceVersion },
    columnDefinitions: [
      { name: "Name", type: "string", priority: 0 },
      { name: "Age", type: "string", priority: 0 },
    ],
    rows: items.map((item) => ({
      cells: [item.metadata?.name ?? "", ageOf(item.metadata?.creationTimestamp)],
      object: item,
    })),
  };
}

export interface TableLook {
  readonly wide: boolean;
  readonly headers: boolean;
  readonly withNamespace: boolean;
  readonly showLabels: boolean;
  /** Labels that get columns of their own. */
  readonly labelColumns: readonly string[];
  /** Put before each name: "deployment.apps/". */
  readonly prefix: string;
  readonly colour: boolean;
}

export function rowObject(row: { readonly object?: unknown }): AnyObject {
  return isRecord(row.object) ? anyObject(row.object) : {};
}

/** The text of a Table as kubectl lays it out, lines ended. */
export function tableText(table: Pick<Table, "columnDefinitions" | "rows">, look: TableLook): string {
  const shown = table.columnDefinitions
    .map((column, index) => ({ ...column, index }))
    .filter(({ priority }) => look.wide || priority === 0);
  const lines: string[] = [];
  if (look.headers) {
    const titles = shown.map(({ name }) => name.toUpperCase());
    if (look.withNamespace) titles.unshift("NAMESPACE");
    for (const label of look.labelColumns) titles.push(label.slice(label.lastIndexOf("/") + 1).toUpperCase());
    if (look.showLabels) titles.push("LABELS");
    lines.push(titles.join("\t"));
  }
  for (const row of table.rows) {
    const metadata: AnyMeta = rowObject(row).metadata ?? {};
    const cells = shown.map(({ index }) => cellText(row.cells[index]));
    if (look.prefix !== "") cells[0] = look.prefix + (cells[0] ?? "");
    if (look.withNamespace) cells.unshift(metadata.namespace ?? "");
    for (const label of look.labelColumns) cells.push(metadata.labels?.[label] ?? "");
    if (look.showLabels) cells.push(labelsText(metadata.labels));
    lines.push(cells.join("\t"));
  }
  if (lines.length === 0) return "";
  const text = alignTabs(lines.join("\n"), tableStops);
  return `${look.colour ? coloured(text) : text}\n`;
}

/** One line a cell, whatever stands in it: control characters would let an object's text move the cursor. */
function cellText(value: unknown): string {
  if (value === null || value === undefined) return "<none>";
  const text =
    typeof value === "string" ? value : isRecord(value) || Array.isArray(value) ? JSON.stringify(value) : String(value);
  const first = text.split(/[\n\r\f]/)[0] ?? "";
  const line = first.length < text.length ? `${first}...` : first;
  return line.replaceAll("\t", " ").replace(controlCharacters, "");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const controlCharacters = /[\u0000-\u001f\u007f-\u009f]/g;

export function labelsText(labels: Readonly<Record<string, string>> | null | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "<none>" : pairs.sort().join(",");
}

const colours: readonly [RegExp, string][] = [
  [/(?<=\s)(Running|Ready|Active|Bound|Available|Completed|Succeeded|True)(?=\s|$)/g, "32"],
  [/(?<=\s)(Pending|ContainerCreating|PodInitializing|Terminating|Unknown|Warning)(?=\s|$)/g, "33"],
  [/(?<=\s)(NotReady|Failed|Error|CrashLoopBackOff|ImagePullBackOff|ErrImagePull|OOMKilled|Evicted)(?=\s|$)/g, "31"],
];

/** Only on a terminal: headers bold, states in colour. */
function coloured(text: string): string {
  const csi = "\u001b[";
  return text
    .split("\n")
    .map((line, index) => {
      if (index === 0 && /^[A-Z][A-Z0-9 ()/-]*$/.test(line)) return `${csi}1m${line}${csi}0m`;
      return colours.reduce((painted, [word, code]) => painted.replace(word, `${csi}${code}m$1${csi}0m`), line);
    })
    .join("\n");
}
