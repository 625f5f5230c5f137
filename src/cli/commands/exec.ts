import { Command } from "@commander-js/extra-typings";
import { podKind } from "../../kinds/core/pod.ts";
import { resourcePath } from "../api_connection.ts";
import type { Cli } from "../cli.ts";
import { channelProtocols, pump, streamQuery } from "../container_stream.ts";
import { ExitWith, UsageError } from "../failure.ts";
import { chooseContainer, findPod } from "../pod_owner.ts";
import { usableTty } from "../usable_tty.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Run a command in a container")
    .argument("[target]", "a pod, or TYPE/NAME such as deployment/web")
    .argument("[command...]", 'after "--"')
    .option("-c, --container <name>", "the container (the first)")
    .option("-i, --stdin", "pass standard input")
    .option("-t, --tty", "with a terminal")
    .option("-q, --quiet", "only the command's output")
    .addHelpText("after", "\nExample:\n  wherry exec -it deployment/web -- sh")
    .action(async (target, command, flags) => {
      const given = cli.afterDash ?? [];
      if (target === undefined) throw new UsageError("pod, type/name or --filename must be specified");
      if (command.length === 0) throw new UsageError("you must specify at least one command for the container");
      if (given.length === 0)
        throw new UsageError(
          "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\nSee wherry exec --help.",
        );
      const session = await cli.session();
      const pod = await findPod(cli.kinds, session, target, "exec");
      const { name } = pod.metadata;
      if (pod.status.phase === "Succeeded" || pod.status.phase === "Failed")
        throw new Error(`cannot exec into a container in a completed pod; current phase is ${pod.status.phase}`);
      const container = chooseContainer(pod, flags.container);
      if (flags.container === undefined && pod.spec.containers.length > 1 && flags.quiet !== true)
        await cli.warn(
          `Defaulted container "${container}" out of: ${pod.spec.containers.map((c) => c.name).join(", ")}`,
        );
      const options = {
        stdin: flags.stdin === true,
        tty: flags.tty === true && (await usableTty(cli, flags.quiet === true)),
      };
      const path = resourcePath(podKind, pod.metadata.namespace, name, "exec");
      const connection = await session.api.webSocket(path, streamQuery(container, options, given), channelProtocols);
      const code = await pump(connection, cli.env.terminal, options);
      if (code === 0) return;
      if (flags.quiet !== true) await cli.warn(`command terminated with exit code ${code}`);
      throw new ExitWith(code);
    });
}
