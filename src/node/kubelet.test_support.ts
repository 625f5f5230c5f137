/** A kubelet on a simulated machine and a small API in memory, in virtual time. */
import { Client } from "../client/client.ts";
import type { HttpClient } from "../env/http.ts";
import type { Log } from "../env/log.ts";
import { type Event, eventKind } from "../kinds/core/event.ts";
import { type Node, nodeKind } from "../kinds/core/node.ts";
import { type Pod, podKind } from "../kinds/core/pod.ts";
import type { PodSpec } from "../kinds/core/pod_spec.ts";
import type { Observed } from "../kinds/kind.ts";
import { FakeApi } from "../sim/api_fake.ts";
import { VirtualClock } from "../sim/clock.ts";
import { SimDialer, SimPodFiles, simHostFacts } from "../sim/machine_link.ts";
import { SimPodNetwork } from "../sim/pod_network.ts";
import { SeededRandom } from "../sim/random.ts";
import { SimEngine } from "../sim/runtime.ts";
import type { EndpointGate } from "./endpoint_gate.ts";
import { createKubelet, type Kubelet } from "./kubelet.ts";

export class NodeInTest {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly api: FakeApi;
  readonly client: Client;
  readonly engine: SimEngine;
  readonly network: SimPodNetwork;
  readonly files = new SimPodFiles();
  readonly dialer = new SimDialer();
  readonly logLines: string[] = [];
  /** HTTP answers by URL; anything else is refused. */
  readonly http = new Map<string, number>();
  /** What the proxy says; by default it is quick. */
  gate: EndpointGate = { withdrawn: () => Promise.resolve() };
  kubelet: Kubelet | undefined;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
    this.api = new FakeApi(this.clock, this.random);
    this.client = new Client(this.api);
    this.engine = new SimEngine({ clock: this.clock, random: this.random, images: ["busybox", "nginx"] });
    this.network = new SimPodNetwork(this.clock);
  }

  #log(): Log {
    const line = (text: string, fields: unknown) => void this.logLines.push(`${text} ${JSON.stringify(fields ?? {})}`);
    const log: Log = { debug: line, info: line, warn: line, error: line, with: () => log };
    return log;
  }

  start(): void {
    this.#stop = new AbortController();
    const httpClient: HttpClient = {
      fetch: async (url) => {
        const status = this.http.get(url);
        if (status === undefined) throw new Error("ConnectionRefused");
        return new Response("", { status });
      },
    };
    this.kubelet = createKubelet({
      client: this.client,
      runtime: this.engine.forCluster("cluster"),
      podNetwork: this.network,
      clock: this.clock,
      random: this.random,
      log: this.#log(),
      http: httpClient,
      dialer: this.dialer,
      files: this.files,
      facts: simHostFacts,
      gate: { withdrawn: (address, signal, uid) => this.gate.withdrawn(address, signal, uid) },
      nodeName: "boat",
      nodeIp: "192.0.2.7",
      dataDir: "/data",
      podCidr: "10.42.0.0/24",
      clusterCidr: "10.42.0.0/16",
      serviceCidr: "10.43.0.0/16",
      clusterDomain: "cluster.local",
      kubeletVersion: "v1.35.0+wherry.0.1.0",
    });
    this.#running = this.kubelet.run(this.#stop.signal);
  }

  /** Ends the kubelet; what runs on the engine stays. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.complete(this.#running, 120_000, "the end of the kubelet");
  }

  async createPod(name: string, spec: Partial<PodSpec> & Pick<PodSpec, "containers">): Promise<string> {
    const pod: Pod = {
      metadata: { name, namespace: "default" },
      spec: { nodeName: "boat", restartPolicy: "Always", terminationGracePeriodSeconds: 30, ...spec },
      status: { phase: "Pending", qosClass: "BestEffort" },
    };
    const created = await this.clock.complete(this.client.create(podKind, pod), 1000);
    return created.metadata.uid;
  }

  pod(name: string): Observed<Pod> | undefined {
    return this.api.stored(podKind).find(({ metadata }) => metadata.name === name);
  }

  node(): Observed<Node> | undefined {
    return this.api.stored(nodeKind)[0];
  }

  condition(pod: string, type: string): string | undefined {
    return this.pod(pod)?.status.conditions?.find((condition) => condition.type === type)?.status;
  }

  nodeReady(): boolean {
    return this.node()?.status.conditions?.find(({ type }) => type === "Ready")?.status === "True";
  }

  isReady(name: string): boolean {
    return this.condition(name, "Ready") === "True";
  }

  events(pod: string): string[] {
    return this.api
      .stored(eventKind)
      .filter((event: Observed<Event>) => event.involvedObject.name === pod)
      .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
  }

  until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
    return this.clock.runUntil(condition, limitMs, what);
  }

  /** Containers on the engine, as "name/attempt state". */
  containers(): string[] {
    return [...this.engine.containers.values()]
      .map(({ config, state }) => `${config.name}/${config.attempt} ${state}`)
      .sort();
  }

  containerOf(name: string): string {
    const found = [...this.engine.containers.values()].find(
      ({ config, state }) => config.name === name && state === "running",
    );
    if (found === undefined) throw new Error(`no container ${name} runs`);
    return found.id;
  }
}
