import { Command } from "@commander-js/extra-typings";
import { serviceKind } from "../../kinds/core/service.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { UsageError } from "../failure.ts";
import { collect, dryRunOption, outputOption, wholeNumber } from "../flags.ts";
import { tcpPort } from "../service_ports.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Service on a port of each node, for pods labelled app=NAME")
    .argument("<name>")
    .option("--tcp <port[:target]>", "a port, and the pods' one", collect)
    .option("--node-port <port>", "the port of the nodes; else a free one is taken", wholeNumber)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create service nodeport web --tcp=80 --node-port=30080")
    .action(async (name, { tcp = [], nodePort, output, dryRun }) => {
      if (tcp.length === 0) throw new UsageError("at least one tcp port specifier must be provided");
      const ports = tcp.map((port) => ({ ...tcpPort(port), ...(nodePort === undefined ? {} : { nodePort }) }));
      const spec = { type: "NodePort", selector: { app: name }, ports };
      await createObject(cli, serviceKind, { metadata: { name, labels: { app: name } }, spec }, { output, dryRun });
    });
}
