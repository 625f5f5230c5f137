import { expect, test } from "bun:test";
import { simulate } from "./simulation.ts";
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
