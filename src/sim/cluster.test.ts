import { expect, test } from "bun:test";
import { deploymentKind } from "../kinds/apps/deployment.ts";
import { authorityHash, bootstrapTokenSecret, formatJoinToken } from "../kinds/core/bootstrap_token.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { secretKind } from "../kinds/core/secret.ts";
import { Harbour, SimulatedNode } from "./node.ts";
import { type Simulation, simulate } from "./simulation.ts";

const token = { id: "abc123", secret: "0123456789abcdef" };

/** Three servers that have joined, all ready. */
async function fleet(sim: Simulation): Promise<SimulatedNode[]> {
  const harbour = new Harbour(sim);
  const { clock } = sim;
  const first = new SimulatedNode(sim, { name: "n1", address: "192.0.2.1", harbour });
  await clock.complete(first.start(), 10_000, "the first server");
  await clock.complete(first.server.ready, 60_000, "the first node's readiness");
  const secret = bootstrapTokenSecret(token.id, token.secret, "2026-01-02T00:00:00Z", "the test");
  await clock.complete(first.server.client.create(secretKind, secret), 1000);
  const authority = new TextDecoder().decode(await first.disk.readFile("/var/lib/wherry/pki/ca.crt"));
  const text = formatJoinToken({ ...token, authoritySha256: authorityHash(authority) });
  const nodes = [first];
  for (const number of [2, 3]) {
    const flags = ["--server", "https://192.0.2.1:6443", "--token", text];
    const node = new SimulatedNode(sim, { name: `n${number}`, address: `192.0.2.${number}`, harbour, flags });
    await clock.complete(node.start(), 60_000, `server ${number}`);
    await clock.complete(node.server.ready, 60_000, `readiness of node ${number}`);
    nodes.push(node);
  }
  return nodes;
}

test("three servers are one cluster: a Deployment spreads over them, and survives the death of the leader", async () => {
  await simulate(7, async (sim) => {
    const nodes = await fleet(sim);
    const { clock } = sim;
    const [first, second] = nodes;
    if (first === undefined || second === undefined) throw new Error("there are three");
    const names = (await clock.complete(second.server.client.list(nodeKind), 5000)).items.map(
      ({ metadata }) => metadata.name,
    );
    expect(names).toEqual(["n1", "n2", "n3"]);
    const labels = { app: "web" };
    await clock.complete(
      second.server.client.create(deploymentKind, {
        metadata: { namespace: "default", name: "web" },
        spec: {
          replicas: 6,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: "web", image: "nginx:1" }] } },
        },
      }),
      5000,
    );
    const ready = async (via: SimulatedNode) => {
      const name = { namespace: "default", name: "web" };
      return (await clock.complete(via.server.client.get(deploymentKind, name), 20_000)).status.readyReplicas;
    };
    for (let tries = 0; tries < 60 && (await ready(second)) !== 6; tries++) await clock.advance(500);
    expect(await ready(second)).toBe(6);
    const pods = (await clock.complete(second.server.client.list(podKind), 5000)).items;
    const counts = nodes.map(({ name }) => pods.filter(({ spec }) => spec.nodeName === name).length);
    expect(counts).toEqual([2, 2, 2]);

    first.kill();
    await clock.advance(12_000);
    await clock.complete(
      second.server.client.patch(
        deploymentKind,
        { namespace: "default", name: "web" },
        "application/merge-patch+json",
        {
          spec: { replicas: 7 },
        },
      ),
      20_000,
    );
    for (let tries = 0; tries < 60; tries++) {
      const { items } = await clock.complete(second.server.client.list(podKind), 20_000);
      if (items.filter(({ status }) => status.phase === "Running").length >= 7) break;
      await clock.advance(500);
    }
    const after = (await clock.complete(second.server.client.list(podKind), 5000)).items;
    expect(after.filter(({ status }) => status.phase === "Running").length).toBe(7);
  });
});
