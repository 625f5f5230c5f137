import { Command } from "@commander-js/extra-typings";
import { secretKind } from "../../kinds/core/secret.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { UsageError } from "../failure.ts";
import { dryRunOption, outputOption } from "../flags.ts";
import { readNamedFile } from "../named_file.ts";
import { base64 } from "../pairs.ts";
import { absolutePath } from "../path.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Create a Secret of a certificate and its key")
    .argument("<name>")
    .requiredOption("--cert <file>", "the certificate, PEM")
    .requiredOption("--key <file>", "its private key, PEM")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry create secret tls harbour --cert=harbour.crt --key=harbour.key")
    .action(async (name, { cert, key, ...flags }) => {
      const pem = async (file: string, word: RegExp): Promise<string> => {
        const bytes = await readNamedFile(cli.env.disk, absolutePath(cli.env.workingDirectory, file));
        if (word.test(new TextDecoder().decode(bytes))) return base64(bytes);
        throw new UsageError(`${file} is not PEM: a line ${word.source} is missing`);
      };
      const data = {
        "tls.crt": await pem(cert, /-----BEGIN CERTIFICATE-----/),
        "tls.key": await pem(key, /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/),
      };
      await createObject(cli, secretKind, { metadata: { name }, type: "kubernetes.io/tls", data }, flags);
    });
}
