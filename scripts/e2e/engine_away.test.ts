/**
 * A Docker Engine that is away at the start and comes back: a second Engine of the test's own, in a network namespace of its
 * own, with Wherry beside it.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "./command.ts";
import { EngineInNamespace } from "./engine_in_namespace.ts";

setDefaultTimeout(120_000);

let machine: EngineInNamespace;

beforeAll(async () => {
  machine = await EngineInNamespace.create("wherry-away");
}, 400_000);

afterAll(async () => {
  await machine?.destroy();
}, 120_000);

describe("a Docker Engine that is away", () => {
  test("at the start: the API answers, the Node is not Ready; it comes, and the Node is Ready and runs the pod", async () => {
    await machine.startNode({ withoutReady: true });
    await eventually(
      "the API",
      async () => (await machine.kubectl(["get", "--raw", "/livez"])).stdout === "ok",
      30_000,
    );
    expect((await machine.kubectl(["create", "namespace", "early"])).code).toBe(0);
    await machine.startEngine();
    await eventually(
      "the Node to be Ready",
      async () => / Ready /.test((await machine.kubectl(["get", "nodes"])).stdout),
      60_000,
    );
    await machine.importImage("busybox:latest");
    expect((await machine.kubectl(["run", "late", "--image=busybox", "--", "sleep", "3600"])).code).toBe(0);
    await eventually(
      "the pod to run",
      async () => / Running /.test((await machine.kubectl(["get", "pod", "late"])).stdout),
      60_000,
    );
    expect((await machine.kubectl(["get", "namespace", "early"])).code).toBe(0);
  });
});
