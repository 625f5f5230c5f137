import { anyObserved } from "../client/object.ts";
import { type Clock, sleep } from "../env/clock.ts";
import type { Kind, KubeObject, Observed } from "../kinds/kind.ts";
import { StatusError } from "../kinds/status_error.ts";
import type { Model } from "./model.ts";
import type { SimulatedNode } from "./node.ts";
import { broken } from "./verdict.ts";

export type Seen<T extends KubeObject> = (type: "ADDED" | "MODIFIED" | "DELETED", object: Observed<T>) => void;

/**
 * Follows one kind by watches, resumed from the last version through every crash, and holds them to their word: versions
 * grow, nothing comes twice, nothing is missing (an object that changes was there, one that is added was not).
 */
export class WatchChecker<T extends KubeObject> {
  readonly #kind: Kind<T>;
  readonly #node: SimulatedNode;
  readonly #model: Model;
  readonly #clock: Clock;
  readonly #seen: Seen<T>;
  #last = 0n;
  /** Version of each object, by its name. */
  readonly state = new Map<string, string>();
  /** Every version that came as an event, since the last time that history was lost. */
  readonly versions = new Set<string>();
  /** History is whole from here on. */
  wholeFrom = 0n;

  constructor(kind: Kind<T>, node: SimulatedNode, model: Model, clock: Clock, seen: Seen<T> = () => undefined) {
    this.#kind = kind;
    this.#node = node;
    this.#model = model;
    this.#clock = clock;
    this.#seen = seen;
  }

  get lastVersion(): bigint {
    return this.#last;
  }

  async run(signal: AbortSignal): Promise<void> {
    let mustList = true;
    while (!signal.aborted) {
      try {
        if (mustList) await this.#list();
        mustList = false;
        const options = { resourceVersion: String(this.#last), allowWatchBookmarks: true };
        for await (const event of this.#node.client.watch(this.#kind, options, signal)) {
          if (event.type === "BOOKMARK") this.#bookmark(event.resourceVersion);
          else this.#event(event.type, event.object);
        }
        await sleep(this.#clock, 1, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Error)) throw error;
        if (error.name === "Violation") throw error;
        // History is compacted after five minutes: a client that was away for longer lists again.
        if (error instanceof StatusError && error.code === 410) mustList = true;
        else if (error instanceof StatusError && error.code < 500) throw error;
        await sleep(this.#clock, 200, signal);
      }
    }
  }

  async #list(): Promise<void> {
    const before = this.#model.newest;
    const { items, resourceVersion } = await this.#node.client.list(this.#kind);
    const version = BigInt(resourceVersion);
    if (version < before)
      broken(`A list of ${this.#kind.plural} is at version ${version}, though ${before} was known before`);
    const known = new Map(this.state);
    this.state.clear();
    for (const item of items) {
      const { metadata } = anyObserved(item);
      const name = `${metadata.namespace ?? ""}/${metadata.name}`;
      this.state.set(name, metadata.resourceVersion);
      this.#seen(known.has(name) ? "MODIFIED" : "ADDED", item);
    }
    this.#last = version;
    this.wholeFrom = version;
    this.versions.clear();
  }

  #bookmark(resourceVersion: string): void {
    const version = BigInt(resourceVersion);
    if (version < this.#last) broken(`A bookmark of ${this.#kind.plural} went back from ${this.#last} to ${version}`);
    this.#last = version;
  }

  #event(type: "ADDED" | "MODIFIED" | "DELETED", object: Observed<T>): void {
    const { metadata } = anyObserved(object);
    const { resourceVersion } = metadata;
    const name = `${metadata.namespace ?? ""}/${metadata.name}`;
    const what = `A watch of ${this.#kind.plural} said ${type} of ${name} at version ${resourceVersion}`;
    if (BigInt(resourceVersion) <= this.#last) broken(`${what}, after version ${this.#last}`);
    const known = this.state.get(name);
    if (type === "ADDED" && known !== undefined) broken(`${what}, which was there already at ${known}`);
    if (type !== "ADDED" && known === undefined) broken(`${what}, which was not there`);
    this.#last = BigInt(resourceVersion);
    this.versions.add(resourceVersion);
    if (type === "DELETED") this.state.delete(name);
    else this.state.set(name, resourceVersion);
    this.#seen(type, object);
  }
}
