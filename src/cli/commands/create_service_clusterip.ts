import { Command } from "@commander-js/extra-typings";
import { serviceKind } from "../../kinds/core/service.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { UsageError } from "../failure.ts";
import { collect, dryRunOption, outputOption } from "../flags.ts";
import { tcpPort } from "../service_ports.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Service with a virtual IP, for pods labelled app=NAME")
    .argument("<name>")
    .option("--tcp <port[:target]>", "a port, and the pods' one", collect)
    .option("--clusterip <ip>", 'the virtual IP, or "None" for a headless Service')
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create service clusterip web --tcp=8080:80")
    .action(async (name, { tcp = [], clusterip, output, dryRun }) => {
      if (tcp.length === 0 && clusterip !== "None")
        throw new UsageError("at least one tcp port specifier must be provided");
      const spec = {
        type: "ClusterIP",
        selector: { app: name },
        ...(tcp.length > 0 ? { ports: tcp.map(tcpPort) } : {}),
        ...(clusterip === undefined ? {} : { clusterIP: clusterip }),
      };
      await createObject(cli, serviceKind, { metadata: { name, labels: { app: name } }, spec }, { output, dryRun });
    });
}
