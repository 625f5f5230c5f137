/** A whole node, `startServer` unchanged, on a simulated machine. */
import { Client } from "../client/client.ts";
import { httpTransport } from "../client/http_transport.test_support.ts";
import type { Transport } from "../client/transport.ts";
import { type Config, readConfig } from "../config.ts";
import { sleep } from "../env/clock.ts";
import type { HttpClient } from "../env/http.ts";
import { describeError } from "../env/log.ts";
import { StatusError } from "../kinds/status_error.ts";
import { type Server, startServer } from "../server.ts";
import { SimulatedDisk } from "./disk.ts";
import { SimulatedHttp } from "./http.ts";
import { Life } from "./life.ts";
import { SimDialer, SimPodFiles, simHostFacts } from "./machine_link.ts";
import { type SimulatedHost, SimulatedNetwork } from "./network.ts";
import { SimulatedPki } from "./pki.ts";
import { SimPodNetwork } from "./pod_network.ts";
import { SimulatedProxy } from "./proxy.ts";
import type { SeededRandom } from "./random.ts";
import { SimEngine } from "./runtime.ts";
import type { Simulation } from "./simulation.ts";

export interface SimulatedNodeOptions {
  readonly name?: string;
  /** Its neighbours; default: none. */
  readonly harbour?: Harbour;
  /** Default: 192.0.2.7. */
  readonly address?: string;
  /** Flags of `wherry up`, besides the node's name and address. */
  readonly flags?: readonly string[];
  /** Images that the engine has from the start. */
  readonly images?: readonly string[];
  /** Images that a pull finds. */
  readonly registry?: readonly string[];
  readonly diskBytes?: number;
}

/** The network that machines share: links between peers, and their APIs over HTTP. */
export class Harbour {
  readonly network: SimulatedNetwork;
  readonly nodes: SimulatedNode[] = [];

  constructor(sim: Simulation) {
    const { clock, trace } = sim;
    this.network = new SimulatedNetwork({ clock, random: sim.random.fork(), note: (text) => trace.note(text) });
  }

  at(address: string): SimulatedNode | undefined {
    return this.nodes.find((node) => node.address === address);
  }
}

/**
 * The machine outlives the node's process: its disk, its engine with what runs there, the pods' network and files, the proxy.
 * `kill` ends the process between two microtasks; what it was doing stays undone for ever.
 */
export class SimulatedNode {
  readonly name: string;
  readonly config: Config;
  readonly disk: SimulatedDisk;
  readonly engine: SimEngine;
  readonly network: SimPodNetwork;
  readonly files = new SimPodFiles();
  readonly proxy: SimulatedProxy;
  readonly http = new SimulatedHttp();
  readonly address: string;
  readonly harbour: Harbour;
  readonly host: SimulatedHost;
  /** Over HTTP with the administrator's token, through every restart. Answers 503 while the node is down. */
  readonly client: Client;
  readonly transport: Transport;
  readonly #sim: Simulation;
  readonly #random: SeededRandom;
  readonly #dialer: SimDialer;
  readonly #pki: SimulatedPki;
  #token: string | undefined;
  #life: Life | undefined;
  #server: Server | undefined;
  /** Why the process ended by itself. */
  failure: Error | undefined;

