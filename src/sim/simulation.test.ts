import { expect, test } from "bun:test";
import { sleep } from "../env/clock.ts";
import { uuid } from "../env/random.ts";
import { VirtualClock } from "./clock.ts";
import { SeededRandom } from "./random.ts";
import { simulate } from "./simulation.ts";

test("timers fire in order of time, then of scheduling, and promises between them go on first", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  clock.schedule(20, () => seen.push("c"));
  clock.schedule(10, () => {
    seen.push("a");
    Promise.resolve()
      .then(() => {})
      .then(() => seen.push("a's promise"));
  });
  clock.schedule(10, () => seen.push("b"));
  clock.schedule(15, () => seen.push("never")).cancel();
  await clock.advance(19);
  expect(seen).toEqual(["a", "a's promise", "b"]);
  expect(clock.monotonicMs()).toBe(19);
  await clock.advance(1);
  expect(seen).toEqual(["a", "a's promise", "b", "c"]);
});

test("a thousand timers in random order fire sorted", async () => {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const fired: number[] = [];
  for (let n = 0; n < 1000; n++) {
    const at = random.below(500);
    const timer = clock.schedule(at, () => fired.push(at));
    if (n % 3 === 0) timer.cancel();
  }
  await clock.advance(500);
  expect(fired.length).toBe(666);
  expect(fired).toEqual([...fired].sort((a, b) => a - b));
});

test("waiting for a condition ends when it holds, and fails when time or timers run out", async () => {
  const clock = new VirtualClock();
  let done = false;
  sleep(clock, 500).then(() => {
    done = true;
  });
  await clock.runUntil(() => done, 1000);
  expect(clock.monotonicMs()).toBe(500);
  await expect(clock.runUntil(() => false, 1000, "godot")).rejects.toThrow("in vain for godot: nothing is left");
  clock.schedule(5000, () => {});
  await expect(clock.runUntil(() => false, 1000)).rejects.toThrow("1000 ms of virtual time");
});

test("a jump of the wall clock leaves durations alone", async () => {
  const clock = new VirtualClock();
  const before = clock.now();
  clock.jumpWallClock(-3_600_000);
  await clock.advance(1000);
  expect(clock.now()).toBe(before - 3_600_000 + 1000);
  expect(clock.monotonicMs()).toBe(1000);
  expect(clock.skewed(7).now()).toBe(clock.now() + 7);
});

test("the same seed gives the same trace and another seed another", async () => {
  const scenario = (seed: number) =>
    simulate(seed, async (sim) => {
      for (let n = 0; n < 5; n++) {
        await sim.clock.advance(sim.random.below(1000));
        sim.log.with({ area: "test" }).info("drew", { id: uuid(sim.random) });
      }
    });
  const first = await scenario(7);
  expect((await scenario(7)).hash).toBe(first.hash);
  expect((await scenario(8)).hash).not.toBe(first.hash);
  expect(first.lines).toHaveLength(5);
});

test("effects that were not injected throw while a simulation runs, and work again afterwards", async () => {
  const attempts: Record<string, () => unknown> = {
    now: () => Date.now(),
    date: () => new Date(),
    random: () => Math.random(),
    timeout: () => setTimeout(() => {}, 1),
    interval: () => setInterval(() => {}, 1),
    fetch: () => fetch("http://127.0.0.1:1"),
    subtle: () => crypto.subtle.digest("SHA-256", new Uint8Array()),
    uuid: () => crypto.randomUUID(),
  };
  await simulate(1, async () => {
    for (const attempt of Object.values(attempts)) expect(attempt).toThrow("in the simulator");
    expect(new Date(0).toISOString()).toBe("1970-01-01T00:00:00.000Z");
    expect(new Date(5) instanceof Date).toBe(true);
  });
  expect(Date.now()).toBeGreaterThan(0);
  expect(crypto.randomUUID()).toHaveLength(36);
  expect(await crypto.subtle.digest("SHA-256", new Uint8Array())).toBeDefined();
});

test("a scenario that fails names its seed and restores the globals", async () => {
  const failing = simulate(42, async (sim) => {
    sim.log.info("last words");
    throw new Error("broken");
  });
  await expect(failing).rejects.toThrow(/seed 42 failed at 0 ms: broken\n.*last words/);
  expect(Math.random()).toBeLessThan(1);
});
