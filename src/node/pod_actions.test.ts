import { describe, expect, test } from "bun:test";
import type { Pod } from "../kinds/core/pod.ts";
import type { PodSpec } from "../kinds/core/pod_spec.ts";
import type { Observed } from "../kinds/kind.ts";
import type { ObservedContainer, ObservedSandbox } from "./container_runtime.ts";
import { type PlanInput, planPod } from "./pod_actions.ts";
import { podStatus, type StatusInput } from "./pod_status.ts";

const identity = { namespace: "default", name: "web", uid: "u" };

function podOf(spec: Partial<PodSpec> = {}, status: object = {}): Observed<Pod> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...identity, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { containers: [{ name: "main", image: "nginx" }], restartPolicy: "Always", ...spec },
    status: { phase: "Pending", ...status },
  };
}

const sandbox = (changes: Partial<ObservedSandbox> = {}): ObservedSandbox => ({
  id: "s0",
  pod: identity,
  attempt: 0,
  state: "running",
  labels: {},
  createdAtMs: 0,
  ...changes,
});

const container = (changes: Partial<ObservedContainer> = {}): ObservedContainer => ({
  id: "c0",
  sandboxId: "s0",
  pod: identity,
  name: "main",
  attempt: 0,
  state: "running",
  image: "nginx",
  imageId: "sha256:1",
  createdAtMs: 0,
  startedAtMs: 0,
  labels: {},
  ...changes,
});

const exited = (exitCode: number, changes: Partial<ObservedContainer> = {}) =>
  container({ state: "exited", exitCode, finishedAtMs: 1000, ...changes });

const input = (
  pod: Observed<Pod>,
  sandboxes: readonly ObservedSandbox[],
  containers: readonly ObservedContainer[],
  changes: Partial<PlanInput> = {},
): PlanInput => ({
  pod,
  observed: { sandboxes, containers },
  probes: () => ({ started: true, ready: true }),
  backOffMs: () => 0,
  nowMs: 2000,
  ...changes,
});

const started = (from: PlanInput) =>
  planPod(from).start.map(({ container: { name }, attempt }) => `${name}/${attempt}`);

