/** Steady requests on new and on kept connections during a rolling update, with no failure. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Agent, get } from "node:http";
import { eventually, must } from "./command.ts";
import { NodeUnderTest } from "./node_under_test.ts";
import { programImage } from "./program_image.ts";

setDefaultTimeout(180_000);

let node: NodeUnderTest;

beforeAll(async () => {
  await programImage("drain_server");
  node = await NodeUnderTest.start();
}, 400_000);

afterAll(async () => {
  await node?.destroy();
}, 120_000);

interface Traffic {
  readonly answers: Map<string, number>;
  readonly failures: string[];
  stop(): Promise<void>;
}

/** `clients` loops of requests one after the other; each loop keeps its connection or opens one a request. */
function traffic(url: string, clients: number, keepAlive: boolean): Traffic {
  const answers = new Map<string, number>();
  const failures: string[] = [];
  let stopped = false;
  const once = (agent: Agent) =>
    new Promise<void>((resolve) => {
      const request = get(url, { agent, timeout: 10_000 }, (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on("error", (error) => failures.push(`answer: ${error.message}`));
        response.on("close", () => {
          const key = body.trim();
          answers.set(key, (answers.get(key) ?? 0) + 1);
          resolve();
        });
      });
      request.on("timeout", () => request.destroy(new Error("timed out")));
      request.on("error", (error) => {
        failures.push(error.message);
        resolve();
      });
    });
  const loops = Array.from({ length: clients }, async () => {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    while (!stopped) {
      await once(agent);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    agent.destroy();
  });
  return {
    answers,
    failures,
    stop: async () => {
      stopped = true;
      await Promise.all(loops);
    },
  };
}

const deployment = (revision: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "drain" },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: "drain" } },
    template: {
      metadata: { labels: { app: "drain" } },
      spec: {
        containers: [
          {
            name: "server",
            image: "wherry-drain-server",
            env: [{ name: "REVISION", value: revision }],
            readinessProbe: { httpGet: { path: "/", port: 8000 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
});

describe("a rolling update under steady requests", () => {
  test("fails no request, on new and on kept connections", async () => {
    await node.mustKubectl(["apply", "-f", "-"], { input: JSON.stringify(deployment("one")) });
    await node.mustKubectl(["rollout", "status", "deployment/drain", "--timeout=90s"]);
    await node.mustKubectl(["expose", "deployment", "drain", "--port=80", "--target-port=8000"]);
    const ip = await node.mustKubectl(["get", "svc", "drain", "-o", "jsonpath={.spec.clusterIP}"]);
    const url = `http://${ip}/`;
    await eventually("the Service", async () => (await must("curl", ["-sS", "--max-time", "3", url])) === "one\n");
    const fresh = traffic(url, 4, false);
    const kept = traffic(url, 4, true);
    for (const revision of ["two", "three"]) {
      await node.mustKubectl(["apply", "-f", "-"], { input: JSON.stringify(deployment(revision)) });
      await node.mustKubectl(["rollout", "status", "deployment/drain", "--timeout=120s"]);
      await eventually(`answers of revision ${revision} on both`, () =>
        [fresh, kept].every(({ answers }) => (answers.get(revision) ?? 0) > 50),
      );
    }
    await eventually(
      "the old pods to be gone",
      async () => {
        const pods = await node.mustKubectl(["get", "pods", "-l", "app=drain", "-o", "name"]);
        return pods.trim().split("\n").length === 3;
      },
      60_000,
    );
    await fresh.stop();
    await kept.stop();
    expect(fresh.failures).toEqual([]);
    expect(kept.failures).toEqual([]);
  });
});
