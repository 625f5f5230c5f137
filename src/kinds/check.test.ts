import { describe, expect, test } from "bun:test";
import { deploymentKind } from "./apps/deployment.ts";
import { checkMessage, checkObject, TypeMismatch } from "./check.ts";
import { leaseKind } from "./coordination/lease.ts";
import { nodeKind } from "./core/node.ts";
import { podKind } from "./core/pod.ts";
import { secretKind } from "./core/secret.ts";
import { serviceKind } from "./core/service.ts";
import type { AnyKind } from "./kind.ts";
import { DeleteOptions, ObjectMeta } from "./meta.ts";

const pod = () => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", labels: { app: "web" } },
  spec: { containers: [{ name: "web", image: "nginx", resources: { limits: { cpu: "500m", memory: "1Gi" } } }] },
});

/** Changes nothing that is frozen, or throws. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) frozen(part);
    Object.freeze(value);
  }
  return value;
}

describe("checking a right object", () => {
  test("gives back the very same object", () => {
    const right = frozen(pod());
    const { object, problems } = checkObject(podKind, right);
    expect<unknown>(object).toBe(right);
    expect(problems).toEqual([]);
  });

  test("fills in apiVersion and kind without touching the input", () => {
    const { apiVersion: _apiVersion, kind: _kind, ...bare } = pod();
    expect<unknown>(checkObject(podKind, frozen(bare)).object).toEqual(pod());
  });

  test("gives absent required fields Go's zero values, and an absent spec an empty one", () => {
    expect<unknown>(checkObject(podKind, {}).object).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      spec: { containers: [] },
    });
    expect<unknown>(checkObject(deploymentKind, {}).object.spec).toEqual({ template: {} });
    expect<unknown>(checkObject(leaseKind, { spec: null }).object.spec).toEqual({});
    const partial = checkObject(podKind, { spec: { containers: [{}] } }, { fillRequired: false });
    expect<unknown>(partial.object.spec).toEqual({ containers: [{}] });
  });

  test("writes quantities, numbers for quantities, times and base64 in their canonical form", () => {
    const { object } = checkObject(nodeKind, {
      metadata: { creationTimestamp: "2026-11-23T22:44:00+01:00" },
      status: { capacity: { cpu: 4, memory: "2048Mi", "example.com/odd": 0.5 } },
    });
    expect(object.metadata?.creationTimestamp).toBe("2026-11-23T21:44:00Z");
    expect(object.status?.capacity).toEqual({ cpu: "4", memory: "2Gi", "example.com/odd": "500m" });
    expect(checkObject(secretKind, { data: { a: "YWJj\nZGVm" } }).object.data).toEqual({ a: "YWJjZGVm" });
  });

  test("accepts a name or a number where either may stand", () => {
    const ports = [
      { port: 80, targetPort: "http" },
      { port: 81, targetPort: 8081 },
    ];
    expect(checkObject(serviceKind, { spec: { ports } }).object.spec?.ports).toEqual(ports);
  });
});

describe("null", () => {
  test("in a field means absent", () => {
    const { object } = checkObject(podKind, {
      metadata: { name: "web", creationTimestamp: null, labels: null },
      spec: { containers: null },
      status: null,
    });
    expect(object.metadata).toEqual({ name: "web" });
    expect(object.spec?.containers).toEqual([]);
    expect("status" in object).toBe(false);
  });

  test("in a list or a map means the zero value", () => {
    const { object } = checkObject(podKind, {
      metadata: { labels: { app: null } },
      spec: { containers: [{ name: "web", args: [null, "x"], resources: { limits: { cpu: null } } }, null] },
    });
    expect(object.metadata?.labels).toEqual({ app: "" });
    expect(object.spec?.containers).toEqual([
      { name: "web", args: ["", "x"], resources: { limits: { cpu: "0" } } },
      { name: "" },
    ]);
  });
});

describe("unknown fields", () => {
  test("are named by their path, and left out", () => {
    const body = frozen({
      metadata: { name: "web", colour: "red" },
      spec: { foo: 1, containers: [{ name: "a" }, { name: "b", Image: "nginx", foo: { bar: 1 } }] },
      constructor: {},
      extra: true,
    });
    const { object, problems } = checkObject(podKind, body);
    expect(problems).toEqual([
      'unknown field "metadata.colour"',
      'unknown field "spec.foo"',
      'unknown field "spec.containers[1].Image"',
      'unknown field "spec.containers[1].foo"',
      'unknown field "constructor"',
      'unknown field "extra"',
    ]);
    expect<unknown>(object).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web" },
      spec: { containers: [{ name: "a" }, { name: "b" }] },
    });
  });

  test("are reported at most a hundred times", () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`x${at}`, at]));
    expect(checkMessage(ObjectMeta, many).problems.length).toBe(100);
  });

  test("do not include keys of maps, whatever they are called", () => {
    const labels: unknown = JSON.parse('{"__proto__":"a","constructor":"b","toString":null}');
    const { object, problems } = checkMessage(ObjectMeta, { labels });
    expect(problems).toEqual([]);
    expect(Object.entries(object.labels ?? {})).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
      ["toString", ""],
    ]);
  });
});

describe("a value of the wrong type", () => {
  const cases: [AnyKind, unknown, string][] = [
    [
      podKind,
      { spec: { containers: [{ name: "a", ports: [{ containerPort: "80" }] }] } },
      "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    ],
    [podKind, { spec: "x" }, "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec"],
    [
      podKind,
      { spec: { containers: {} } },
      "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    ],
    [
      podKind,
      { spec: { containers: ["x"] } },
      "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
    ],
    [
      podKind,
      { metadata: { labels: { a: 1 } } },
      "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    ],
    [
      podKind,
      { metadata: { labels: ["a"] } },
      "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
    ],
    [
      podKind,
      { spec: { containers: [{ env: [{ name: "A", value: 1 }] }] } },
      "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
    ],
    [
      podKind,
      { spec: { hostNetwork: "true" } },
      "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
    ],
    [
      podKind,
      { spec: { activeDeadlineSeconds: 1.5 } },
      "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64",
    ],
    [
      podKind,
      { spec: { priority: 3_000_000_000 } },
      "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
    ],
    [
      podKind,
      { spec: { restartPolicy: false } },
      "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
    ],
    [
      serviceKind,
      { spec: { ports: [{ port: 80, targetPort: true }] } },
      "json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32",
    ],
    [
      deploymentKind,
      { spec: { replicas: "3" } },
      "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [podKind, [], "json: cannot unmarshal array into Go value of type v1.Pod"],
    [podKind, "x", "json: cannot unmarshal string into Go value of type v1.Pod"],
    [
      podKind,
      { spec: { containers: [{ resources: { limits: { cpu: "lots" } } }] } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      podKind,
      { metadata: { creationTimestamp: "today" } },
      'parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006"',
    ],
    [secretKind, { data: { a: "a_b=" } }, "illegal base64 data at input byte 1"],
    [secretKind, { data: { a: "abcde" } }, "illegal base64 data at input byte 4"],
  ];
  for (const [kind, body, detail] of cases)
    test(`is refused as Kubernetes refuses it: ${detail.slice(0, 100)}`, () => {
      expect(() => checkObject(kind, body)).toThrow(
        expect.objectContaining({
          code: 400,
          reason: "BadRequest",
          message: `${kind.kind} in version "v1" cannot be handled as a ${kind.kind}: ${detail}`,
        }),
      );
    });

  test("of a message without a kind is refused too", () => {
    expect(() => checkMessage(DeleteOptions, { gracePeriodSeconds: "0" })).toThrow(TypeMismatch);
  });

  test("is also an object of another kind or version", () => {
    expect(() => checkObject(deploymentKind, { apiVersion: "v1", kind: "Deployment" })).toThrow(
      "the API version in the data (v1) does not match the expected API version (apps/v1)",
    );
    expect(() => checkObject(deploymentKind, { apiVersion: "apps/v1", kind: "ReplicaSet" })).toThrow(
      'ReplicaSet in version "v1" cannot be handled as a Deployment',
    );
  });
});
