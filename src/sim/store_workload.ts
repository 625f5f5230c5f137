/** Clients and watchers of a store of several members, under faults; then all must agree, and what they saw must be one history. */
import { sleep } from "../env/clock.ts";
import type { Operation as StoreOperation } from "../store/store.ts";
import { StoreError } from "../store/store.ts";
import type { SeededRandom } from "./random.ts";
import type { Simulation } from "./simulation.ts";
import { StoreCluster, type StoreMachine } from "./store_cluster.ts";
import { StoreFaults } from "./store_faults.ts";
import {
  type Action,
  type Change,
  checkHistory,
  type Operation,
  type Outcome,
  type Seen,
  type Watched,
} from "./store_history.ts";
import { broken, Violation } from "./verdict.ts";

export interface StoreWorkloadOptions {
  readonly members: number;
  /** Virtual time of load and faults. */
  readonly seconds: number;
  readonly faults?: boolean;
  /** Before a machine starts for the first time: where a test breaks it. */
  readonly prepare?: (machine: StoreMachine) => void;
}

export interface StoreWorkloadResult {
  readonly operations: number;
  readonly acknowledged: number;
  readonly revision: number;
  readonly terms: number;
  readonly watched: number;
  readonly convergedMs: number;
  readonly faults: Readonly<Record<string, number>>;
}

const keys = ["a", "b", "c", "d", "e"] as const;
const leasedKeys = ["x", "y"] as const;
/** A client waits no longer; what it asked for may be done nevertheless. */
const patienceMs = 8000;
/** After the faults all must be one again within this. */
const convergeMs = 120_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytes = (text: string) => encoder.encode(text);
const text = (value: Uint8Array) => decoder.decode(value);
const everything = { key: Uint8Array.of(0), end: Uint8Array.of(0) };

/** Throws Violation. */
export async function runStoreWorkload(sim: Simulation, options: StoreWorkloadOptions): Promise<StoreWorkloadResult> {
  const workload = new StoreWorkload(sim, options);
  return workload.run();
}

class StoreWorkload {
  readonly #sim: Simulation;
  readonly #options: StoreWorkloadOptions;
  readonly #cluster: StoreCluster;
  readonly #faults: StoreFaults;
  readonly #operations: Operation[] = [];
  readonly #watched: Watched[] = [];
  readonly #leaders = new Map<number, string>();
  #nextValue = 1;
  #isOver = false;

