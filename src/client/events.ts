import { type Clock, rfc3339 } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import { type Event, eventKind } from "../kinds/core/event.ts";
import type { ObjectReference } from "../kinds/core/reference.ts";
import { isNotFound } from "../kinds/status_error.ts";
import type { Client, ObjectName } from "./client.ts";

export interface EventOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** Who reports: "default-scheduler", "kubelet", "deployment-controller". */
  readonly component: string;
  /** The node, for a kubelet. */
  readonly host?: string;
}

/** What an event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly namespace?: string | undefined;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion?: string | undefined;
  };
}

interface Known {
  readonly name: ObjectName;
  count: number;
}

/** Bursts and refill of client-go's spam filter, for each source and object. */
const burst = 25;
const refillMs = 300_000;
const knownLimit = 4096;

/**
 * Tells people what happened to an object. What a consumer may assume:
 * - `report` never fails and never waits; what cannot be written is logged and lost.
 * - The same happening again (object, type, reason, message) raises `count` and `lastTimestamp` of the one event.
 * - One object gets at most 25 events in a burst, then one in five minutes.
 * - Events are written one after the other, in the order of `report`.
 */
export class EventRecorder {
  readonly #options: EventOptions;
  readonly #known = new Map<string, Known>();
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();
  #last: Promise<void> = Promise.resolve();
  #sequence = 0;

  constructor(options: EventOptions) {
    this.#options = options;
  }

  report(
    subject: EventSubject,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    /** Part of the object: "spec.containers{nginx}". */
    fieldPath?: string,
  ): void {
    const { metadata } = subject;
    if (!this.#takeToken(metadata.uid)) return;
    const involvedObject: ObjectReference = {
      apiVersion: subject.apiVersion,
      kind: subject.kind,
      ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
      name: metadata.name,
      uid: metadata.uid,
      ...(metadata.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {}),
      ...(fieldPath ? { fieldPath } : {}),
    };
    const atMs = this.#options.clock.now();
    this.#last = this.#last.then(() =>
      this.#write(involvedObject, type, reason, message, atMs).catch((error: unknown) =>
        this.#options.log.debug("An event was not written", { reason, error: describeError(error) }),
      ),
    );
  }

  /** Resolves when everything that was reported so far is written or lost. */
  flushed(): Promise<void> {
    return this.#last;
  }

  #takeToken(uid: string): boolean {
    const now = this.#options.clock.monotonicMs();
    const bucket = this.#buckets.get(uid) ?? { tokens: burst, atMs: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.atMs) / refillMs);
    bucket.atMs = now;
    remember(this.#buckets, uid, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  async #write(
    involvedObject: ObjectReference,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    atMs: number,
  ): Promise<void> {
    const { client, component, host } = this.#options;
    const key = JSON.stringify([involvedObject.uid, involvedObject.fieldPath ?? "", type, reason, message]);
    const known = this.#known.get(key);
    if (known !== undefined) {
      try {
        const body = { count: known.count + 1, lastTimestamp: rfc3339(atMs) };
        await client.patch(eventKind, known.name, "application/merge-patch+json", body);
        known.count++;
        remember(this.#known, key, known);
        return;
      } catch (error) {
        // It has expired: tell it anew.
        if (!isNotFound(error)) throw error;
      }
    }
    const namespace = involvedObject.namespace ?? "default";
    const name = `${involvedObject.name}.${this.#stamp(atMs)}`;
    const event: Event = {
      metadata: { namespace, name },
      involvedObject,
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: rfc3339(atMs),
      lastTimestamp: rfc3339(atMs),
      source: { component, ...(host ? { host } : {}) },
      reportingComponent: component,
      reportingInstance: host ?? "",
    };
    await client.create(eventKind, event);
    remember(this.#known, key, { name: { namespace, name }, count: 1 });
  }

  /** Nanoseconds since the epoch in hexadecimal, as Kubernetes names events; the digits below a millisecond make it unique. */
  #stamp(atMs: number): string {
    this.#sequence = (this.#sequence + 1) % 1_000_000;
    return (BigInt(Math.floor(atMs)) * 1_000_000n + BigInt(this.#sequence)).toString(16);
  }
}

/** Puts the entry last and drops the first ones beyond the limit. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= knownLimit) break;
    map.delete(oldest);
  }
}
