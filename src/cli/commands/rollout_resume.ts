import { Command } from "@commander-js/extra-typings";
import { changeEach } from "../changes.ts";
import type { Cli } from "../cli.ts";
import { collect, dryRunOption, outputOption, selectorOption } from "../flags.ts";
import { requireDeployment } from "../rollout.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Let a held rollout go on")
    .argument("[target...]", "deployment NAME... or deployment/NAME...")
    .option("-f, --filename <file>", "Deployments named in a file", collect)
    .addOption(selectorOption)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry rollout resume deployment/web")
    .action((args, flags) =>
      changeEach(cli, args, "rollout resume", flags, "kubectl-rollout", (object, kind) => {
        requireDeployment(kind, "resume");
        // Sound: a Deployment's spec is as published.
        const spec = object.spec as { readonly paused?: boolean } | undefined;
        if (spec?.paused !== true) throw new Error(`deployments.apps "${object.metadata?.name}" is not paused`);
        return {
          contentType: "application/strategic-merge-patch+json",
          patch: { spec: { paused: false } },
          word: "resumed",
        };
      }),
    );
}
