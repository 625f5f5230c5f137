import { expect, test } from "bun:test";
import { podKind } from "./kinds/core/pod.ts";
import { SimulatedNode } from "./sim/node.ts";
import { type Simulation, simulate } from "./sim/simulation.ts";

async function boot(sim: Simulation) {
  const { clock } = sim;
  const node = new SimulatedNode(sim);
  const start = async () => {
    await clock.complete(node.start(), 10_000, "the API");
    await clock.complete(node.server.ready, 60_000, "the node's readiness");
  };
  await start();
  return { node, clock, start };
}

test("a node ends in time though an engine hangs, and goes on afterwards", () =>
  simulate(11, async (sim) => {
    const { node, clock, start } = await boot(sim);
    const { client } = node;
    const name = { namespace: "default", name: "web" };
    node.engine.fail("create", 1, "Unavailable", 3_600_000);
    await clock.complete(
      client.create(podKind, { metadata: name, spec: { containers: [{ name: "nginx", image: "nginx:1" }] } }),
      1000,
    );
    await clock.advance(5000);
    await clock.complete(node.stop(), 12_000, "the end of a node whose engine hangs");
    node.engine.fail("create", 0);
    await start();
    const runs = async () => (await client.get(podKind, name)).status.phase === "Running";
    for (let tries = 0; tries < 100 && !(await clock.complete(runs(), 1000)); tries++) await clock.advance(200);
    expect(await clock.complete(runs(), 1000)).toBe(true);
    await clock.complete(node.stop(), 12_000);
  }));

test("pods' files, secrets among them, are the node's alone", () =>
  simulate(12, async (sim) => {
    const { node } = await boot(sim);
    expect(node.files.directories.get("/var/lib/wherry/pods")).toBe(0o700);
  }));

test("a node starts again on a full disk, and answers what it has", () =>
  simulate(13, async (sim) => {
    const { node, clock, start } = await boot(sim);
    await clock.complete(node.stop(), 12_000);
    node.disk.capacityBytes = 0;
    await start();
    expect(
      await clock.complete(
        node.client.get(podKind, { namespace: "default", name: "none" }).catch((error) => error.code),
        1000,
      ),
    ).toBe(404);
  }));
