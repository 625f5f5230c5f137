/**
 * A machine of its own for a node: a network namespace with its own Docker Engine (own data, exec root and socket), which the
 * test starts and stops. Nothing in it can reach beyond the namespace.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandResult, capture, eventually, must } from "./command.ts";
import { executable, stockKubectl } from "./node_under_test.ts";

export interface NamespaceOptions {
  /** Default: 192.0.2.10, on a network without anybody else. */
  readonly address?: string;
  /** The network that it shares with others. */
  readonly wharf?: Wharf;
}

/** A switch for machines of a test: a bridge in a namespace of its own, from which nothing leads out. */
export class Wharf {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async create(name: string): Promise<Wharf> {
    await capture("ip", ["netns", "del", name]);
    await must("ip", ["netns", "add", name]);
    const wharf = new Wharf(name);
    await wharf.inside("ip", "link", "add", "wharf0", "type", "bridge");
    await wharf.inside("ip", "link", "set", "wharf0", "up");
    return wharf;
  }

  inside(...command: string[]): Promise<string> {
    return must("nsenter", [`--net=/var/run/netns/${this.name}`, ...command]);
  }

  /** Pulls a machine's cable out, or puts it back. */
  async cable(machine: string, state: "up" | "down"): Promise<void> {
    await this.inside("ip", "link", "set", machine, state);
  }

  async destroy(): Promise<void> {
    await capture("ip", ["netns", "del", this.name]);
  }
}

export class EngineInNamespace {
  readonly name: string;
  readonly directory: string;
  #engine: ChildProcess | undefined;
  #node: ChildProcess | undefined;
  #nodeLog = "";
  /** By its path. */
  #kubectl = "";

  private constructor(name: string, directory: string) {
    this.name = name;
    this.directory = directory;
  }

  static async create(name: string, options: NamespaceOptions = {}): Promise<EngineInNamespace> {
    const { address = "192.0.2.10", wharf } = options;
    const directory = await mkdtemp(join(tmpdir(), `${name}-`));
    const machine = new EngineInNamespace(name, directory);
    await capture("ip", ["netns", "del", name]);
    await must("ip", ["netns", "add", name]);
    await machine.inside("ip", "link", "set", "lo", "up");
    if (wharf === undefined) {
      // A way out that leads nowhere, as a machine whose cable is out: its address is the node's.
      await machine.inside("ip", "link", "add", "uplink0", "type", "veth", "peer", "name", "nowhere0");
      await machine.inside("ip", "link", "set", "nowhere0", "up");
    } else {
      const other = ["peer", "name", name, "netns", wharf.name];
      await machine.inside("ip", "link", "add", "uplink0", "type", "veth", ...other);
      await wharf.inside("ip", "link", "set", name, "master", "wharf0", "up");
    }
    await machine.inside("ip", "address", "add", `${address}/24`, "dev", "uplink0");
    await machine.inside("ip", "link", "set", "uplink0", "up");
    await machine.inside("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "uplink0");
    await mkdir(join(directory, "data"), { recursive: true });
    machine.#kubectl = await stockKubectl();
    return machine;
  }

  get socket(): string {
    return join(this.directory, "docker.sock");
  }

  /** Only the network is the namespace's: `ip netns exec` would hide /sys, and with it the control groups. */
  #enter(...command: string[]): string[] {
    return [`--net=/var/run/netns/${this.name}`, ...command];
  }

