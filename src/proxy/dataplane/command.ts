import { isAbsolute } from "node:path";
import { describeError } from "../../env/log.ts";
import { realClock } from "../../env/real/clock.ts";
import { createLog } from "../../env/real/log.ts";
import { type ProxyProcessOptions, runProxyProcess } from "./process.ts";

/**
 * The hidden command `wherry proxy --directory DIR`: `argv` is what follows "proxy". Resolves with the exit code; `overrides` are for tests. Its log
 * goes to standard error, which spawn.ts leads to DIR/proxy.log.
 */
export async function proxyCommand(
  argv: readonly string[],
  version: string,
  overrides: Partial<ProxyProcessOptions> = {},
): Promise<number> {
  const write = (line: string) => void process.stderr.write(`${line}\n`);
  const log = createLog({ level: "info", format: "text", clock: realClock, write }).with({ area: "proxy" });
  const [flag, directory, ...rest] = argv;
  if (flag !== "--directory" || directory === undefined || !isAbsolute(directory) || rest.length > 0) {
    write(`Cannot run the proxy with ${JSON.stringify(argv)}: want --directory and an absolute path`);
    return 2;
  }
  const ending = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ending.abort());
  // A terminal that closes is none of the proxy's business.
  process.on("SIGHUP", () => {});
  try {
    await runProxyProcess({ directory, version, clock: realClock, log, signal: ending.signal, ...overrides });
    return 0;
  } catch (error) {
    log.error("The proxy cannot run", { error: describeError(error) });
    return 1;
  }
}
