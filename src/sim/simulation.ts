import type { Log } from "../env/log.ts";
import { VirtualClock } from "./clock.ts";
import { SeededRandom } from "./random.ts";
import { Trace, TraceLog } from "./trace.ts";

export interface Simulation {
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly log: Log;
  readonly trace: Trace;
  /** Aborted when the scenario ends; hand it to what runs for as long as the simulation. */
  readonly signal: AbortSignal;
}

export interface SimulationResult<T> {
  readonly value: T;
  /** SHA-256 of the trace: equal for two runs of the same scenario with the same seed. */
  readonly hash: string;
  readonly lines: readonly string[];
}

let active = false;

/**
 * Runs `scenario` in virtual time with everything random drawn from `seed`. Meanwhile the globals that are effects throw, so
 * that one that was not injected is found. A failure names the seed and the last lines of the trace.
 */
export async function simulate<T>(
  seed: number,
  scenario: (sim: Simulation) => Promise<T>,
): Promise<SimulationResult<T>> {
  if (active) throw new Error("A simulation is already running in this process: await it first");
  active = true;
  const clock = new VirtualClock();
  const trace = new Trace(clock);
  const end = new AbortController();
  const sim: Simulation = {
    seed,
    clock,
    trace,
    random: new SeededRandom(seed),
    log: new TraceLog(trace),
    signal: end.signal,
  };
  const restore = forbidEffects();
  try {
    const value = await scenario(sim);
    const hash = trace.hash();
    return { value, hash, lines: trace.lines };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const tail = trace.lines.slice(-40).join("\n  ");
    throw new Error(`Simulation with seed ${seed} failed at ${clock.monotonicMs()} ms: ${text}\n  ${tail}`, {
      cause: error,
    });
  } finally {
    end.abort();
    // What waits on the signal ends here, still under the stubs.
    await clock.advance(0);
    restore();
    active = false;
  }
}

/** Replaces the effects among the globals by functions that throw; the returned function puts them back. */
function forbidEffects(): () => void {
  const undo: (() => void)[] = [];
  const replace = (holder: object, key: string, value: unknown) => {
    const before = Object.getOwnPropertyDescriptor(holder, key);
    Object.defineProperty(holder, key, { value, configurable: true, writable: true });
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(holder, key);
      else Object.defineProperty(holder, key, before);
    });
  };
  const forbid = (holder: object, key: string, name: string) =>
    replace(holder, key, () => {
      throw new Error(`${name} was called in the simulator: ask env for the effect`);
    });

  const RealDate = Date;
  const forbiddenDate = () => {
    throw new Error("The present was asked of Date in the simulator: ask env.clock");
  };
  replace(
    globalThis,
    "Date",
    new Proxy(RealDate, {
      construct: (target, args) => (args.length === 0 ? forbiddenDate() : Reflect.construct(target, args)),
      apply: forbiddenDate,
      get: (target, key) => (key === "now" ? forbiddenDate : Reflect.get(target, key, target)),
    }),
  );
  forbid(Math, "random", "Math.random");
  for (const name of ["setTimeout", "setInterval", "setImmediate", "fetch"]) forbid(globalThis, name, name);
  forbid(performance, "now", "performance.now");
  forbid(process, "hrtime", "process.hrtime");
  forbid(AbortSignal, "timeout", "AbortSignal.timeout");
  forbid(crypto, "randomUUID", "crypto.randomUUID");
  forbid(crypto, "getRandomValues", "crypto.getRandomValues");
  const subtle = new Proxy(
    {},
    {
      get: (_target, key) => () => {
        throw new Error(`crypto.subtle.${String(key)} was called in the simulator: ask env for the effect`);
      },
    },
  );
  replace(crypto, "subtle", subtle);
  return () => {
    for (const step of undo.reverse()) step();
  };
}
