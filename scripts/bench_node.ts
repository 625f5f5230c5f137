/** Benches of a whole node: start, memory and writes while idle, start of a pod against two `docker run`s. */
import { statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import Docker from "dockerode";
import {
  bytesWritten,
  type Figure,
  median,
  print,
  processesOf,
  processorSeconds,
  proportionalSetSize,
} from "./bench_figures.ts";
import { eventually } from "./e2e/command.ts";
import { executable, NodeUnderTest } from "./e2e/node_under_test.ts";

async function withNode(work: (node: NodeUnderTest) => Promise<void>): Promise<void> {
  const node = await NodeUnderTest.start();
  try {
    await work(node);
  } finally {
    await node.destroy();
  }
}

async function tenPods(node: NodeUnderTest): Promise<void> {
  await node.mustKubectl(["create", "deployment", "ten", "--image=busybox", "--replicas=10", "--", "sleep", "86400"]);
  await node.mustKubectl(["rollout", "status", "deployment/ten", "--timeout=120s"]);
}

/** From spawn to the ready line, with an initialised data directory and ten pods that run. */
export async function benchStart(runs: number, json: boolean): Promise<void> {
  await withNode(async (node) => {
    await tenPods(node);
    const times: number[] = [];
    for (let run = 0; run < runs; run++) {
      await node.end("SIGTERM");
      await node.launch();
      times.push(node.readyMs);
    }
    print(
      "start",
      [
        { name: `spawn to ready line, median of ${runs}`, value: median(times), unit: "ms", against: "aim 500" },
        { name: "slowest", value: Math.max(...times), unit: "ms" },
        { name: "size of the executable", value: statSync(executable).size / 1e6, unit: "MB" },
      ],
      json,
    );
  });
}

/** Memory, processor and bytes written while ten pods run and nobody asks for anything. */
export async function benchIdle(minutes: number, json: boolean): Promise<void> {
  await withNode(async (node) => {
    await tenPods(node);
    await delay(20_000);
    const pids = processesOf(executable, node.directory);
    const used = () => pids.reduce((sum, pid) => sum + processorSeconds(pid), 0);
    const written = () => pids.reduce((sum, pid) => sum + bytesWritten(pid), 0);
    const [usedBefore, writtenBefore] = [used(), written()];
    await delay(minutes * 60_000);
    const figures: Figure[] = [
      {
        name: "memory with ten pods (sum of PSS)",
        value: pids.reduce((sum, pid) => sum + proportionalSetSize(pid), 0) / 1e6,
        unit: "MB",
        against: "aim 150",
      },
      ...pids.map((pid) => ({ name: `  of which process ${pid}`, value: proportionalSetSize(pid) / 1e6, unit: "MB" })),
      {
        name: "processor",
        value: ((used() - usedBefore) / (minutes * 60)) * 100,
        unit: "% of a core",
        against: "aim 1",
      },
      { name: `bytes written to the device in ${minutes} min`, value: (written() - writtenBefore) / 1024, unit: "KiB" },
    ];
    print("idle", figures, json);
  });
}

/** From POST to Running and Ready, in turn with two containers that the Engine creates and starts one after the other. */
export async function benchPods(runs: number, json: boolean): Promise<void> {
  const docker = new Docker();
  await withNode(async (node) => {
    const pods: number[] = [];
    const plain: number[] = [];
    const api = "/api/v1/namespaces/default/pods";
    const pod = (name: string) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "c", image: "busybox:latest", command: ["sleep", "3600"] }],
      },
    });
    for (let run = 0; run <= runs; run++) {
      const name = `bench-${run}`;
      const from = performance.now();
      const created = await node.request(api, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(pod(name)),
      });
      const { metadata }: { metadata: { resourceVersion: string } } = await created.json();
      await untilReady(node, name, metadata.resourceVersion);
      const podMs = performance.now() - from;

      const start = performance.now();
      const first = await docker.createContainer({ Image: "busybox:latest", Cmd: ["sleep", "3600"] });
      await first.start();
      const second = await docker.createContainer({
        Image: "busybox:latest",
        Cmd: ["sleep", "3600"],
        HostConfig: { NetworkMode: `container:${first.id}` },
      });
      await second.start();
      const plainMs = performance.now() - start;
      await second.remove({ force: true });
      await first.remove({ force: true });
      await node.request(`${api}/${name}`, { method: "DELETE" });
      await eventually("the pod to be gone", async () => (await node.request(`${api}/${name}`)).status === 404);
      // The first pair warms caches.
      if (run > 0) {
        pods.push(podMs);
        plain.push(plainMs);
      }
    }
    print(
      "pods",
      [
        { name: `pod, POST to Ready, median of ${runs}`, value: median(pods), unit: "ms" },
        { name: "two docker runs one after the other, same run", value: median(plain), unit: "ms" },
        {
          name: "ratio, pair by pair",
          value: median(pods.map((ms, index) => ms / (plain[index] ?? Number.NaN))),
          unit: "",
          against: "aim 1.0",
        },
      ],
      json,
    );
  });
}

async function untilReady(node: NodeUnderTest, name: string, resourceVersion: string): Promise<void> {
  const query = `watch=true&fieldSelector=metadata.name%3D${name}&resourceVersion=${resourceVersion}`;
  const response = await node.request(`/api/v1/namespaces/default/pods?${query}`);
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const event: { object: { status: { conditions?: { type: string; status: string }[] } } } = JSON.parse(line);
      if (event.object.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True")) return;
    }
  }
  throw new Error(`Cannot see ${name} become Ready: the watch ended`);
}
