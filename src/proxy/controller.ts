import type { Informer } from "../client/informer.ts";
import type { Informers } from "../client/informers.ts";
import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import { type Service, serviceKind } from "../kinds/core/service.ts";
import { type EndpointSlice, endpointSliceKind } from "../kinds/discovery/endpoint_slice.ts";
import { offersAsReady, proxyListeners, type RuleOptions } from "./rules.ts";
import type { Listener, ProxyLink, ProxyState } from "./state.ts";

export interface ProxyControllerOptions extends RuleOptions {
  readonly informers: Informers;
  readonly link: ProxyLink;
  readonly clock: Clock;
  readonly log: Log;
  readonly serviceCidr: string;
  readonly clusterCidr: string;
  readonly nodePortRange: { readonly from: number; readonly to: number };
  /** Changes that come within so long are one state. */
  readonly coalesceMs?: number;
  /** How long `withdrawn` waits at most. */
  readonly withdrawLimitMs?: number;
}

export interface ProxyController {
  /** Resolves when the proxy has acknowledged the first whole state. */
  readonly ready: Promise<void>;
  /**
   * For the kubelet, before it ends the containers of a pod that is deleted: resolves when no new connection goes to the
   * pod any more, that is when no EndpointSlice offers `address` as ready and the proxy has acknowledged a state that
   * knows so; at once when no Service ever had it. Also resolves, after 5 s or when `signal` is aborted, when that does not
   * come: a pod must not live for ever because the proxy is away. Never rejects. `podUid` tells apart pods that share their
   * node's address. An endpoint that is the last of its Service may still be used while it terminates (KEP-1669).
   */
  withdrawn(address: string, signal: AbortSignal, podUid?: string): Promise<void>;
}

/** Follows Services and EndpointSlices and keeps the proxy at what they say, until `signal` is aborted. */
export function startProxyController(options: ProxyControllerOptions, signal: AbortSignal): ProxyController {
  const controller = new Controller(options, signal);
  controller.run().catch((error: unknown) => {
    options.log.error("The proxy's controller has stopped", { error: describeError(error) });
  });
  return controller;
}

const firstPauseMs = 100;
const longestPauseMs = 5000;

interface Waiter {
  readonly address: string;
  readonly podUid: string | undefined;
  /** The observation from which on the address was not offered. */
  clearSince: number | undefined;
  resolve(): void;
}

class Controller implements ProxyController {
  readonly ready: Promise<void>;
  readonly #options: ProxyControllerOptions;
  readonly #signal: AbortSignal;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #waiters = new Set<Waiter>();
  #markReady: () => void = () => {};
  /** Counts what was observed; `#acknowledged` is the count that the proxy's state accounts for. */
  #observed = 1;
  #acknowledged = 0;
  #generation = 0;
  #applied: readonly Listener[] | undefined;
  #appliedText = "";
  /** What was last sent, acknowledged or not. */
  #sent: readonly Listener[] = [];
  #wake: () => void = () => {};

  constructor(options: ProxyControllerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.ready = new Promise((resolve) => {
      this.#markReady = resolve;
    });
    this.#services = options.informers.of(serviceKind);
    this.#slices = options.informers.of(endpointSliceKind);
    const changed = () => this.#changed();
    this.#services.on({ add: changed, update: changed, delete: changed });
    this.#slices.on({ add: changed, update: changed, delete: changed });
    signal.addEventListener("abort", () => {
      for (const waiter of this.#waiters) waiter.resolve();
      this.#wake();
    });
  }

  async run(): Promise<void> {
    const { clock, log, coalesceMs = 3 } = this.#options;
    // Half a view would take away what serves well since before the restart.
    await Promise.all([this.#services.synced, this.#slices.synced]);
    let failures = 0;
    while (!this.#signal.aborted) {
      if (this.#acknowledged === this.#observed) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        await sleep(clock, coalesceMs, this.#signal);
        continue;
      }
      try {
        await this.#carryOut();
        failures = 0;
        this.#markReady();
      } catch (error) {
        if (this.#signal.aborted) return;
        log.error("The proxy could not carry out its state; trying again", { error: describeError(error) });
        await sleep(clock, Math.min(firstPauseMs * 2 ** failures++, longestPauseMs), this.#signal);
      }
    }
  }

  async withdrawn(address: string, signal: AbortSignal, podUid?: string): Promise<void> {
    const { clock, log, withdrawLimitMs = 5000 } = this.#options;
    if (this.#signal.aborted || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const finish = () => {
        limit.cancel();
        signal.removeEventListener("abort", finish);
        this.#waiters.delete(waiter);
        resolve();
      };
      const limit = clock.schedule(withdrawLimitMs, () => {
        log.warn("A pod's address is still offered or the proxy is away; not waiting longer", {
          address,
          waitedMs: withdrawLimitMs,
          offered: offersAsReady(this.#slices.list(), address, podUid),
        });
        finish();
      });
      const waiter: Waiter = { address, podUid, clearSince: undefined, resolve: finish };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", finish, { once: true });
      this.#check(waiter);
    });
  }

  #changed(): void {
    this.#observed++;
    for (const waiter of this.#waiters) this.#check(waiter);
    this.#wake();
  }

  #check(waiter: Waiter): void {
    if (!this.#slices.hasSynced) return;
    if (offersAsReady(this.#slices.list(), waiter.address, waiter.podUid)) {
      waiter.clearSince = undefined;
      return;
    }
    waiter.clearSince ??= this.#observed;
    const known = this.#applied !== undefined && this.#acknowledged >= waiter.clearSince;
    const never = this.#applied !== undefined && !mentions(this.#applied, waiter.address);
    if (known || (never && !mentions(this.#sent, waiter.address))) waiter.resolve();
  }

  async #carryOut(): Promise<void> {
    const { link, log, serviceCidr, clusterCidr, nodePortRange } = this.#options;
    const observed = this.#observed;
    const listeners = proxyListeners(this.#services.list(), this.#slices.list(), this.#options);
    const text = JSON.stringify(listeners);
    if (this.#applied === undefined || text !== this.#appliedText) {
      const state: ProxyState = {
        version: 1,
        generation: ++this.#generation,
        serviceCidr,
        clusterCidr,
        nodePortRange,
        listeners,
      };
      this.#sent = listeners;
      await link.apply(state);
      log.debug("The proxy has a new state", { generation: state.generation, listeners: listeners.length });
      this.#applied = listeners;
      this.#appliedText = text;
    }
    this.#acknowledged = observed;
    for (const waiter of this.#waiters) this.#check(waiter);
  }
}

function mentions(listeners: readonly Listener[], address: string): boolean {
  return listeners.some(({ endpoints }) => endpoints.some((endpoint) => endpoint.address === address));
}
