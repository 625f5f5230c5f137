/** Writes one pod's status, the latest that was asked for; one write at a time, none that would change nothing; and its end. */
import type { Client } from "../client/client.ts";
import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import { type Pod, podKind } from "../kinds/core/pod.ts";
import type { PodStatus } from "../kinds/core/pod_status.ts";
import type { Observed } from "../kinds/kind.ts";
import { isConflict, isNotFound } from "../kinds/status_error.ts";
import { statusPatch } from "./pod_status.ts";

const firstPauseMs = 250;
const longestPauseMs = 10_000;

export class PodStatusWriter {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Log;
  #known: Observed<Pod>;
  #wanted: (() => PodStatus) | undefined;
  #writing: Promise<void> | undefined;

  constructor(client: Client, clock: Clock, log: Log, pod: Observed<Pod>) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
    this.#known = pod;
  }

  /** The newest state of the object that is known, from the API or from our own writes. */
  get pod(): Observed<Pod> {
    return this.#known;
  }

  /** The informer's news; what is older than our own last write is ignored. */
  observe(pod: Observed<Pod>): void {
    if (Number(pod.metadata.resourceVersion) >= Number(this.#known.metadata.resourceVersion)) this.#known = pod;
  }

  /** `status` is asked when it is written: it must say what holds then. */
  write(status: () => PodStatus, signal: AbortSignal): void {
    this.#wanted = status;
    this.#writing ??= this.#run(signal).finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when everything that was asked for is written, or was given up. */
  async flushed(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Tells the API that nothing of the pod is left here. */
  async deletePod(): Promise<void> {
    const { namespace, name, uid } = this.#known.metadata;
    try {
      await this.#client.delete(podKind, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    let pauseMs = firstPauseMs;
    while (this.#wanted && !signal.aborted) {
      const wanted = this.#wanted;
      this.#wanted = undefined;
      const { metadata, status } = this.#known;
      const patch = statusPatch(status, wanted());
      if (patch === undefined) continue;
      const name = { namespace: metadata.namespace, name: metadata.name };
      try {
        const body = { metadata: { uid: metadata.uid }, status: patch };
        const written = await this.#client.patch(podKind, name, "application/merge-patch+json", body, {
          subresource: "status",
        });
        this.observe(written);
        pauseMs = firstPauseMs;
      } catch (error) {
        // Gone, or another pod of the same name: the informer says so too.
        if (isNotFound(error) || isConflict(error)) return;
        this.#log.warn("a pod's status could not be written; trying again", {
          pod: metadata.name,
          namespace: metadata.namespace,
          error: describeError(error),
        });
        this.#wanted ??= wanted;
        await sleep(this.#clock, pauseMs, signal);
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      }
    }
  }
}
