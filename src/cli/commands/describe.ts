import { Command } from "@commander-js/extra-typings";
import { isNotFound } from "../../kinds/status_error.ts";
import type { Cli } from "../cli.ts";
import { describerOf } from "../describe/describer.ts";
import { alignTabs, describeStops } from "../elastic_tabs.ts";
import { ExitWith, failureText } from "../failure.ts";
import { allNamespacesOption, collect, selectorOption } from "../flags.ts";
import { readAnyList } from "../object.ts";
import { parseTargets } from "../resource_args.ts";
import { type ChosenObject, chosenObjects } from "../selection.ts";

export function define(cli: Cli) {
  return new Command()
    .description("One object's story, with its events; without a name each object of the type")
    .argument("[target...]", "TYPE [NAME...] or TYPE/NAME...")
    .option("-f, --filename <file>", "objects named in a file", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .addOption(allNamespacesOption)
    .addOption(selectorOption)
    .addHelpText("after", "\nExample:\n  wherry describe pod web")
    .action(async (args, flags) => {
      const { api, namespace } = await cli.session();
      const named =
        flags.filename !== undefined ||
        args.some((arg) => arg.includes("/")) ||
        args.length > 1 ||
        flags.selector !== undefined;
      const chosen = named
        ? await chosenObjects(cli, args, "describe", flags)
        : await chosenObjects(cli, args, "describe", { ...flags, all: true });
      const nowMs = cli.env.clock.now();
      const failures: string[] = [];
      let first = true;
      for (const target of chosen) {
        for (const subject of await matching(cli, target)) {
          const byPrefix = subject.name !== target.name;
          const describe = await describerOf(subject.kind);
          try {
            const lines = await describe({ api, ...subject, nowMs });
            const text = alignTabs(lines.join("\n"), describeStops);
            // As kubectl has it: two empty lines between objects, one after each that was found by the start of its name.
            await cli.print(byPrefix ? `${text}\n` : first ? text : `\n\n${text}`);
            first = false;
          } catch (error) {
            failures.push(failureText(error));
          }
        }
      }
      for (const failure of failures) await cli.warn(failure);
      if (failures.length > 0) throw new ExitWith(1);
      if (chosen.length === 0) {
        const everywhere =
          flags.allNamespaces === true || !parseTargets(cli.kinds, args, "describe")[0]?.kind.namespaced;
        await cli.warn(everywhere ? "No resources found" : `No resources found in ${namespace} namespace.`);
      }
    });
}

/** A name that is no object's may be the start of some objects' names: kubectl describes those. */
async function matching(cli: Cli, target: ChosenObject): Promise<readonly ChosenObject[]> {
  const { api } = await cli.session();
  const { items } = await readAnyList(api, target.kind, target.namespace, {
    fieldSelector: `metadata.name=${target.name}`,
  }).catch((error: unknown) => {
    if (isNotFound(error)) return { items: [] };
    throw error;
  });
  if (items.length > 0) return [target];
  const all = await readAnyList(api, target.kind, target.namespace, {});
  const names = all.items.map(({ metadata }) => metadata?.name ?? "").filter((name) => name.startsWith(target.name));
  return names.length > 0 ? names.map((name) => ({ ...target, name })) : [target];
}
