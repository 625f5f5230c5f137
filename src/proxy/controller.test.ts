import { describe, expect, test } from "bun:test";
import { Client } from "../client/client.ts";
import { Informers } from "../client/informers.ts";
import type { Log } from "../env/log.ts";
import { serviceKind } from "../kinds/core/service.ts";
import { type Endpoint, endpointSliceKind } from "../kinds/discovery/endpoint_slice.ts";
import { FakeApi } from "../sim/api_fake.ts";
import { VirtualClock } from "../sim/clock.ts";
import { SeededRandom } from "../sim/random.ts";
import { type ProxyController, startProxyController } from "./controller.ts";
import type { ProxyLink, ProxyState } from "./state.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** A link whose acknowledgements a test may hold back or refuse. */
class HeldLink implements ProxyLink {
  readonly states: ProxyState[] = [];
  acknowledged = 0;
  mode: "prompt" | "hold" | "refuse" = "prompt";
  #held: (() => void)[] = [];

  async apply(state: ProxyState): Promise<void> {
    this.states.push(state);
    if (this.mode === "refuse") throw new Error("nft says no");
    if (this.mode === "hold") await new Promise<void>((resolve) => this.#held.push(resolve));
    this.acknowledged = state.generation;
  }

  release(): void {
    this.mode = "prompt";
    for (const resolve of this.#held.splice(0)) resolve();
  }

  get endpoints(): string[] {
    return this.states.at(-1)?.listeners.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)) ?? [];
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly api = new FakeApi(this.clock, new SeededRandom(1));
  readonly client = new Client(this.api);
  readonly link = new HeldLink();
  readonly #stop = new AbortController();
  proxy: ProxyController | undefined;

  start(): ProxyController {
    const { clock, link, client } = this;
    const informers = new Informers({ client, clock, random: new SeededRandom(2), log: silent });
    const options = {
      serviceCidr: "10.43.0.0/16",
      clusterCidr: "10.42.0.0/16",
      nodePortRange: { from: 30000, to: 32767 },
    };
    this.proxy = startProxyController({ informers, link, clock, log: silent, ...options }, this.#stop.signal);
    informers.start(this.#stop.signal);
    return this.proxy;
  }

  async service(name: string, clusterIP: string): Promise<void> {
    const spec = { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] };
    await this.client.create(serviceKind, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec,
    });
  }

  async slice(name: string, endpoints: Endpoint[]): Promise<void> {
    const body = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints,
      ports: [{ port: 8080 }],
    };
    await this.client.create(endpointSliceKind, body);
  }

  async replaceEndpoints(name: string, endpoints: Endpoint[]): Promise<void> {
    await this.client.patch(endpointSliceKind, { namespace: "default", name }, "application/merge-patch+json", {
      endpoints,
    });
  }

  until(condition: () => boolean, what: string): Promise<void> {
    return this.clock.runUntil(condition, 20_000, what);
  }

  /** Whether the withdrawal has resolved, after all that can go on now has gone on. */
  watch(address: string, podUid?: string): { done: boolean; abort(): void } {
    const abort = new AbortController();
    const state = { done: false, abort: () => abort.abort() };
    this.proxy?.withdrawn(address, abort.signal, podUid).then(() => {
      state.done = true;
    });
    return state;
  }

  async settle(): Promise<void> {
    await this.clock.advance(50);
  }

  stop(): void {
    this.#stop.abort();
  }
}

const ready = (address: string): Endpoint => ({ addresses: [address], conditions: { ready: true } });
const ending = (address: string): Endpoint => ({
  addresses: [address],
  conditions: { ready: false, serving: true, terminating: true },
});

async function running(endpoints: Endpoint[]): Promise<World> {
  const world = new World();
  await world.service("web", "10.43.0.9");
  await world.slice("web", endpoints);
  const proxy = world.start();
  await world.clock.complete(proxy.ready, 5000);
  return world;
}

