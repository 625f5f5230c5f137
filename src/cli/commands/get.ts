import { Command, Option } from "@commander-js/extra-typings";
import { ageOf } from "../../kinds/human_duration.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import { isNotFound } from "../../kinds/status_error.ts";
import { type ApiRequest, query, resourcePath } from "../api_connection.ts";
import type { Cli, Session } from "../cli.ts";
import { ExitWith, failureText, UsageError } from "../failure.ts";
import {
  allNamespacesOption,
  collect,
  fieldSelectorOption,
  outputOption,
  selectorOption,
  wholeNumber,
} from "../flags.ts";
import { jsonPathValues } from "../jsonpath.ts";
import { readManifests } from "../manifests.ts";
import { type AnyObject, anyObject, readAnyList, shortName } from "../object.ts";
import { asList, type OutputFormat, outputFormat } from "../output.ts";
import { parseTargets } from "../resource_args.ts";
import { readTable, rowObject, type Table, type TableLook, tableAccept, tableText } from "../table.ts";
import { watchEvents } from "../watch.ts";

/** One request's worth: a list (no name) or one object. */
interface Ask {
  readonly kind: AnyKind;
  readonly name: string | undefined;
  readonly namespace: string | undefined;
}

interface Flags {
  readonly selector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly sortBy?: string | undefined;
  readonly chunkSize: number;
  readonly ignoreNotFound?: true | undefined;
  readonly watchOnly?: true | undefined;
}

