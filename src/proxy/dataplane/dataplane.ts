import { type Clock, sleep, type Timer } from "../../env/clock.ts";
import { describeError, type Log } from "../../env/log.ts";
import { Balancer } from "../balancer.ts";
import type { Listener, ProxyState } from "../state.ts";
import { defaultPrivateAddress, type HostNetwork } from "./host_network.ts";
import { kernelView } from "./kernel_rules.ts";
import type { PortMemory } from "./port_memory.ts";
import type { TcpSockets } from "./stream.ts";
import { type ConnectionBudget, listenTcp, type TcpListener } from "./tcp.ts";
import { type FlowBudget, listenUdp, type UdpListener } from "./udp.ts";
import type { UdpSockets } from "./udp_sockets.ts";

export interface DataplaneOptions {
  readonly tcp: TcpSockets;
  readonly udp: UdpSockets;
  readonly network: HostNetwork;
  readonly ports: PortMemory;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the private sockets are bound. */
  readonly privateAddress?: string;
  readonly maxConnections: number;
  /** UDP clients at a time. */
  readonly maxFlows: number;
  /** How often what others removed is looked for. */
  readonly restoreEveryMs?: number;
}

interface Live {
  listener: Listener;
  readonly balancer: Balancer;
  readonly port: number;
  readonly tcp?: TcpListener;
  readonly udp?: UdpListener;
}

export interface DataplaneStatus {
  readonly generation: number;
  readonly listeners: number;
  readonly connections: number;
  readonly refusedConnections: number;
  readonly flows: number;
}

/**
 * A connection that was made just before its endpoint left may still wait to be accepted there. Whoever hears that the
 * endpoint is out may stop it from listening, which resets what waits: so it hears so a little later.
 */
const settleMs = 100;

/** Carries out states: private sockets and balancers in this process, the table in the kernel. One state at a time. */
export class Dataplane {
  readonly #options: DataplaneOptions;
  readonly #address: string;
  readonly #budget: ConnectionBudget;
  readonly #flows: FlowBudget;
  readonly #live = new Map<string, Live>();
  /** TCP listeners that are stopped, but have connections. */
  readonly #draining = new Set<TcpListener>();
  #generation = 0;
  #preparedCidr = "";
  #complaint = "";
  #queue: Promise<unknown> = Promise.resolve();
  #restoring: Timer | undefined;
  #ownsRules = true;

  constructor(options: DataplaneOptions) {
    this.#options = options;
    this.#address = options.privateAddress ?? defaultPrivateAddress;
    this.#budget = { limit: options.maxConnections, open: 0, refused: 0 };
    this.#flows = { limit: options.maxFlows, open: 0 };
    this.#restoreLater();
  }

  get status(): DataplaneStatus {
    return {
      generation: this.#generation,
      listeners: this.#live.size,
      connections: this.#budget.open,
      refusedConnections: this.#budget.refused,
      flows: this.#flows.open,
    };
  }

  /**
   * Resolves when the state is what happens; rejects when a part of it could not be carried out, after everything else
   * was. Endpoints that left are not chosen any more either way.
   */
  async apply(state: ProxyState): Promise<void> {
    const { clock } = this.#options;
    const lastChoiceMs = await this.#inTurn(() => this.#apply(state));
    const waitMs = lastChoiceMs + settleMs - clock.monotonicMs();
    if (waitMs > 0) await sleep(clock, waitMs);
  }

