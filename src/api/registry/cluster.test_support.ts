import type { Clock, Timer } from "../../env/clock.ts";
import type { Log } from "../../env/log.ts";
import type { Random } from "../../env/random.ts";
import { allKinds } from "../../kinds/all.ts";
import { KindRegistry } from "../../kinds/registry.ts";
import { StatusError } from "../../kinds/status_error.ts";
import type { CoreEvent, CoreRequest, Identity } from "../core.ts";
import { type ApiCoreOptions, createApiCore, type RunningApiCore } from "./api_core.ts";
import { MemoryStore } from "./memory_store.test_support.ts";
import { type Fields, isFields } from "./object.ts";

export const admin: Identity = { name: "admin", groups: ["system:masters", "system:authenticated"] };

/** Time that stands still until a test moves it. */
export class ManualClock implements Clock {
  time = Date.parse("2026-01-02T03:04:05Z");
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }
  monotonicMs(): number {
    return this.time;
  }
  schedule(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.time + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  advance(milliseconds: number): void {
    const until = this.time + milliseconds;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.time = next.at;
      next.callback();
    }
    this.time = until;
  }
  get timers(): number {
    return this.#timers.length;
  }
}

/** Different bytes at each call, the same in each run. */
export class CountingRandom implements Random {
  #seed = 1;
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff);
  }
  fraction(): number {
    return this.#next() / 0x80000000;
  }
  #next(): number {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) & 0x7fffffff;
    return this.#seed >>> 0;
  }
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
};

type Where = Partial<Omit<CoreRequest, "verb" | "body">>;

/** A core on a store in memory, with short words for requests. Paths are "PLURAL/NAME", groups are found by the plural. */
export class TestCluster {
  readonly store = new MemoryStore();
  readonly clock = new ManualClock();
  readonly core: RunningApiCore;
  readonly kinds = new KindRegistry(allKinds);

  constructor(options: Partial<ApiCoreOptions> = {}) {
    this.core = createApiCore({
      store: this.store,
      kinds: this.kinds,
      clock: this.clock,
      random: new CountingRandom(),
      log: silentLog,
      serviceCidr: "10.43.0.0/16",
      nodePortRange: { first: 30000, last: 32767 },
      ...options,
    });
  }

  /** A cluster with the namespace "default". */
  static async started(options: Partial<ApiCoreOptions> = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options);
    await cluster.create("namespaces", { metadata: { name: "default" } }, { namespace: undefined });
    return cluster;
  }

  request(verb: CoreRequest["verb"], plural: string, where: Where = {}, body?: unknown): CoreRequest {
    const kind = this.kinds.kinds.find((each) => each.plural === plural);
    if (kind === undefined) throw new Error(`no kind has the plural ${plural}`);
    const { group, version } = kind;
    return {
      verb,
      identity: admin,
      query: {},
      ...(kind.namespaced ? { namespace: "default" } : {}),
      ...where,
      resource: { group, version, plural },
      body: structuredClone(body),
    };
  }

  async send(verb: CoreRequest["verb"], plural: string, where: Where = {}, body?: unknown): Promise<Answer> {
    const response = await this.core.call(this.request(verb, plural, where, body));
    if (!isFields(response.object)) throw new Error("the answer is no object");
    return { ...response, object: response.object };
  }

  async create(plural: string, body: unknown, where: Where = {}): Promise<Fields> {
    return (await this.send("create", plural, where, body)).object;
  }
  async get(plural: string, name: string, where: Where = {}): Promise<Fields> {
    return (await this.send("get", plural, { name, ...where })).object;
  }
  async update(plural: string, name: string, body: unknown, where: Where = {}): Promise<Fields> {
    return (await this.send("update", plural, { name, ...where }, body)).object;
  }
  async delete(plural: string, name: string, body?: unknown, where: Where = {}): Promise<Fields> {
    return (await this.send("delete", plural, { name, ...where }, body)).object;
  }
  async list(plural: string, query: Record<string, string> = {}, where: Where = {}): Promise<Fields[]> {
    const { object } = await this.send("list", plural, { ...where, query });
    if (!Array.isArray(object.items)) throw new Error("the answer is no list");
    return object.items;
  }
  async patch(plural: string, name: string, patchType: string, body: unknown, where: Where = {}): Promise<Fields> {
    return (await this.send("patch", plural, { name, patchType, ...where }, body)).object;
  }

  watch(plural: string, query: Record<string, string> = {}, where: Where = {}): WatchedEvents {
    const abort = new AbortController();
    const { resource, namespace, identity } = this.request("list", plural, where);
    return new WatchedEvents(this.core.watch({ resource, namespace, identity, query }, abort.signal), abort);
  }
}

export interface Answer {
  readonly code: number;
  readonly object: Fields;
  readonly warnings: readonly string[];
}

/** A watch read event by event. */
export class WatchedEvents {
  readonly #iterator: AsyncIterator<CoreEvent>;
  readonly #abort: AbortController;

  constructor(events: AsyncIterable<CoreEvent>, abort: AbortController) {
    this.#iterator = events[Symbol.asyncIterator]();
    this.#abort = abort;
  }

  /** undefined at the end. */
  async next(): Promise<{ type: string; object: Fields } | undefined> {
    const { value, done } = await this.#iterator.next();
    if (done) return undefined;
    const event: CoreEvent = value;
    if (!isFields(event.object)) throw new Error("the event has no object");
    return { type: event.type, object: event.object };
  }

  /** "ADDED web" and so on, the next `count` events. */
  async names(count: number): Promise<string[]> {
    const texts: string[] = [];
    for (let at = 0; at < count; at++) {
      const event = await this.next();
      texts.push(event ? `${event.type} ${String(valueAt(event.object, "metadata.name"))}` : "end");
    }
    return texts;
  }

  abort(): void {
    this.#abort.abort();
  }
}

/** The value at a dotted path. */
export function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const step of path.split("."))
    value = isFields(value) ? value[step] : Array.isArray(value) ? value[Number(step)] : undefined;
  return value;
}

/** The StatusError that a promise is rejected with. */
export async function refusal(promise: Promise<unknown>): Promise<StatusError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error("the request was not refused");
}
