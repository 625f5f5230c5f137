import { Command } from "@commander-js/extra-typings";
import { query, resourcePath } from "../api_connection.ts";
import type { Cli } from "../cli.ts";
import { ExitWith, failureText, UsageError } from "../failure.ts";
import { collect, dryRunOption, outputOption, selectorOption, wholeNumber } from "../flags.ts";
import { anyObject } from "../object.ts";
import { printChange } from "../output.ts";
import { chosenObjects } from "../selection.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Set the number of replicas of Deployments and ReplicaSets")
    .argument("[target...]", "TYPE NAME... or TYPE/NAME...")
    .requiredOption("--replicas <number>", "how many pods", wholeNumber)
    .option("--current-replicas <number>", "only if there are that many now", wholeNumber)
    .option("-f, --filename <file>", "objects named in a file", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .option("--all", "every object of the type in the namespace")
    .addOption(selectorOption)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry scale deployment/web --replicas=3")
    .action(async (args, flags) => {
      const { replicas, currentReplicas, dryRun = "none", output } = flags;
      if (replicas < 0)
        throw new UsageError("the --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
      const { api } = await cli.session();
      let failed = false;
      for (const { kind, namespace, name } of await chosenObjects(cli, args, "scale", flags)) {
        if (kind.scale === undefined) throw new UsageError(`a ${kind.kind} cannot be scaled: it has no replicas`);
        const path = resourcePath(kind, namespace, name);
        try {
          const object = anyObject(await api.json({ method: "GET", path }));
          if (currentReplicas !== undefined) {
            const scale = anyObject(await api.json({ method: "GET", path: `${path}/scale` }));
            // Sound: the subresource answers with a Scale.
            const now = (scale.spec as { replicas?: number } | undefined)?.replicas ?? 0;
            if (now !== currentReplicas)
              throw new Error(`Expected replicas to be ${currentReplicas}, was ${now}: "${name}" is not scaled`);
          }
          if (dryRun !== "client")
            await api.json({
              method: "PATCH",
              path: `${path}/scale`,
              query: query({ fieldManager: "kubectl-scale", dryRun: dryRun === "server" ? "All" : undefined }),
              contentType: "application/merge-patch+json",
              body: { spec: { replicas } },
            });
          await printChange(cli, object, "scaled", { output, dryRun });
        } catch (error) {
          failed = true;
          await cli.warn(failureText(error));
        }
      }
      if (failed) throw new ExitWith(1);
    });
}
