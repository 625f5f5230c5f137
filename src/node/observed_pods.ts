/** One view of the engine for all workers: listed after each of its events, coalesced, and now and then without. */
import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import type { ContainerRuntime, ObservedContainer } from "./container_runtime.ts";
import type { PodIdentity } from "./docker_names.ts";
import type { PodObservation } from "./pod_actions.ts";

export interface ObservedPodsOptions {
  readonly runtime: Pick<ContainerRuntime, "list" | "events">;
  readonly clock: Clock;
  readonly log: Log;
  /** Something of this pod is other than before. */
  changed(podUid: string): void;
  /** The engine went away, or came back; called with the first answer too. */
  availability(reachable: boolean, why: string): void;
}

interface Entry {
  readonly pod: PodIdentity;
  readonly observation: PodObservation;
  readonly signature: string;
}

const nothing: PodObservation = { sandboxes: [], containers: [] };
const pollMs = 30_000;
const retryMs = 1000;

export class ObservedPods {
  readonly #options: ObservedPodsOptions;
  #entries = new Map<string, Entry>();
  #listing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #reachable: boolean | undefined;

  constructor(options: ObservedPodsOptions) {
    this.#options = options;
  }

  of(podUid: string): PodObservation {
    return this.#entries.get(podUid)?.observation ?? nothing;
  }

  /** Every pod that has something on the engine. */
  pods(): PodIdentity[] {
    return [...this.#entries.values()].map(({ pod }) => pod);
  }

  container(containerId: string): ObservedContainer | undefined {
    for (const { observation } of this.#entries.values()) {
      const found = observation.containers.find(({ id }) => id === containerId);
      if (found) return found;
    }
    return undefined;
  }

  /** Addresses that sandboxes hold ("10.42.0.7/24"), by the pod's uid. */
  addresses(): Map<string, string> {
    const held = new Map<string, string>();
    for (const [uid, { observation }] of this.#entries)
      for (const { state, podAddress } of observation.sandboxes)
        if (state !== "exited" && podAddress !== undefined) held.set(podAddress, uid);
    return held;
  }

  /** Resolves when a list that began after this call is in. Rejects with RuntimeError. */
  refresh(): Promise<void> {
    if (this.#listing === undefined) {
      this.#listing = this.#list().finally(() => {
        this.#listing = undefined;
      });
      return this.#listing;
    }
    // One that runs may have missed what the caller did: the next one is for all who ask meanwhile.
    const running = this.#listing;
    this.#next ??= running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.refresh();
      });
    return this.#next;
  }

  async #list(): Promise<void> {
    const { runtime, changed } = this.#options;
    let listed: Awaited<ReturnType<ContainerRuntime["list"]>>;
    try {
      listed = await runtime.list();
    } catch (error) {
      this.#tell(false, describeError(error));
      throw error;
    }
    const entries = new Map<
      string,
      { pod: PodIdentity; sandboxes: PodObservation["sandboxes"][number][]; containers: ObservedContainer[] }
    >();
    const entryOf = (pod: PodIdentity) => {
      const known = entries.get(pod.uid) ?? { pod, sandboxes: [], containers: [] };
      entries.set(pod.uid, known);
      return known;
    };
    for (const sandbox of listed.sandboxes) entryOf(sandbox.pod).sandboxes.push(sandbox);
    for (const container of listed.containers) entryOf(container.pod).containers.push(container);
    const before = this.#entries;
    this.#entries = new Map(
      [...entries].map(([uid, { pod, sandboxes, containers }]) => {
        const signature = [...sandboxes, ...containers].map(({ id, state }) => `${id} ${state}`).sort();
        return [uid, { pod, observation: { sandboxes, containers }, signature: signature.join() }];
      }),
    );
    this.#tell(true, "");
    for (const uid of new Set([...before.keys(), ...this.#entries.keys()]))
      if (before.get(uid)?.signature !== this.#entries.get(uid)?.signature) changed(uid);
  }

  #tell(reachable: boolean, why: string): void {
    if (reachable === this.#reachable) return;
    this.#reachable = reachable;
    this.#options.availability(reachable, why);
  }

  /** Follows the engine until `signal` is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#followEvents(signal), this.#poll(signal)]);
  }

  async #followEvents(signal: AbortSignal): Promise<void> {
    const { runtime, log } = this.#options;
    try {
      for await (const { type, containerId } of runtime.events(signal)) {
        if (type === "died" && containerId !== undefined) this.#afterDeath(containerId, signal);
        else this.refresh().catch(() => undefined);
      }
    } catch (error) {
      if (!signal.aborted) log.error("the engine's events ended; polling goes on", { error: describeError(error) });
    }
  }

  /** Docker tells of a death before its own list knows (seen on 20.10): asks again until the list agrees, or gives up. */
  async #afterDeath(id: string, signal: AbortSignal): Promise<void> {
    for (let pauseMs = 10; pauseMs <= 5000 && !signal.aborted; pauseMs *= 2) {
      try {
        await this.refresh();
      } catch {
        // The engine is away: whoever asks next, or the poll, lists again.
        return;
      }
      if (!this.#runs(id)) return;
      await sleep(this.#options.clock, pauseMs, signal);
    }
  }

  #runs(id: string): boolean {
    for (const { observation } of this.#entries.values())
      for (const one of [...observation.sandboxes, ...observation.containers])
        if (one.id === id) return one.state === "running";
    return false;
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const well = await this.refresh().then(
        () => true,
        () => false,
      );
      await sleep(clock, well ? pollMs : retryMs, signal);
    }
  }
}
