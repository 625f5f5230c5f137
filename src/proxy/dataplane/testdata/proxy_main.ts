/** The hidden command alone, as src/main.ts runs it: what tests start as the proxy process. */
import { proxyCommand } from "../command.ts";

const [, ...argv] = process.argv.slice(2);
process.exit(await proxyCommand(argv, process.env.PROXY_TEST_VERSION ?? "0.0.0-test", { restoreEveryMs: 500 }));
