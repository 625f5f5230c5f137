/** The hidden command `proxy --directory DIR` as src/main.ts runs it, with shorter times: what tests start as the proxy process. */
import { describeError } from "../../../env/log.ts";
import { realClock } from "../../../env/real/clock.ts";
import { createLog } from "../../../env/real/log.ts";
import { runProxyProcess } from "../process.ts";

const [, flag, directory = ""] = process.argv.slice(2);
if (flag !== "--directory") throw new Error("want: proxy --directory DIR");
const write = (line: string) => void process.stderr.write(`${line}\n`);
const log = createLog({ level: "info", format: "text", clock: realClock, write });
const ending = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ending.abort());
try {
  const version = process.env.PROXY_TEST_VERSION ?? "0.0.0-test";
  await runProxyProcess({ directory, version, clock: realClock, log, signal: ending.signal, restoreEveryMs: 500 });
  process.exit(0);
} catch (error) {
  log.error("The proxy cannot run", { error: describeError(error) });
  process.exit(1);
}
