import { Command } from "@commander-js/extra-typings";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { ExitWith, failureText, UsageError } from "../failure.ts";
import { collect, dryRunOption, kustomizeOption, outputOption, validateOption } from "../flags.ts";
import { readManifests } from "../manifests.ts";
import { didYouMean } from "../nearest.ts";

const nouns = ["deployment", "namespace", "configmap", "secret", "service", "serviceaccount"];

export function define(cli: Cli) {
  return new Command()
    .description("Create objects from files, or one from flags (wherry create deployment|namespace|configmap|...)")
    .argument("[word...]")
    .option("-f, --filename <file>", "a file, a folder, a URL or - (standard input)", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addOption(validateOption)
    .addOption(kustomizeOption)
    .addHelpText("after", "\nExample:\n  wherry create -f pod.yaml\n  wherry create deployment web --image=nginx")
    .action(async ([word], { filename, recursive, output, dryRun, validate = "Strict" }) => {
      if (word !== undefined || filename === undefined)
        throw new UsageError(
          word === undefined
            ? `wherry create wants -f FILE, or one of: ${nouns.join(", ")}`
            : `wherry create does not know "${word}"${didYouMean(word, nouns)}`,
        );
      const { namespace } = await cli.session();
      const broken: unknown[] = [];
      const manifests = await readManifests(cli, filename, {
        recursive: recursive === true,
        namespace,
        onBroken: (error) => broken.push(error),
      });
      let failed = broken.length > 0;
      for (const { kind, object, source } of manifests) {
        try {
          await createObject(cli, kind, object, { output, dryRun }, { fieldValidation: validate, fromFile: true });
        } catch (error) {
          failed = true;
          await cli.warn(failureText(error, `error when creating "${source}"`));
        }
      }
      for (const error of broken) await cli.warn(failureText(error));
      if (failed) throw new ExitWith(1);
    });
}
