import { Command, Option } from "@commander-js/extra-typings";
import type { Cli } from "../cli.ts";
import { isRecord } from "../object.ts";
import { goJson, yamlText } from "../serialise.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Versions of this executable and of the server")
    .option("--client", "of this executable alone; asks no server")
    .addOption(new Option("-o, --output <format>", "json or yaml").choices(["json", "yaml"] as const))
    .addHelpText("after", "\nExample:\n  wherry version")
    .action(async ({ client, output }) => {
      const { version } = cli.env;
      let server: unknown;
      let failure: unknown;
      if (client !== true) {
        try {
          server = await (await cli.session()).api.json({ method: "GET", path: "/version" });
        } catch (error) {
          failure = error;
        }
      }
      const gitVersion = isRecord(server) ? String(server.gitVersion) : undefined;
      const whole = {
        clientVersion: { version },
        ...(server === undefined ? {} : { serverVersion: server }),
      };
      if (output === "json") await cli.print(goJson(whole, "  "));
      else if (output === "yaml") await cli.env.terminal.write(await yamlText(whole));
      else {
        await cli.print(`Client Version: wherry ${version}`);
        if (gitVersion !== undefined) await cli.print(`Server Version: ${gitVersion}`);
      }
      if (failure !== undefined) throw failure;
    });
}
