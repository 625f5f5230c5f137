/** The wiring of pods as it is remembered: who has which address, and that nobody has another's. */
import { type Clock, sleep } from "../env/clock.ts";
import type { NodeNetworkConfig, NodeRoute, PodNetwork } from "../node/pod_network_link.ts";

export class SimPodNetwork implements PodNetwork {
  readonly #clock: Clock;
  /** Address of each wired pod, by its uid. */
  readonly attached = new Map<string, string>();
  config: NodeNetworkConfig | undefined;
  routes: readonly NodeRoute[] = [];
  /** A fault: this many of the next calls fail. */
  failures = 0;

  readonly #lives: (podUid: string) => boolean;

  /** `lives`: whether a pod's network namespace is still there; the kernel takes the wiring away with it. */
  constructor(clock: Clock, lives: (podUid: string) => boolean = () => true) {
    this.#clock = clock;
    this.#lives = lives;
  }

  /** What the kernel has: the wiring of namespaces that are there. */
  wired(): ReadonlyMap<string, string> {
    for (const uid of [...this.attached.keys()]) if (!this.#lives(uid)) this.attached.delete(uid);
    return this.attached;
  }

  async #begin(action: string): Promise<void> {
    await sleep(this.#clock, 7);
    if (this.failures === 0) return;
    this.failures--;
    throw new Error(`the simulated pod network fails to ${action}`);
  }

  async prepareNode(config: NodeNetworkConfig): Promise<void> {
    await this.#begin("prepare the node");
    this.config = config;
  }

  async setRoutes(routes: readonly NodeRoute[]): Promise<void> {
    await this.#begin("set routes");
    this.routes = routes;
  }

  async attach(podUid: string, pid: number, address: string): Promise<void> {
    await this.#begin("attach");
    if (this.config === undefined) throw new Error("attach before prepareNode");
    if (pid === 0) throw new Error(`the pod ${podUid} has no process to attach`);
    for (const [other, taken] of this.wired())
      if (taken === address && other !== podUid) throw new Error(`${address} belongs to ${other}, not to ${podUid}`);
    this.attached.set(podUid, address);
  }

  async detach(podUid: string): Promise<void> {
    await this.#begin("detach");
    this.attached.delete(podUid);
  }

  async removeNode(): Promise<void> {
    await this.#begin("remove the node");
    this.attached.clear();
    this.config = undefined;
  }
}
