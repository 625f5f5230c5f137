import { Command } from "@commander-js/extra-typings";
import { namespaceKind } from "../../kinds/core/namespace.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { dryRunOption, outputOption } from "../flags.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Namespace")
    .argument("<name>")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create namespace harbour")
    .action(async (name, flags) => {
      await createObject(cli, namespaceKind, { metadata: { name } }, flags);
    });
}
