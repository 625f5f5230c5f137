/** Command line to command. Each is loaded only when it is asked for: a node carries no command line, a command no server. */
import { version } from "./version.ts";

const [command, ...rest] = process.argv.slice(2);

async function run(): Promise<number> {
  switch (command) {
    case "up":
      return (await import("./up.ts")).up(rest, version);
    case "proxy":
      return proxy(rest);
    default:
      return commandLine();
  }
}

/** Hidden: the data plane, started by `wherry up` and outliving it. */
async function proxy([flag, directory]: readonly string[]): Promise<number> {
  if (flag !== "--directory" || directory === undefined) {
    process.stderr.write("error: wherry proxy wants --directory DIR; it is started by wherry up\n");
    return 2;
  }
  const { runProxyProcess } = await import("./proxy/dataplane/process.ts");
  const { realClock } = await import("./env/real/clock.ts");
  const { createLog } = await import("./env/real/log.ts");
  const ending = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ending.abort());
  const log = createLog({
    level: "info",
    format: "text",
    clock: realClock,
    write: (line) => void process.stderr.write(`${line}\n`),
  });
  await runProxyProcess({ directory, version, clock: realClock, log, signal: ending.signal });
  return 0;
}

async function commandLine(): Promise<number> {
  const { runCommandLine } = await import("./cli/run.ts");
  const { realClock } = await import("./env/real/clock.ts");
  const { realDisk } = await import("./env/real/disk.ts");
  const { realHttpClient } = await import("./env/real/http_client.ts");
  const { realTerminal } = await import("./env/real/terminal.ts");
  return runCommandLine(process.argv.slice(2), {
    clock: realClock,
    disk: realDisk,
    terminal: realTerminal(),
    httpClient: realHttpClient,
    webSocketClient: {
      // Loaded for exec and attach alone.
      connect: async (url, options) =>
        (await import("./env/real/web_socket.ts")).realWebSocketClient.connect(url, options),
    },
    environment: process.env,
    workingDirectory: process.cwd(),
    version,
    uninstall: {
      survey: async (node) => (await import("./uninstall.ts")).surveyNode(node),
      remove: async (node, say) => (await import("./uninstall.ts")).removeNode(node, say),
    },
  });
}

process.exit(
  await run().catch((error: unknown) => {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }),
);
