/** Breaks a store's machines, disks and links in every way that they know, and mends them. */
import { sleep } from "../env/clock.ts";
import type { SeededRandom } from "./random.ts";
import type { Simulation } from "./simulation.ts";
import type { StoreCluster, StoreMachine } from "./store_cluster.ts";

interface Fault {
  readonly name: string;
  /** Begins it and returns what ends it; undefined: it cannot be now, or is over at once. */
  begin(random: SeededRandom): (() => void) | undefined;
  /** How long it lasts, in milliseconds. */
  readonly lasts: readonly [from: number, to: number];
}

export class StoreFaults {
  readonly #sim: Simulation;
  readonly #cluster: StoreCluster;
  readonly counts = new Map<string, number>();
  /** Machines whose process shall stay down. */
  readonly heldDown = new Set<StoreMachine>();
  /** Two members' data must not be damaged at a time: nobody could mend that. */
  #mayRot: () => boolean;

  constructor(sim: Simulation, cluster: StoreCluster, mayRot: () => boolean) {
    this.#sim = sim;
    this.#cluster = cluster;
    this.#mayRot = mayRot;
  }

  /** Resolves after `untilMs` of virtual time, with everything mended. */
  async run(untilMs: number): Promise<void> {
    const sequences = [this.#ofMachines(), this.#ofMachines(), this.#ofNetwork()];
    await Promise.all(sequences.map((faults) => this.#sequence(untilMs, faults)));
    this.#cluster.network.heal();
    this.#cluster.network.hostile = { drop: 0, double: 0, reorder: 0 };
  }

  async #sequence(untilMs: number, faults: readonly [Fault, ...Fault[]]): Promise<void> {
    const { clock, trace } = this.#sim;
    const random = this.#sim.random.fork();
    const left = () => Math.max(0, untilMs - clock.monotonicMs());
    while (true) {
      await sleep(clock, Math.min(random.between(100, 5000), left()));
      if (left() === 0) return;
      const fault = random.pick(faults);
      trace.note(`fault: ${fault.name}`);
      const end = fault.begin(random);
      this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
      if (end === undefined) continue;
      await sleep(clock, Math.min(random.between(...fault.lasts), left()));
      end();
      trace.note(`fault is over: ${fault.name}`);
    }
  }

  #down(name: string, how: (machine: StoreMachine) => void, lasts: Fault["lasts"]): Fault {
    return {
      name,
      lasts,
      begin: (random) => {
        const machine = this.#one(random);
        if (this.heldDown.has(machine)) return undefined;
        this.heldDown.add(machine);
        how(machine);
        return () => this.heldDown.delete(machine);
      },
    };
  }

  #one(random: SeededRandom): StoreMachine {
    const [first, ...rest] = this.#cluster.machines;
    if (first === undefined) throw new Error("There are no machines");
    return random.pick([first, ...rest]);
  }

  #onDisk(
    name: string,
    lasts: Fault["lasts"],
    begin: (machine: StoreMachine, random: SeededRandom) => () => void,
  ): Fault {
    return { name, lasts, begin: (random) => begin(this.#one(random), random) };
  }

  #ofMachines(): readonly [Fault, ...Fault[]] {
    return [
      this.#down("kill", (machine) => machine.kill(), [0, 4000]),
      this.#down("power cut", (machine) => machine.cutPower(), [0, 8000]),
      {
        name: "power cut everywhere",
        lasts: [0, 2000],
        begin: () => {
          for (const machine of this.#cluster.machines) machine.cutPower();
          return () => undefined;
        },
      },
      this.#onDisk("power cut in the middle of a write", [1000, 5000], ({ disk }, random) => {
        disk.cutPowerAt = disk.operations + random.between(1, 30);
        return () => {
          disk.cutPowerAt = undefined;
        };
      }),
      this.#onDisk("sync fails", [500, 3000], ({ disk }) => {
        disk.failSyncs(1);
        return () => disk.failSyncs(0);
      }),
      this.#onDisk("disk full", [500, 8000], ({ disk }, random) => {
        disk.capacityBytes = disk.usedBytes() + random.between(0, 50_000);
        return () => {
          disk.capacityBytes = Number.POSITIVE_INFINITY;
        };
      }),
      this.#onDisk("slow disk", [500, 8000], ({ disk }, random) => {
        const usual = disk.syncMs;
        disk.syncMs = [10, random.between(20, 2000)];
        return () => {
          disk.syncMs = usual;
        };
      }),
      {
        name: "bit rot",
        lasts: [0, 1000],
        begin: (random) => {
          const machine = this.#one(random);
          if (!this.#mayRot() || this.heldDown.has(machine)) return undefined;
          this.heldDown.add(machine);
          machine.kill();
          void this.#rot(machine, random);
          return () => this.heldDown.delete(machine);
        },
      },
      {
        name: "pause",
        lasts: [100, 6000],
        begin: (random) => {
          const machine = this.#one(random);
          if (!machine.isUp) return undefined;
          machine.pause();
          return () => machine.goOn();
        },
      },
      {
        name: "wrong clock",
        lasts: [1000, 20_000],
        begin: (random) => {
          const { clock } = this.#one(random);
          // A third of the election time-out is the margin of leases.
          clock.rate = 0.9 + 0.2 * random.fraction();
          return undefined;
        },
      },
      {
        name: "hand over the lead",
        lasts: [0, 0],
        begin: (random) => {
          const asked = this.#one(random);
          const to = this.#one(random);
          if (asked.isUp && to.isUp) asked.store.moveLeader(to.store.status().memberId).catch(() => undefined);
          return undefined;
        },
      },
    ];
  }

  /** A few bits of what a member that is down has on its disk. */
  async #rot({ disk }: StoreMachine, random: SeededRandom): Promise<void> {
    const folder = random.chance(0.7) ? "/store/wal" : "/store";
    const files = (await disk.list(folder).catch(() => [])).filter((name) => /\.wal$|^snapshot$/.test(name));
    const name = files[random.below(Math.max(1, files.length))];
    if (name === undefined) return;
    const { length } = await disk.readFile(`${folder}/${name}`);
    for (let bits = 0; bits < 3; bits++)
      disk.flipBit(`${folder}/${name}`, random.below(Math.min(length, 8192)), random.below(8));
  }

  #ofNetwork(): readonly [Fault, ...Fault[]] {
    const { network, machines } = this.#cluster;
    const names = () => machines.map(({ name }) => name);
    return [
      {
        name: "partition",
        lasts: [500, 10_000],
        begin: (random) => {
          const alone = this.#one(random).name;
          network.partition(
            [alone],
            names().filter((name) => name !== alone),
          );
          return () => network.heal();
        },
      },
      {
        name: "partition, one way",
        lasts: [500, 10_000],
        begin: (random) => {
          network.cut(this.#one(random).name, this.#one(random).name);
          return () => network.heal();
        },
      },
      {
        name: "slow link",
        lasts: [500, 10_000],
        begin: (random) => {
          network.slow(this.#one(random).name, this.#one(random).name, [1, random.between(10, 800)]);
          return () => network.heal();
        },
      },
      {
        name: "hostile link",
        lasts: [500, 10_000],
        begin: (random) => {
          network.hostile = {
            drop: 0.1 * random.fraction(),
            double: 0.1 * random.fraction(),
            reorder: 0.1 * random.fraction(),
          };
          return () => {
            network.hostile = { drop: 0, double: 0, reorder: 0 };
          };
        },
      },
    ];
  }
}
