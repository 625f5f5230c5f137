/** Members of one store in virtual time: real drivers, consensus, logs and states on simulated disks and links. */
import type { Clock, Timer } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import type { PeerLink } from "../env/peer_link.ts";
import type { PeerIdentity } from "../env/pki.ts";
import type { ClusterStore, Place } from "../store/cluster.ts";
import { type EmbeddedStoreOptions, startEmbeddedStore } from "../store/embedded_store.ts";
import type { VirtualClock } from "./clock.ts";
import { SimulatedDisk } from "./disk.ts";
import { Life } from "./life.ts";
import { type SimulatedHost, SimulatedNetwork } from "./network.ts";
import { SimulatedPki } from "./pki.ts";
import type { SeededRandom } from "./random.ts";

export type RunningStore = ClusterStore & { readonly ready: Promise<void> };

/** A process's clock, which may run fast or slow, and stands still while the process is stopped (SIGSTOP). */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  /** Its seconds in a true one. */
  rate = 1;
  isStopped = false;
  readonly #held: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs() * this.rate;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    let isCancelled = false;
    const fire = () => {
      if (isCancelled) return;
      if (this.isStopped) this.#held.push(fire);
      else callback();
    };
    const timer = this.#clock.schedule(delayMs / this.rate, fire);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  /** What was due meanwhile is done at once. */
  goOn(): void {
    this.isStopped = false;
    for (const fire of this.#held.splice(0)) fire();
  }
}

/** A machine with a disk and a place in the network, and at most one process that runs a member. */
export class StoreMachine {
  readonly name: string;
  readonly disk: SimulatedDisk;
  readonly host: SimulatedHost;
  readonly identity: PeerIdentity;
  readonly clock: ProcessClock;
  /** What stands between the process and the network: a test's own mischief. */
  wrapLink: (link: PeerLink) => PeerLink = (link) => link;
  readonly #cluster: StoreCluster;
  #life: Life | undefined;
  #store: RunningStore | undefined;
  /** Why the store stopped by itself. */
  failure: Error | undefined;

  constructor(cluster: StoreCluster, name: string, address: string, identity: PeerIdentity) {
    this.#cluster = cluster;
    this.name = name;
    this.disk = new SimulatedDisk({ random: cluster.random.fork(), clock: cluster.clock });
    this.host = cluster.network.host(name, address);
    this.clock = new ProcessClock(cluster.clock);
    this.identity = identity;
  }

