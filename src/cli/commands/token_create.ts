import { Command } from "@commander-js/extra-typings";
import { z } from "zod";
import type { Cli } from "../cli.ts";
import { UsageError } from "../failure.ts";

const Granted = z.object({ token: z.string(), expiresAt: z.string() });
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

export function define(cli: Cli) {
  return new Command()
    .description("Make a token by which another server joins this cluster")
    .option("--ttl <duration>", "how long it is good for: 30m, 24h, 7d", "24h")
    .option("--description <text>", "what it is for", "")
    .addHelpText("after", "\nExample:\n  wherry token create --ttl 1h")
    .action(async ({ ttl, description }) => {
      const [, count, unit] = /^(\d+)([smhd])$/.exec(ttl) ?? [];
      const ttlSeconds = Number(count) * (units[unit ?? ""] ?? Number.NaN);
      if (!(ttlSeconds >= 60 && ttlSeconds <= 31_536_000))
        throw new UsageError(`--ttl ${JSON.stringify(ttl)} must be one minute to 365 days, as in 30m, 24h or 7d`);
      const { api } = await cli.session();
      const body = { ttlSeconds, description };
      const { token } = Granted.parse(await api.json({ method: "POST", path: "/wherry/v1/tokens", body }));
      await cli.print(token);
    });
}
