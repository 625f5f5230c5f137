/** `wherry up`: flags and machine to a running node. Everything real is made here and handed to startServer. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse as parseYaml } from "yaml";
import { ConfigError, readConfig, upHelp } from "./config.ts";
import { describeError } from "./env/log.ts";
import { realDialer } from "./env/real/dialer.ts";
import { realEnv } from "./env/real/env.ts";
import { readHostFacts } from "./env/real/host_facts.ts";
import { realPodFiles } from "./env/real/pod_files.ts";
import { DataDirectoryInUse, hostAddress, hostName, lockDataDirectory, lockNetwork, NetworkInUse } from "./machine.ts";
import { createDockerRuntime } from "./node/docker.ts";
import { createPodNetwork } from "./node/pod_network.ts";
import { bootedPath } from "./proxy/dataplane/scope.ts";
import { connectProxy } from "./proxy/dataplane/spawn.ts";
import { type Server, startServer } from "./server.ts";

/** Runs a node until SIGTERM or SIGINT. Resolves with the exit code: 0, 1 (could not start or go on), 2 (wrong usage). */
export async function up(argv: readonly string[], version: string): Promise<number> {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(upHelp());
    return 0;
  }
  let config: ReturnType<typeof readConfig>;
  try {
    config = readConfig({
      argv,
      environment: process.env,
      readYaml: (path) => parseYaml(readFileSync(path, "utf8")),
      hostName,
      hostAddress,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    say(`error: ${error.message}`);
    return 2;
  }

  const env = realEnv({ logLevel: config.logLevel, logFormat: config.logFormat });
  const locks: (() => Promise<void>)[] = [];
  const unlock = async () => {
    for (const release of locks.reverse()) await release();
  };
  try {
    locks.push(await lockDataDirectory(config.dataDir));
    // Bridge and rules are the namespace's; without kubelet and proxy a node has none.
    const touchesNetwork = !(config.disable.includes("kubelet") && config.disable.includes("proxy"));
    if (touchesNetwork) locks.push(await lockNetwork(config.dataDir));
  } catch (error) {
    await unlock();
    if (!(error instanceof DataDirectoryInUse || error instanceof NetworkInUse)) throw error;
    say(`error: ${error.message}`);
    return 1;
  }

  const ended = Promise.withResolvers<number>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ended.resolve(0));
  // A terminal that closes does not end a node, nor does the end of whoever reads its log.
  process.on("SIGHUP", () => {});
  for (const output of [process.stdout, process.stderr]) output.on("error", () => {});
  process.on("unhandledRejection", (error) => {
    env.log.error("A failure that nobody handled: this is a bug", { error: describeError(error) });
    ended.resolve(1);
  });

  let server: Server | undefined;
  try {
    const starting = startServer(config, {
      ...env,
      version,
      containerRuntime: (clusterUid) =>
        createDockerRuntime({
          dockerHost: config.dockerHost ?? "unix:///var/run/docker.sock",
          clusterUid,
          clock: env.clock,
          log: env.log.with({ area: "docker" }),
        }),
      podNetwork: createPodNetwork(env.log.with({ area: "pod-network" })),
      podFiles: realPodFiles,
      dialer: realDialer,
      webSocketClient: {
        // Loaded when it is needed first: logs and streams of pods on other nodes.
        connect: async (url, options) =>
          (await import("./env/real/web_socket.ts")).realWebSocketClient.connect(url, options),
      },
      hostFacts: () => readHostFacts(config.dataDir),
      connectProxy: () =>
        connectProxy({
          directory: join(config.dataDir, "proxy"),
          ...selfCommand("proxy"),
          version,
          systemd: existsSync(bootedPath),
          clock: env.clock,
          log: env.log.with({ area: "proxy" }),
        }),
      failed: (error) => {
        env.log.error("The node cannot go on", { error: describeError(error) });
        ended.resolve(1);
      },
    });
    // A signal while something hangs: nothing that was begun needs an end of its own.
    starting.catch(() => undefined);
    const first = await Promise.race([starting, ended.promise]);
    if (typeof first === "number") return first;
    server = first;
    server.ready.then(
      () => process.stdout.write(`ready ${server?.url} node=${config.nodeName}\n`),
      (error) => env.log.debug("The node did not become ready", { error: describeError(error) }),
    );
    return await ended.promise;
  } catch (error) {
    say(`error: ${describeError(error)}`);
    return 1;
  } finally {
    await server?.stop();
    await unlock();
  }
}

/** How to start this same program again with a hidden command: compiled, from source on Bun, or on Deno. */
function selfCommand(command: string): { executable: string; args: string[] } {
  const main = join(fileURLToPath(import.meta.url), "..", "main.ts");
  if (import.meta.url.includes("$bunfs")) return { executable: process.execPath, args: [command] };
  const run = "Deno" in globalThis ? ["run", "--allow-all", "--config", join(main, "..", "..", "deno.json")] : [];
  return { executable: process.execPath, args: [...run, main, command] };
}
