import { sleep } from "../env/clock.ts";
import type { RuntimeErrorCode } from "../node/container_runtime.ts";
import type { SimulatedNode } from "./node.ts";
import type { SeededRandom } from "./random.ts";
import type { Verb } from "./runtime.ts";
import type { Simulation } from "./simulation.ts";

interface Fault {
  readonly name: string;
  /** Begins it and returns what ends it; undefined: it is over at once. */
  begin(random: SeededRandom): (() => void) | undefined;
  /** How long it lasts, in milliseconds. */
  readonly lasts: readonly [from: number, to: number];
}

/** Breaks the machine in every way it knows, one fault of the process's and one of the engine's side at a time, then mends it. */
export class Faults {
  readonly #sim: Simulation;
  readonly #node: SimulatedNode;
  readonly counts = new Map<string, number>();
  /** The process shall stay down. */
  isHeldDown = false;

  constructor(sim: Simulation, node: SimulatedNode) {
    this.#sim = sim;
    this.#node = node;
  }

  /** Resolves after `untilMs` of virtual time, with everything mended. */
  async run(untilMs: number): Promise<void> {
    await Promise.all([this.#sequence(untilMs, this.#ofProcess()), this.#sequence(untilMs, this.#ofMachine())]);
  }

  async #sequence(untilMs: number, faults: readonly [Fault, ...Fault[]]): Promise<void> {
    const { clock, trace } = this.#sim;
    const random = this.#sim.random.fork();
    const left = () => Math.max(0, untilMs - clock.monotonicMs());
    while (true) {
      await sleep(clock, Math.min(random.between(500, 20_000), left()));
      if (left() === 0) return;
      const fault = random.pick(faults);
      trace.note(`fault: ${fault.name}`);
      this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
      const end = fault.begin(random);
      const [from, to] = fault.lasts;
      if (to > 0) await sleep(clock, Math.min(random.between(from, to), left()));
      if (end === undefined) continue;
      end();
      trace.note(`fault is over: ${fault.name}`);
    }
  }

  #down(name: string, how: () => void, lasts: Fault["lasts"]): Fault {
    return {
      name,
      lasts,
      begin: () => {
        this.isHeldDown = true;
        how();
        return () => {
          this.isHeldDown = false;
        };
      },
    };
  }

  #ofProcess(): readonly [Fault, ...Fault[]] {
    const node = this.#node;
    const { disk } = node;
    return [
      this.#down("kill", () => node.kill(), [0, 5000]),
      this.#down("power cut", () => node.cutPower(), [0, 60_000]),
      {
        name: "power cut in the middle of a write",
        lasts: [2000, 10_000],
        begin: (random) => {
          disk.cutPowerAt = disk.operations + random.between(1, 30);
          return () => {
            disk.cutPowerAt = undefined;
          };
        },
      },
      {
        name: "sync fails",
        lasts: [1000, 5000],
        begin: () => {
          disk.failSyncs(1);
          return () => disk.failSyncs(0);
        },
      },
      {
        name: "disk full",
        lasts: [1000, 60_000],
        begin: (random) => {
          disk.capacityBytes = disk.usedBytes() + random.between(0, 100_000);
          return () => {
            disk.capacityBytes = Number.POSITIVE_INFINITY;
          };
        },
      },
      {
        name: "slow disk",
        lasts: [1000, 30_000],
        begin: (random) => {
          const usual = disk.syncMs;
          disk.syncMs = [10, random.between(20, 1000)];
          return () => {
            disk.syncMs = usual;
          };
        },
      },
    ];
  }

  #ofMachine(): readonly [Fault, ...Fault[]] {
    const { engine, network, proxy } = this.#node;
    const { clock } = this.#sim;
    return [
      {
        name: "engine away",
        lasts: [500, 60_000],
        begin: () => {
          engine.goAway();
          return () => engine.comeBack();
        },
      },
      {
        name: "engine restart",
        lasts: [0, 0],
        begin: () => {
          engine.restart();
          return undefined;
        },
      },
      {
        name: "container dies",
        lasts: [0, 0],
        begin: (random) => {
          const running = [...engine.containers.values()].filter(({ state }) => state === "running");
          const victim = running[random.below(running.length)];
          if (victim) engine.kill(victim.id, random.pick([0, 1, 137]), random.chance(0.3));
          return undefined;
        },
      },
      {
        name: "sandbox dies",
        lasts: [0, 0],
        begin: (random) => {
          const running = [...engine.sandboxes.values()].filter(({ state }) => state === "running");
          const victim = running[random.below(running.length)];
          if (victim) engine.killSandbox(victim.id);
          return undefined;
        },
      },
      {
        name: "engine errors",
        lasts: [1000, 20_000],
        begin: (random) => {
          const verb = random.pick<Verb>(["list", "create", "start", "stop", "remove", "image", "version"]);
          engine.fail(
            verb,
            0.2 + random.fraction() * 0.8,
            random.pick<RuntimeErrorCode>(["Unknown", "Timeout"]),
            random.between(0, 3000),
          );
          return () => engine.fail(verb, 0);
        },
      },
      {
        name: "slow engine",
        lasts: [1000, 30_000],
        begin: (random) => {
          engine.slow(random.between(2, 50));
          return () => engine.slow(1);
        },
      },
      {
        name: "network errors",
        lasts: [1000, 5000],
        begin: (random) => {
          network.failures = random.between(1, 5);
          return () => {
            network.failures = 0;
          };
        },
      },
      {
        name: "proxy away",
        lasts: [500, 30_000],
        begin: () => {
          proxy.isAway = true;
          return () => {
            proxy.isAway = false;
          };
        },
      },
      {
        name: "clock jumps",
        lasts: [0, 0],
        begin: (random) => {
          clock.jumpWallClock(random.between(-120_000, 120_000));
          return undefined;
        },
      },
    ];
  }
}
