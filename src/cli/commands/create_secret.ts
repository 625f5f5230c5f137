import { Command } from "@commander-js/extra-typings";
import { secretKind } from "../../kinds/core/secret.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { collect, dryRunOption, outputOption } from "../flags.ts";
import { base64, valuesFrom } from "../pairs.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Secret from literals and files")
    .argument("<name>")
    .option("--from-literal <key=value>", "a key and its value", collect)
    .option("--from-file <[key=]file>", "a file, or each file of a folder", collect)
    .option("--from-env-file <file>", "lines of KEY=VALUE", collect)
    .option("--type <type>", "the Secret's type (Opaque)")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create secret generic login --from-literal=password=swordfish")
    .action(async (name, flags) => {
      const data: Record<string, string> = {};
      for (const [key, bytes] of await valuesFrom(cli, flags)) data[key] = base64(bytes);
      await createObject(
        cli,
        secretKind,
        {
          metadata: { name },
          ...(Object.keys(data).length > 0 ? { data } : {}),
          ...(flags.type === undefined ? {} : { type: flags.type }),
        },
        flags,
      );
    });
}
