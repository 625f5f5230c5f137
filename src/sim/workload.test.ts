import { expect, test } from "bun:test";
import type { SimulatedNode } from "./node.ts";
import { simulate } from "./simulation.ts";
import { Violation } from "./verdict.ts";
import { runWorkload } from "./workload.ts";

for (let seed = 1; seed <= 10; seed++)
  test(`a node under load and faults keeps its promises with seed ${seed}`, async () => {
    const { value } = await simulate(seed, (sim) => runWorkload(sim, { minutes: 2 }));
    expect(value.acknowledged).toBeGreaterThan(50);
    expect(Object.keys(value.faults).length).toBeGreaterThan(2);
  }, 30_000);

test("a run under load and faults is the same for the same seed", async () => {
  const run = () => simulate(11, (sim) => runWorkload(sim, { minutes: 1 }));
  const first = await run();
  const second = await run();
  expect(second.lines).toEqual(first.lines);
  expect(second.value).toEqual(first.value);
}, 30_000);

/** What the checks say of a machine that is not what it seems. */
async function verdictOn(seed: number, prepare: (node: SimulatedNode) => void): Promise<Violation["kind"] | undefined> {
  try {
    await simulate(seed, (sim) => runWorkload(sim, { minutes: 2, prepare }));
    return undefined;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Violation) return cause.kind;
    throw error;
  }
}

test("a disk whose syncs do nothing is caught as a loss", async () => {
  // A life must end by a power cut with something in the page cache: not every seed has one.
  let verdict: Violation["kind"] | undefined;
  for (let seed = 1; verdict !== "correctness" && seed <= 10; seed++)
    verdict = await verdictOn(seed, ({ disk }) => {
      disk.syncsAreLies = true;
    });
  expect(verdict).toBe("correctness");
}, 60_000);

test("a proxy that forgets what it is told is caught as something that never comes true", async () => {
  const verdict = await verdictOn(1, ({ proxy }) => {
    proxy.apply = async () => undefined;
  });
  expect(verdict).toBe("liveness");
}, 30_000);
