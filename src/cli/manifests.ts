import { DiskError } from "../env/disk.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { badRequest } from "../kinds/status_error.ts";
import type { Cli } from "./cli.ts";
import { UsageError } from "./failure.ts";
import { type AnyObject, anyObject, isRecord } from "./object.ts";
import { absolutePath } from "./path.ts";
import { yamlProblem } from "./yaml_problem.ts";

export interface Manifest {
  /** The file's path, or "STDIN". */
  readonly source: string;
  readonly kind: AnyKind;
  readonly object: AnyObject;
  readonly name: string;
  /** Undefined for a cluster-scoped kind. */
  readonly namespace: string | undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

export interface ReadOptions {
  readonly recursive: boolean;
  readonly namespace: string;
  /** Told what is wrong with a file or a document; the others are read. Without it the first such error rejects. */
  readonly onBroken?: (error: unknown) => void;
}

/** All objects of the files, folders, URLs and "-" (standard input) given, in their order; lists are opened. */
export async function readManifests(
  cli: Cli,
  sources: readonly string[],
  { recursive, namespace, onBroken }: ReadOptions,
): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  let broken = false;
  const tell = (error: unknown) => {
    if (onBroken === undefined || error instanceof UsageError) throw error;
    broken = true;
    onBroken(error);
  };
  for (const source of sources)
    for await (const [path, text] of texts(cli, source, recursive))
      try {
        for (const object of await documents(path, text, tell)) {
          try {
            manifests.push(identify(cli, path, object, namespace));
          } catch (error) {
            tell(error);
          }
        }
      } catch (error) {
        tell(error);
      }
  if (manifests.length === 0 && !broken) throw new UsageError("no objects passed to apply");
  return manifests;
}

async function* texts(cli: Cli, source: string, recursive: boolean): AsyncGenerator<[string, string]> {
  if (source === "-") {
    const pieces: Uint8Array[] = [];
    for await (const piece of cli.env.terminal.input()) pieces.push(piece);
    yield [
      "STDIN",
      utf8("standard input", new Uint8Array(await new Blob(pieces.map((p) => Uint8Array.from(p))).arrayBuffer())),
    ];
    return;
  }
  if (/^https?:\/\//.test(source)) {
    const response = await cli.env.httpClient.fetch(source);
    if (!response.ok) throw new Error(`unable to read URL "${source}", server reported ${response.status}`);
    yield [source, await response.text()];
    return;
  }
  yield* files(cli, absolutePath(cli.env.workingDirectory, source), source, recursive, true);
}

async function* files(
  cli: Cli,
  path: string,
  shown: string,
  recursive: boolean,
  named: boolean,
): AsyncGenerator<[string, string]> {
  const { disk } = cli.env;
  let entries: string[] | undefined;
  try {
    entries = await disk.list(path);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    if (error.code === "ENOENT") throw new UsageError(`the path "${shown}" does not exist`);
    if (error.code !== "ENOTDIR") throw error;
  }
  if (entries === undefined) {
    if (named || /\.(json|ya?ml)$/.test(path)) yield [shown, utf8(shown, await disk.readFile(path))];
    return;
  }
  if (!named && !recursive) return;
  for (const entry of entries)
    yield* files(cli, `${path}/${entry}`, `${shown.replace(/\/+$/, "")}/${entry}`, recursive, false);
}

function utf8(path: string, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Error(`error parsing ${path}: it is not UTF-8 text`);
  }
}

/** YAML documents (JSON is YAML), with lists opened. What stands before a broken document is kept. */
async function documents(path: string, text: string, tell: (error: unknown) => void): Promise<AnyObject[]> {
  const { parseAllDocuments } = await import("yaml");
  // YAML 1.1 types (yes, on, 0755) as kubectl reads them; merge keys too.
  const parsed = parseAllDocuments(text, { version: "1.1", merge: true, intAsBigInt: false });
  const objects: AnyObject[] = [];
  for (const document of parsed) {
    const [problem] = document.errors;
    if (problem !== undefined) {
      tell(new Error(`error parsing ${path}: ${yamlProblem(problem.message)}`));
      break;
    }
    const value: unknown = JSON.parse(JSON.stringify(document.toJS({ maxAliasCount: 100 })) ?? "null");
    if (value === null) continue;
    if (!isRecord(value))
      throw new Error(`error validating ${path}: a document is not an object with kind and apiVersion`);
    const object = anyObject(value);
    const items = object.items;
    if (object.kind?.endsWith("List") === true && Array.isArray(items)) objects.push(...items.map(anyObject));
    else objects.push(object);
  }
  return objects;
}

function identify(cli: Cli, source: string, object: AnyObject, namespace: string): Manifest {
  const { apiVersion, kind: kindName, metadata } = object;
  if (typeof apiVersion !== "string" || apiVersion === "")
    throw new Error(`error validating "${source}": apiVersion not set`);
  if (typeof kindName !== "string" || kindName === "") throw new Error(`error validating "${source}": kind not set`);
  const kind = cli.kinds.byKind(apiVersion, kindName);
  const name = metadata?.name ?? "";
  if (kind === undefined)
    throw new Error(
      `resource mapping not found for name: "${name}" namespace: "${metadata?.namespace ?? ""}" from "${source}": no matches for kind "${kindName}" in version "${apiVersion}"`,
    );
  if (name === "" && !metadata?.generateName)
    throw badRequest(`error when reading "${source}": resource name may not be empty`);
  if (!kind.namespaced) return { source, kind, object, name, namespace: undefined };
  const given = metadata?.namespace;
  if (given && cli.flags.namespace !== undefined && given !== cli.flags.namespace)
    throw new Error(
      `the namespace from the provided object "${given}" does not match the namespace "${cli.flags.namespace}". You must pass '--namespace=${given}' to perform this operation.`,
    );
  const chosen = given || namespace;
  return { source, kind, object: { ...object, metadata: { ...metadata, namespace: chosen } }, name, namespace: chosen };
}