  /** No new connection; rules are left alone for a successor, or taken away. */
  stop(options: { readonly removeRules: boolean }): Promise<void> {
    return this.#inTurn(async () => {
      this.#ownsRules = false;
      this.#restoring?.cancel();
      if (options.removeRules) await this.#options.network.remove();
      for (const live of this.#live.values()) this.#retire(live);
      this.#live.clear();
    });
  }

  /** Leaves the rules to a successor, but goes on accepting on its own sockets. */
  disown(): void {
    this.#ownsRules = false;
    this.#restoring?.cancel();
  }

  /** Cuts every connection. */
  abort(): void {
    for (const { tcp } of this.#live.values()) tcp?.abort();
    for (const tcp of this.#draining) tcp.abort();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Returns when an endpoint that left was chosen last, at the latest. */
  async #apply(state: ProxyState): Promise<number> {
    if (!this.#ownsRules) throw new Error("Cannot apply a state: this proxy is being stopped or replaced");
    const wanted = new Map(state.listeners.map((listener) => [listener.key, listener]));
    const problems: string[] = [];
    const attempt = (what: string, work: () => Promise<void>) =>
      work().catch((error: unknown) => {
        problems.push(`${what}: ${describeError(error)}`);
      });

    // Endpoints first: what has left must get nothing new, whatever fails below.
    let lastChoiceMs = Number.NEGATIVE_INFINITY;
    for (const [key, live] of this.#live) {
      const listener = wanted.get(key);
      const chosenMs = live.balancer.replace(listener?.endpoints ?? [], listener?.affinitySeconds);
      lastChoiceMs = Math.max(lastChoiceMs, chosenMs);
      live.udp?.endpointsChanged();
      if (listener !== undefined) live.listener = listener;
    }
    if (this.#preparedCidr !== state.serviceCidr)
      await attempt("address and route", async () => {
        await this.#options.network.prepare(state.serviceCidr, this.#address);
        this.#preparedCidr = state.serviceCidr;
      });
    for (const [key, listener] of wanted) {
      if (!this.#live.has(key)) await attempt(`listener ${key}`, () => this.#open(listener));
    }
    await attempt("kernel rules", () => this.#applyRules(state, state.listeners));
    for (const [key, live] of this.#live) {
      if (wanted.has(key)) continue;
      this.#live.delete(key);
      this.#retire(live);
    }
    this.#options.ports.keepOnly(state.listeners.map(frontendKey));
    this.#generation = state.generation;
    if (problems.length > 0) throw new Error(`Cannot carry out the whole state: ${problems.join("; ")}`);
    return lastChoiceMs;
  }

  #applyRules(state: ProxyState, listeners: readonly Listener[]): Promise<void> {
    const portOf = (listener: Listener) => this.#live.get(listener.key)?.port;
    return this.#options.network.apply(kernelView(state.serviceCidr, this.#address, listeners, portOf));
  }

  async #open(listener: Listener): Promise<void> {
    const { tcp, udp, clock, ports } = this.#options;
    const address = this.#address;
    const balancer = new Balancer({ nowMs: () => clock.monotonicMs() });
    balancer.replace(listener.endpoints, listener.affinitySeconds);
    const frontend = frontendKey(listener);
    const preferred = ports.recall(frontend);
    /** On the port that the frontend had before, if that is free. */
    const bind = async <T>(listen: (port: number) => Promise<T>): Promise<T> => {
      if (preferred === undefined) return listen(0);
      return listen(preferred).catch(() => listen(0));
    };
    if (listener.protocol === "TCP") {
      const opened = await bind((port) =>
        listenTcp({ sockets: tcp, clock, address, port, balancer, budget: this.#budget }),
      );
      this.#live.set(listener.key, { listener, balancer, port: opened.port, tcp: opened });
      ports.remember(frontend, opened.port);
    } else {
      const opened = await bind((port) =>
        listenUdp({ sockets: udp, clock, address, port, balancer, budget: this.#flows }),
      );
      this.#live.set(listener.key, { listener, balancer, port: opened.port, udp: opened });
      ports.remember(frontend, opened.port);
    }
  }

  #retire({ tcp, udp }: Live): void {
    udp?.close();
    if (tcp === undefined) return;
    tcp.stop();
    for (const old of this.#draining) if (old.connections === 0) this.#draining.delete(old);
    if (tcp.connections > 0) this.#draining.add(tcp);
  }

  #restoreLater(): void {
    const { clock, restoreEveryMs = 30_000 } = this.#options;
    this.#restoring = clock.schedule(restoreEveryMs, () => {
      this.#inTurn(() => this.#restore()).finally(() => {
        if (this.#ownsRules) this.#restoreLater();
      });
    });
  }

  async #restore(): Promise<void> {
    const { network, log } = this.#options;
    if (!this.#ownsRules) return;
    let complaint = "";
    try {
      const missing = await network.restore();
      if (missing.length > 0) complaint = `Restored what something else had removed: ${missing.join(", ")}`;
    } catch (error) {
      complaint = `Cannot check the kernel rules: ${describeError(error)}`;
    }
    // Once: what goes on for days must not fill the disk.
    if (complaint !== "" && complaint !== this.#complaint) log.warn(complaint);
    this.#complaint = complaint;
  }
}

function frontendKey({ protocol, frontend }: Listener): string {
  const place = frontend.type === "clusterIP" ? `${frontend.address}:${frontend.port}` : `node:${frontend.port}`;
  return `${place}/${protocol}`;
}
