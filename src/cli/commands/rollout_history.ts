import { Command } from "@commander-js/extra-typings";
import type { Cli } from "../cli.ts";
import { podTemplateLines } from "../describe/pod_template.ts";
import { alignTabs, describeStops } from "../elastic_tabs.ts";
import { wholeNumber } from "../flags.ts";
import { changeCauseAnnotation, deploymentOf, revisionsOf } from "../rollout.ts";

export function define(cli: Cli) {
  return new Command()
    .description("List the revisions of a Deployment, or show one")
    .argument("<target...>", "deployment NAME or deployment/NAME")
    .option("--revision <number>", "the pods of that revision", wholeNumber, 0)
    .addHelpText("after", "\nExample:\n  wherry rollout history deployment/web --revision=2")
    .action(async (args, { revision }) => {
      const deployment = await deploymentOf(cli, args, "history");
      const revisions = await revisionsOf(await cli.session(), deployment);
      const title = `deployment.apps/${deployment.metadata.name}`;
      if (revision > 0) {
        const found = revisions.find(({ number }) => number === revision);
        if (found === undefined) throw new Error("unable to find the specified revision");
        const lines = ["Pod Template:", ...podTemplateLines(found.replicaSet.spec.template, "  ")];
        await cli.print(`${title} with revision #${revision}\n${alignTabs(lines.join("\n"), describeStops)}\n`);
        return;
      }
      if (revisions.length === 0) return cli.print(`${title} \nNo rollout history found.`);
      const rows = revisions.map(({ number, replicaSet }) => {
        const cause = replicaSet.metadata.annotations?.[changeCauseAnnotation] || "<none>";
        return `${number}\t${cause}`;
      });
      await cli.print(`${title} \n${alignTabs(["REVISION\tCHANGE-CAUSE", ...rows].join("\n"), describeStops)}\n`);
    });
}
