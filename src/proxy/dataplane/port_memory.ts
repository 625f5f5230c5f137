/**
 * The private port that each frontend has or had last. The kernel's connection tracking leads datagrams of a running UDP
 * flow to the old port for as long as the flow lives, so a frontend should come back on it.
 */
export class PortMemory {
  readonly #ports: Map<string, number>;
  readonly #limit: number;

  constructor(entries: Iterable<readonly [string, number]> = [], limit = 8192) {
    this.#ports = new Map(entries);
    this.#limit = limit;
  }

  recall(frontend: string): number | undefined {
    return this.#ports.get(frontend);
  }

  remember(frontend: string, port: number): void {
    this.#ports.delete(frontend);
    this.#ports.set(frontend, port);
  }

  /** Forgets the oldest of those that are not in use, down to the limit. */
  keepOnly(inUse: readonly string[]): void {
    if (this.#ports.size <= this.#limit) return;
    const used = new Set(inUse);
    for (const frontend of this.#ports.keys()) {
      if (this.#ports.size <= this.#limit) return;
      if (!used.has(frontend)) this.#ports.delete(frontend);
    }
  }

  entries(): [string, number][] {
    return [...this.#ports];
  }
}