  constructor(sim: Simulation, options: SimulatedNodeOptions = {}) {
    const { clock, trace } = sim;
    this.#sim = sim;
    this.#random = sim.random.fork();
    this.name = options.name ?? "boat";
    this.address = options.address ?? "192.0.2.7";
    this.harbour = options.harbour ?? new Harbour(sim);
    this.harbour.nodes.push(this);
    this.host = this.harbour.network.host(this.name, this.address);
    this.config = readConfig({
      argv: ["--node-name", this.name, "--node-ip", this.address, ...(options.flags ?? [])],
      environment: {},
      readYaml: () => undefined,
      hostName: () => this.name,
      hostAddress: () => this.address,
    });
    this.disk = new SimulatedDisk({
      random: this.#random.fork(),
      clock,
      ...(options.diskBytes === undefined ? {} : { capacityBytes: options.diskBytes }),
    });
    this.disk.syncMs = [0.2, 2];
    this.engine = new SimEngine({
      clock,
      random: this.#random.fork(),
      images: options.images ?? ["nginx:1", "nginx:2"],
      registry: options.registry ?? [],
      note: (text) => trace.note(text),
    });
    this.network = new SimPodNetwork(clock, (podUid) =>
      [...this.engine.sandboxes.values()].some(({ config, state }) => config.pod.uid === podUid && state === "running"),
    );
    this.proxy = new SimulatedProxy(clock, this.#random.fork());
    this.#dialer = new SimDialer((address) => this.answers(address));
    this.#pki = new SimulatedPki(clock);
    this.transport = this.#transport();
    this.client = new Client(this.transport);
    sim.signal.addEventListener("abort", () => this.#life?.end());
  }

  /** The running server with its in-process client; it serves one life only. */
  get server(): Server {
    if (this.#server === undefined) throw new Error(`The node ${this.name} does not run`);
    return this.#server;
  }

  /** The process is there, serving or not yet. */
  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  get isUp(): boolean {
    return this.#server !== undefined;
  }

  /** Starts the process; resolves when its API answers. Rejects as startServer does, and when it is killed meanwhile. */
  async start(): Promise<void> {
    if (this.#life !== undefined) throw new Error(`The node ${this.name} runs already`);
    if (this.disk.isDown) this.disk.restore();
    const { clock, log, trace } = this.#sim;
    const life = new Life();
    this.#life = life;
    this.failure = undefined;
    trace.note(`node ${this.name} starts`);
    const killed = life.ended.then((): never => {
      throw new Error(`The node ${this.name} was killed while it started`);
    });
    killed.catch(() => undefined);
    let server: Server;
    try {
      const starting = startServer(this.config, {
        version: "0.0.0",
        clock: life.clock(clock),
        random: this.#random.fork(),
        disk: life.bind(this.disk),
        log: life.log(log),
        http: life.bind(this.http),
        httpClient: life.bind<HttpClient>({ fetch: (url, init) => this.#fetch(url, init) }),
        peers: life.bind(this.host.link),
        pki: life.bind(this.#pki),
        containerRuntime: (clusterUid) => life.bind(this.engine.forCluster(clusterUid)),
        podNetwork: life.bind(this.network),
        podFiles: life.bind(this.files),
        dialer: life.bind(this.#dialer),
        webSocketClient: { connect: () => Promise.reject(new Error("There are no WebSockets in the simulator")) },
        hostFacts: async () => simHostFacts,
        connectProxy: async () => life.bind(this.proxy),
        failed: (error) => {
          if (!life.isOver) this.#failed(error);
        },
      });
      server = await Promise.race([starting, killed]);
      const kubeconfig = await life.bind(this.disk).readFile(this.config.writeKubeconfig);
      this.#token = /token: "?([^"\s]+)/.exec(new TextDecoder().decode(kubeconfig))?.[1];
    } catch (error) {
      if (this.#life === life) {
        trace.note(`node ${this.name} cannot start: ${describeError(error)}`);
        this.kill();
      }
      throw error;
    }
    this.#server = server;
    server.ready.then(
      () => life.isOver || trace.note(`node ${this.name} is ready`),
      () => undefined,
    );
  }

  #failed(error: Error): void {
    this.#sim.trace.note(`node ${this.name} failed: ${describeError(error)}`);
    this.failure = error;
    this.kill();
  }

  /** SIGKILL: the process is gone, what it handed to the kernel is not. */
  kill(): void {
    this.#sim.trace.note(`node ${this.name} is killed`);
    this.#life?.end();
    this.#life = undefined;
    this.#server = undefined;
    this.disk.killProcess();
    this.host.kill();
    this.http.cut();
  }

  /**
   * The process and what the disk had not synced are gone. The engine runs on, which no real power cut leaves: the harder case
   * for a node that must adopt what it finds. `engine.restart()` ends the containers too.
   */
  cutPower(): void {
    this.disk.cutPower();
    this.host.cutPower();
    this.kill();
  }

  /** SIGTERM: a clean end. */
  async stop(): Promise<void> {
    const life = this.#life;
    await this.server.stop();
    life?.end();
    this.#life = undefined;
    this.#server = undefined;
    this.host.kill();
    this.http.cut();
    this.#sim.trace.note(`node ${this.name} has stopped`);
  }

  /** Whether something at a pod's address would accept a connection. */
  answers(address: string): boolean {
    for (const [uid, taken] of this.network.wired()) {
      if (taken.split("/")[0] !== address) continue;
      for (const { config, state } of this.engine.containers.values())
        if (config.pod.uid === uid && state === "running") return true;
    }
    return false;
  }

  /** Ids of the containers that run, sorted. */
  running(): string[] {
    return [...this.engine.containers.values()]
      .filter(({ state }) => state === "running")
      .map(({ id }) => id)
      .sort();
  }

  /** Another machine's API, or a pod that is probed. */
  async #fetch(url: string, { tls: _tls, ...init }: Parameters<HttpClient["fetch"]>[1] = {}): Promise<Response> {
    await sleep(this.#sim.clock, 1);
    const { hostname, port } = new URL(url);
    const neighbour = this.harbour.at(hostname);
    if (neighbour !== undefined) {
      if (!this.harbour.network.carries(this.host, neighbour.host)) throw new Error("no route to host");
      return neighbour.http.fetch(Number(port), new Request(url, init), { address: this.address });
    }
    if (!this.answers(new URL(url).hostname)) throw new Error("connection refused");
    return new Response("", { status: 200 });
  }

  #transport(): Transport {
    const http = this.http.client();
    const make = () => {
      // It listens before the first start has told the token.
      if (this.#token === undefined) throw new StatusError(503, "ServiceUnavailable", "Connection refused: not yet");
      return httpTransport({
        http,
        server: `https://127.0.0.1:${this.config.httpsListenPort}`,
        token: this.#token,
        userAgent: "simulation",
      });
    };
    return {
      send: async (call, signal) => make().send(call, signal),
      watch: (call, signal) => make().watch(call, signal),
    };
  }
}
