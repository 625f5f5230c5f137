import { Command } from "@commander-js/extra-typings";
import { secretKind } from "../../kinds/core/secret.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { dryRunOption, outputOption } from "../flags.ts";
import { base64 } from "../pairs.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Secret by which images are pulled from a registry (imagePullSecrets)")
    .argument("<name>")
    .option("--docker-server <server>", "the registry", "https://index.docker.io/v1/")
    .requiredOption("--docker-username <name>", "who asks the registry")
    .requiredOption("--docker-password <password>", "the password or token")
    .option("--docker-email <address>", "an address, for registries that want one")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText(
      "after",
      "\nExample:\n  wherry create secret docker-registry pull --docker-server=registry.example --docker-username=me --docker-password=swordfish",
    )
    .action(async (name, { dockerServer, dockerUsername, dockerPassword, dockerEmail, ...flags }) => {
      const encode = (text: string) => base64(new TextEncoder().encode(text));
      const entry = {
        username: dockerUsername,
        password: dockerPassword,
        ...(dockerEmail === undefined ? {} : { email: dockerEmail }),
        auth: encode(`${dockerUsername}:${dockerPassword}`),
      };
      const data = { ".dockerconfigjson": encode(JSON.stringify({ auths: { [dockerServer]: entry } })) };
      const type = "kubernetes.io/dockerconfigjson";
      await createObject(cli, secretKind, { metadata: { name }, type, data }, flags);
    });
}