  constructor(sim: Simulation, options: StoreWorkloadOptions) {
    this.#sim = sim;
    this.#options = options;
    const { clock, random, log, trace } = sim;
    this.#cluster = new StoreCluster({
      clock,
      random: random.fork(),
      log,
      note: (line) => trace.note(line),
      store: { compaction: "off", requestTimeoutMs: 5000, snapshotBytes: 20_000 },
    });
    this.#faults = new StoreFaults(sim, this.#cluster, () => this.#areAllWell());
  }

  async run(): Promise<StoreWorkloadResult> {
    const { clock, random, signal } = this.#sim;
    const { members, seconds, faults = true, prepare } = this.#options;
    await this.#cluster.found(members, prepare);
    for (const machine of this.#cluster.machines) machine.disk.syncMs = [0.1, 1];
    for (const machine of this.#cluster.machines) {
      void this.#guard(machine, random.fork());
      this.#attend(machine);
    }
    const clients = Array.from({ length: 4 }, (_, at) => this.#client(`client ${at + 1}`, random.fork()));
    const untilMs = clock.monotonicMs() + seconds * 1000;
    let done = false;
    const load = (faults ? this.#faults.run(untilMs) : sleep(clock, seconds * 1000, signal)).then(() => {
      done = true;
    });
    await clock.runUntil(() => done, seconds * 1000 + 60_000, "the end of the faults");
    await load;
    for (const { disk, clock: own } of this.#cluster.machines) {
      disk.capacityBytes = Number.POSITIVE_INFINITY;
      disk.syncMs = [0.1, 1];
      disk.failSyncs(0);
      disk.cutPowerAt = undefined;
      own.rate = 1;
    }
    const convergedMs = await this.#converge();
    this.#isOver = true;
    await clock.complete(Promise.all(clients), patienceMs + 10_000, "the clients' last words");
    const revision = await this.#agree();
    const faultCounts = Object.fromEntries([...this.#faults.counts].sort());
    return {
      operations: this.#operations.length,
      acknowledged: this.#operations.filter(({ outcome }) => outcome?.type === "done").length,
      revision,
      terms: this.#leaders.size,
      watched: this.#watched.reduce((sum, { events }) => sum + events.length, 0),
      convergedMs,
      faults: faultCounts,
    };
  }

  #areAllWell(): boolean {
    const { machines } = this.#cluster;
    return machines.every(
      (machine) =>
        machine.isUp &&
        machine.store.members().length === machines.length &&
        machine.store.members().every(({ role }) => role === "voter"),
    );
  }

  /** What an operator's service manager does: starts what has ended, and asks for the vote that was lost with the data. */
  async #guard(machine: StoreMachine, random: SeededRandom): Promise<void> {
    const { clock, signal } = this.#sim;
    while (!signal.aborted) {
      await sleep(clock, random.between(50, 1000), signal);
      if (this.#faults.heldDown.has(machine)) continue;
      if (!machine.isRunning) {
        machine.start().then(
          () => this.#attend(machine),
          (error: unknown) => this.#sim.trace.note(`${machine.name} cannot start: ${String(error)}`),
        );
        continue;
      }
      if (!machine.isUp) continue;
      const { memberId } = machine.store.status();
      const own = machine.store.members().find(({ id }) => id === memberId);
      if (own?.role === "learner") machine.store.memberPromote(memberId).catch(() => undefined);
    }
  }

  /** A watcher of each life, from the first change on; and who leads. */
  #attend(machine: StoreMachine): void {
    if (!machine.isUp) return;
    const { store } = machine;
    const watched: Watched = { watcher: `the watcher at ${machine.name}`, from: 2, events: [] };
    this.#watched.push(watched);
    store.watch(
      { ...everything, startRevision: 2 },
      {
        events: (revision, events) =>
          watched.events.push({
            revision,
            changes: events.map(({ type, kv }) => ({
              key: text(kv.key),
              value: type === "put" ? text(kv.value) : undefined,
            })),
          }),
        ended: (reason) => this.#sim.trace.note(`${watched.watcher} ended: ${reason.message}`),
      },
    );
    store.onLeadership((term) => {
      if (term === undefined) return;
      const before = this.#leaders.get(term);
      const id = `${machine.name} as ${store.status().memberId}`;
      if (before !== undefined && before !== id) broken(`term ${term} has two leaders: ${before} and ${id}`);
      this.#leaders.set(term, id);
    });
  }

  async #client(name: string, random: SeededRandom): Promise<void> {
    const { clock, trace } = this.#sim;
    /** When this client last saw each key changed: what its compares expect. */
    const known = new Map<string, number>();
    while (!this.#isOver) {
      await sleep(clock, random.between(0, 150));
      const up = this.#cluster.machines.filter(({ isUp }) => isUp);
      const machine = up[random.below(Math.max(1, up.length))];
      if (machine === undefined) continue;
      const action = this.#action(random, known);
      const operation: Operation = { client: name, action, invokedMs: clock.monotonicMs(), outcome: undefined };
      this.#operations.push(operation);
      const answer = this.#carryOut(machine, action, random);
      const late = sleep(clock, patienceMs).then(() => undefined);
      operation.outcome = await Promise.race([answer, late]);
      this.#learn(known, operation);
      trace.note(`${name} at ${machine.name}: ${JSON.stringify(action)} ${operation.outcome?.type ?? "unknown"}`);
    }
  }

  #action(random: SeededRandom, known: ReadonlyMap<string, number>): Action {
    const key = random.pick(keys);
    const fresh = (at: string): Change => ({ key: at, value: `v${this.#nextValue++}` });
    const dice = random.below(10);
    if (dice < 3) return { type: "write", changes: [fresh(key)] };
    if (dice === 3) return { type: "write", changes: [{ key, value: undefined }] };
    if (dice === 4) return { type: "write", changes: keys.slice(0, 3).map(fresh) };
    if (dice === 5) return { type: "write", changes: [fresh(random.pick(leasedKeys))] };
    if (dice < 8) return { type: "compareAndSwap", key, expected: known.get(key) ?? 0, changes: [fresh(key)] };
    return { type: "read", keys: dice === 8 ? [key] : [...keys] };
  }

  async #carryOut({ store }: StoreMachine, action: Action, random: SeededRandom): Promise<Outcome | undefined> {
    const { clock } = this.#sim;
    try {
      if (action.type === "read") {
        const single =
          action.keys.length === 1 && action.keys[0] !== undefined ? { key: bytes(action.keys[0]) } : everything;
        const { revision, kvs } = await store.range(single);
        const seen = new Map(
          kvs.map((kv): [string, Seen] => [text(kv.key), { value: text(kv.value), modRevision: kv.modRevision }]),
        );
        return { type: "done", returnedMs: clock.monotonicMs(), revision, seen };
      }
      const isLeased = action.changes.some(({ key }) => leasedKeys.some((leased) => leased === key));
      const lease = isLeased ? (await store.leaseGrant(random.between(2, 10))).id : 0n;
      const success = action.changes.map(
        ({ key, value }): StoreOperation =>
          value === undefined
            ? { type: "deleteRange", key: bytes(key) }
            : { type: "put", key: bytes(key), value: bytes(value), lease },
      );
      const swap = action.type === "compareAndSwap" ? action : undefined;
      const { revision, succeeded } = await store.txn({
        compare:
          swap === undefined ? [] : [{ key: bytes(swap.key), target: "mod", result: "=", operand: swap.expected }],
        success,
        failure: [],
      });
      return { type: "done", returnedMs: clock.monotonicMs(), revision, succeeded };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return error.code === "Unavailable" ? undefined : { type: "refused", returnedMs: clock.monotonicMs() };
    }
  }

  #learn(known: Map<string, number>, { action, outcome }: Operation): void {
    if (outcome?.type !== "done") return;
    if (action.type === "read") for (const key of action.keys) known.set(key, outcome.seen?.get(key)?.modRevision ?? 0);
    else if (outcome.succeeded !== false)
      for (const { key, value } of action.changes) known.set(key, value === undefined ? 0 : outcome.revision);
  }

  /** All run, all vote, and each takes a write. Returns how long it took. */
  async #converge(): Promise<number> {
    const { clock } = this.#sim;
    const from = clock.monotonicMs();
    for (const machine of this.#cluster.machines) machine.goOn();
    this.#faults.heldDown.clear();
    try {
      await clock.runUntil(() => this.#areAllWell(), convergeMs, "all members to run and to vote");
      for (const machine of this.#cluster.machines) await this.#lastWord(machine);
    } catch (error) {
      if (error instanceof Violation) throw error;
      throw new Violation("liveness", `${String(error)}; ${this.#describe()}`);
    }
    return clock.monotonicMs() - from;
  }

  /** The first try may still meet what the faults have left: a state that is taken over, a leader that is new. */
  async #lastWord(machine: StoreMachine): Promise<void> {
    const { clock, random } = this.#sim;
    for (let tries = 0; tries < 3; tries++) {
      await clock.runUntil(() => machine.isUp, convergeMs, `${machine.name} to run`);
      const action: Action = { type: "write", changes: [{ key: "last", value: `v${this.#nextValue++}` }] };
      const invokedMs = clock.monotonicMs();
      const operation: Operation = { client: "the last one", action, invokedMs, outcome: undefined };
      this.#operations.push(operation);
      const late = sleep(clock, patienceMs).then(() => undefined);
      operation.outcome = await clock.complete(
        Promise.race([this.#carryOut(machine, action, random), late]),
        convergeMs,
      );
      if (operation.outcome?.type === "done") return;
    }
    throw new Violation("liveness", `${machine.name} takes no write after the faults have ended`);
  }

  #describe(): string {
    return this.#cluster.machines
      .map((machine) => {
        if (!machine.isUp) return `${machine.name} ${machine.isRunning ? "starts" : "is down"}`;
        const { term, isLeader, appliedIndex, leaderId } = machine.store.status();
        const members = machine.store.members().map(({ name, role }) => `${name}:${role}`);
        return `${machine.name} term ${term} applied ${appliedIndex} leader ${isLeader ? "itself" : leaderId} members ${members.join(",")}`;
      })
      .join("; ");
  }

  /** Leases may still end; when all have told all, their states and their histories are the same. */
  async #agree(): Promise<number> {
    const { clock } = this.#sim;
    const { machines } = this.#cluster;
    await clock.advance(15_000);
    const revisions = () => machines.map(({ store }) => store.status().revision);
    await clock.runUntil(() => new Set(revisions()).size === 1, convergeMs, "equal revisions");
    const [revision = 0] = revisions();
    const asked = Promise.all(machines.map(({ store }) => store.hashKv(revision)));
    const hashes = await clock.complete(asked, 10_000, "the hashes of the states");
    if (new Set(hashes.map(({ hash }) => hash)).size > 1)
      broken(`members disagree on the state at revision ${revision}: ${hashes.map(({ hash }) => hash).join(", ")}`);
    // The last watcher of each machine is alive, and has seen everything; the histories of all must be one.
    const first = machines[0];
    if (first === undefined) throw new Error("There are no machines");
    const newest = this.#watched.filter(({ watcher }) => watcher.endsWith(first.name)).at(-1);
    const history = newest?.events ?? [];
    if (history.length !== revision - 1)
      broken(`the watcher at ${first.name} was told of ${history.length} revisions, there are ${revision - 1}`);
    checkHistory(history, this.#operations, this.#watched, new Set(leasedKeys));
    for (const { name } of machines) {
      const told = this.#watched.filter(({ watcher }) => watcher.endsWith(name)).at(-1)?.events.length;
      if (told !== revision - 1)
        broken(`the watcher at ${name} was told of ${told} revisions, there are ${revision - 1}`);
    }
    return revision;
  }
}
