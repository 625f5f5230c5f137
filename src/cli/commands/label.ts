import { Command } from "@commander-js/extra-typings";
import { changeEach, splitChanges } from "../changes.ts";
import type { Cli } from "../cli.ts";
import {
  allNamespacesOption,
  collect,
  dryRunOption,
  fieldSelectorOption,
  outputOption,
  selectorOption,
} from "../flags.ts";
import { metadataChange, parseMetadataChanges } from "../metadata_change.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Set labels (KEY=VALUE) or take them away (KEY-)")
    .argument("<word...>", "TYPE NAME... or TYPE/NAME..., then KEY=VALUE or KEY-")
    .option("--overwrite", "replace values that are there")
    .option("-f, --filename <file>", "objects named in a file", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .option("--all", "every object of the type in the namespace")
    .addOption(allNamespacesOption)
    .addOption(selectorOption)
    .addOption(fieldSelectorOption)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry label pod web colour=blue")
    .action(async (args, flags) => {
      const { targets, changes } =
        flags.filename === undefined ? splitChanges(args) : { targets: [], changes: [...args] };
      const wanted = parseMetadataChanges(changes);
      await changeEach(cli, targets, "label", flags, "kubectl-label", (object) =>
        metadataChange(object, "labels", wanted, flags.overwrite === true),
      );
    });
}
