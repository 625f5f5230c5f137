import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import type { Log } from "../../env/log.ts";
import { realClock } from "../../env/real/clock.ts";
import { VirtualClock } from "../../sim/clock.ts";
import type { EndpointAddress, Listener, ProxyState } from "../state.ts";
import { Dataplane } from "./dataplane.ts";
import type { HostNetwork } from "./host_network.ts";
import type { KernelView } from "./kernel_rules.ts";
import { PortMemory } from "./port_memory.ts";
import { bunTcp } from "./tcp_bun.ts";
import { until } from "./tcp_contract.ts";
import { bunUdp } from "./udp_sockets.ts";

const address = "127.0.0.1";

/** Remembers what the kernel was told, and fails on demand. */
class RememberedNetwork implements HostNetwork {
  readonly views: KernelView[] = [];
  prepared = 0;
  restored = 0;
  removed = 0;
  failure: Error | undefined;

  async prepare(): Promise<void> {
    this.prepared++;
  }
  async apply(view: KernelView): Promise<void> {
    if (this.failure) throw this.failure;
    this.views.push(view);
  }
  async restore(): Promise<readonly string[]> {
    this.restored++;
    if (this.failure) throw this.failure;
    return ["route"];
  }
  async remove(): Promise<void> {
    this.removed++;
  }
  /** The private port behind "tcp . 10.43.0.1 . 80". */
  port(frontend: string): number | undefined {
    return this.views.at(-1)?.clusterIps.get(frontend);
  }
}