describe("the plan for a pod", () => {
  test("begins with a sandbox and all its containers", () => {
    const plan = planPod(input(podOf(), [], []));
    expect(plan).toMatchObject({ createSandbox: 0, kill: [], stopSandboxes: [], finished: false });
    expect(plan.start).toMatchObject([{ container: { name: "main" }, attempt: 0 }]);
  });

  test("is nothing when everything is as it should be", () => {
    expect(planPod(input(podOf(), [sandbox()], [container()]))).toEqual({
      stopSandboxes: [],
      kill: [],
      discard: [],
      start: [],
      backingOff: [],
      removeContainers: [],
      removeSandboxes: [],
      finished: false,
    });
  });

  test("follows the restart policy", () => {
    const cases: readonly [string, number, boolean][] = [
      ["Always", 0, true],
      ["Always", 1, true],
      ["OnFailure", 0, false],
      ["OnFailure", 1, true],
      ["Never", 0, false],
      ["Never", 1, false],
    ];
    for (const [restartPolicy, code, again] of cases) {
      const plan = planPod(input(podOf({ restartPolicy }), [sandbox()], [exited(code)]));
      expect([restartPolicy, code, plan.start.length === 1]).toEqual([restartPolicy, code, again]);
      expect(plan.finished).toBe(!again);
      expect(plan.stopSandboxes).toEqual(again ? [] : ["s0"]);
    }
  });

  test("waits for the back-off and says how long", () => {
    const plan = planPod(input(podOf(), [sandbox()], [exited(1)], { backOffMs: () => 7000 }));
    expect(plan).toMatchObject({ start: [], backingOff: ["main"], againMs: 7000 });
  });

  test("replaces a dead sandbox, and starts nothing in it", () => {
    const plan = planPod(input(podOf(), [sandbox({ state: "exited" })], [exited(137)]));
    expect(plan).toMatchObject({ createSandbox: 1, stopSandboxes: [] });
    expect(plan.start).toMatchObject([{ attempt: 1 }]);
  });

  test("ends what still runs in a dead sandbox before it makes another", () => {
    const plan = planPod(input(podOf(), [sandbox({ state: "exited" })], [container()]));
    expect(plan).toMatchObject({ createSandbox: 1, stopSandboxes: ["s0"] });
  });

  test("does not run a pod again whose policy is Never, when its sandbox died", () => {
    const once = podOf({ restartPolicy: "Never", initContainers: [{ name: "init", image: "nginx" }] });
    const init = exited(0, { id: "i", name: "init" });
    const dead = [sandbox({ state: "exited" })];
    const plan = planPod(input(once, dead, [init, container()]));
    expect(plan).toMatchObject({ start: [], stopSandboxes: ["s0"] });
    expect(plan.createSandbox).toBeUndefined();
    expect(planPod(input(once, dead, [init, exited(137)]))).toMatchObject({ start: [], finished: true });
    const onFailure = podOf({ restartPolicy: "OnFailure" });
    expect(started(input(onFailure, dead, [container()]))).toEqual(["main/1"]);
  });

  test("ends what runs on without its sandbox before it starts another instance", () => {
    const plan = planPod(input(podOf(), [], [container()]));
    expect(plan).toMatchObject({ createSandbox: 0, stopSandboxes: ["s0"], start: [{ attempt: 1 }] });
    const replaced = planPod(input(podOf(), [sandbox({ id: "s1", attempt: 1 })], [container({ sandboxId: "s0" })]));
    expect(replaced).toMatchObject({ stopSandboxes: ["s0"], start: [{ attempt: 1 }] });
  });

  test("clears away sandboxes that were made and never ran, and does not stop them", () => {
    const left = [
      sandbox({ id: "s1", attempt: 1, state: "created" }),
      sandbox({ id: "s3", attempt: 3, state: "created" }),
    ];
    const beside = planPod(
      input(podOf(), [...left, sandbox({ id: "s2", attempt: 2 })], [container({ sandboxId: "s2" })]),
    );
    expect(beside).toMatchObject({ stopSandboxes: [], removeSandboxes: ["s1", "s3"], start: [] });
    const alone = planPod(input(podOf(), left, []));
    expect(alone).toMatchObject({ stopSandboxes: [], removeSandboxes: ["s1", "s3"], createSandbox: 4 });
  });

  test("uses the attempt of a container that never ran again, and of one that was about to run", () => {
    const never = container({ state: "created" });
    const elsewhere = planPod(input(podOf(), [sandbox({ state: "exited" })], [never]));
    expect(elsewhere).toMatchObject({ discard: ["c0"], start: [{ attempt: 0 }] });
    const here = planPod(input(podOf(), [sandbox()], [never]));
    expect(here).toMatchObject({ discard: [], start: [{ attempt: 0 }] });
  });

  test("does not run again what had ended well, when the sandbox died", () => {
    const two = podOf({
      restartPolicy: "OnFailure",
      containers: [
        { name: "main", image: "nginx" },
        { name: "job", image: "nginx" },
      ],
    });
    const dead = [sandbox({ state: "exited" })];
    expect(started(input(two, dead, [exited(137), exited(0, { id: "j", name: "job" })]))).toEqual(["main/1"]);
  });

  test("runs init containers in order, again in a new sandbox", () => {
    const staged = podOf({ initContainers: ["a", "b"].map((name) => ({ name, image: "nginx" })) });
    const a = exited(0, { id: "a", name: "a" });
    const b = exited(0, { id: "b", name: "b" });
    expect(started(input(staged, [], []))).toEqual(["a/0"]);
    expect(started(input(staged, [sandbox()], [a]))).toEqual(["b/0"]);
    expect(started(input(staged, [sandbox()], [a, exited(1, { id: "b", name: "b" })]))).toEqual(["b/1"]);
    expect(started(input(staged, [sandbox()], [a, b]))).toEqual(["main/0"]);
    const dead = sandbox({ state: "exited" });
    expect(started(input(staged, [dead], [a, b, exited(137)]))).toEqual(["a/1"]);
  });

  test("holds main containers back until a sidecar has started", () => {
    const side = podOf({ initContainers: [{ name: "side", image: "nginx", restartPolicy: "Always" }] });
    const running = container({ id: "side", name: "side" });
    const notYet = { probes: () => ({ started: false, ready: false }) };
    expect(started(input(side, [sandbox()], [running], notYet))).toEqual([]);
    expect(started(input(side, [sandbox()], [running]))).toEqual(["main/0"]);
    expect(started(input(side, [sandbox()], [exited(1, { id: "side", name: "side" }), container()]))).toEqual([
      "side/1",
    ]);
  });

  test("kills what fails its probe or has another image now", () => {
    const failed = { probes: () => ({ started: true, ready: false, failed: { probe: "liveness" as const } }) };
    expect(planPod(input(podOf(), [sandbox()], [container()], failed)).kill).toEqual([
      { id: "c0", name: "main", message: "Container main failed liveness probe, will be restarted" },
    ]);
    const other = podOf({ containers: [{ name: "main", image: "nginx:2" }] });
    expect(planPod(input(other, [sandbox()], [container()])).kill).toMatchObject([
      { message: "Container main definition changed, will be restarted" },
    ]);
  });

  test("keeps the last two instances of each container and the last sandbox", () => {
    const old = [0, 1, 2].map((attempt) => exited(1, { id: `c${attempt}`, attempt }));
    const sandboxes = [sandbox({ id: "old", state: "exited" }), sandbox({ attempt: 1 })];
    const plan = planPod(input(podOf(), sandboxes, [...old, container({ id: "c3", attempt: 3 })]));
    expect(plan.removeContainers).toEqual(["c1", "c0"]);
    expect(plan.removeSandboxes).toEqual(["old"]);
  });
});

