import { Command } from "@commander-js/extra-typings";
import type { Cli } from "../cli.ts";
import { UsageError } from "../failure.ts";
import { nodeKubeconfigs } from "../session.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Print the kubeconfig of the node on this machine, for kubectl and other clients")
    .option("--data-dir <dir>", "the node's data directory (WHERRY_DATA_DIR, else /var/lib/wherry)")
    .option("--path", "print only where it is")
    .addHelpText("after", "\nExample:\n  wherry kubeconfig > ~/.kube/config")
    .action(async ({ dataDir, path }) => {
      const given = cli.flags.kubeconfig;
      const candidates =
        given !== undefined
          ? [given]
          : dataDir !== undefined
            ? [`${dataDir}/kubeconfig.yaml`]
            : [
                ...nodeKubeconfigs(cli.env),
                ...(cli.env.environment.KUBECONFIG ?? "").split(":").filter((file) => file !== ""),
              ];
      for (const file of candidates) {
        if (!(await cli.env.disk.exists(file))) continue;
        if (path === true) return cli.print(file);
        return cli.env.terminal.write(await cli.env.disk.readFile(file));
      }
      throw new UsageError(
        `no kubeconfig at ${candidates.join(" nor ")}: start a node by "wherry up", or say --data-dir`,
      );
    });
}
