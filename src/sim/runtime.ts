/**
 * A container engine in memory and virtual time. Containers run tiny programs; latencies and faults come from the seed. Passes
 * container_runtime_contract.ts, as Docker does.
 *
 * A program is a list of words: `print TEXT`, `print-error TEXT`, `sleep MS`, `copy` (standard input to output until its end), `deaf`
 * (from here on SIGTERM is ignored), `exit CODE`. After the last word it runs until it is told to end. A command that does
 * not begin with "sim" runs for ever, so that any image works; "/no/such/program" cannot be started.
 */
import type { Clock } from "../env/clock.ts";
import { sleep } from "../env/clock.ts";
import type { Random } from "../env/random.ts";
import {
  type ContainerConfig,
  type ContainerRuntime,
  type LogChunk,
  type ObservedContainer,
  type ObservedImage,
  type ObservedSandbox,
  RuntimeError,
  type RuntimeErrorCode,
  type RuntimeEvent,
  type RuntimeExecOptions,
  type RuntimeLogOptions,
  type RuntimeStream,
  type RuntimeVersion,
  type SandboxConfig,
} from "../node/container_runtime.ts";
import { SimProcess } from "./process.ts";

interface SimSandbox {
  readonly id: string;
  readonly cluster: string;
  readonly config: SandboxConfig;
  readonly createdAtMs: number;
  state: "created" | "running" | "exited";
  pid: number;
}

interface SimContainer {
  readonly id: string;
  readonly cluster: string;
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  readonly createdAtMs: number;
  process: SimProcess | undefined;
  state: "created" | "running" | "exited";
  startedAtMs?: number;
  finishedAtMs?: number;
  exitCode?: number;
  oomKilled: boolean;
  error?: string;
  readonly attached: Set<(chunk: LogChunk) => void>;
}

export interface SimRuntimeOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Images that are there from the start. */
  readonly images?: readonly string[];
  /** Images that a pull finds. */
  readonly registry?: readonly string[];
  /** Hears of everything that starts, dies and is removed: for the trace of a simulation. */
  readonly note?: (text: string) => void;
}

export type Verb = "list" | "create" | "start" | "stop" | "remove" | "pull" | "exec" | "logs" | "version" | "image";

/** One machine's engine; `forCluster` gives the view that a kubelet of that cluster has. */
export class SimEngine {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #images = new Map<string, ObservedImage>();
  readonly #registry: Set<string>;
  readonly sandboxes = new Map<string, SimSandbox>();
  readonly containers = new Map<string, SimContainer>();
  readonly #listeners = new Set<(event: RuntimeEvent | "cut") => void>();
  #available = true;
  #registryAvailable = true;
  #slowness = 1;
  /** How often, of all calls of a verb, one fails or hangs; between 0 and 1. */
  readonly #faults = new Map<
    Verb,
    { readonly share: number; readonly code: RuntimeErrorCode; readonly hangMs: number }
  >();
  readonly #note: (text: string) => void;
  #sequence = 0;

  constructor(options: SimRuntimeOptions) {
    this.#note = options.note ?? (() => undefined);
    this.#clock = options.clock;
    this.#random = options.random;
    this.#registry = new Set(options.registry ?? []);
    for (const name of options.images ?? []) this.addImage(name);
  }

  addImage(name: string, hasRegistryDigest = false): void {
    const tag = name.includes(":") ? name : `${name}:latest`;
    const id = `sha256:${Buffer.from(tag).toString("hex").padEnd(64, "0").slice(0, 64)}`;
    this.#images.set(tag, { id, tags: [tag], sizeBytes: 1_000_000, hasRegistryDigest, user: "" });
  }

  // Faults

