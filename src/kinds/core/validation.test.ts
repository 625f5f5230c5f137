import { describe, expect, test } from "bun:test";
import { leaseKind } from "../coordination/lease.ts";
import { endpointSliceKind } from "../discovery/endpoint_slice.ts";
import type { AnyKind } from "../kind.ts";
import { createProblems, statusProblems, updated, updateProblems } from "../validation.test_support.ts";
import { bindingKind } from "./binding.ts";
import { configMapKind } from "./config_map.ts";
import { endpointsKind } from "./endpoints.ts";
import { eventKind } from "./event.ts";
import { namespaceKind } from "./namespace.ts";
import { nodeKind } from "./node.ts";
import { secretKind } from "./secret.ts";
import { serviceAccountKind } from "./service_account.ts";

type Fields = Record<string, unknown>;
const base64 = (text: string) => btoa(text);
const mebibyte = 1024 * 1024;
const sealed = "field is immutable when `immutable` is set";

describe("is accepted:", () => {
  const cases: [string, AnyKind, Fields][] = [
    ["a config map", configMapKind, { data: { "a.b": "x" }, binaryData: { c: base64("y") } }],
    ["a config map of exactly 1 MiB", configMapKind, { data: { a: "x".repeat(mebibyte) } }],
    ["a secret", secretKind, { stringData: { a: "x" } }],
    ["a secret for TLS", secretKind, { type: "kubernetes.io/tls", data: { "tls.crt": "", "tls.key": "" } }],
    [
      "a secret for a registry",
      secretKind,
      { type: "kubernetes.io/dockerconfigjson", stringData: { ".dockerconfigjson": '{"auths":{}}' } },
    ],
    ["a service account", serviceAccountKind, {}],
    ["a namespace", namespaceKind, {}],
    ["a node", nodeKind, { spec: { taints: [{ key: "a", effect: "NoSchedule" }] }, status: { capacity: { cpu: 4 } } }],
    ["a lease", leaseKind, { spec: { leaseDurationSeconds: 40, renewTime: "2026-11-23T21:00:00.000000Z" } }],
    ["a binding", bindingKind, { target: { kind: "Node", name: "n1" } }],
    ["endpoints", endpointsKind, { subsets: [{ addresses: [{ ip: "10.42.0.1" }], ports: [{ port: 80 }] }] }],
    [
      "an endpoint slice",
      endpointSliceKind,
      { addressType: "IPv4", endpoints: [{ addresses: ["10.42.0.1"] }], ports: [{ name: "http", port: 80 }] },
    ],
    ["an event", eventKind, { involvedObject: { kind: "Pod", name: "a", namespace: "default" } }],
    ["an event of a node", eventKind, { involvedObject: { kind: "Node", name: "a" } }],
    [
      "an event of the newer form",
      eventKind,
      {
        involvedObject: { kind: "Node", name: "a" },
        eventTime: "2026-11-23T21:00:00.000000Z",
        reportingComponent: "example.com/x",
        reportingInstance: "x-1",
        action: "Binding",
        reason: "Scheduled",
      },
    ],
  ];
  for (const [what, kind, body] of cases) test(what, () => expect(createProblems(kind, body)).toEqual([]));
});

