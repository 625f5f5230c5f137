import { Command } from "@commander-js/extra-typings";
import { deploymentKind } from "../../kinds/apps/deployment.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { UsageError } from "../failure.ts";
import { collect, dryRunOption, outputOption, wholeNumber } from "../flags.ts";
import { containerNameOf } from "../image_name.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Deployment")
    .argument("<name>")
    .argument("[command...]", 'after "--"')
    .option("--image <image>", "an image; may be given more than once", collect)
    .option("--replicas <number>", "how many pods", wholeNumber, 1)
    .option("--port <port>", "the port that the container listens on", wholeNumber)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create deployment web --image=nginx --port=80 --replicas=3")
    .action(async (name, command, { image: images = [], replicas, port, output, dryRun }) => {
      if (images.length === 0) throw new UsageError('required flag(s) "image" not set');
      if (command.length > 0 && images.length > 1)
        throw new UsageError("cannot specify multiple --image options and command");
      if (replicas < 0) throw new UsageError(`invalid --replicas ${replicas}: it must be 0 or more`);
      const names = images.map(containerNameOf);
      const labels = { app: name };
      await createObject(
        cli,
        deploymentKind,
        {
          metadata: { name, labels },
          spec: {
            replicas,
            selector: { matchLabels: labels },
            template: {
              metadata: { labels },
              spec: {
                containers: images.map((image, index) => ({
                  name: names.indexOf(names[index] ?? "") === index ? names[index] : `${names[index]}-${index + 1}`,
                  image,
                  ...(command.length > 0 ? { command } : {}),
                  ...(port === undefined ? {} : { ports: [{ containerPort: port }] }),
                  resources: {},
                })),
              },
            },
            strategy: {},
          },
        },
        { output, dryRun },
      );
    });
}
