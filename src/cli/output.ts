import type { Cli } from "./cli.ts";
import { alignTabs, tableStops } from "./elastic_tabs.ts";
import { UsageError } from "./failure.ts";
import { goTemplate } from "./go_template.ts";
import { goValue } from "./go_value.ts";
import { jsonPath, jsonPathList, jsonPathValues } from "./jsonpath.ts";
import { readNamedFile } from "./named_file.ts";
import { didYouMean } from "./nearest.ts";
import { type AnyObject, shortName } from "./object.ts";
import { absolutePath } from "./path.ts";
import { goJson, withoutManagedFields, yamlText } from "./serialise.ts";

export type OutputFormat =
  | { readonly type: "table"; readonly wide: boolean }
  | { readonly type: "name" }
  /** The text of one object or of a List. */
  | { readonly type: "text"; readonly text: (object: AnyObject) => Promise<string> | string };

const formats = [
  "json",
  "yaml",
  "name",
  "wide",
  "jsonpath",
  "jsonpath-as-json",
  "jsonpath-file",
  "custom-columns",
  "custom-columns-file",
  "go-template",
  "go-template-file",
];

/** What -o and --template say. */
export async function outputFormat(
  cli: Cli,
  {
    output,
    template,
    showManagedFields,
    headers = true,
  }: {
    readonly output?: string | undefined;
    readonly template?: string | undefined;
    readonly showManagedFields?: boolean | undefined;
    /** False: custom columns without the line of titles. */
    readonly headers?: boolean | undefined;
  },
): Promise<OutputFormat> {
  if (output === undefined || output === "")
    return template === undefined ? { type: "table", wide: false } : { type: "text", text: goTemplate(template) };
  const equals = output.indexOf("=");
  const name = equals < 0 ? output : output.slice(0, equals);
  const argument = equals < 0 ? template : output.slice(equals + 1);
  const visible = (object: AnyObject): AnyObject => {
    if (showManagedFields === true) return object;
    const items = object.items;
    // Sound: items of a List are objects.
    if (Array.isArray(items)) return { ...object, items: (items as AnyObject[]).map(withoutManagedFields) };
    return withoutManagedFields(object);
  };
  const needed = (): string => {
    if (argument !== undefined && argument !== "") return argument;
    throw new UsageError(`-o ${name} wants something after it: -o ${name}=...`);
  };
  const fileText = async (): Promise<string> => {
    const path = absolutePath(cli.env.workingDirectory, needed());
    return new TextDecoder().decode(await readNamedFile(cli.env.disk, path));
  };
  switch (name) {
    case "json":
      return { type: "text", text: (object) => `${goJson(visible(object), "    ")}\n` };
    case "yaml":
      return { type: "text", text: (object) => yamlText(visible(object)) };
    case "name":
      return { type: "name" };
    case "wide":
      return { type: "table", wide: true };
    case "jsonpath":
      return { type: "text", text: jsonPath(needed()) };
    case "jsonpath-as-json": {
      const values = jsonPathList(needed());
      return { type: "text", text: (object) => `${goJson(values(object), "    ")}\n` };
    }
    case "jsonpath-file":
      return { type: "text", text: jsonPath(await fileText()) };
    case "custom-columns":
      return { type: "text", text: customColumns(needed(), headers) };
    case "custom-columns-file": {
      const [titles = "", paths = ""] = (await fileText()).split("\n");
      const path = paths.trim().split(/\s+/);
      const columns = titles
        .trim()
        .split(/\s+/)
        .map((title, index) => `${title}:${path[index] ?? ""}`);
      return { type: "text", text: customColumns(columns.join(","), headers) };
    }
    case "go-template":
    case "template":
      return { type: "text", text: goTemplate(needed()) };
    case "go-template-file":
    case "templatefile":
      return { type: "text", text: goTemplate(await fileText()) };
    default:
      throw new UsageError(
        `unable to match a printer suitable for the output format "${output}", allowed formats are: ${formats.join(",")}${didYouMean(name, formats)}`,
      );
  }
}

/** "NAME:.metadata.name,IMAGE:.spec.containers[*].image". */
function customColumns(spec: string, headers: boolean): (object: AnyObject) => string {
  const columns = spec.split(",").map((column) => {
    const colon = column.indexOf(":");
    if (colon < 1)
      throw new UsageError(`-o custom-columns wants TITLE:PATH, separated by commas; "${column}" has no colon`);
    return { title: column.slice(0, colon), path: column.slice(colon + 1) };
  });
  return (object) => {
    const items = object.items;
    // Sound: items of a List are objects.
    const rows = Array.isArray(items) ? (items as AnyObject[]) : [object];
    const lines = rows.map((row) =>
      columns
        .map(({ path }) => {
          const values = jsonPathValues(path, row);
          if (values.length === 0) return "<none>";
          return values.map((value) => goValue(value)).join(",");
        })
        .join("\t"),
    );
    return `${alignTabs([...(headers ? [columns.map(({ title }) => title).join("\t")] : []), ...lines].join("\n"), tableStops)}\n`;
  };
}

export function asList(items: readonly AnyObject[]): AnyObject {
  return { apiVersion: "v1", kind: "List", metadata: { resourceVersion: "" }, items: [...items] };
}

/** After a change: "deployment.apps/web scaled", or the object as -o says. */
export async function printChange(
  cli: Cli,
  object: AnyObject,
  word: string,
  { output, dryRun }: { readonly output?: string | undefined; readonly dryRun?: string | undefined },
): Promise<void> {
  const kind = cli.kinds.byKind(object.apiVersion ?? "", object.kind ?? "");
  const name = object.metadata?.name ?? "";
  const called = kind === undefined ? `${(object.kind ?? "").toLowerCase()}/${name}` : shortName(kind, name);
  const format = await outputFormat(cli, { output });
  if (format.type === "text") {
    const text = await format.text(object);
    return cli.env.terminal.write(text);
  }
  if (format.type === "name") return cli.print(called);
  const suffix = dryRun === "client" ? " (dry run)" : dryRun === "server" ? " (server dry run)" : "";
  return cli.print(`${called} ${word}${suffix}`);
}
