import { expect, test } from "bun:test";
import type { Client } from "../client/client.ts";
import { type Deployment, deploymentKind } from "../kinds/apps/deployment.ts";
import { podKind } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { SimulatedMachine } from "./node.ts";
import { type Simulation, simulate } from "./simulation.ts";

const web = { namespace: "default", name: "web" };
const deployment = (replicas: number): Deployment => ({
  metadata: web,
  spec: {
    replicas,
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: { containers: [{ name: "nginx", image: "nginx" }] },
    },
  },
});

/** Reads the Deployment every 50 virtual milliseconds until `condition` holds. */
async function until(
  { clock }: Simulation,
  client: Client,
  condition: (deployment: Observed<Deployment>) => boolean,
  limitMs: number,
): Promise<void> {
  const startMs = clock.monotonicMs();
  while (!condition(await clock.complete(client.get(deploymentKind, web), 1000))) {
    if (clock.monotonicMs() - startMs > limitMs) throw new Error(`not within ${limitMs} ms of virtual time`);
    await clock.advance(50);
  }
}

const allReady = (replicas: number) => (one: Observed<Deployment>) => one.status.readyReplicas === replicas;

async function deployAndRestart(sim: Simulation): Promise<void> {
  const { clock } = sim;
  const machine = new SimulatedMachine(sim);
  const first = await machine.start();
  await clock.complete(first.client.create(deploymentKind, deployment(3)), 1000);
  await until(sim, first.client, allReady(3), 10_000);
  const before = machine.running();
  expect(before.length).toBe(3);

  // The control plane ends and comes back: what runs does not notice.
  await clock.complete(first.stop(), 60_000);
  await clock.advance(30_000);
  expect(machine.running()).toEqual(before);
  const second = await machine.start();
  await clock.advance(30_000);
  expect(machine.running()).toEqual(before);
  await until(sim, second.client, allReady(3), 1000);

  // The engine is restarted: everything it ran is gone, and comes back.
  machine.engine.restart();
  await clock.advance(100);
  await until(sim, second.client, allReady(3), 30_000);
  expect(machine.running().length).toBe(3);
  expect(machine.running().some((id) => before.includes(id))).toBe(false);

  await clock.complete(second.client.delete(deploymentKind, web), 1000);
  await clock.advance(10_000);
  const left = await clock.complete(second.client.list(podKind, { namespace: "default" }), 1000);
  expect(left.items).toEqual([]);
  expect(machine.engine.containers.size).toBe(0);
  expect(machine.podNetwork.attached.size).toBe(0);
  await clock.complete(second.stop(), 60_000);
}

test("a whole node runs a Deployment to Ready, through restarts of itself and of the engine, the same for the same seed", async () => {
  const runs = [await simulate(42, deployAndRestart), await simulate(42, deployAndRestart)];
  expect(runs[0]?.hash).toBe(runs[1]?.hash ?? "");
  expect(runs[0]?.lines.length).toBeGreaterThan(30);
  expect((await simulate(43, deployAndRestart)).hash).not.toBe(runs[0]?.hash ?? "");
});
