/**
 * A Docker Engine for tests and the demonstration: the one that answers, else one installed from the distribution and
 * started here. Says what it does before it does it.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

export interface Engine {
  /** True when this call started it; then `stop` ends it, else `stop` does nothing. */
  readonly startedHere: boolean;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

const socketPath = "/var/run/docker.sock";

export function engineAnswers(path = socketPath): Promise<boolean> {
  return new Promise((resolve) => {
    if (!existsSync(path)) return resolve(false);
    const ping = request({ socketPath: path, path: "/_ping", timeout: 3000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on("error", () => resolve(false));
    ping.on("timeout", () => {
      ping.destroy();
      resolve(false);
    });
    ping.end();
  });
}

function installed(program: string): boolean {
  return ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"].some((folder) =>
    existsSync(`${folder}/${program}`),
  );
}

/** Installs the distribution's packages for those programs that are missing. Rejects with what apt-get said. */
export function installMissing(programs: Readonly<Record<string, string>>, say: (line: string) => void): void {
  const missing = Object.entries(programs).filter(([program]) => !installed(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, name]) => name))];
  say(`installing ${packages.join(" ")} (missing: ${missing.map(([program]) => program).join(", ")})`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]) => spawnSync("apt-get", args, { env, encoding: "utf8", maxBuffer: 64 << 20 });
  let result = apt("install", "-y", "--no-install-recommends", ...packages);
  if (result.status !== 0) {
    apt("update");
    result = apt("install", "-y", "--no-install-recommends", ...packages);
  }
  if (result.status !== 0) throw new Error(`Cannot install ${packages.join(" ")}: ${result.stderr || result.stdout}`);
}

/** What a node needs beside Docker: addresses, rules, namespaces. */
export const nodePrograms: Readonly<Record<string, string>> = {
  ip: "iproute2",
  nft: "nftables",
  nsenter: "util-linux",
  iptables: "iptables",
};

export async function ensureEngine(say: (line: string) => void): Promise<Engine> {
  if (await engineAnswers()) return { startedHere: false, pid: undefined, stop: async () => undefined };
  installMissing({ dockerd: "docker.io", containerd: "containerd", ...nodePrograms }, say);
  if (existsSync("/run/systemd/system")) spawnSync("systemctl", ["start", "docker"]);
  for (let tries = 0; tries < 20; tries++) {
    if (await engineAnswers()) return { startedHere: false, pid: undefined, stop: async () => undefined };
    if (!existsSync("/run/systemd/system")) break;
    await delay(250);
  }
  say("starting dockerd (log: /var/log/wherry-dockerd.log)");
  mkdirSync("/var/log", { recursive: true });
  const log = openSync("/var/log/wherry-dockerd.log", "a");
  const child = spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log] });
  child.unref();
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (let tries = 0; tries < 240; tries++) {
    if (child.exitCode !== null) break;
    if (await engineAnswers())
      return {
        startedHere: true,
        pid: child.pid,
        stop: async () => {
          child.kill("SIGTERM");
          await gone;
        },
      };
    await delay(250);
  }
  throw new Error("Cannot start the Docker Engine: see /var/log/wherry-dockerd.log");
}
