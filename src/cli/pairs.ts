import type { Cli } from "./cli.ts";
import { UsageError } from "./failure.ts";
import { readNamedFile } from "./named_file.ts";
import { absolutePath, baseName } from "./path.ts";

/** "app=web,tier=front" as labels. */
export function labelPairs(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of text.split(",").filter((part) => part !== "")) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new UsageError(`unexpected label spec: "${pair}" is not KEY=VALUE`);
    labels[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return labels;
}

export interface ValueSources {
  readonly fromLiteral?: readonly string[] | undefined;
  readonly fromFile?: readonly string[] | undefined;
  readonly fromEnvFile?: readonly string[] | undefined;
}

/** Keys and contents of --from-literal, --from-file (a file, KEY=FILE, or a folder) and --from-env-file. */
export async function valuesFrom(cli: Cli, sources: ValueSources): Promise<Map<string, Uint8Array>> {
  const { disk, workingDirectory } = cli.env;
  const values = new Map<string, Uint8Array>();
  const add = (key: string, value: Uint8Array) => {
    if (values.has(key)) throw new UsageError(`cannot add key "${key}", another key by that name already exists`);
    if (!/^[-._a-zA-Z0-9]+$/.test(key))
      throw new UsageError(`"${key}" is not a valid key: only letters, digits, '-', '_' and '.' may stand in it`);
    values.set(key, value);
  };
  const encode = (text: string) => new TextEncoder().encode(text);
  for (const literal of sources.fromLiteral ?? []) {
    const equals = literal.indexOf("=");
    if (equals < 1) throw new UsageError(`invalid literal source ${literal}, expected key=value`);
    add(literal.slice(0, equals), encode(literal.slice(equals + 1)));
  }
  for (const source of sources.fromFile ?? []) {
    const equals = source.indexOf("=");
    const path = absolutePath(workingDirectory, source.slice(equals + 1));
    const folder = equals < 0 ? await disk.list(path).catch(() => undefined) : undefined;
    if (folder === undefined)
      add(equals < 0 ? baseName(path) : source.slice(0, equals), await readNamedFile(disk, path));
    else
      for (const name of folder) {
        const content = await disk.readFile(`${path}/${name}`).catch(() => undefined);
        if (content !== undefined) add(name, content);
      }
  }
  for (const source of sources.fromEnvFile ?? []) {
    const text = new TextDecoder().decode(await readNamedFile(disk, absolutePath(workingDirectory, source)));
    for (const line of text.split("\n").map((l) => l.trimStart().replace(/\r$/, ""))) {
      if (line === "" || line.startsWith("#")) continue;
      const equals = line.indexOf("=");
      const key = equals < 0 ? line : line.slice(0, equals);
      add(key, encode(equals < 0 ? (cli.env.environment[key] ?? "") : line.slice(equals + 1)));
    }
  }
  return values;
}

export function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