describe("the proxy's controller", () => {
  test("the first state comes when both kinds are known, and is whole", async () => {
    const world = await running([ready("10.42.0.5"), ready("10.42.0.6")]);
    expect(world.link.states).toHaveLength(1);
    expect(world.link.states[0]).toMatchObject({ version: 1, generation: 1, serviceCidr: "10.43.0.0/16" });
    expect(world.link.endpoints).toEqual(["10.42.0.5", "10.42.0.6"]);
    world.stop();
  });

  test("many changes at once are one state, and changes without effect are none", async () => {
    const world = await running([ready("10.42.0.5")]);
    for (let n = 1; n <= 20; n++) await world.service(`more-${n}`, `10.43.1.${n}`);
    await world.settle();
    expect(world.link.states).toHaveLength(2);
    expect(world.link.states[1]?.listeners).toHaveLength(21);
    await world.client.patch(serviceKind, { namespace: "default", name: "web" }, "application/merge-patch+json", {
      metadata: { labels: { a: "b" } },
    });
    await world.settle();
    expect(world.link.states).toHaveLength(2);
    world.stop();
  });

  test("a state that is refused is tried again with what is true by then", async () => {
    const world = await running([ready("10.42.0.5")]);
    world.link.mode = "refuse";
    await world.replaceEndpoints("web", [ready("10.42.0.7")]);
    await world.until(() => world.link.states.length === 3, "a second attempt");
    await world.replaceEndpoints("web", [ready("10.42.0.8")]);
    world.link.mode = "prompt";
    await world.until(() => world.link.acknowledged > 1, "an acknowledgement");
    expect(world.link.endpoints).toEqual(["10.42.0.8"]);
    world.stop();
  });

  test("withdrawn waits for the slices and for the acknowledgement", async () => {
    const world = await running([ready("10.42.0.5"), ready("10.42.0.6")]);
    world.link.mode = "hold";
    const withdrawal = world.watch("10.42.0.5");
    await world.settle();
    expect(withdrawal.done).toBe(false);
    await world.replaceEndpoints("web", [ending("10.42.0.5"), ready("10.42.0.6")]);
    await world.settle();
    expect(world.link.endpoints).toEqual(["10.42.0.6"]);
    expect(withdrawal.done).toBe(false);
    world.link.release();
    await world.settle();
    expect(withdrawal.done).toBe(true);
    world.stop();
  });

  test("withdrawn resolves at once for an address that no Service ever had, also while the proxy is away", async () => {
    const world = await running([ready("10.42.0.5")]);
    world.link.mode = "hold";
    await world.replaceEndpoints("web", [ready("10.42.0.6")]);
    await world.settle();
    const withdrawal = world.watch("10.42.0.99");
    await Promise.resolve();
    await Promise.resolve();
    expect(withdrawal.done).toBe(true);
    world.stop();
  });

  test("withdrawn does not resolve by an address that is in a state on its way", async () => {
    const world = await running([ready("10.42.0.5")]);
    world.link.mode = "hold";
    await world.replaceEndpoints("web", [ready("10.42.0.5"), ready("10.42.0.6")]);
    await world.settle();
    await world.replaceEndpoints("web", [ready("10.42.0.5")]);
    await world.settle();
    const withdrawal = world.watch("10.42.0.6");
    await world.settle();
    expect(withdrawal.done).toBe(false);
    world.link.release();
    await world.settle();
    expect(withdrawal.done).toBe(true);
    expect(world.link.endpoints).toEqual(["10.42.0.5"]);
    world.stop();
  });

  test("the last endpoint of a Service counts as withdrawn when it terminates, though it still serves", async () => {
    const world = await running([ready("10.42.0.5")]);
    const withdrawal = world.watch("10.42.0.5");
    await world.settle();
    expect(withdrawal.done).toBe(false);
    await world.replaceEndpoints("web", [ending("10.42.0.5")]);
    await world.settle();
    expect(withdrawal.done).toBe(true);
    expect(world.link.endpoints).toEqual(["10.42.0.5"]);
    world.stop();
  });

  test("withdrawn gives up after five seconds, and when its signal is aborted", async () => {
    const world = await running([ready("10.42.0.5")]);
    const [patient, aborted] = [world.watch("10.42.0.5"), world.watch("10.42.0.5")];
    await world.clock.advance(4900);
    expect([patient.done, aborted.done]).toEqual([false, false]);
    aborted.abort();
    await world.clock.advance(1);
    expect([patient.done, aborted.done]).toEqual([false, true]);
    await world.clock.advance(200);
    expect(patient.done).toBe(true);
    world.stop();
  });

  test("pods that share their node's address are told apart by uid", async () => {
    const of = (uid: string, endpoint: Endpoint) => ({ ...endpoint, targetRef: { kind: "Pod", uid } });
    const world = await running([of("a", ready("192.0.2.7")), of("b", ready("192.0.2.7"))]);
    const withdrawal = world.watch("192.0.2.7", "a");
    await world.replaceEndpoints("web", [of("a", ending("192.0.2.7")), of("b", ready("192.0.2.7"))]);
    await world.settle();
    expect(withdrawal.done).toBe(true);
    world.stop();
  });
});
