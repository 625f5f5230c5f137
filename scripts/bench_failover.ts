/**
 * Three servers as processes on one machine: the leader is killed (SIGKILL) or stopped (SIGSTOP), and the time until the next write is
 * acknowledged is taken. `bun run bench failover [--runs N]`; needs dist/wherry. In a network namespace of its own, without Docker.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "./e2e/node_under_test.ts";

const namespace = "wherry-failover";
const addresses = ["192.0.2.21", "192.0.2.22", "192.0.2.23"];
const runs = Number(process.argv[2] ?? 20);

function must(...command: string[]): void {
  const [program = "", ...args] = command;
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`"${command.join(" ")}" ended with ${status}: ${stderr}`);
}

if (process.env.WHERRY_FAILOVER === undefined) {
  spawnSync("ip", ["netns", "del", namespace]);
  must("ip", "netns", "add", namespace);
  const inside = (...command: string[]) => must("nsenter", `--net=/var/run/netns/${namespace}`, ...command);
  inside("ip", "link", "set", "lo", "up");
  inside("ip", "link", "add", "uplink0", "type", "veth", "peer", "name", "nowhere0");
  for (const address of addresses) inside("ip", "address", "add", `${address}/24`, "dev", "uplink0");
  for (const link of ["uplink0", "nowhere0"]) inside("ip", "link", "set", link, "up");
  const env = { ...process.env, WHERRY_FAILOVER: "1" };
  const args = [`--net=/var/run/netns/${namespace}`, process.execPath, import.meta.filename, String(runs)];
  const { status } = spawnSync("nsenter", args, { stdio: "inherit", env });
  spawnSync("ip", ["netns", "del", namespace]);
  process.exit(status ?? 1);
}

const directory = mkdtempSync(join(tmpdir(), "wherry-failover-"));
const disabled = "kubelet,proxy,controllers,scheduler";

class Server {
  readonly address: string;
  readonly dataDir: string;
  #process: ChildProcess | undefined;

  constructor(address: string) {
    this.address = address;
    this.dataDir = join(directory, address);
  }

  async start(...more: string[]): Promise<void> {
    const where = [
      "--node-ip",
      this.address,
      "--bind-address",
      this.address,
      "--node-name",
      `n${this.address.slice(-2)}`,
    ];
    const flags = ["--data-dir", this.dataDir, ...where, "--disable", disabled, "--log-level", "error", ...more];
    const child = spawn(executable, ["up", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = child;
    await Promise.race([
      once(child.stdout, "data"),
      once(child, "exit").then(() => {
        throw new Error(`the server at ${this.address} ended before it was ready`);
      }),
    ]);
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  async end(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async request(method: string, path: string, body?: unknown): Promise<Response> {
    const text = readFileSync(join(this.dataDir, "kubeconfig.yaml"), "utf8");
    const ca = Buffer.from(/certificate-authority-data: (\S+)/.exec(text)?.[1] ?? "", "base64").toString();
    const token = /token: "?([^\s"]+)/.exec(text)?.[1] ?? "";
    return fetch(`https://${this.address}:6443${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      tls: { ca },
      signal: AbortSignal.timeout(15_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

interface Members {
  readonly members: readonly {
    readonly name: string;
    readonly isLeader: boolean;
    readonly connected: boolean;
    readonly role: string;
  }[];
}

const servers = addresses.map((address) => new Server(address));
const [first] = servers;
if (first === undefined) throw new Error("there are three");

async function members(via: Server): Promise<Members["members"]> {
  const response = await via.request("GET", "/wherry/v1/members");
  const answer: Members = await response.json();
  return answer.members;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`Waited a minute in vain for ${what}`);
    await Bun.sleep(50);
  }
}

const allWell = (via: Server) => async () => {
  const found = await members(via);
  return found.length === 3 && found.every(({ role, connected }) => role === "voter" && connected);
};

let number = 0;
const write = async (via: Server) => {
  const metadata = { name: `write-${number++}` };
  const response = await via.request("POST", "/api/v1/namespaces/default/configmaps", { metadata });
  await response.arrayBuffer();
  if (response.status !== 201) throw new Error(`a write was answered with ${response.status}`);
};

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

try {
  await first.start();
  const granted = await (await first.request("POST", "/wherry/v1/tokens", {})).json();
  for (const server of servers.slice(1))
    await server.start("--server", `https://${first.address}:6443`, "--token", String(granted.token));
  await until("three voters", allWell(first));
  for (const [signal, count] of [
    ["SIGKILL", runs],
    ["SIGSTOP", Math.min(runs, 5)],
  ] as const) {
    const times: number[] = [];
    for (let run = 0; run < count; run++) {
      const name = (await members(first)).find(({ isLeader }) => isLeader)?.name;
      const leader = servers.find(({ address }) => `n${address.slice(-2)}` === name);
      const other = servers.find((server) => server !== leader);
      if (leader === undefined || other === undefined) throw new Error("there is no leader");
      await write(other);
      const from = performance.now();
      leader.signal(signal);
      // As a client that tries again: what is refused meanwhile costs time, not more.
      await until("a write", async () => {
        await write(other);
        return true;
      });
      times.push(performance.now() - from);
      await leader.end();
      await leader.start();
      await until("the server to be back", allWell(other));
      await until("the first server to know it", allWell(first));
    }
    const sorted = [...times].sort((a, b) => a - b);
    console.log(
      `failover, ${signal} of the leader to the next acknowledged write through another server: median of ${count} ${median(times).toFixed(0)} ms, ` +
        `fastest ${sorted[0]?.toFixed(0)}, slowest ${sorted.at(-1)?.toFixed(0)}${signal === "SIGKILL" ? "   aim 1000" : ""}`,
    );
  }
} finally {
  for (const server of servers) await server.end();
  rmSync(directory, { recursive: true, force: true });
}
