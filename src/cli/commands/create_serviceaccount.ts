import { Command } from "@commander-js/extra-typings";
import { serviceAccountKind } from "../../kinds/core/service_account.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { dryRunOption, outputOption } from "../flags.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a ServiceAccount")
    .argument("<name>")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create serviceaccount robot")
    .action(async (name, flags) => {
      await createObject(cli, serviceAccountKind, { metadata: { name } }, flags);
    });
}
