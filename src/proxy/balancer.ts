import type { EndpointAddress } from "./state.ts";

export interface BalancerOptions {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** For how long an endpoint that refused is passed over while others are there. */
  readonly failureMemoryMs?: number;
  /** Clients remembered for session affinity; the longest silent one is forgotten first. */
  readonly affinityLimit?: number;
}

/**
 * Chooses an endpoint for one new connection or flow: in turn, passing over those that failed a moment ago. In turn rather
 * than by fewest connections, because an endpoint that accepts and drops at once would then draw all the traffic.
 * Pure: no I/O, no clock of its own. An endpoint that left is never chosen again; what runs on it is not its concern.
 */
export class Balancer {
  readonly #nowMs: () => number;
  readonly #failureMemoryMs: number;
  readonly #affinityLimit: number;
  #endpoints: readonly EndpointAddress[] = [];
  #affinityMs = 0;
  #next = 0;
  #lastPickMs = Number.NEGATIVE_INFINITY;
  readonly #failedUntilMs = new Map<string, number>();
  readonly #affinity = new Map<string, { key: string; untilMs: number }>();

  constructor(options: BalancerOptions) {
    this.#nowMs = options.nowMs;
    this.#failureMemoryMs = options.failureMemoryMs ?? 2000;
    this.#affinityLimit = options.affinityLimit ?? 10_000;
  }

  get endpoints(): readonly EndpointAddress[] {
    return this.#endpoints;
  }

  /** Whether it matters who the client is. */
  get isSticky(): boolean {
    return this.#affinityMs > 0;
  }

  /**
   * `affinitySeconds` 0: none. Returns since when (by `nowMs`) an endpoint that left has certainly not been chosen: the
   * moment of the last choice; minus infinity when none left.
   */
  replace(endpoints: readonly EndpointAddress[], affinitySeconds = 0): number {
    const before = this.#endpoints;
    this.#endpoints = endpoints;
    this.#affinityMs = affinitySeconds * 1000;
    if (this.#affinityMs === 0) this.#affinity.clear();
    const present = new Set(endpoints.map(endpointKey));
    for (const key of this.#failedUntilMs.keys()) if (!present.has(key)) this.#failedUntilMs.delete(key);
    const someLeft = before.some((endpoint) => !present.has(endpointKey(endpoint)));
    return someLeft ? this.#lastPickMs : Number.NEGATIVE_INFINITY;
  }

  has(endpoint: EndpointAddress): boolean {
    return this.#endpoints.some(({ address, port }) => address === endpoint.address && port === endpoint.port);
  }

  /** Undefined when there is no endpoint, or none that is not in `tried`. */
  pick(client: string, tried?: ReadonlySet<EndpointAddress>): EndpointAddress | undefined {
    const chosen = (this.isSticky ? this.#remembered(client, tried) : undefined) ?? this.#inTurn(tried);
    this.#lastPickMs = this.#nowMs();
    if (chosen !== undefined && this.isSticky) this.#remember(client, chosen);
    return chosen;
  }

  failed(endpoint: EndpointAddress): void {
    if (this.has(endpoint)) this.#failedUntilMs.set(endpointKey(endpoint), this.#nowMs() + this.#failureMemoryMs);
  }

  succeeded(endpoint: EndpointAddress): void {
    if (this.#failedUntilMs.size > 0) this.#failedUntilMs.delete(endpointKey(endpoint));
  }

  #inTurn(tried: ReadonlySet<EndpointAddress> | undefined): EndpointAddress | undefined {
    const count = this.#endpoints.length;
    let lastResort: EndpointAddress | undefined;
    for (let step = 0; step < count; step++) {
      const index = (this.#next + step) % count;
      const endpoint = this.#endpoints[index];
      if (endpoint === undefined || tried?.has(endpoint)) continue;
      if (this.#failedRecently(endpoint)) {
        lastResort ??= endpoint;
        continue;
      }
      this.#next = (index + 1) % count;
      return endpoint;
    }
    return lastResort;
  }

  #failedRecently(endpoint: EndpointAddress): boolean {
    if (this.#failedUntilMs.size === 0) return false;
    const key = endpointKey(endpoint);
    const untilMs = this.#failedUntilMs.get(key);
    if (untilMs === undefined) return false;
    if (untilMs > this.#nowMs()) return true;
    this.#failedUntilMs.delete(key);
    return false;
  }

  #remembered(client: string, tried: ReadonlySet<EndpointAddress> | undefined): EndpointAddress | undefined {
    const memory = this.#affinity.get(client);
    if (memory === undefined || memory.untilMs <= this.#nowMs()) return undefined;
    return this.#endpoints.find(
      (endpoint) => endpointKey(endpoint) === memory.key && !tried?.has(endpoint) && !this.#failedRecently(endpoint),
    );
  }

  #remember(client: string, endpoint: EndpointAddress): void {
    // Deleted first, so that the map's order is the order of use.
    this.#affinity.delete(client);
    this.#affinity.set(client, { key: endpointKey(endpoint), untilMs: this.#nowMs() + this.#affinityMs });
    if (this.#affinity.size <= this.#affinityLimit) return;
    const oldest = this.#affinity.keys().next().value;
    if (oldest !== undefined) this.#affinity.delete(oldest);
  }
}

export function endpointKey(endpoint: EndpointAddress): string {
  return `${endpoint.address}:${endpoint.port}`;
}
