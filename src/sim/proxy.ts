import { type Clock, sleep } from "../env/clock.ts";
import type { Random } from "../env/random.ts";
import type { EndpointAddress, Listener, ProxyLink, ProxyState } from "../proxy/state.ts";

/** The proxy process as the control plane sees it: keeps the last state, whatever becomes of the control plane. */
export class SimulatedProxy implements ProxyLink {
  readonly #clock: Clock;
  readonly #random: Random;
  #next = 0;
  /** How many states it was given. */
  applied = 0;
  state: ProxyState | undefined;
  /** A fault: it answers nothing but errors. */
  isAway = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  async apply(state: ProxyState): Promise<void> {
    await sleep(this.#clock, 1 + this.#random.fraction() * 4);
    if (this.isAway) throw new Error("Cannot reach the simulated proxy: connection refused");
    this.state = state;
    this.applied++;
  }

  close(): void {}

  listener(address: string, port: number, protocol: "TCP" | "UDP" = "TCP"): Listener | undefined {
    return this.state?.listeners.find(
      ({ frontend, protocol: spoken }) =>
        frontend.type === "clusterIP" && frontend.address === address && frontend.port === port && spoken === protocol,
    );
  }

  /** Which endpoint the next connection to a virtual address would reach; undefined: it is refused. */
  endpointOf(address: string, port: number, protocol: "TCP" | "UDP" = "TCP"): EndpointAddress | undefined {
    const endpoints = this.listener(address, port, protocol)?.endpoints ?? [];
    return endpoints[this.#next++ % endpoints.length];
  }
}