describe("is refused:", () => {
  const cases: [string, AnyKind, Fields, string[]][] = [
    [
      "a config map's key that is no file name",
      configMapKind,
      { data: { "a/b": "x" } },
      [
        "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      ],
    ],
    [
      "a config map's key in both places",
      configMapKind,
      { data: { a: "x" }, binaryData: { a: "" } },
      ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
    ],
    [
      "a config map beyond 1 MiB",
      configMapKind,
      { data: { a: "x".repeat(mebibyte + 1) } },
      ["[]: Too long: may not be more than 1048576 bytes"],
    ],
    [
      "a secret beyond 1 MiB",
      secretKind,
      { data: { a: base64("x".repeat(mebibyte + 1)) } },
      ["[]: Too long: may not be more than 1048576 bytes"],
    ],
    [
      "a secret for TLS without a key",
      secretKind,
      { type: "kubernetes.io/tls", data: { "tls.crt": "" } },
      ["data[tls.key]: Required value"],
    ],
    [
      "a secret for a registry that is no JSON",
      secretKind,
      { type: "kubernetes.io/dockerconfigjson", stringData: { ".dockerconfigjson": "password" } },
      ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be valid JSON'],
    ],
    [
      "a token of no service account",
      secretKind,
      { type: "kubernetes.io/service-account-token" },
      ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ],
    [
      "a taint without an effect",
      nodeKind,
      { spec: { taints: [{ key: "a" }] } },
      ["spec.taints[0].effect: Required value"],
    ],
    [
      "one taint twice",
      nodeKind,
      {
        spec: {
          taints: [
            { key: "a", effect: "NoSchedule" },
            { key: "a", value: "b", effect: "NoSchedule" },
          ],
        },
      },
      ['spec.taints[1]: Duplicate value: "a:NoSchedule"'],
    ],
    [
      "a node's network that is none",
      nodeKind,
      { spec: { podCIDRs: ["x"] } },
      ['spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    ],
    [
      "a lease of no time",
      leaseKind,
      { spec: { leaseDurationSeconds: 0 } },
      ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
    ],
    [
      "a binding to nothing",
      bindingKind,
      { target: { kind: "Pod" } },
      ['target.kind: Unsupported value: "Pod": supported values: "<empty>", "Node"', "target.name: Required value"],
    ],
    [
      "endpoints without an address",
      endpointsKind,
      { subsets: [{}] },
      ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"],
    ],
    [
      "endpoints on the machine itself",
      endpointsKind,
      { subsets: [{ addresses: [{ ip: "127.0.0.1" }] }] },
      [
        'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      ],
    ],
    ["an endpoint slice of no type", endpointSliceKind, {}, ["addressType: Required value"]],
    [
      "an endpoint without an address",
      endpointSliceKind,
      { addressType: "IPv4", endpoints: [{}] },
      ["endpoints[0].addresses: Required value: must contain at least 1 address"],
    ],
    [
      "an endpoint of another type",
      endpointSliceKind,
      { addressType: "IPv4", endpoints: [{ addresses: ["fd00::1"] }] },
      ['endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address'],
    ],
    [
      "too many endpoints",
      endpointSliceKind,
      { addressType: "IPv4", endpoints: Array.from({ length: 1001 }, () => ({ addresses: ["10.42.0.1"] })) },
      ["endpoints: Too many: 1001: must have at most 1000 items"],
    ],
    [
      "an event in another namespace",
      eventKind,
      { involvedObject: { kind: "Pod", name: "a", namespace: "other" } },
      ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    ],
    [
      "an event that nobody reports",
      eventKind,
      { involvedObject: { kind: "Node" }, eventTime: "2026-11-23T21:00:00.000000Z", action: "a", reason: "b" },
      ["reportingComponent: Required value", "reportingInstance: Required value"],
    ],
    [
      "a namespace with dots",
      namespaceKind,
      { metadata: { name: "a.b" } },
      ['metadata.name: Invalid value: "a.b": must not contain dots'],
    ],
  ];
  for (const [what, kind, body, texts] of cases) test(what, () => expect(createProblems(kind, body)).toEqual(texts));
});

describe("an update", () => {
  test("leaves a sealed config map as it is", () => {
    const before = { immutable: true, data: { a: "x" } };
    expect(updateProblems(configMapKind, before, { ...before, metadata: { labels: { a: "b" } } })).toEqual([]);
    expect(updateProblems(configMapKind, before, { data: { a: "y" } })).toEqual([
      `immutable: Forbidden: ${sealed}`,
      `data: Forbidden: ${sealed}`,
    ]);
    expect(updateProblems(configMapKind, { data: { a: "x" } }, { immutable: true, data: { a: "y" } })).toEqual([]);
  });

  test("leaves a secret's type and what it sealed", () => {
    expect(updateProblems(secretKind, { type: "a" }, { type: "b" })).toEqual([
      'type: Invalid value: "b": field is immutable',
    ]);
    const before = { immutable: true, stringData: { a: "x" } };
    expect(updateProblems(secretKind, before, { immutable: true, stringData: { a: "y" } })).toEqual([
      `data: Forbidden: ${sealed}`,
    ]);
  });

  test("leaves a slice's address type", () =>
    expect(updateProblems(endpointSliceKind, { addressType: "IPv4" }, { addressType: "IPv6" })).toEqual([
      'addressType: Invalid value: "IPv6": field is immutable',
    ]));

  test("gives a node its network once", () => {
    const cidr = (range: string) => ({ spec: { podCIDRs: [range] } });
    expect(updateProblems(nodeKind, {}, cidr("10.42.0.0/24"))).toEqual([]);
    expect(updateProblems(nodeKind, cidr("10.42.0.0/24"), cidr("10.42.1.0/24"))).toEqual([
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    ]);
  });

  test("does not take a namespace's finalizer away", () => {
    const { object } = updated(namespaceKind, {}, { spec: { finalizers: [] } });
    expect(object.spec?.finalizers).toEqual(["kubernetes"]);
    expect(object.metadata?.labels).toEqual({ "kubernetes.io/metadata.name": "web" });
  });

  test("makes a namespace Terminating only when it is being deleted", () => {
    const terminating = { status: { phase: "Terminating" } };
    expect(statusProblems(namespaceKind, {}, { phase: "Active" }, terminating)).toEqual([
      "status.phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty",
    ]);
  });
});
