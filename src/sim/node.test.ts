import { expect, test } from "bun:test";
import { type Deployment, deploymentKind } from "../kinds/apps/deployment.ts";
import { configMapKind } from "../kinds/core/config_map.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { serviceKind } from "../kinds/core/service.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import { SimulatedNode, type SimulatedNodeOptions } from "./node.ts";
import { type Simulation, simulate } from "./simulation.ts";

const web = { namespace: "default", name: "web" };
const podLabels = { app: "web" };

function deployment(replicas: number, image = "nginx:1"): Deployment {
  return {
    metadata: web,
    spec: {
      replicas,
      selector: { matchLabels: podLabels },
      template: {
        metadata: { labels: podLabels },
        spec: { containers: [{ name: "nginx", image, ports: [{ containerPort: 80 }] }] },
      },
    },
  };
}

const service = {
  metadata: web,
  spec: { selector: podLabels, ports: [{ port: 8080, targetPort: 80, protocol: "TCP" as const }] },
};

async function boot(sim: Simulation, options?: SimulatedNodeOptions) {
  const { clock } = sim;
  const node = new SimulatedNode(sim, options);
  const { client } = node;
  const now = <T>(work: Promise<T>) => clock.complete(work, 60_000, "an answer");
  const start = async () => {
    await clock.complete(node.start(), 10_000, "the API");
    await clock.complete(node.server.ready, 60_000, "the node's readiness");
  };
  const get = () => now(client.get(deploymentKind, web));
  /** Asks every 50 virtual milliseconds. */
  const until = async (what: string, condition: (web: Observed<Deployment>) => boolean, limitMs = 60_000) => {
    const endMs = clock.monotonicMs() + limitMs;
    while (!condition(await get())) {
      if (clock.monotonicMs() > endMs) throw new Error(`Waited in vain for ${what}: ${JSON.stringify(await get())}`);
      await clock.advance(50);
    }
  };
  const image = async (to: string) => {
    const copy = editable(await get());
    for (const container of copy.spec.template.spec?.containers ?? []) container.image = to;
    return now(client.update(deploymentKind, copy));
  };
  await start();
  return { node, client, clock, now, start, get, until, image };
}

const ready = (replicas: number) => (one: Observed<Deployment>) =>
  one.status.observedGeneration === one.metadata.generation &&
  one.status.replicas === replicas &&
  one.status.updatedReplicas === replicas &&
  one.status.availableReplicas === replicas;

/** A Deployment of three comes up behind its Service. */
async function deployToReady(sim: Simulation) {
  const { node, client, clock, now, get } = await boot(sim);
  expect((await now(client.get(nodeKind, { name: "boat" }))).status?.conditions).toContainEqual(
    expect.objectContaining({ type: "Ready", status: "True" }),
  );
  await now(client.create(deploymentKind, deployment(3)));
  const address = (await now(client.create(serviceKind, service))).spec.clusterIP ?? "";
  const listener = () => node.proxy.listener(address, 8080);
  await clock.runUntil(() => listener()?.endpoints.length === 3, 60_000, "three endpoints behind the Service");
  const reached = [1, 2, 3].map(() => node.proxy.endpointOf(address, 8080));
  for (const endpoint of reached) expect(node.answers(endpoint?.address ?? "")).toBe(true);
  expect(new Set(reached.map((endpoint) => endpoint?.address)).size).toBe(3);
  expect((await get()).status.readyReplicas).toBe(3);
  return { elapsedMs: clock.monotonicMs(), reached };
}

test("a whole node takes a Deployment to Ready in virtual time, and the same seed gives the same trace", async () => {
  const first = await simulate(7, deployToReady);
  const second = await simulate(7, deployToReady);
  expect(second.lines).toEqual(first.lines);
  expect(second.hash).toBe(first.hash);
  expect(second.value).toEqual(first.value);
  expect(first.lines.length).toBeGreaterThan(15);
  const other = await simulate(8, deployToReady);
  expect(other.hash).not.toBe(first.hash);
});

test("a clean stop leaves the containers, a restart of the engine brings them back, a delete leaves nothing", () =>
  simulate(42, async (sim) => {
    const { node, client, clock, now, until, start } = await boot(sim);
    await now(client.create(deploymentKind, deployment(3)));
    await until("three pods", ready(3));
    const before = node.running();
    expect(before.length).toBe(3);

    await clock.complete(node.stop(), 60_000);
    await clock.advance(30_000);
    expect(node.running()).toEqual(before);
    await start();
    await clock.advance(30_000);
    expect(node.running()).toEqual(before);
    await until("the same three pods", ready(3), 1000);

    node.engine.restart();
    await clock.advance(100);
    await until("three new containers", ready(3));
    expect(node.running().length).toBe(3);
    expect(node.running().some((id) => before.includes(id))).toBe(false);

    await now(client.delete(deploymentKind, web));
    await clock.advance(10_000);
    expect((await now(client.list(podKind, { namespace: "default" }))).items).toEqual([]);
    expect(node.engine.containers.size).toBe(0);
    expect(node.engine.sandboxes.size).toBe(0);
    expect(node.network.attached.size).toBe(0);
  }));

