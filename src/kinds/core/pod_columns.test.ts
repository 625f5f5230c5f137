import { describe, expect, test } from "bun:test";
import { podKind } from "./pod.ts";
import type { PodView } from "./pod_columns.ts";
import { podSummary } from "./pod_columns.ts";
import type { ContainerStatus, PodStatus } from "./pod_status.ts";

const now = Date.parse("2026-11-23T22:00:00Z");
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString().replace(".000", "");

const running = (name: string, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  image: "nginx",
  imageID: "",
  ready: true,
  restartCount: 0,
  started: true,
  state: { running: { startedAt: ago(60) } },
  ...more,
});
const waiting = (name: string, reason: string, more: Partial<ContainerStatus> = {}) =>
  running(name, { ready: false, started: false, state: { waiting: { reason } }, ...more });
const ended = (name: string, exitCode: number, reason?: string, signal?: number) =>
  running(name, { ready: false, started: false, state: { terminated: { exitCode, reason, signal } } });

interface Parts {
  readonly status: PodStatus;
  readonly init?: readonly string[];
  readonly sidecars?: readonly string[];
  readonly deleted?: boolean;
}

function pod({ status, init = [], sidecars = [], deleted = false }: Parts) {
  const names = (status.containerStatuses ?? [running("a")]).map(({ name }) => name);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "web",
      namespace: "default",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: ago(300),
      ...(deleted ? { deletionTimestamp: ago(5) } : {}),
    },
    spec: {
      containers: names.map((name) => ({ name })),
      initContainers: [
        ...init.map((name) => ({ name })),
        ...sidecars.map((name) => ({ name, restartPolicy: "Always" })),
      ],
    },
    status,
  };
}

describe("STATUS and READY of a pod", () => {
  const cases: [string, Parts, string, string][] = [
    ["nothing is known yet", { status: { phase: "Pending" } }, "Pending", "0/1"],
    [
      "it waits for its gates",
      {
        status: {
          phase: "Pending",
          conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }],
        },
      },
      "SchedulingGated",
      "0/1",
    ],
    [
      "it is being made",
      { status: { phase: "Pending", containerStatuses: [waiting("a", "ContainerCreating")] } },
      "ContainerCreating",
      "0/1",
    ],
    [
      "an image cannot be had",
      { status: { phase: "Pending", containerStatuses: [running("a"), waiting("b", "ErrImagePull")] } },
      "ErrImagePull",
      "1/2",
    ],
    ["it runs", { status: { phase: "Running", containerStatuses: [running("a"), running("b")] } }, "Running", "2/2"],
    [
      "it runs and is not ready",
      { status: { phase: "Running", containerStatuses: [running("a", { ready: false })] } },
      "Running",
      "0/1",
    ],
    [
      "it crashes again and again",
      { status: { phase: "Running", containerStatuses: [waiting("a", "CrashLoopBackOff")] } },
      "CrashLoopBackOff",
      "0/1",
    ],
    [
      "it has completed",
      { status: { phase: "Succeeded", containerStatuses: [ended("a", 0, "Completed")] } },
      "Completed",
      "0/1",
    ],
    ["it has failed", { status: { phase: "Failed", containerStatuses: [ended("a", 3, "Error")] } }, "Error", "0/1"],
    [
      "it ended without a reason",
      { status: { phase: "Failed", containerStatuses: [ended("a", 3)] } },
      "ExitCode:3",
      "0/1",
    ],
    [
      "a signal ended it",
      { status: { phase: "Failed", containerStatuses: [ended("a", 137, "", 9)] } },
      "Signal:9",
      "0/1",
    ],
    [
      "one container has completed and the others are ready",
      {
        status: {
          phase: "Running",
          containerStatuses: [ended("a", 0, "Completed"), running("b")],
          conditions: [{ type: "Ready", status: "True" }],
        },
      },
      "Running",
      "1/2",
    ],
    [
      "one container has completed and the pod is not ready",
      { status: { phase: "Running", containerStatuses: [ended("a", 0, "Completed"), running("b")] } },
      "NotReady",
      "1/2",
    ],
    [
      "it was evicted",
      { status: { phase: "Failed", reason: "Evicted", containerStatuses: [running("a", { ready: false })] } },
      "Evicted",
      "0/1",
    ],
    [
      "the first of two init containers runs",
      {
        init: ["i", "j"],
        status: { phase: "Pending", initContainerStatuses: [running("i"), waiting("j", "PodInitializing")] },
      },
      "Init:0/2",
      "0/1",
    ],
    [
      "the second of two init containers waits",
      {
        init: ["i", "j"],
        status: {
          phase: "Pending",
          initContainerStatuses: [ended("i", 0, "Completed"), waiting("j", "PodInitializing")],
        },
      },
      "Init:1/2",
      "0/1",
    ],
    [
      "an init container fails",
      { init: ["i"], status: { phase: "Pending", initContainerStatuses: [ended("i", 1, "Error")] } },
      "Init:Error",
      "0/1",
    ],
    [
      "an init container failed without a reason",
      { init: ["i"], status: { phase: "Pending", initContainerStatuses: [ended("i", 2)] } },
      "Init:ExitCode:2",
      "0/1",
    ],
    [
      "an init container crashes again and again",
      { init: ["i"], status: { phase: "Pending", initContainerStatuses: [waiting("i", "CrashLoopBackOff")] } },
      "Init:CrashLoopBackOff",
      "0/1",
    ],
    [
      "init containers are done and the others start",
      {
        init: ["i"],
        status: {
          phase: "Pending",
          initContainerStatuses: [ended("i", 0, "Completed")],
          containerStatuses: [waiting("a", "PodInitializing")],
        },
      },
      "PodInitializing",
      "0/1",
    ],
    [
      "a sidecar runs beside it",
      {
        sidecars: ["s"],
        status: {
          phase: "Running",
          initContainerStatuses: [running("s")],
          containerStatuses: [running("a")],
        },
      },
      "Running",
      "2/2",
    ],
    [
      "it is being deleted",
      { deleted: true, status: { phase: "Running", containerStatuses: [running("a")] } },
      "Terminating",
      "1/1",
    ],
    [
      "it is being deleted and has ended",
      { deleted: true, status: { phase: "Succeeded", containerStatuses: [ended("a", 0, "Completed")] } },
      "Completed",
      "0/1",
    ],
    [
      "it is being deleted from a node that is lost",
      { deleted: true, status: { phase: "Running", reason: "NodeLost", containerStatuses: [running("a")] } },
      "Unknown",
      "1/1",
    ],
  ];
  for (const [when, parts, status, ready] of cases)
    test(`are ${status} and ${ready} when ${when}`, () => {
      const view: PodView = pod(parts);
      const summary = podSummary(view);
      expect(summary.status).toBe(status);
      expect(`${summary.ready}/${summary.total}`).toBe(ready);
    });
});

