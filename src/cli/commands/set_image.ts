import { Command } from "@commander-js/extra-typings";
import { changeEach, splitChanges } from "../changes.ts";
import type { Cli } from "../cli.ts";
import { UsageError } from "../failure.ts";
import { collect, dryRunOption, outputOption, selectorOption } from "../flags.ts";
import { podSpecOf } from "../pod_owner.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Change the images of containers")
    .argument("<word...>", "TYPE NAME or TYPE/NAME..., then CONTAINER=IMAGE (*=IMAGE: every container)")
    .option("-f, --filename <file>", "objects named in a file", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .option("--all", "every object of the type in the namespace")
    .addOption(selectorOption)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry set image deployment/web nginx=nginx:1.27")
    .action(async (args, flags) => {
      const { targets, changes } =
        flags.filename === undefined ? splitChanges(args) : { targets: [], changes: [...args] };
      const images = new Map(
        changes.map((word) => {
          const equals = word.indexOf("=");
          if (equals < 1 || equals === word.length - 1) throw new UsageError(`"${word}" is not CONTAINER=IMAGE`);
          return [word.slice(0, equals), word.slice(equals + 1)];
        }),
      );
      if (images.size === 0) throw new UsageError("at least one image update is required: CONTAINER=IMAGE");
      await changeEach(cli, targets, "set image", flags, "kubectl-set", (object, kind) => {
        const spec = podSpecOf(object);
        if (spec === undefined)
          throw new Error(`a ${kind.kind} has no containers: set the image of a Deployment or a Pod`);
        const names = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name);
        for (const name of images.keys())
          if (name !== "*" && !names.includes(name)) throw new Error(`unable to find container named "${name}"`);
        const changed = (containers: readonly { readonly name: string; readonly image?: string | undefined }[] = []) =>
          containers.flatMap(({ name, image }) => {
            const wanted = images.get(name) ?? images.get("*");
            return wanted === undefined || wanted === image ? [] : [{ name, image: wanted }];
          });
        const containers = changed(spec.containers);
        const initContainers = changed(spec.initContainers);
        const podSpec = {
          ...(containers.length > 0 ? { containers } : {}),
          ...(initContainers.length > 0 ? { initContainers } : {}),
        };
        const nothing = containers.length + initContainers.length === 0;
        return {
          contentType: "application/strategic-merge-patch+json",
          patch: nothing ? undefined : { spec: object.kind === "Pod" ? podSpec : { template: { spec: podSpec } } },
          word: "image updated",
        };
      });
    });
}