  inside(...command: string[]): Promise<string> {
    return must("nsenter", this.#enter(...command));
  }

  async startEngine(): Promise<void> {
    const log = createWriteStream(join(this.directory, "dockerd.log"), { flags: "a" });
    await once(log, "open");
    const folders = ["--data-root", join(this.directory, "docker"), "--exec-root", join(this.directory, "exec")];
    const files = ["--pidfile", join(this.directory, "docker.pid"), "--host", `unix://${this.socket}`];
    this.#engine = spawn("nsenter", this.#enter("dockerd", ...folders, ...files), {
      stdio: ["ignore", log, log],
    });
    await eventually(
      `the Engine in ${this.name}`,
      async () => {
        return (await capture("docker", ["-H", `unix://${this.socket}`, "version"])).code === 0;
      },
      60_000,
    );
  }

  async stopEngine(): Promise<void> {
    const engine = this.#engine;
    if (!engine || engine.exitCode !== null || engine.signalCode !== null) return;
    const gone = once(engine, "exit");
    engine.kill("SIGTERM");
    await gone;
  }

  /** Copies an image of the machine's own Engine. */
  async importImage(image: string): Promise<void> {
    const file = join(this.directory, "image.tar");
    await must("docker", ["save", "-o", file, image]);
    await must("docker", ["-H", `unix://${this.socket}`, "load", "-i", file]);
    await rm(file);
  }

  async startNode(
    options: { readonly withoutReady?: boolean; readonly flags?: readonly string[] } = {},
  ): Promise<void> {
    const data = ["--data-dir", join(this.directory, "data"), "--docker-host", `unix://${this.socket}`];
    const flags = ["--node-name", this.name, ...data, ...(options.flags ?? [])];
    const node = spawn("nsenter", this.#enter(executable, "up", ...flags), {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#node = node;
    let ready = false;
    node.stdout.on("data", () => {
      ready = true;
    });
    node.stderr.on("data", (chunk: Buffer) => {
      this.#nodeLog += chunk.toString();
    });
    if (options.withoutReady) return;
    await eventually(
      "the ready line",
      () => {
        if (node.exitCode !== null)
          throw new Error(`wherry up ended with ${node.exitCode}: ${this.#nodeLog.slice(-2000)}`);
        return ready;
      },
      60_000,
    );
  }

  nodeLog(): string {
    return this.#nodeLog;
  }

  get isRunning(): boolean {
    return this.#node !== undefined && this.#node.exitCode === null && this.#node.signalCode === null;
  }

  /** The node's own process, for signals that do not end it. */
  get pid(): number {
    const pid = this.#node?.pid;
    if (pid === undefined) throw new Error(`the node ${this.name} does not run`);
    return pid;
  }

  wherry(...args: string[]): Promise<CommandResult> {
    const env = { KUBECONFIG: join(this.directory, "data", "kubeconfig.yaml"), HOME: this.directory };
    return capture("nsenter", this.#enter(executable, ...args), { env });
  }

  /** One that runs until it is killed. */
  startKubectl(...args: string[]): ChildProcess {
    const env = { ...process.env, KUBECONFIG: join(this.directory, "data", "kubeconfig.yaml"), HOME: this.directory };
    return spawn("nsenter", this.#enter(this.#kubectl, ...args), { env, stdio: "ignore" });
  }

  async kubectl(args: readonly string[], input?: string): Promise<CommandResult> {
    const env = { KUBECONFIG: join(this.directory, "data", "kubeconfig.yaml"), HOME: this.directory };
    return capture("nsenter", this.#enter(this.#kubectl, ...args), {
      env,
      ...(input === undefined ? {} : { input }),
    });
  }

  async stopNode(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const node = this.#node;
    if (!node || node.exitCode !== null || node.signalCode !== null) return;
    const gone = once(node, "exit");
    node.kill(signal);
    await gone;
  }

  async destroy(): Promise<void> {
    await this.stopNode("SIGTERM");
    const data = join(this.directory, "data");
    const uninstall = [executable, "uninstall", "--yes", "--data-dir", data, "--docker-host", `unix://${this.socket}`];
    await capture("nsenter", this.#enter(...uninstall), { timeoutMs: 120_000 });
    await this.stopEngine();
    await capture("ip", ["netns", "del", this.name]);
    // What the Engine mounted for its containers, deepest first; some of it outlives the Engine.
    const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").map((line) => line.split(" ")[1] ?? "");
    for (const path of mounts.filter((mount) => mount.startsWith(`${this.directory}/`)).reverse())
      await capture("umount", ["--lazy", path]);
    await rm(this.directory, { recursive: true, force: true });
  }
}
