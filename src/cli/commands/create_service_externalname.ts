import { Command } from "@commander-js/extra-typings";
import { serviceKind } from "../../kinds/core/service.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { collect, dryRunOption, outputOption } from "../flags.ts";
import { tcpPort } from "../service_ports.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Service that stands for a name outside of the cluster")
    .argument("<name>")
    .requiredOption("--external-name <host>", "the name outside")
    .option("--tcp <port[:target]>", "a port, and the one outside", collect)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create service externalname db --external-name=db.example.com")
    .action(async (name, { externalName, tcp = [], ...flags }) => {
      const spec = {
        type: "ExternalName",
        externalName,
        selector: { app: name },
        ...(tcp.length === 0 ? {} : { ports: tcp.map(tcpPort) }),
      };
      await createObject(cli, serviceKind, { metadata: { name, labels: { app: name } }, spec }, flags);
    });
}
