import { describe, expect, test } from "bun:test";
import { statusProblems, updateProblems } from "../validation.test_support.ts";
import { podKind } from "./pod.ts";
import { validateEphemeralContainersUpdate, validateResize } from "./pod_update.ts";

type Fields = Record<string, unknown>;
const container = (more: Fields = {}) => ({ name: "a", image: "nginx:1", ...more });
const spec = (more: Fields = {}) => ({
  serviceAccountName: "default",
  containers: [container()],
  initContainers: [{ name: "i", image: "x:1" }],
  ...more,
});
const change = (before: Fields, after: Fields) =>
  updateProblems(podKind, { spec: spec(before) }, { spec: spec(after) });

describe("a pod's spec may change in", () => {
  const cases: [string, Fields, Fields][] = [
    ["nothing", {}, {}],
    ["images", {}, { containers: [container({ image: "nginx:2" })], initContainers: [{ name: "i", image: "x:2" }] }],
    ["a deadline that was none", {}, { activeDeadlineSeconds: 60 }],
    ["a shorter deadline", { activeDeadlineSeconds: 60 }, { activeDeadlineSeconds: 30 }],
    ["more tolerations", {}, { tolerations: [{ key: "a", operator: "Exists" }] }],
    [
      "fewer scheduling gates",
      { schedulingGates: [{ name: "x" }, { name: "y" }] },
      { schedulingGates: [{ name: "y" }] },
    ],
    [
      "a narrower choice of nodes while it is gated",
      { schedulingGates: [{ name: "x" }] },
      { schedulingGates: [{ name: "x" }], nodeSelector: { a: "b" } },
    ],
    ["a grace of 1 that was negative", { terminationGracePeriodSeconds: -1 }, { terminationGracePeriodSeconds: 1 }],
    ["what is absent and what is empty", {}, { nodeSelector: {}, imagePullSecrets: [] }],
  ];
  for (const [what, before, after] of cases) test(what, () => expect(change(before, after)).toEqual([]));
});

describe("a pod's spec may not change in", () => {
  const list =
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
  const cases: [string, Fields, Fields, string][] = [
    [
      "ports",
      {},
      { containers: [container({ ports: [{ containerPort: 80 }] })] },
      `${list}\nspec.containers[0].ports differs`,
    ],
    ["variables", {}, { containers: [container({ env: [{ name: "A" }] })] }, `${list}\nspec.containers[0].env differs`],
    ["its node", { nodeName: "n1" }, { nodeName: "n2" }, `${list}\nspec.nodeName differs`],
    ["the choice of nodes", {}, { nodeSelector: { a: "b" } }, `${list}\nspec.nodeSelector differs`],
    [
      "the number of containers",
      {},
      { containers: [container(), container({ name: "b" })] },
      "spec.containers: Forbidden: pod updates may not add or remove containers",
    ],
    ["the grace", {}, { terminationGracePeriodSeconds: 1 }, `${list}\nspec.terminationGracePeriodSeconds differs`],
    [
      "a longer deadline",
      { activeDeadlineSeconds: 30 },
      { activeDeadlineSeconds: 60 },
      "spec.activeDeadlineSeconds: Invalid value: 60: must be less than or equal to previous value",
    ],
    [
      "a deadline taken away",
      { activeDeadlineSeconds: 30 },
      {},
      "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
    ],
    [
      "fewer tolerations",
      { tolerations: [{ key: "a", operator: "Exists" }] },
      {},
      "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
    ],
    [
      "more scheduling gates",
      {},
      { schedulingGates: [{ name: "x" }] },
      "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'x'",
    ],
  ];
  for (const [what, before, after, text] of cases) test(what, () => expect(change(before, after)).toEqual([text]));
});

test("a restarted container does not come back where its pod restarts none", () => {
  const body = { spec: spec({ restartPolicy: "Never" }) };
  const containerStatus = (state: Fields) => ({
    name: "a",
    image: "",
    imageID: "",
    ready: false,
    restartCount: 0,
    state,
  });
  const ended = { containerStatuses: [containerStatus({ terminated: { exitCode: 1 } })], qosClass: "BestEffort" };
  const running = { containerStatuses: [containerStatus({ running: {} })], qosClass: "BestEffort" };
  expect(statusProblems(podKind, body, ended, { status: ended })).toEqual([]);
  expect(statusProblems(podKind, body, ended, { status: running })).toEqual([
    "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
  ]);
  expect(statusProblems(podKind, { spec: spec() }, ended, { status: running })).toEqual([]);
  expect(statusProblems(podKind, body, ended, { status: { ...ended, qosClass: "Burstable" } })).toEqual([
    'status.qosClass: Invalid value: "Burstable": field is immutable',
  ]);
});

test("ephemeral containers are added, and never changed or taken away", () => {
  const debug = { name: "debug", image: "busybox" };
  const before = { containers: [container()], ephemeralContainers: [debug] };
  const check = (list: (typeof debug)[]) =>
    validateEphemeralContainersUpdate({ containers: [container()], ephemeralContainers: list }, before).map(
      ({ message }) => message,
    );
  expect(check([{ name: "more", image: "x" }, debug])).toEqual([]);
  expect(check([])).toEqual(['Forbidden: existing ephemeral containers "debug" may not be removed\n']);
  expect(check([{ ...debug, image: "x" }])).toEqual([
    'Forbidden: existing ephemeral containers "debug" may not be changed\nimage',
  ]);
});

describe("a resize", () => {
  const sized = (requests: Record<string, string>, limits: Record<string, string>, more: Fields = {}) => ({
    containers: [{ name: "a", image: "x", resources: { requests, limits }, ...more }],
  });
  const old = sized({ cpu: "1", memory: "1Gi" }, { cpu: "2", memory: "2Gi" });
  const check = (after: ReturnType<typeof sized>) =>
    validateResize(after, old).map(({ field, message }) => `${field}: ${message}`);

  test("changes processor and memory", () =>
    expect(check(sized({ cpu: "500m", memory: "1Gi" }, { cpu: "4", memory: "3Gi" }))).toEqual([]));
  test("changes nothing else", () =>
    expect(check({ containers: [{ ...old.containers[0], name: "b", image: "x" }] } as typeof old)).toEqual([
      "spec: Forbidden: only cpu and memory resources are mutable",
    ]));
  test("takes nothing away", () =>
    expect(check(sized({ cpu: "1" }, { cpu: "2", memory: "2Gi" }))).toEqual([
      "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
    ]));
  test("does not shrink memory under a running process", () =>
    expect(check(sized({ cpu: "1", memory: "1Gi" }, { cpu: "2", memory: "1536Mi" }))).toEqual([
      "spec.containers[0].resources.limits[memory]: Forbidden: memory limits cannot be decreased unless resizePolicy is RestartContainer",
    ]));
  test("keeps the pod's class of service", () =>
    expect(check(sized({ cpu: "2", memory: "2Gi" }, { cpu: "2", memory: "2Gi" }))).toEqual([
      'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
    ]));
});