export function define(cli: Cli) {
  return new Command()
    .description("List objects, or show some")
    .argument("[target...]", "TYPE [NAME...] or TYPE/NAME...")
    .addOption(outputOption)
    .addOption(new Option("--template <template>", "for -o go-template and jsonpath"))
    .addOption(allNamespacesOption)
    .addOption(selectorOption)
    .addOption(fieldSelectorOption)
    .option("-f, --filename <file>", "objects named in a file, a folder, a URL or - (standard input)", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .option("-w, --watch", "go on with each change")
    .option("--watch-only", "only changes")
    .option("--show-labels", "labels in the last column")
    .option("-L, --label-columns <labels>", "labels as columns")
    .option("--no-headers", "without the line of titles")
    .option("--show-kind", "the kind before each name")
    .option("--sort-by <path>", "sort by a JSONPath such as .metadata.creationTimestamp")
    .option("--ignore-not-found", "an absent object is no error")
    .option("--show-managed-fields", "with metadata.managedFields")
    .option("--chunk-size <number>", "objects in one request", wholeNumber, 500)
    .option("--raw <path>", "what the server answers to GET PATH, as it is")
    .addHelpText("after", "\nExample:\n  wherry get pods -A -o wide")
    .action(async (args, flags) => {
      if (flags.raw !== undefined) return printRaw(cli, args, flags.raw);
      const format = await outputFormat(cli, flags);
      const asks = await asksOf(cli, args, flags);
      const listed = asks.some(({ name }) => name === undefined);
      const session = await cli.session();
      if (flags.watch === true || flags.watchOnly === true) return watch(cli, session, asks, format, flags);
      if (format.type !== "table") return printObjects(cli, session, asks, format, flags, listed);
      return printTables(cli, session, asks, flags, {
        wide: format.wide,
        headers: flags.headers,
        withNamespace: flags.allNamespaces === true,
        showLabels: flags.showLabels === true,
        labelColumns: (flags.labelColumns ?? "").split(",").filter((label) => label !== ""),
        prefix: flags.showKind === true ? "yes" : "",
        colour: colourful(cli),
      });
    });
}

async function printRaw(cli: Cli, args: readonly string[], raw: string): Promise<void> {
  if (args.length > 0) throw new UsageError("arguments may not be passed when --raw is specified");
  if (!raw.startsWith("/")) throw new UsageError(`--raw wants a path such as /readyz?verbose, not "${raw}"`);
  const [path = "", ...search] = raw.split("?");
  const { api } = await cli.session();
  const asked = [...new URLSearchParams(search.join("?"))];
  for await (const chunk of await api.stream({ method: "GET", path, query: asked, accept: "*/*" }))
    await cli.env.terminal.write(chunk);
}

interface WhatFlags {
  readonly filename?: readonly string[] | undefined;
  readonly recursive?: true | undefined;
  readonly allNamespaces?: true | undefined;
  readonly selector?: string | undefined;
}

async function asksOf(cli: Cli, args: readonly string[], flags: WhatFlags): Promise<Ask[]> {
  if (flags.filename !== undefined) {
    if (args.length > 0)
      throw new UsageError(
        "when paths, URLs, or stdin is provided as resource input, you may not specify resource arguments as well",
      );
    const { namespace } = await cli.session();
    return readManifests(cli, flags.filename, { recursive: flags.recursive === true, namespace });
  }
  const every = flags.allNamespaces === true;
  const asks: Ask[] = [];
  // A typo is told before a server is looked for.
  for (const { kind, names } of parseTargets(cli.kinds, args, "get")) {
    if (names.length > 0 && every && kind.namespaced)
      throw new UsageError("a resource cannot be retrieved by name across all namespaces");
    if (names.length > 0 && flags.selector !== undefined)
      throw new UsageError("name cannot be provided when a selector is specified");
    const namespace = !kind.namespaced || every ? undefined : (await cli.session()).namespace;
    for (const name of names.length > 0 ? names : [undefined]) asks.push({ kind, name, namespace });
  }
  return asks;
}

function colourful(cli: Cli): boolean {
  const { NO_COLOR, TERM } = cli.env.environment;
  return cli.env.terminal.outputIsTerminal && !NO_COLOR && TERM !== "dumb";
}

function select(flags: Flags) {
  return { labelSelector: flags.selector, fieldSelector: flags.fieldSelector };
}

function request({ kind, name, namespace }: Ask, flags: Flags): ApiRequest {
  if (name !== undefined) return { method: "GET", path: resourcePath(kind, namespace, name) };
  return { method: "GET", path: resourcePath(kind, namespace), query: query(select(flags)) };
}

async function readTables(cli: Cli, { api }: Session, ask: Ask, flags: Flags): Promise<Table> {
  const base = request(ask, flags);
  const age = (timestamp: string | undefined) => ageOf(timestamp, cli.env.clock.now());
  const include = query({ includeObject: flags.sortBy === undefined ? undefined : "Object" });
  if (ask.name !== undefined) return readTable(await api.json({ ...base, accept: tableAccept, query: include }), age);
  let table: Table | undefined;
  let more: string | undefined;
  do {
    const page = query({ limit: flags.chunkSize, continue: more });
    const answer = await api.json({
      ...base,
      accept: tableAccept,
      query: [...(base.query ?? []), ...include, ...page],
    });
    const next = readTable(answer, age);
    table = table === undefined ? next : { ...table, rows: [...table.rows, ...next.rows], metadata: next.metadata };
    more = next.metadata.continue;
  } while (more !== undefined && more !== "");
  if (flags.sortBy !== undefined) table = { ...table, rows: sortRows(table.rows, flags.sortBy) };
  return table;
}

function sortRows(rows: Table["rows"], path: string): Table["rows"] {
  const key = (row: Table["rows"][number]) => jsonPathValues(path, rowObject(row))[0];
  return [...rows].sort((a, b) => {
    const left = key(a);
    const right = key(b);
    if (typeof left === "number" && typeof right === "number") return left - right;
    return String(left ?? "") < String(right ?? "") ? -1 : String(left ?? "") > String(right ?? "") ? 1 : 0;
  });
}

/** Objects that could not be read are told and counted; the others are shown. */
async function readEach<T>(cli: Cli, asks: readonly Ask[], flags: Flags, read: (ask: Ask) => Promise<T>) {
  const results: { readonly ask: Ask; readonly result: T }[] = [];
  const failures: string[] = [];
  for (const ask of asks) {
    try {
      results.push({ ask, result: await read(ask) });
    } catch (error) {
      if (isNotFound(error) && flags.ignoreNotFound === true) continue;
      if (asks.length === 1) throw error;
      failures.push(failureText(error));
    }
  }
  return {
    results,
    finish: async () => {
      for (const failure of failures) await cli.warn(failure);
      if (failures.length > 0) throw new ExitWith(1);
    },
  };
}

async function printTables(
  cli: Cli,
  session: Session,
  asks: readonly Ask[],
  flags: Flags,
  look: TableLook,
): Promise<void> {
  const kinds = new Set(asks.map(({ kind }) => kind));
  const { results, finish } = await readEach(cli, asks, flags, (ask) => readTables(cli, session, ask, flags));
  const tables: { kind: AnyKind; table: Table }[] = [];
  for (const { ask, result } of results) {
    if (result.rows.length === 0) continue;
    const last = tables.at(-1);
    if (last?.kind === ask.kind) last.table = { ...last.table, rows: [...last.table.rows, ...result.rows] };
    else tables.push({ kind: ask.kind, table: result });
  }
  for (const [index, { kind, table }] of tables.entries()) {
    const prefix = kinds.size > 1 || look.prefix !== "" ? shortName(kind, "") : "";
    if (index > 0) await cli.print("");
    await cli.env.terminal.write(
      tableText(table, { ...look, prefix, withNamespace: look.withNamespace && kind.namespaced }),
    );
  }
  if (tables.length === 0 && (results.length > 0 || asks.length === 0) && flags.ignoreNotFound !== true) {
    const everywhere = asks.some(({ kind, namespace }) => !kind.namespaced || namespace === undefined);
    await cli.warn(everywhere ? "No resources found" : `No resources found in ${session.namespace} namespace.`);
  }
  await finish();
}

async function printObjects(
  cli: Cli,
  { api }: Session,
  asks: readonly Ask[],
  format: Exclude<OutputFormat, { type: "table" }>,
  flags: Flags,
  listed: boolean,
): Promise<void> {
  const { results, finish } = await readEach(cli, asks, flags, async (ask): Promise<readonly AnyObject[]> => {
    if (ask.name === undefined) return (await readAnyList(api, ask.kind, ask.namespace, select(flags))).items;
    return [anyObject(await api.json(request(ask, flags)))];
  });
  const objects = results.flatMap(({ result }) => [...result]);
  if (flags.sortBy !== undefined) {
    const path = flags.sortBy;
    objects.sort((a, b) =>
      String(jsonPathValues(path, a)[0] ?? "") < String(jsonPathValues(path, b)[0] ?? "") ? -1 : 1,
    );
  }
  if (format.type === "name") {
    for (const { ask, result } of results)
      for (const object of result) await cli.print(shortName(ask.kind, object.metadata?.name ?? ""));
  } else if (listed || asks.length > 1) await cli.env.terminal.write(await format.text(asList(objects)));
  else if (objects[0] !== undefined) await cli.env.terminal.write(await format.text(objects[0]));
  await finish();
}

async function watch(
  cli: Cli,
  session: Session,
  asks: readonly Ask[],
  format: OutputFormat,
  flags: Flags & {
    readonly headers: boolean;
    readonly allowNamespaces?: boolean;
    readonly showLabels?: true | undefined;
    readonly allNamespaces?: true | undefined;
  },
): Promise<void> {
  const [ask, ...others] = asks;
  if (ask === undefined || others.length > 0)
    throw new UsageError(
      "watch is only supported on individual resources and resource collections - more than 1 resource was found",
    );
  const table = await readTables(cli, session, ask, flags);
  let look: TableLook = {
    wide: format.type === "table" && format.wide,
    headers: flags.headers,
    withNamespace: flags.allNamespaces === true && ask.kind.namespaced,
    showLabels: flags.showLabels === true,
    labelColumns: [],
    prefix: "",
    colour: colourful(cli),
  };
  const printed: Table["rows"] = [];
  let columns = table.columnDefinitions;
  /** Rows printed before keep their columns' widths for those that follow. */
  const show = async (rows: Table["rows"]) => {
    const before =
      printed.length === 0 ? 0 : tableText({ columnDefinitions: columns, rows: printed }, look).split("\n").length - 1;
    printed.push(...rows);
    const text = tableText({ columnDefinitions: columns, rows: printed }, look).split("\n").slice(before);
    await cli.env.terminal.write(text.join("\n"));
    // Enough to keep the widths, without keeping every row for ever.
    if (printed.length > 500) {
      printed.splice(0, 250);
      look = { ...look, headers: false };
    }
  };
  if (format.type === "table") {
    if (flags.watchOnly !== true) await show(table.rows);
  } else if (flags.watchOnly !== true)
    await printObjects(cli, session, [ask], format, flags, false).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  const selectors = {
    ...select(flags),
    ...(ask.name === undefined ? {} : { fieldSelector: `metadata.name=${ask.name}` }),
    resourceVersion:
      table.metadata.resourceVersion ?? String(rowObject(table.rows[0] ?? {}).metadata?.resourceVersion ?? ""),
  };
  const events = watchEvents(session.api, {
    method: "GET",
    path: resourcePath(ask.kind, ask.namespace),
    query: query(selectors),
    accept: format.type === "table" ? tableAccept : "application/json",
  });
  for await (const { type, object } of events) {
    if (type === "BOOKMARK") continue;
    if (format.type === "name") await cli.print(shortName(ask.kind, anyObject(object).metadata?.name ?? ""));
    else if (format.type === "text") await cli.env.terminal.write(await format.text(anyObject(object)));
    else {
      const change = readTable(object, (timestamp) => ageOf(timestamp, cli.env.clock.now()));
      if (change.columnDefinitions.length > 0) columns = change.columnDefinitions;
      await show(change.rows);
    }
  }
}
