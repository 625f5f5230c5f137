/** A whole node in virtual time: startServer as it is, on simulated disk, engine, network and HTTP. */
import { readConfig } from "../config.ts";
import { type Server, startServer } from "../server.ts";
import { SimulatedDisk } from "./disk.ts";
import { SimulatedHttp } from "./http.ts";
import { SimDialer, SimPodFiles, simHostFacts } from "./machine_link.ts";
import { SimulatedPki } from "./pki.ts";
import { SimPodNetwork } from "./pod_network.ts";
import { SimEngine } from "./runtime.ts";
import type { Simulation } from "./simulation.ts";

const startLimitMs = 60_000;

/** One machine: what it has outlives the server that runs on it. */
export class SimulatedMachine {
  readonly disk: SimulatedDisk;
  readonly engine: SimEngine;
  readonly podNetwork: SimPodNetwork;
  readonly podFiles = new SimPodFiles();
  readonly dialer = new SimDialer();
  readonly http = new SimulatedHttp();
  readonly #sim: Simulation;

  constructor(sim: Simulation) {
    const { clock, random, trace } = sim;
    this.#sim = sim;
    this.disk = new SimulatedDisk({ random: random.fork() });
    this.engine = new SimEngine({
      clock,
      random: random.fork(),
      images: ["nginx", "busybox"],
      note: (text) => trace.note(text),
    });
    this.podNetwork = new SimPodNetwork(clock);
  }

  /** Starts the server and waits, in virtual time, until its node is ready. */
  async start(): Promise<Server> {
    const { clock, log, random } = this.#sim;
    const config = readConfig({
      argv: ["--data-dir", "/data", "--node-name", "boat", "--node-ip", "192.0.2.7"],
      environment: {},
      readYaml: () => ({}),
      hostName: () => "boat",
      hostAddress: () => "192.0.2.7",
    });
    const starting = startServer(config, {
      clock,
      log,
      random: random.fork(),
      disk: this.disk,
      http: this.http,
      httpClient: { fetch: () => Promise.reject(new Error("ConnectionRefused")) },
      pki: new SimulatedPki(clock),
      version: "0.1.0",
      containerRuntime: (clusterUid) => this.engine.forCluster(clusterUid),
      podNetwork: this.podNetwork,
      podFiles: this.podFiles,
      dialer: this.dialer,
      hostFacts: () => Promise.resolve(simHostFacts),
      connectProxy: () => Promise.resolve({ apply: () => Promise.resolve(), close: () => undefined }),
      failed: (error) => {
        throw error;
      },
    });
    const server = await clock.complete(starting, startLimitMs, "the start of the server");
    await clock.complete(server.ready, startLimitMs, "a ready node");
    return server;
  }

  /** Ids of the containers that run, sorted. */
  running(): string[] {
    return [...this.engine.containers.values()]
      .filter(({ state }) => state === "running")
      .map(({ id }) => id)
      .sort();
  }
}