describe("the row of a pod", () => {
  const cells = (object: ReturnType<typeof pod>) =>
    Object.fromEntries(podKind.columns.map((column) => [column.name, column.cell(object, now)]));

  test("has kubectl's columns, the wide ones marked", () => {
    expect(podKind.columns.map(({ name, priority }) => (priority === 1 ? `${name}*` : name))).toEqual([
      "Name",
      "Ready",
      "Status",
      "Restarts",
      "Age",
      "IP*",
      "Node*",
      "Nominated Node*",
      "Readiness Gates*",
    ]);
    expect(podKind.columns[0]?.format).toBe("name");
  });

  test("tells restarts and when the last one was", () => {
    const restarted = (count: number, seconds: number) => ({
      restartCount: count,
      lastState: { terminated: { exitCode: 1, finishedAt: ago(seconds) } },
    });
    const containerStatuses = [running("a", restarted(2, 300)), running("b", restarted(1, 3600))];
    expect(cells(pod({ status: { phase: "Running", containerStatuses } }))).toMatchObject({
      Name: "web",
      Ready: "2/2",
      Restarts: "3 (5m ago)",
      Age: "5m",
    });
    expect(cells(pod({ status: { containerStatuses: [running("a")] } })).Restarts).toBe("0");
  });

  test("counts the restarts of init containers only until they are done", () => {
    const initContainerStatuses = [running("i", { restartCount: 4 })];
    expect(cells(pod({ init: ["i"], status: { initContainerStatuses } })).Restarts).toBe("4");
    const done = [{ ...ended("i", 0, "Completed"), restartCount: 4 }];
    const status = { initContainerStatuses: done, containerStatuses: [running("a", { restartCount: 1 })] };
    expect(cells(pod({ init: ["i"], status })).Restarts).toBe("1");
  });

  test("tells where it is", () => {
    const somewhere = pod({
      status: { podIPs: [{ ip: "10.42.0.7" }], conditions: [{ type: "example.com/ok", status: "True" }] },
    });
    const gated = {
      ...somewhere,
      spec: {
        ...somewhere.spec,
        nodeName: "n1",
        readinessGates: [{ conditionType: "example.com/ok" }, { conditionType: "example.com/no" }],
      },
    };
    expect(podKind.columns.slice(5).map((column) => column.cell(gated, now))).toEqual([
      "10.42.0.7",
      "n1",
      "<none>",
      "1/2",
    ]);
    expect(podKind.columns.slice(5).map((column) => column.cell(pod({ status: {} }), now))).toEqual([
      "<none>",
      "<none>",
      "<none>",
      "<none>",
    ]);
  });
});

describe("the grace of a pod that is deleted", () => {
  const grace = (nodeName: string, phase: string, seconds?: number) => {
    const bare = pod({ status: { phase } });
    return podKind.gracePeriodSeconds?.({
      ...bare,
      spec: { ...bare.spec, nodeName, terminationGracePeriodSeconds: seconds },
    });
  };
  test("is the pod's own", () => expect(grace("n1", "Running", 7)).toBe(7));
  test("is one second where the pod's own is negative", () => expect(grace("n1", "Running", -5)).toBe(1));
  test("is 30 seconds where the pod does not say", () => expect(grace("n1", "Running")).toBe(30));
  test("is none where nothing runs", () => {
    expect(grace("", "Pending", 7)).toBe(0);
    expect(grace("n1", "Succeeded", 7)).toBe(0);
    expect(grace("n1", "Failed", 7)).toBe(0);
  });
});