test("the power is cut in the middle of a rollout: what was acknowledged is there, the rollout ends, what runs is not restarted", () =>
  simulate(3, async (sim) => {
    const { node, client, clock, now, start, until, image } = await boot(sim);
    await now(client.create(deploymentKind, deployment(4)));
    await now(client.create(serviceKind, service));
    await until("four pods", ready(4));

    const acknowledged: string[] = [];
    await image("nginx:2");
    // Into the rollout, with writes of our own that are under way when the light goes out.
    let lost = 0;
    for (let index = 0; index < 20; index++) {
      const metadata = { namespace: "default", name: `before-the-cut-${index}` };
      client.create(configMapKind, { metadata, data: { index: String(index) } }).then(
        () => acknowledged.push(metadata.name),
        () => lost++,
      );
      await clock.advance(index < 19 ? 20 : 0.1);
    }
    const updated = (await now(client.get(deploymentKind, web))).status.updatedReplicas ?? 0;
    expect(updated).toBeGreaterThan(0);
    const metadata = { namespace: "default", name: "never-answered" };
    client.create(configMapKind, { metadata }).catch(() => lost++);
    node.cutPower();
    await clock.advance(5000);
    expect(lost).toBeGreaterThan(0);
    expect(acknowledged.length + lost).toBe(21);
    expect(acknowledged.length).toBeGreaterThan(15);

    const survivors = node.running();
    expect(survivors.length).toBeGreaterThan(0);
    const spans = new Map([...node.engine.containers.values()].map(({ id, startedAtMs }) => [id, startedAtMs]));
    await start();
    for (const name of acknowledged)
      expect((await now(client.get(configMapKind, { namespace: "default", name }))).metadata.name).toBe(name);
    await until("the end of the rollout", ready(4));
    const running = [...node.engine.containers.values()].filter(({ state }) => state === "running");
    expect(running.map(({ config }) => config.image)).toEqual(["nginx:2", "nginx:2", "nginx:2", "nginx:2"]);
    // The new pods that were there before the cut are those containers, not others in their place.
    const kept = running.filter(({ id }) => spans.has(id));
    expect(kept.length).toBeGreaterThan(0);
    for (const { id, startedAtMs, config } of kept) {
      if (spans.get(id) !== undefined) expect(startedAtMs).toBe(spans.get(id) ?? 0);
      expect(config.attempt).toBe(0);
    }
    for (const { config } of node.engine.containers.values()) expect(config.attempt).toBe(0);
  }));

test("the engine is away and comes back: the node says so, nothing is restarted, and what was asked meanwhile is done", () =>
  simulate(4, async (sim) => {
    const { node, client, clock, now, until } = await boot(sim);
    await now(client.create(deploymentKind, deployment(2)));
    await until("two pods", ready(2));
    const before = node.running();
    node.engine.goAway();
    await clock.advance(20_000);
    const copy = editable(await now(client.get(deploymentKind, web)));
    copy.spec.replicas = 3;
    await now(client.update(deploymentKind, copy));
    await clock.advance(100_000);
    const conditions = (await now(client.get(nodeKind, { name: "boat" }))).status?.conditions;
    expect(conditions?.find(({ type }) => type === "Ready")?.status).toBe("False");
    node.engine.comeBack();
    await until("three pods", ready(3), 120_000);
    expect(node.running().filter((id) => before.includes(id))).toEqual(before);
    expect(node.running().length).toBe(3);
  }));

test("a full disk refuses writes and serves reads, and the node goes on when there is room", () =>
  simulate(5, async (sim) => {
    const { node, client, clock, now, until } = await boot(sim);
    await now(client.create(deploymentKind, deployment(2)));
    await until("two pods", ready(2));
    const before = node.running();
    node.disk.capacityBytes = node.disk.usedBytes();
    const acknowledged: string[] = [];
    let refused = "";
    for (let index = 0; refused === "" && index < 200; index++) {
      const metadata = { namespace: "default", name: `filler-${index}` };
      try {
        await now(client.create(configMapKind, { metadata, data: { filler: "x".repeat(50_000) } }));
        acknowledged.push(metadata.name);
      } catch (error) {
        refused = String(error);
      }
    }
    expect(refused).toContain("is full: nothing was changed");
    expect((await now(client.get(deploymentKind, web))).status.readyReplicas).toBe(2);
    await clock.advance(300_000);
    expect(node.running()).toEqual(before);
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await clock.advance(60_000);
    const copy = editable(await now(client.get(deploymentKind, web)));
    copy.spec.replicas = 3;
    await now(client.update(deploymentKind, copy));
    await until("three pods", ready(3), 120_000);
    expect(node.running().filter((id) => before.includes(id))).toEqual(before);
    const { items } = await now(client.list(configMapKind, { namespace: "default" }));
    const names = items.map(({ metadata }) => metadata.name);
    for (const name of acknowledged) expect(names).toContain(name);
  }));

test("a node with ten idle pods writes next to nothing in half an hour", () =>
  simulate(6, async (sim) => {
    const { node, client, clock, now, until } = await boot(sim);
    await now(client.create(deploymentKind, deployment(10)));
    await until("ten pods", ready(10));
    await clock.advance(120_000);
    const { bytesWritten, syncs } = node.disk;
    await clock.advance(30 * 60_000);
    // 15,136 bytes in 16 syncs when this was written: the Node's report every five minutes, its Lease every ten.
    expect(node.disk.bytesWritten - bytesWritten).toBeLessThan(20_000);
    expect(node.disk.syncs - syncs).toBeLessThan(20);
  }));