  /** A fault: the engine does not answer any more; containers run on. */
  goAway(): void {
    this.#available = false;
    for (const listener of [...this.#listeners]) listener("cut");
  }

  comeBack(): void {
    this.#available = true;
  }

  /** A fault: the engine is started anew without live-restore, so that everything it ran has ended. */
  restart(): void {
    for (const listener of [...this.#listeners]) listener("cut");
    for (const container of this.containers.values()) if (container.state === "running") this.#ended(container, 137);
    for (const sandbox of this.sandboxes.values()) if (sandbox.state === "running") this.#sandboxEnded(sandbox);
    this.#available = true;
  }

  /** A fault: a container's process dies. */
  kill(containerId: string, exitCode = 137, oomKilled = false): void {
    const container = this.containers.get(containerId);
    if (container?.state !== "running") return;
    container.oomKilled = oomKilled;
    this.#ended(container, exitCode);
  }

  /** A fault: a sandbox's own process dies; its containers run on, without a way out. */
  killSandbox(sandboxId: string): void {
    const sandbox = this.sandboxes.get(sandboxId);
    if (sandbox?.state === "running") this.#sandboxEnded(sandbox);
  }

  /** A fault: somebody removes a sandbox or a container by force; what is in the sandbox runs on. */
  removeByHand(id: string): void {
    const container = this.containers.get(id);
    const sandbox = this.sandboxes.get(id);
    if (container?.state === "running") this.#ended(container, 137);
    if (sandbox?.state === "running") this.#sandboxEnded(sandbox);
    this.containers.delete(id);
    this.sandboxes.delete(id);
    const pod = (container ?? sandbox)?.config.pod;
    if (pod) this.tell({ type: "removed", podUid: pod.uid });
  }

  /** A fault: this share of the calls of a verb fails, after hanging for `hangMs`. */
  fail(verb: Verb, share: number, code: RuntimeErrorCode = "Unknown", hangMs = 0): void {
    if (share === 0) this.#faults.delete(verb);
    else this.#faults.set(verb, { share, code, hangMs });
  }

  /** A fault: everything takes so many times longer. */
  slow(factor: number): void {
    this.#slowness = factor;
  }

  setRegistryAvailable(available: boolean): void {
    this.#registryAvailable = available;
  }

  // What the views below call

  async begin(verb: Verb, fromMs: number, toMs: number): Promise<void> {
    const latency = (fromMs + this.#random.fraction() * (toMs - fromMs)) * this.#slowness;
    if (!this.#available) throw new RuntimeError("Unavailable", "the simulated engine is away");
    await sleep(this.#clock, latency);
    if (!this.#available) throw new RuntimeError("Unavailable", "the simulated engine went away");
    const fault = this.#faults.get(verb);
    if (fault === undefined || this.#random.fraction() >= fault.share) return;
    await sleep(this.#clock, fault.hangMs);
    throw new RuntimeError(fault.code, `the simulated engine fails to ${verb}`);
  }

  newId(): string {
    const bytes = this.#random.bytes(28);
    const prefix = (++this.#sequence).toString(16).padStart(8, "0");
    return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  newPid(): number {
    return 1000 + ++this.#sequence;
  }

  now(): number {
    return this.#clock.now();
  }

  image(name: string): ObservedImage | undefined {
    return this.#images.get(name.includes(":") ? name : `${name}:latest`);
  }

  images(): ObservedImage[] {
    return [...this.#images.values()];
  }

  pull(name: string): void {
    if (!this.#registryAvailable)
      throw new RuntimeError("RegistryUnavailable", `Cannot pull the image "${name}": dial tcp: i/o timeout`);
    if (!this.#registry.has(name))
      throw new RuntimeError("ImageNotFound", `Cannot pull the image "${name}": manifest unknown`);
    this.addImage(name, true);
  }

  run(container: SimContainer): void {
    const { command = [], args = [] } = container.config;
    const words = [...command, ...args];
    if (words[0] === "/no/such/program") {
      container.state = "exited";
      container.exitCode = 127;
      container.finishedAtMs = this.now();
      container.error = 'exec: "/no/such/program": no such file or directory';
      throw new RuntimeError("StartFailed", `Cannot start the container ${container.id}: ${container.error}`);
    }
    container.state = "running";
    container.startedAtMs = this.now();
    const process = new SimProcess(this.#clock, words, (chunk) => {
      for (const attached of container.attached) attached(chunk);
    });
    container.process = process;
    if (!container.config.stdin) process.endStdin();
    this.tell({ type: "started", podUid: container.config.pod.uid });
    process.ended.then((code) => this.#ended(container, code));
  }

  startProcess(words: readonly string[], onOutput: (chunk: LogChunk) => void): SimProcess {
    return new SimProcess(this.#clock, words, onOutput);
  }

  #ended(container: SimContainer, exitCode: number): void {
    if (container.state !== "running") return;
    container.state = "exited";
    container.exitCode = exitCode;
    container.finishedAtMs = this.now();
    container.process?.kill();
    this.tell({ type: "died", podUid: container.config.pod.uid });
  }

  #sandboxEnded(sandbox: SimSandbox): void {
    sandbox.state = "exited";
    this.tell({ type: "died", podUid: sandbox.config.pod.uid });
  }

  endSandbox(sandboxId: string): void {
    for (const container of this.containers.values())
      if (container.sandboxId === sandboxId && container.state === "running") this.#ended(container, 137);
    const sandbox = this.sandboxes.get(sandboxId);
    // One that never ran stays "created", as Docker has it.
    if (sandbox?.state === "running") this.#sandboxEnded(sandbox);
  }

  tell(event: RuntimeEvent): void {
    this.#note(`engine: of the pod ${event.podUid} something ${event.type}`);
    if (!this.#available) return;
    for (const listener of [...this.#listeners]) listener(event);
  }

  listen(listener: (event: RuntimeEvent | "cut") => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get clock(): Clock {
    return this.#clock;
  }

  get available(): boolean {
    return this.#available;
  }

  forCluster(cluster: string): ContainerRuntime {
    return new SimRuntime(this, cluster);
  }
}

class SimRuntime implements ContainerRuntime {
  readonly #engine: SimEngine;
  readonly #cluster: string;

  constructor(engine: SimEngine, cluster: string) {
    this.#engine = engine;
    this.#cluster = cluster;
  }

  async version(): Promise<RuntimeVersion> {
    await this.#engine.begin("version", 1, 3);
    return {
      name: "docker",
      version: "0.0.0",
      operatingSystem: "simulated",
      kernelVersion: "0.0.0",
      liveRestore: false,
      cgroupDriver: "cgroupfs",
    };
  }

  #sandbox(id: string): SimSandbox {
    const sandbox = this.#engine.sandboxes.get(id);
    if (sandbox?.cluster === this.#cluster) return sandbox;
    throw new RuntimeError("NotFound", `Cannot find the sandbox ${id}`);
  }

  #container(id: string): SimContainer {
    const container = this.#engine.containers.get(id);
    if (container?.cluster === this.#cluster) return container;
    throw new RuntimeError("NotFound", `Cannot find the container ${id}`);
  }

  async createPodSandbox(config: SandboxConfig): Promise<string> {
    await this.#engine.begin("create", 9, 25);
    for (const sandbox of this.#engine.sandboxes.values())
      if (sandbox.config.pod.uid === config.pod.uid && sandbox.config.attempt === config.attempt) {
        if (sandbox.config.podAddress === config.podAddress) return sandbox.id;
        this.#engine.removeByHand(sandbox.id);
      }
    const id = this.#engine.newId();
    const createdAtMs = this.#engine.now();
    this.#engine.sandboxes.set(id, { id, cluster: this.#cluster, config, createdAtMs, state: "created", pid: 0 });
    return id;
  }

  async startPodSandbox(sandboxId: string): Promise<{ readonly pid: number }> {
    await this.#engine.begin("start", 160, 190);
    const sandbox = this.#sandbox(sandboxId);
    if (sandbox.state === "exited") throw new RuntimeError("StartFailed", `the sandbox ${sandboxId} has ended`);
    if (sandbox.state === "created") {
      sandbox.state = "running";
      sandbox.pid = this.#engine.newPid();
      this.#engine.tell({ type: "started", podUid: sandbox.config.pod.uid });
    }
    return { pid: sandbox.pid };
  }

  async stopPodSandbox(sandboxId: string): Promise<void> {
    await this.#engine.begin("stop", 20, 60);
    this.#engine.endSandbox(sandboxId);
  }

  async removePodSandbox(sandboxId: string): Promise<void> {
    await this.#engine.begin("remove", 20, 50);
    const sandbox = this.#engine.sandboxes.get(sandboxId);
    if (!sandbox) return;
    this.#engine.endSandbox(sandboxId);
    this.#engine.sandboxes.delete(sandboxId);
    this.#engine.tell({ type: "removed", podUid: sandbox.config.pod.uid });
  }

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    await this.#engine.begin("create", 9, 25);
    const sandbox = this.#sandbox(sandboxId);
    if (this.#engine.image(config.image) === undefined)
      throw new RuntimeError("ImageNotFound", `Cannot create the container ${config.name}: no image ${config.image}`);
    for (const existing of this.#engine.containers.values()) {
      const { pod, name, attempt } = existing.config;
      if (pod.uid === config.pod.uid && name === config.name && attempt === config.attempt) {
        if (existing.sandboxId === sandboxId) return existing.id;
        this.#engine.removeByHand(existing.id);
      }
    }
    const id = this.#engine.newId();
    this.#engine.containers.set(id, {
      id,
      cluster: this.#cluster,
      sandboxId: sandbox.id,
      config,
      createdAtMs: this.#engine.now(),
      process: undefined,
      state: "created",
      oomKilled: false,
      attached: new Set(),
    });
    return id;
  }

  async startContainer(containerId: string): Promise<void> {
    await this.#engine.begin("start", 65, 95);
    const container = this.#container(containerId);
    if (container.state === "running") return;
    if (container.state === "exited") throw new RuntimeError("StartFailed", `the container ${containerId} has ended`);
    if (this.#engine.sandboxes.get(container.sandboxId)?.state !== "running")
      throw new RuntimeError("StartFailed", `cannot join the sandbox ${container.sandboxId}: it does not run`);
    this.#engine.run(container);
  }

  async stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    await this.#engine.begin("stop", 5, 20);
    const container = this.#engine.containers.get(containerId);
    if (container?.state !== "running" || !container.process) return;
    container.process.terminate();
    const timer = this.#engine.clock.schedule(graceSeconds * 1000, () => this.#engine.kill(containerId));
    await container.process.ended;
    timer.cancel();
    // Let the engine take note of the end first.
    await Promise.resolve();
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.#engine.begin("remove", 15, 40);
    const container = this.#engine.containers.get(containerId);
    if (!container) return;
    this.#engine.kill(containerId);
    this.#engine.containers.delete(containerId);
    this.#engine.tell({ type: "removed", podUid: container.config.pod.uid });
  }

  async list(): Promise<{ sandboxes: readonly ObservedSandbox[]; containers: readonly ObservedContainer[] }> {
    await this.#engine.begin("list", 1, 5);
    const ours = <T extends { readonly cluster: string }>(all: Iterable<T>) =>
      [...all].filter(({ cluster }) => cluster === this.#cluster);
    return {
      sandboxes: ours(this.#engine.sandboxes.values()).map(({ id, config, state, pid, createdAtMs }) => ({
        id,
        pod: config.pod,
        attempt: config.attempt,
        state,
        ...(state === "running" ? { pid } : {}),
        ...(config.podAddress === undefined ? {} : { podAddress: config.podAddress }),
        labels: config.labels,
        createdAtMs,
      })),
      containers: ours(this.#engine.containers.values()).map((container) => {
        const { id, sandboxId, config, state, createdAtMs, startedAtMs, finishedAtMs, exitCode, error } = container;
        return {
          id,
          sandboxId,
          pod: config.pod,
          name: config.name,
          attempt: config.attempt,
          state,
          image: config.image,
          imageId: this.#engine.image(config.image)?.id ?? "sha256:unknown",
          createdAtMs,
          labels: config.labels,
          ...(startedAtMs === undefined ? {} : { startedAtMs }),
          ...(finishedAtMs === undefined ? {} : { finishedAtMs }),
          ...(exitCode === undefined ? {} : { exitCode, oomKilled: container.oomKilled }),
          ...(error === undefined ? {} : { error }),
        };
      }),
    };
  }

  async *events(signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
    while (!signal.aborted) {
      if (!this.#engine.available) {
        await sleep(this.#engine.clock, 100, signal);
        continue;
      }
      const queue: (RuntimeEvent | "cut")[] = [{ type: "other", podUid: "" }];
      let wake: () => void = () => undefined;
      const stop = this.#engine.listen((event) => {
        queue.push(event);
        wake();
      });
      const abort = () => wake();
      signal.addEventListener("abort", abort);
      try {
        while (!signal.aborted) {
          const event = queue.shift();
          if (event === "cut") break;
          if (event !== undefined) yield event;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
              if (signal.aborted || queue.length > 0) resolve();
            });
        }
      } finally {
        stop();
        signal.removeEventListener("abort", abort);
      }
    }
  }

  async imageStatus(image: string): Promise<ObservedImage | undefined> {
    await this.#engine.begin("image", 1, 2);
    return this.#engine.image(image);
  }

  async pullImage(image: string): Promise<void> {
    await this.#engine.begin("pull", 500, 3000);
    this.#engine.pull(image);
  }

  async listImages(): Promise<readonly ObservedImage[]> {
    await this.#engine.begin("image", 1, 2);
    return this.#engine.images();
  }

  async logs(containerId: string, options: RuntimeLogOptions, signal: AbortSignal): Promise<AsyncIterable<LogChunk>> {
    await this.#engine.begin("logs", 1, 3);
    const { process } = this.#container(containerId);
    const wanted = (chunk: LogChunk) => (chunk.stream === "stdout" ? options.stdout : options.stderr);
    const all = process?.read(0, options.follow, signal) ?? none();
    const skip = options.tailLines === undefined ? 0 : Math.max(0, (process?.written ?? 0) - options.tailLines);
    return (async function* () {
      let index = 0;
      for await (const chunk of all) if (index++ >= skip && wanted(chunk)) yield chunk;
    })();
  }

  async exec(containerId: string, options: RuntimeExecOptions): Promise<RuntimeStream> {
    await this.#engine.begin("exec", 60, 90);
    if (this.#container(containerId).state !== "running")
      throw new RuntimeError("Unknown", `the container ${containerId} is not running`);
    const process = this.#engine.startProcess(options.command, () => undefined);
    if (!options.stdin) process.endStdin();
    const { timeoutMs } = options;
    const exitCode = (async () => {
      if (timeoutMs === undefined) return process.ended;
      const over = new AbortController();
      const late = sleep(this.#engine.clock, timeoutMs, over.signal).then((): "late" => "late");
      const first = await Promise.race([process.ended, late]);
      over.abort();
      if (first !== "late") return first;
      process.kill();
      throw new RuntimeError("Timeout", `${options.command.join(" ")} timed out`);
    })();
    exitCode.catch(() => undefined);
    return streamOf(process, process.read(0, true, new AbortController().signal), exitCode, () => process.kill());
  }

  async attach(containerId: string): Promise<RuntimeStream> {
    await this.#engine.begin("exec", 5, 10);
    const { process } = this.#container(containerId);
    if (!process) throw new RuntimeError("Unknown", `the container ${containerId} is not running`);
    const letGo = new AbortController();
    const output = process.read(process.written, true, letGo.signal);
    return streamOf(process, output, process.ended, () => letGo.abort());
  }
}

function streamOf(
  process: SimProcess,
  output: AsyncIterable<LogChunk>,
  exitCode: Promise<number | undefined>,
  close: () => void,
): RuntimeStream {
  return {
    output,
    writeStdin: (bytes) => Promise.resolve(process.writeStdin(bytes)),
    endStdin: () => process.endStdin(),
    resize: () => Promise.resolve(),
    exitCode,
    close,
  };
}

async function* none(): AsyncGenerator<LogChunk> {}