describe("the data plane", () => {
  const cleanUps: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });

  async function backend(name: string): Promise<EndpointAddress> {
    const open = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("data", (text) => socket.write(`${name} ${text}`));
    });
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    cleanUps.push(() => {
      server.close();
      for (const socket of open) socket.destroy();
    });
    const bound = server.address();
    return { address, port: typeof bound === "object" && bound !== null ? bound.port : 0 };
  }

  async function connect(port: number | undefined): Promise<net.Socket> {
    const socket = net.connect(port ?? 0, address);
    cleanUps.push(() => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", () => resolve());
      socket.once("error", reject);
    });
    return socket;
  }

  function say(socket: net.Socket, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      socket.once("data", (answer) => resolve(String(answer)));
      socket.once("error", (error) => reject(error));
      socket.write(text);
    });
  }

  function dataplane(options: { ports?: PortMemory; clock?: VirtualClock; warnings?: string[] } = {}) {
    const network = new RememberedNetwork();
    const note = (message: string) => void options.warnings?.push(message);
    const log: Log = { debug() {}, info() {}, warn: note, error: note, with: () => log };
    const under = new Dataplane({
      tcp: bunTcp,
      udp: bunUdp,
      network,
      ports: options.ports ?? new PortMemory(),
      clock: options.clock ?? realClock,
      log,
      privateAddress: address,
      maxConnections: 100,
      maxFlows: 100,
    });
    cleanUps.push(async () => {
      await under.stop({ removeRules: false });
      under.abort();
    });
    return { under, network };
  }

  let generation = 0;
  const stateOf = (...listeners: Listener[]): ProxyState => ({
    version: 1,
    generation: ++generation,
    serviceCidr: "10.43.0.0/16",
    clusterCidr: "10.42.0.0/16",
    nodePortRange: { from: 30000, to: 32767 },
    listeners,
  });
  const service = (n: number, endpoints: EndpointAddress[], protocol: "TCP" | "UDP" = "TCP"): Listener => ({
    key: `default/s-${n}:/${protocol}`,
    protocol,
    frontend: { type: "clusterIP", address: `10.43.0.${n}`, port: 80 },
    endpoints,
  });

  test("the kernel is told of a listener when its socket answers", async () => {
    const { under, network } = dataplane();
    await under.apply(stateOf(service(1, [await backend("a")])));
    expect(await say(await connect(network.port("tcp . 10.43.0.1 . 80")), "x")).toBe("a x");
    expect(under.status).toMatchObject({ listeners: 1, connections: 1 });
  });

  test("an endpoint that left gets nothing new even when the kernel refuses the rest, and the error says why", async () => {
    const { under, network } = dataplane();
    const [a, b] = [await backend("a"), await backend("b")];
    await under.apply(stateOf(service(1, [a, b])));
    network.failure = new Error("nft: no space");
    await expect(under.apply(stateOf(service(1, [b]), service(2, [a])))).rejects.toThrow(
      "Cannot carry out the whole state: kernel rules: nft: no space",
    );
    const port = network.port("tcp . 10.43.0.1 . 80");
    for (let n = 0; n < 4; n++) expect(await say(await connect(port), "x")).toBe("b x");
    network.failure = undefined;
    await under.apply(stateOf(service(1, [b]), service(2, [a])));
    expect(await say(await connect(network.port("tcp . 10.43.0.2 . 80")), "x")).toBe("a x");
  });

  test("a Service that is removed refuses new connections and keeps the old", async () => {
    const { under, network } = dataplane();
    await under.apply(stateOf(service(1, [await backend("a")])));
    const port = network.port("tcp . 10.43.0.1 . 80");
    const kept = await connect(port);
    expect(await say(kept, "1")).toBe("a 1");
    await under.apply(stateOf());
    expect(network.port("tcp . 10.43.0.1 . 80")).toBeUndefined();
    await expect(connect(port)).rejects.toThrow("ECONNREFUSED");
    expect(await say(kept, "2")).toBe("a 2");
    expect(under.status).toMatchObject({ listeners: 0, connections: 1 });
    under.abort();
    await until(() => under.status.connections === 0);
  });

  test("no request fails while endpoints are replaced and stop listening as soon as the state is acknowledged", async () => {
    const { under, network } = dataplane();
    const started = async (name: string) => {
      const open = new Set<net.Socket>();
      const server = net.createServer((socket) => {
        open.add(socket);
        socket.on("data", (text) => socket.end(`${name} ${text}`));
        socket.on("error", () => {});
      });
      await new Promise<void>((resolve) => server.listen(0, address, resolve));
      cleanUps.push(() => server.close());
      const bound = server.address();
      return { server, address, port: typeof bound === "object" && bound !== null ? bound.port : 0 };
    };
    let current = await started("0");
    await under.apply(stateOf(service(1, [current])));
    const port = network.port("tcp . 10.43.0.1 . 80");
    const outcomes = new Map<string, number>();
    let ending = false;
    const client = async () => {
      while (!ending) {
        const socket = net.connect(port ?? 0, address);
        const outcome = await new Promise<string>((resolve) => {
          let heard = "";
          socket.on("connect", () => socket.write("hello"));
          socket.on("data", (text) => {
            heard += text;
          });
          socket.on("error", (error) => resolve(error.message));
          socket.on("end", () => resolve(/^\d+ hello$/.test(heard) ? "answered" : `heard "${heard}"`));
        });
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        socket.destroy();
      }
    };
    const clients = Array.from({ length: 16 }, client);
    for (let round = 1; round <= 8; round++) {
      const answered = outcomes.get("answered") ?? 0;
      await until(() => (outcomes.get("answered") ?? 0) > answered + 40 || outcomes.size > 1);
      const next = await started(String(round));
      await under.apply(stateOf(service(1, [next])));
      current.server.close();
      current = next;
    }
    ending = true;
    await Promise.all(clients);
    expect([...outcomes.keys()]).toEqual(["answered"]);
    expect(outcomes.get("answered")).toBeGreaterThan(100);
  }, 20_000);

  test("an endpoint that left is acknowledged 100 ms after it was chosen last, and at once when it was not", async () => {
    const clock = new VirtualClock();
    const { under, network } = dataplane({ clock });
    const [a, b] = [await backend("a"), await backend("b")];
    await under.apply(stateOf(service(1, [a])));
    await say(await connect(network.port("tcp . 10.43.0.1 . 80")), "x");
    await clock.advance(30);
    let acknowledged = false;
    const applied = under.apply(stateOf(service(1, [b]))).then(() => {
      acknowledged = true;
    });
    await clock.advance(69);
    expect(acknowledged).toBe(false);
    await clock.advance(1);
    expect(acknowledged).toBe(true);
    await applied;
    await under.apply(stateOf(service(1, [a])));
  });

  test("a frontend comes back on its old private port, in the next process too", async () => {
    const ports = new PortMemory();
    const first = dataplane({ ports });
    await first.under.apply(stateOf(service(1, [await backend("a")], "UDP")));
    const port = first.network.port("udp . 10.43.0.1 . 80");
    await first.under.apply(stateOf());
    await first.under.apply(stateOf(service(1, [await backend("b")], "UDP")));
    expect(first.network.port("udp . 10.43.0.1 . 80")).toBe(port);
    await first.under.stop({ removeRules: false });
    const second = dataplane({ ports: new PortMemory(ports.entries()) });
    await second.under.apply(stateOf(service(1, [await backend("a")], "UDP")));
    expect(second.network.port("udp . 10.43.0.1 . 80")).toBe(port);
  });

  test("a private port that another has meanwhile is replaced by a free one", async () => {
    const taken = await backend("stranger");
    const { under, network } = dataplane({ ports: new PortMemory([["10.43.0.1:80/TCP", taken.port]]) });
    await under.apply(stateOf(service(1, [await backend("a")])));
    const port = network.port("tcp . 10.43.0.1 . 80");
    expect(port).not.toBe(taken.port);
    expect(await say(await connect(port), "x")).toBe("a x");
  });

  test("states are carried out one after the other, in the order in which they came", async () => {
    const { under, network } = dataplane();
    const endpoint = await backend("a");
    await Promise.all([1, 2, 3, 4].map((n) => under.apply(stateOf(service(n, [endpoint])))));
    expect(network.views.map(({ clusterIps }) => [...clusterIps.keys()])).toEqual(
      [1, 2, 3, 4].map((n) => [`tcp . 10.43.0.${n} . 80`]),
    );
    expect(network.prepared).toBe(1);
    expect(under.status.listeners).toBe(1);
  });

  test("rules are looked after every 30 s, also after that has failed", async () => {
    const clock = new VirtualClock();
    const warnings: string[] = [];
    const { under, network } = dataplane({ clock, warnings });
    await under.apply(stateOf());
    await clock.advance(29_000);
    expect(network.restored).toBe(0);
    network.failure = new Error("nft went away");
    await clock.advance(2000);
    expect(network.restored).toBe(1);
    expect(warnings).toEqual(["Cannot check the kernel rules: nft went away"]);
    await clock.advance(30_000);
    expect(warnings).toHaveLength(1);
    network.failure = undefined;
    await clock.advance(30_000);
    expect(network.restored).toBe(3);
    expect(warnings[1]).toBe("Restored what something else had removed: route");
    under.disown();
    await clock.advance(90_000);
    expect(network.restored).toBe(3);
    expect(network.removed).toBe(0);
  });
});
