import { Command } from "@commander-js/extra-typings";
import type { Cli } from "../cli.ts";
import { alignTabs, describeStops } from "../elastic_tabs.ts";
import { readMembers, toleranceOf } from "../members.ts";

export function define(cli: Cli) {
  return new Command()
    .description("List the servers of the cluster")
    .option("-o, --output <format>", "json")
    .addHelpText("after", "\nExample:\n  wherry member list")
    .action(async ({ output }) => {
      const { api } = await cli.session();
      const found = await readMembers(api);
      if (output === "json") return cli.print(JSON.stringify(found, null, 2));
      const lines = found.members.map(({ name, id, role, isLeader, connected, peerAddresses, roundTripMs }) =>
        [
          name || "<not started>",
          id,
          isLeader ? `${role}, leader` : role,
          connected ? "connected" : "lost",
          roundTripMs === undefined ? "-" : `${roundTripMs.toFixed(1)} ms`,
          peerAddresses.join(","),
        ].join("\t"),
      );
      await cli.print(
        alignTabs(["NAME\tID\tROLE\tSTATE\tROUND TRIP\tPEER ADDRESS", ...lines].join("\n"), describeStops),
      );
      await cli.print(`\n${toleranceOf(found)}`);
    });
}
