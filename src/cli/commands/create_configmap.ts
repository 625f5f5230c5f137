import { Command } from "@commander-js/extra-typings";
import { configMapKind } from "../../kinds/core/config_map.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { collect, dryRunOption, outputOption } from "../flags.ts";
import { base64, valuesFrom } from "../pairs.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a ConfigMap")
    .argument("<name>")
    .option("--from-literal <key=value>", "a key and its value", collect)
    .option("--from-file <[key=]file>", "a file, or each file of a folder", collect)
    .option("--from-env-file <file>", "lines of KEY=VALUE", collect)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText(
      "after",
      "\nExample:\n  wherry create configmap settings --from-literal=colour=blue --from-file=app.conf",
    )
    .action(async (name, flags) => {
      const data: Record<string, string> = {};
      const binaryData: Record<string, string> = {};
      for (const [key, bytes] of await valuesFrom(cli, flags)) {
        try {
          data[key] = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
        } catch {
          binaryData[key] = base64(bytes);
        }
      }
      await createObject(
        cli,
        configMapKind,
        {
          metadata: { name },
          ...(Object.keys(data).length > 0 ? { data } : {}),
          ...(Object.keys(binaryData).length > 0 ? { binaryData } : {}),
        },
        flags,
      );
    });
}
