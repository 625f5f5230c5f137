import { Command } from "@commander-js/extra-typings";
import type { Cli } from "../cli.ts";
import { UsageError } from "../failure.ts";
import { absolutePath } from "../path.ts";
import { lines } from "../watch.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Remove a node from this machine: its containers, networks, rules and data")
    .option("--data-dir <dir>", "the node's data directory (WHERRY_DATA_DIR, else /var/lib/wherry)")
    .option("--docker-host <url>", "the node's Docker Engine (WHERRY_DOCKER_HOST, DOCKER_HOST, else the local socket)")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", "\nExample:\n  wherry uninstall --yes")
    .action(async ({ dataDir, dockerHost, yes }) => {
      const { uninstall, environment, terminal, workingDirectory } = cli.env;
      const directory = absolutePath(workingDirectory, dataDir ?? (environment.WHERRY_DATA_DIR || "/var/lib/wherry"));
      const node = {
        dataDir: directory,
        dockerHost: dockerHost ?? (environment.WHERRY_DOCKER_HOST || environment.DOCKER_HOST || undefined),
      };
      const found = await uninstall.survey(node);
      if (found.length === 0) return cli.print(`There is no node in ${directory}: nothing to remove.`);
      if (yes !== true) {
        if (!terminal.inputIsTerminal)
          throw new UsageError("wherry uninstall asks before it removes anything, and input is no terminal: say --yes");
        await cli.print(`This removes for good:\n${found.map((line) => `  ${line}`).join("\n")}`);
        await terminal.write("Go on? (yes/no) ");
        for await (const answer of lines(terminal.input())) {
          if (answer.trim() === "yes") break;
          return cli.print("Nothing was removed.");
        }
      }
      await uninstall.remove(node, cli.print);
    });
}
