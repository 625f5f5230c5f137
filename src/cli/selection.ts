import type { AnyKind } from "../kinds/kind.ts";
import type { Cli } from "./cli.ts";
import { UsageError } from "./failure.ts";
import { readManifests } from "./manifests.ts";
import { readAnyList } from "./object.ts";
import { parseTargets } from "./resource_args.ts";

export interface ChosenObject {
  readonly kind: AnyKind;
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface SelectionFlags {
  readonly filename?: readonly string[] | undefined;
  readonly recursive?: true | undefined;
  readonly all?: true | undefined;
  readonly allNamespaces?: true | undefined;
  readonly selector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** The objects that a changing command is about: named, in files, or (only when said) all or those with labels. */
export async function chosenObjects(
  cli: Cli,
  args: readonly string[],
  verb: string,
  flags: SelectionFlags,
): Promise<ChosenObject[]> {
  // A typo is told before a server is looked for.
  const targets = flags.filename === undefined ? parseTargets(cli.kinds, args, verb) : [];
  const { api, namespace } = await cli.session();
  if (flags.filename !== undefined) {
    if (args.length > 0) throw new UsageError(`wherry ${verb} takes objects from -f or by name, not both`);
    return readManifests(cli, flags.filename, { recursive: flags.recursive === true, namespace });
  }
  if (flags.all === true && flags.selector)
    throw new UsageError(`--all and -l ${flags.selector} contradict each other: say one of them`);
  const chosen: ChosenObject[] = [];
  const selecting = flags.all === true || flags.selector !== undefined || flags.fieldSelector !== undefined;
  for (const { kind, names } of targets) {
    const where = !kind.namespaced || flags.allNamespaces === true ? undefined : namespace;
    if (names.length > 0) {
      if (selecting) throw new UsageError("name cannot be provided when a selector is specified");
      if (kind.namespaced && where === undefined)
        throw new UsageError("a resource cannot be retrieved by name across all namespaces");
      for (const name of names) chosen.push({ kind, namespace: where, name });
      continue;
    }
    if (!selecting)
      throw new UsageError(
        `resource(s) were provided, but no name was specified: name them, or say --all or -l LABELS`,
      );
    const { items } = await readAnyList(api, kind, where, {
      labelSelector: flags.selector,
      fieldSelector: flags.fieldSelector,
    });
    for (const { metadata } of items)
      chosen.push({
        kind,
        namespace: kind.namespaced ? (metadata?.namespace ?? where) : undefined,
        name: metadata?.name ?? "",
      });
  }
  return chosen;
}