  get store(): RunningStore {
    if (this.#store === undefined) throw new Error(`${this.name} does not run`);
    return this.#store;
  }

  /** The store is open, with a quorum or without. */
  get isUp(): boolean {
    return this.#store !== undefined;
  }

  /** The process is there, starting or running. */
  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  /** Starts the process; resolves when it speaks with the others. Never, when it is killed meanwhile. */
  async start(place?: Place): Promise<RunningStore> {
    if (this.disk.isDown) this.disk.restore();
    const { random, options, log } = this.#cluster;
    const life = new Life();
    this.#life = life;
    this.failure = undefined;
    try {
      const store = await startEmbeddedStore({
        disk: life.bind(this.disk),
        clock: life.clock(this.clock),
        random: random.fork(),
        log: life.log(log.with({ member: this.name })),
        directory: "/store",
        segmentBytes: 64 * 1024,
        cluster: {
          link: life.bind(this.wrapLink(this.host.link)),
          listen: { address: "0.0.0.0", port: 2380 },
          identity: this.identity,
          publicKey: this.identity.publicKeySha256,
          self: { name: this.name, peerAddresses: [`${this.host.addresses[0]}:2380`], clientUrls: [] },
        },
        ...(place === undefined ? {} : { place }),
        ...options,
        onFailure: (error) => {
          this.failure = error;
          if (this.#life === life) this.kill();
        },
      });
      if (this.#life === life) this.#store = store;
      return store;
    } catch (error) {
      if (this.#life === life) this.kill();
      throw error;
    }
  }

  /** SIGKILL. */
  kill(): void {
    this.#end();
    this.disk.killProcess();
    this.host.kill();
  }

  cutPower(): void {
    this.disk.cutPower();
    this.#end();
    this.host.cutPower();
  }

  #end(): void {
    this.#life?.end();
    this.#life = undefined;
    this.#store = undefined;
    if (!this.clock.isStopped) return;
    this.#cluster.network.resume(this.name);
    this.clock.goOn();
  }

  /** SIGSTOP and SIGCONT. */
  pause(): void {
    this.clock.isStopped = true;
    this.#cluster.network.pause(this.name);
  }

  goOn(): void {
    if (!this.clock.isStopped) return;
    this.#cluster.network.resume(this.name);
    this.clock.goOn();
  }

  /** SIGTERM. */
  async stop(): Promise<void> {
    const life = this.#life;
    await this.store.close();
    life?.end();
    if (this.#life !== life) return;
    this.#life = undefined;
    this.#store = undefined;
  }
}

export interface StoreClusterOptions {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly log: Log;
  readonly note?: (text: string) => void;
  readonly store?: Partial<EmbeddedStoreOptions>;
}

export class StoreCluster {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly log: Log;
  readonly network: SimulatedNetwork;
  readonly machines: StoreMachine[] = [];
  readonly options: Partial<EmbeddedStoreOptions>;
  readonly #pki: SimulatedPki;

  constructor(options: StoreClusterOptions) {
    const { clock, random, log, note } = options;
    this.clock = clock;
    this.random = random;
    this.log = log;
    this.network = new SimulatedNetwork({ clock, random: random.fork(), ...(note === undefined ? {} : { note }) });
    this.options = options.store ?? {};
    this.#pki = new SimulatedPki(clock);
  }

  /** `count` members that all vote, the first one having founded the cluster. */
  async found(count: number, prepare: (machine: StoreMachine) => void = () => undefined): Promise<this> {
    const first = await this.machine();
    prepare(first);
    await this.wait(first.start());
    await this.wait(first.store.ready);
    while (this.machines.length < count) {
      const machine = await this.machine();
      prepare(machine);
      await this.join(machine);
    }
    return this;
  }

  async machine(): Promise<StoreMachine> {
    const number = this.machines.length + 1;
    const name = `n${number}`;
    const machine = new StoreMachine(this, name, `192.0.2.${number}`, await this.#pki.createPeerIdentity(name));
    this.machines.push(machine);
    return machine;
  }

  /** As learner, then with a vote. */
  async join(machine: StoreMachine): Promise<void> {
    const via = this.machines.find((other) => other !== machine && other.isUp);
    if (via === undefined) throw new Error("Nobody is there to join");
    const { clusterId } = via.store.status();
    const { id: memberId } = await this.wait(
      via.store.memberAdd({
        name: machine.name,
        publicKey: machine.identity.publicKeySha256,
        peerAddresses: [`${machine.host.addresses[0]}:2380`],
        clientUrls: [],
        role: "learner",
      }),
    );
    await this.wait(machine.start({ clusterId, memberId, members: via.store.members() }));
    await this.wait(machine.store.ready);
    await this.wait(machine.store.memberPromote(memberId));
  }

  wait<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    return this.clock.complete(promise, limitMs);
  }

  async until(condition: () => boolean, limitMs = 60_000, what?: string): Promise<void> {
    await this.clock.runUntil(condition, limitMs, what);
  }

  leader(): StoreMachine {
    const leaders = this.machines.filter((machine) => machine.isUp && machine.store.status().isLeader);
    const newest = leaders.sort((a, b) => b.store.status().term - a.store.status().term)[0];
    if (newest === undefined) throw new Error("There is no leader");
    return newest;
  }

  followers(): StoreMachine[] {
    const leader = this.leader();
    return this.machines.filter((machine) => machine !== leader && machine.isUp);
  }

  async close(): Promise<void> {
    for (const machine of this.machines) if (machine.isUp) await this.wait(machine.store.close());
  }
}
