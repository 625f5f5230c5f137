import { isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";

/** Why a YAML text cannot be read, in the words of Kubernetes' converter. */
export class YamlFault extends Error {
  override readonly name = "YamlFault";
}

const maxDepth = 1000;

interface ParsedYaml {
  readonly value: unknown;
  /** Repeated keys. */
  readonly problems: readonly string[];
}

/** YAML as Kubernetes reads it: 1.1 words such as `yes`, merge keys, no timestamps; repeated keys are reported. */
export function parseYaml(text: string): ParsedYaml {
  try {
    return parse(text);
  } catch (cause) {
    // The parser is recursive, and so is a text that means harm.
    if (cause instanceof RangeError) throw new YamlFault("error converting YAML to JSON: yaml: exceeded max depth");
    throw cause;
  }
}

function parse(text: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: "1.1",
    uniqueKeys: false,
    lineCounter: lines,
    // 2026-11-23 is a string in every Kubernetes object, and so is 1:30.
    customTags: (tags) =>
      tags.filter(
        (tag) =>
          typeof tag === "string" ||
          (tag.tag !== "tag:yaml.org,2002:timestamp" && !("format" in tag && tag.format === "TIME")),
      ),
  });
  const fault = document.errors[0];
  if (fault) {
    const line = fault.linePos?.[0].line;
    throw new YamlFault(
      `error converting YAML to JSON: yaml: ${line === undefined ? "" : `line ${line}: `}${first(fault.message)}`,
    );
  }
  const problems: string[] = [];
  findDuplicates(document.contents, "", 0, problems);
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return { value, problems };
  } catch (cause) {
    throw new YamlFault(
      `error converting YAML to JSON: yaml: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}

function first(message: string): string {
  return (message.split("\n")[0] ?? message).replace(/ at line \d+, column \d+:?$/, "");
}

function findDuplicates(node: unknown, path: string, depth: number, problems: string[]): void {
  if (depth > maxDepth) throw new YamlFault("error converting YAML to JSON: yaml: exceeded max depth");
  if (isSeq(node))
    for (const [index, item] of node.items.entries()) findDuplicates(item, `${path}[${index}]`, depth + 1, problems);
  if (!isMap(node)) return;
  const seen = new Set<string>();
  for (const pair of node.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const here = path === "" ? key : `${path}.${key}`;
    if (seen.has(key) && key !== "<<") problems.push(`duplicate field ${JSON.stringify(here)}`);
    seen.add(key);
    findDuplicates(pair.value, here, depth + 1, problems);
  }
}
