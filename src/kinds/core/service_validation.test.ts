import { describe, expect, test } from "bun:test";
import { createProblems, updated, updateProblems } from "../validation.test_support.ts";
import { serviceKind } from "./service.ts";

type Fields = Record<string, unknown>;
const ports = [{ port: 80 }];
const create = (spec: Fields) => createProblems(serviceKind, { spec });
const update = (before: Fields, after: Fields) => updateProblems(serviceKind, { spec: before }, { spec: after });

describe("a service is accepted", () => {
  const cases: [string, Fields][] = [
    ["with one port", { ports }],
    [
      "with named ports",
      {
        ports: [
          { name: "a", port: 80, targetPort: "http" },
          { name: "b", port: 53, protocol: "UDP" },
        ],
      },
    ],
    [
      "with one port for two protocols",
      {
        ports: [
          { name: "a", port: 53 },
          { name: "b", port: 53, protocol: "UDP" },
        ],
      },
    ],
    ["on a node port", { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] }],
    ["headless and without ports", { clusterIP: "None" }],
    ["as a name", { type: "ExternalName", externalName: "db.example.com." }],
    ["with affinity", { ports, sessionAffinity: "ClientIP" }],
    ["with an address outside", { ports, externalIPs: ["192.0.2.1"] }],
    ["on a load balancer", { type: "LoadBalancer", ports, loadBalancerSourceRanges: ["10.0.0.0/8"] }],
  ];
  for (const [what, spec] of cases) test(what, () => expect(create(spec)).toEqual([]));
});

describe("a service is refused for", () => {
  const range = "must be between 1 and 65535, inclusive";
  const cases: [string, Fields, string, number?][] = [
    ["no ports", {}, "spec.ports: Required value"],
    // The target port follows the port.
    ["a port beyond 65535", { ports: [{ port: 65536 }] }, `spec.ports[0].port: Invalid value: 65536: ${range}`, 2],
    ["ports without names", { ports: [{ name: "a", port: 80 }, { port: 81 }] }, "spec.ports[1].name: Required value"],
    [
      "two ports of one name",
      {
        ports: [
          { name: "a", port: 80 },
          { name: "a", port: 81 },
        ],
      },
      'spec.ports[1].name: Duplicate value: "a"',
    ],
    [
      "one port twice",
      {
        ports: [
          { name: "a", port: 80 },
          { name: "b", port: 80 },
        ],
      },
      'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}',
    ],
    [
      "a protocol that is none",
      { ports: [{ port: 80, protocol: "ICMP" }] },
      'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      "a target that is none",
      { ports: [{ port: 80, targetPort: "Http" }] },
      'spec.ports[0].targetPort: Invalid value: "Http": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    ],
    [
      "a node port without its type",
      { ports: [{ port: 80, nodePort: 30080 }] },
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [
      "one node port twice",
      {
        type: "NodePort",
        ports: [
          { name: "a", port: 80, nodePort: 30080 },
          { name: "b", port: 81, nodePort: 30080 },
        ],
      },
      "spec.ports[1].nodePort: Duplicate value: 30080",
    ],
    [
      "a type that is none",
      { type: "Internal", ports },
      'spec.type: Unsupported value: "Internal": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
    ["a name of nothing", { type: "ExternalName" }, "spec.externalName: Required value"],
    [
      "an address that is none",
      { ports, clusterIP: "x" },
      'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "a headless node port",
      { type: "NodePort", clusterIP: "None", ports },
      "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
    ],
    [
      "an address outside that is the machine's own",
      { ports, externalIPs: ["127.0.0.1"] },
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
    [
      "an affinity that is none",
      { ports, sessionAffinity: "Cookie" },
      'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"',
    ],
    [
      "an affinity beyond a day",
      { ports, sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } } },
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
    ],
    [
      "a policy of what is not reached",
      { ports, externalTrafficPolicy: "Local" },
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    ["a selector that is none", { ports, selector: { "a b": "c" } }, 'spec.selector: Invalid value: "a b"'],
    [
      "ranges without a load balancer",
      { ports, loadBalancerSourceRanges: ["10.0.0.0/8"] },
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
    [
      "addresses that contradict each other",
      { ports, clusterIP: "10.43.0.1", clusterIPs: ["10.43.0.2"] },
      'spec.clusterIPs: Invalid value: ["10.43.0.2"]: first value must match `clusterIP`',
    ],
  ];
  for (const [what, spec, text, count = 1] of cases)
    test(what, () => {
      const problems = create(spec);
      expect(problems[0]).toStartWith(text);
      expect(problems.length).toBe(count);
    });
});

describe("an update of a service", () => {
  const before = { ports, clusterIP: "10.43.0.1" };

  test("may not change its address", () =>
    expect(update(before, { ports, clusterIP: "10.43.0.2" })).toEqual([
      'spec.clusterIPs[0]: Invalid value: ["10.43.0.2"]: may not change once set',
    ]));

  test("keeps the address that it leaves out", () => {
    const { object } = updated(serviceKind, { spec: before }, { spec: { ports: [{ port: 81 }] } });
    expect(object.spec).toMatchObject({ clusterIP: "10.43.0.1", clusterIPs: ["10.43.0.1"], ipFamilies: ["IPv4"] });
    expect(update(before, { ports: [{ port: 81 }] })).toEqual([]);
  });

  test("keeps the node ports that it leaves out", () => {
    const old = { ...before, type: "NodePort", ports: [{ name: "a", port: 80, nodePort: 30080 }] };
    const after = {
      type: "NodePort",
      ports: [
        { name: "b", port: 80 },
        { name: "c", port: 81 },
      ],
    };
    const { object } = updated(serviceKind, { spec: old }, { spec: after });
    expect(object.spec?.ports?.map(({ nodePort }) => nodePort)).toEqual([30080, undefined]);
  });

  test("does not give a port's old node port to a port that another has taken it for", () => {
    const old = { ...before, type: "NodePort", ports: [{ name: "a", port: 80, nodePort: 30080 }] };
    const after = {
      type: "NodePort",
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 81, nodePort: 30080 },
      ],
    };
    const { object } = updated(serviceKind, { spec: old }, { spec: after });
    expect(object.spec?.ports?.map(({ nodePort }) => nodePort)).toEqual([undefined, 30080]);
  });

  test("to a type without node ports gives them back", () => {
    const old = { ...before, type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] };
    const { object } = updated(
      serviceKind,
      { spec: old },
      { spec: { ...old, type: "ClusterIP", externalTrafficPolicy: "" } },
    );
    expect(object.spec?.ports?.[0]).toEqual({ port: 80, protocol: "TCP", targetPort: 80 });
  });

  test("to a name gives the address back", () => {
    const after = { ...before, type: "ExternalName", externalName: "a.example.com" };
    const { object } = updated(serviceKind, { spec: before }, { spec: after });
    expect(object.spec).not.toHaveProperty("clusterIP");
    expect(update(before, after)).toEqual([]);
  });
});
