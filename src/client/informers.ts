import type { Kind, KubeObject } from "../kinds/kind.ts";
import { Informer, type InformerOptions } from "./informer.ts";

/**
 * One informer a kind, shared by all who ask. What a consumer may assume: `of` the same kind gives the same informer; one that is
 * asked for after `start` starts at once; all of them end with the signal given to `start`.
 */
export class Informers {
  readonly #options: InformerOptions;
  readonly #informers = new Map<string, Informer<KubeObject>>();
  readonly #running: Promise<void>[] = [];
  #signal: AbortSignal | undefined;

  /** With `select`, every informer is restricted to it. */
  constructor(options: InformerOptions) {
    this.#options = options;
  }

  of<T extends KubeObject>(kind: Kind<T>): Informer<T> {
    const name = `${kind.apiVersion}/${kind.plural}`;
    // Sound: under a kind's name stands only an informer that was made of that kind.
    const existing = this.#informers.get(name) as Informer<T> | undefined;
    if (existing !== undefined) return existing;
    const informer = new Informer(kind, this.#options);
    // Sound for the same reason: it is taken out only under the same kind.
    this.#informers.set(name, informer as unknown as Informer<KubeObject>);
    if (this.#signal !== undefined) this.#running.push(informer.run(this.#signal));
    return informer;
  }

  /** Starts all informers; those that are asked for later start then. */
  start(signal: AbortSignal): void {
    if (this.#signal !== undefined) throw new Error("Informers are started once: make others for another signal");
    this.#signal = signal;
    for (const informer of this.#informers.values()) this.#running.push(informer.run(signal));
  }

  /** Resolves when all that were asked for so far have their first list. */
  async synced(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.synced));
  }

  /** Resolves when all informers have ended, after the signal. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }
}