describe("the status of a pod", () => {
  const status = (from: PlanInput, changes: Partial<StatusInput> = {}) =>
    podStatus({
      ...from,
      waiting: () => undefined,
      crashLoopMs: () => undefined,
      terminationMessage: () => undefined,
      podIp: "10.42.0.2",
      nodeIp: "192.0.2.7",
      ending: false,
      ...changes,
    });

  test("has the phase that Kubernetes gives", () => {
    const two = podOf({
      restartPolicy: "Never",
      containers: [
        { name: "main", image: "nginx" },
        { name: "other", image: "nginx" },
      ],
    });
    const other = (code?: number) =>
      code === undefined ? container({ id: "o", name: "other" }) : exited(code, { id: "o", name: "other" });
    expect(status(input(two, [], [])).phase).toBe("Pending");
    expect(status(input(two, [sandbox()], [container()])).phase).toBe("Pending");
    expect(status(input(two, [sandbox()], [container(), other()])).phase).toBe("Running");
    expect(status(input(two, [sandbox()], [exited(1), other()])).phase).toBe("Running");
    expect(status(input(two, [sandbox()], [exited(0), other(0)])).phase).toBe("Succeeded");
    expect(status(input(two, [sandbox()], [exited(1), other(0)])).phase).toBe("Failed");
  });

  test("never leaves a final phase", () => {
    const over = podOf({}, { phase: "Failed", reason: "Evicted" });
    expect(status(input(over, [sandbox()], [container()]))).toMatchObject({ phase: "Failed", reason: "Evicted" });
  });

  test("is a crash loop while the back-off lasts, with the end that it followed", () => {
    const loop = status(input(podOf(), [sandbox()], [exited(2)]), { crashLoopMs: () => 20_000 });
    expect(loop.phase).toBe("Running");
    expect(loop.containerStatuses?.[0]).toMatchObject({
      ready: false,
      state: {
        waiting: {
          reason: "CrashLoopBackOff",
          message: "back-off 20s restarting failed container=main pod=web_default(u)",
        },
      },
      lastState: { terminated: { exitCode: 2, reason: "Error" } },
    });
  });

  test("keeps the time of a condition that did not change, and conditions of others", () => {
    const conditions = [
      { type: "Ready", status: "True", lastTransitionTime: "2025-01-01T00:00:00Z" },
      { type: "example.com/gate", status: "False" },
    ];
    const running = status(input(podOf({}, { conditions }), [sandbox()], [container()]));
    expect(running.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime).toBe("2025-01-01T00:00:00Z");
    expect(running.conditions?.find(({ type }) => type === "example.com/gate")?.status).toBe("False");
    const gated = podOf({ readinessGates: [{ conditionType: "example.com/gate" }] }, { conditions });
    expect(
      status(input(gated, [sandbox()], [container()])).conditions?.find(({ type }) => type === "Ready"),
    ).toMatchObject({ status: "False", reason: "ReadinessGatesNotReady" });
  });
});
