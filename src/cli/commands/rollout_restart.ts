import { Command } from "@commander-js/extra-typings";
import { rfc3339 } from "../../env/clock.ts";
import { changeEach } from "../changes.ts";
import type { Cli } from "../cli.ts";
import { collect, dryRunOption, outputOption, selectorOption } from "../flags.ts";
import { requireDeployment } from "../rollout.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Replace every pod of a Deployment by a new one")
    .argument("[target...]", "deployment NAME... or deployment/NAME...")
    .option("-f, --filename <file>", "Deployments named in a file", collect)
    .addOption(selectorOption)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry rollout restart deployment/web")
    .action((args, flags) => {
      const restartedAt = rfc3339(cli.env.clock.now());
      return changeEach(cli, args, "rollout restart", flags, "kubectl-rollout", (object, kind) => {
        requireDeployment(kind, "restart");
        // Sound: a Deployment's spec is as published.
        const spec = object.spec as { readonly paused?: boolean } | undefined;
        if (spec?.paused === true)
          throw new Error(
            `deployments.apps "${object.metadata?.name}" can't restart paused deployment (run rollout resume first)`,
          );
        const annotations = { "kubectl.kubernetes.io/restartedAt": restartedAt };
        return {
          contentType: "application/strategic-merge-patch+json",
          patch: { spec: { template: { metadata: { annotations } } } },
          word: "restarted",
        };
      });
    });
}
