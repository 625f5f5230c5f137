import type { AnyKind } from "../kinds/kind.ts";
import type { KindRegistry } from "../kinds/registry.ts";
import { UsageError } from "./failure.ts";
import { didYouMean } from "./nearest.ts";

/** What a person named: some objects of a kind, or (no names) all of it. */
export interface Target {
  readonly kind: AnyKind;
  readonly names: readonly string[];
}

export function kindOf(kinds: KindRegistry, word: string): AnyKind {
  const kind = kinds.byWord(word);
  if (kind !== undefined) return kind;
  throw new UsageError(
    `the server doesn't have a resource type "${word}"${didYouMean(
      word,
      kinds.words().filter((known) => known.length > 3),
    )}`,
  );
}

/** "pods", "pod web db", "pods,services", "pod/web service/db", "all". Categories only where no name follows. */
export function parseTargets(kinds: KindRegistry, args: readonly string[], verb: string): Target[] {
  const [first, ...names] = args;
  if (first === undefined)
    throw new UsageError(`you must say what to ${verb}: a resource type such as "pods", or TYPE/NAME`);
  if (args.some((arg) => arg.includes("/"))) return parsePairs(kinds, args, verb);
  const targets: Target[] = [];
  for (const word of first.split(",").filter((part) => part !== "")) {
    const category = names.length === 0 ? inOrder(kinds.inCategory(word.toLowerCase())) : [];
    if (category.length > 0) for (const kind of category) targets.push({ kind, names: [] });
    else targets.push({ kind: kindOf(kinds, word), names });
  }
  return targets;
}

/** The core first, then by group, and by name within a group: the order of discovery. */
function inOrder(kinds: readonly AnyKind[]): AnyKind[] {
  return [...kinds].sort((a, b) => (a.group === b.group ? (a.plural < b.plural ? -1 : 1) : a.group < b.group ? -1 : 1));
}

function parsePairs(kinds: KindRegistry, args: readonly string[], verb: string): Target[] {
  return args.map((arg) => {
    const [word = "", name = "", ...more] = arg.split("/");
    if (word === "" || name === "" || more.length > 0)
      throw new UsageError(
        `there is no need to mix forms, and "${arg}" is not TYPE/NAME: write "wherry ${verb} TYPE NAME" or "wherry ${verb} TYPE/NAME"`,
      );
    return { kind: kindOf(kinds, word), names: [name] };
  });
}

/** Exactly one object: "deployment web", "deployment/web". */
export function parseOne(
  kinds: KindRegistry,
  args: readonly string[],
  verb: string,
): { readonly kind: AnyKind; readonly name: string } {
  const [target, ...others] = parseTargets(kinds, args, verb);
  const name = target?.names[0];
  if (target === undefined || name === undefined || others.length > 0 || target.names.length > 1)
    throw new UsageError(`wherry ${verb} wants one object: TYPE NAME or TYPE/NAME`);
  return { kind: target.kind, name };
}

/** A pod, or what has pods: "web", "pod/web", "deployment/web". */
export function parsePodOwner(kinds: KindRegistry, word: string, verb: string): { kind: AnyKind; name: string } {
  if (word.includes("/")) return parseOne(kinds, [word], verb);
  return { kind: kindOf(kinds, "pods"), name: word };
}
