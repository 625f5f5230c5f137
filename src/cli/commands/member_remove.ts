import { Command } from "@commander-js/extra-typings";
import type { Cli } from "../cli.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Remove a server from the cluster for good; to come back it joins anew, with an empty data directory")
    .argument("<member>", "its name, or its id as member list shows it")
    .addHelpText("after", "\nExample:\n  wherry member remove node3")
    .action(async (member) => {
      const { api } = await cli.session();
      await api.json({ method: "DELETE", path: `/wherry/v1/members/${encodeURIComponent(member)}` });
      await cli.print(`member "${member}" removed`);
    });
}
