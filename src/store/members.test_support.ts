import type { PeerIdentity } from "../env/pki.ts";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { Life } from "../sim/life.ts";
import { type SimulatedHost, SimulatedNetwork } from "../sim/network.ts";
import { SimulatedPki } from "../sim/pki.ts";
import { SeededRandom } from "../sim/random.ts";
import type { ClusterStore, Place } from "./cluster.ts";
import { type EmbeddedStoreOptions, startEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";

type Running = ClusterStore & { readonly ready: Promise<void> };

/** A machine with a disk and a place in the network, and at most one process that runs a member. */
export class MemberMachine {
  readonly name: string;
  readonly disk: SimulatedDisk;
  readonly host: SimulatedHost;
  readonly identity: PeerIdentity;
  readonly #cluster: SimulatedCluster;
  #life: Life | undefined;
  #store: Running | undefined;
  failure: Error | undefined;

  constructor(cluster: SimulatedCluster, name: string, address: string, identity: PeerIdentity) {
    this.#cluster = cluster;
    this.name = name;
    this.disk = new SimulatedDisk({ random: cluster.random.fork(), clock: cluster.clock });
    this.host = cluster.network.host(name, address);
    this.identity = identity;
  }

  get store(): Running {
    if (this.#store === undefined) throw new Error(`${this.name} does not run`);
    return this.#store;
  }

  get isUp(): boolean {
    return this.#store !== undefined;
  }

  /** Starts the process; resolves when it speaks with the others, with or without a quorum. */
  async start(place?: Place): Promise<Running> {
    if (this.disk.isDown) this.disk.restore();
    const { clock, random, options } = this.#cluster;
    const life = new Life();
    this.#life = life;
    this.failure = undefined;
    const address = `${this.host.addresses[0]}:2380`;
    const store = await startEmbeddedStore({
      disk: life.bind(this.disk),
      clock: life.clock(clock),
      random: random.fork(),
      log: silentLog,
      directory: "/store",
      segmentBytes: 64 * 1024,
      cluster: {
        link: life.bind(this.host.link),
        listen: { address: "0.0.0.0", port: 2380 },
        identity: this.identity,
        publicKey: this.identity.publicKeySha256,
        self: { name: this.name, peerAddresses: [address], clientUrls: [] },
      },
      ...(place === undefined ? {} : { place }),
      onFailure: (error) => {
        this.failure = error;
      },
      ...options,
    });
    this.#store = store;
    return store;
  }

  /** SIGKILL. */
  kill(): void {
    this.#life?.end();
    this.#store = undefined;
    this.disk.killProcess();
    this.host.kill();
  }

  cutPower(): void {
    this.disk.cutPower();
    this.#life?.end();
    this.#store = undefined;
    this.host.cutPower();
  }

  async stop(): Promise<void> {
    await this.store.close();
    this.#life?.end();
    this.#store = undefined;
  }
}

/** Members of one store in virtual time. */
export class SimulatedCluster {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly machines: MemberMachine[] = [];
  readonly options: Partial<EmbeddedStoreOptions>;
  readonly #pki = new SimulatedPki(this.clock);

  constructor(seed: number, options: Partial<EmbeddedStoreOptions> = {}) {
    this.random = new SeededRandom(seed);
    this.network = new SimulatedNetwork({ clock: this.clock, random: this.random.fork() });
    this.options = options;
  }

  /** `count` members that all vote, the first one having founded the cluster. */
  static async of(count: number, seed = 1, options: Partial<EmbeddedStoreOptions> = {}): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(seed, options);
    const first = await cluster.machine();
    await cluster.wait(first.start());
    await cluster.wait(first.store.ready);
    while (cluster.machines.length < count) await cluster.join(await cluster.machine());
    return cluster;
  }

  async machine(): Promise<MemberMachine> {
    const number = this.machines.length + 1;
    const name = `n${number}`;
    const machine = new MemberMachine(this, name, `192.0.2.${number}`, await this.#pki.createPeerIdentity(name));
    this.machines.push(machine);
    return machine;
  }

  /** As learner, then with a vote. */
  async join(machine: MemberMachine): Promise<void> {
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

  async until(condition: () => boolean, limitMs = 60_000): Promise<void> {
    await this.clock.runUntil(condition, limitMs);
  }

  leader(): MemberMachine {
    const leaders = this.machines.filter((machine) => machine.isUp && machine.store.status().isLeader);
    const newest = leaders.sort((a, b) => b.store.status().term - a.store.status().term)[0];
    if (newest === undefined) throw new Error("There is no leader");
    return newest;
  }

  followers(): MemberMachine[] {
    const leader = this.leader();
    return this.machines.filter((machine) => machine !== leader && machine.isUp);
  }

  async close(): Promise<void> {
    for (const machine of this.machines) if (machine.isUp) await this.wait(machine.store.close());
  }
}
