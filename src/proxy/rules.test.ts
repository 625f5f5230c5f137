import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Service } from "../kinds/core/service.ts";
import type { Endpoint, EndpointSlice } from "../kinds/discovery/endpoint_slice.ts";
import type { Live } from "../kinds/kind.ts";
import { offersAsReady, proxyListeners } from "./rules.ts";

const identity = { uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };

function service(name: string, spec: NonNullable<Service["spec"]>, namespace = "default"): Live<Service> {
  const filled = { type: "ClusterIP", clusterIP: "10.43.0.9", ports: [{ port: 80 }], ...spec };
  return { apiVersion: "v1", kind: "Service", metadata: { ...identity, name, namespace }, spec: filled, status: {} };
}

function slice(
  of: string,
  endpoints: Endpoint[],
  ports: EndpointSlice["ports"] = [{ port: 8080 }],
): Live<EndpointSlice> {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...identity, name: `${of}-x`, namespace: "default", labels: { "kubernetes.io/service-name": of } },
    addressType: "IPv4",
    endpoints,
    ports,
  };
}

const endpoint = (address: string, conditions: Endpoint["conditions"] = {}): Endpoint => ({
  addresses: [address],
  conditions,
});
const terminating = { ready: false, serving: true, terminating: true };

describe("proxyListeners", () => {
  test("a named port leads to the slices' port of the same name", () => {
    const ports = [
      { name: "http", port: 80, protocol: "TCP" },
      { name: "dns", port: 53, protocol: "UDP" },
    ];
    const slices = [
      slice(
        "web",
        [endpoint("10.42.0.5")],
        [
          { name: "dns", port: 5353, protocol: "UDP" },
          { name: "http", port: 8080, protocol: "TCP" },
        ],
      ),
    ];
    expect(proxyListeners([service("web", { ports })], slices)).toEqual([
      {
        key: "default/web:dns/UDP",
        protocol: "UDP",
        frontend: { type: "clusterIP", address: "10.43.0.9", port: 53 },
        endpoints: [{ address: "10.42.0.5", port: 5353 }],
      },
      {
        key: "default/web:http/TCP",
        protocol: "TCP",
        frontend: { type: "clusterIP", address: "10.43.0.9", port: 80 },
        endpoints: [{ address: "10.42.0.5", port: 8080 }],
      },
    ]);
  });

  test("pods whose named target port has different numbers are all reached", () => {
    const slices = [
      slice("web", [endpoint("10.42.0.5")], [{ port: 1 }]),
      slice("web", [endpoint("10.42.0.6")], [{ port: 2 }]),
    ];
    expect(proxyListeners([service("web", {})], slices)[0]?.endpoints).toEqual([
      { address: "10.42.0.5", port: 1 },
      { address: "10.42.0.6", port: 2 },
    ]);
  });

  test("only ready endpoints are used; an absent condition means ready", () => {
    const slices = [
      slice("web", [
        endpoint("10.42.0.5", { ready: false }),
        endpoint("10.42.0.6"),
        endpoint("10.42.0.7", { ready: true }),
        endpoint("10.42.0.8", terminating),
      ]),
    ];
    const addresses = proxyListeners([service("web", {})], slices)[0]?.endpoints.map(({ address }) => address);
    expect(addresses).toEqual(["10.42.0.6", "10.42.0.7"]);
  });

  test("endpoints that terminate but serve are used while there is no ready one", () => {
    const slices = [
      slice("web", [
        endpoint("10.42.0.5", terminating),
        endpoint("10.42.0.6", { ready: false, serving: false, terminating: true }),
        endpoint("10.42.0.7", { ready: false }),
      ]),
    ];
    expect(proxyListeners([service("web", {})], slices)[0]?.endpoints).toEqual([{ address: "10.42.0.5", port: 8080 }]);
  });

  test("an endpoint that two slices list is used once, and is ready if one of them says so", () => {
    const slices = [
      slice("web", [endpoint("10.42.0.5", terminating)]),
      slice("web", [endpoint("10.42.0.5")]),
      slice("web", [endpoint("10.42.0.5", terminating), endpoint("10.42.0.6", terminating)]),
    ];
    expect(proxyListeners([service("web", {})], slices)[0]?.endpoints).toEqual([{ address: "10.42.0.5", port: 8080 }]);
  });

  test("headless, ExternalName, IPv6-only and SCTP Services and those of another proxy have no listener", () => {
    const other = service("other", {});
    other.metadata.labels = { "service.kubernetes.io/service-proxy-name": "mine" };
    const services = [
      service("headless", { clusterIP: "None", clusterIPs: ["None"] }),
      service("external", { type: "ExternalName", externalName: "example.org" }),
      service("six", { clusterIP: "fd00::1", clusterIPs: ["fd00::1"] }),
      service("sctp", { ports: [{ port: 80, protocol: "SCTP" }] }),
      service("none", { clusterIP: "" }),
      other,
    ];
    expect(proxyListeners(services, [])).toEqual([]);
  });

  test("NodePort and LoadBalancer Services have a listener for the node port too", () => {
    for (const type of ["NodePort", "LoadBalancer"]) {
      const found = proxyListeners(
        [service("web", { type, ports: [{ port: 80, nodePort: 30080 }] })],
        [slice("web", [endpoint("10.42.0.5")])],
      );
      expect(found.map(({ key, frontend }) => [key, frontend])).toEqual([
        ["default/web:/TCP", { type: "clusterIP", address: "10.43.0.9", port: 80 }],
        ["default/web:/TCP/node", { type: "nodePort", port: 30080 }],
      ]);
      expect(found[1]?.endpoints).toEqual([{ address: "10.42.0.5", port: 8080 }]);
    }
    const plain = service("web", { type: "ClusterIP", ports: [{ port: 80, nodePort: 30080 }] });
    expect(proxyListeners([plain], [])).toHaveLength(1);
  });

  test("traffic policy Local uses the endpoints of this node only", () => {
    const spec = { type: "NodePort", externalTrafficPolicy: "Local", ports: [{ port: 80, nodePort: 30080 }] };
    const slices = [
      slice("web", [
        { ...endpoint("10.42.0.5"), nodeName: "a" },
        { ...endpoint("10.42.1.5"), nodeName: "b" },
      ]),
    ];
    const [cluster, node] = proxyListeners([service("web", spec)], slices, { nodeName: "b" });
    expect(cluster?.endpoints).toHaveLength(2);
    expect(node?.endpoints).toEqual([{ address: "10.42.1.5", port: 8080 }]);
    const internal = service("web", { internalTrafficPolicy: "Local" });
    expect(proxyListeners([internal], slices, { nodeName: "c" })[0]?.endpoints).toEqual([]);
  });

  test("session affinity has Kubernetes' default of three hours", () => {
    expect(proxyListeners([service("web", { sessionAffinity: "ClientIP" })], [])[0]?.affinitySeconds).toBe(10_800);
    const short = { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } };
    expect(proxyListeners([service("web", short)], [])[0]?.affinitySeconds).toBe(60);
    expect(proxyListeners([service("web", {})], [])[0]).not.toHaveProperty("affinitySeconds");
  });

  test("the Service kubernetes leads to the API server until a slice says otherwise", () => {
    const kubernetes = service("kubernetes", { clusterIP: "10.43.0.1", ports: [{ name: "https", port: 443 }] });
    const apiServer = { address: "192.0.2.7", port: 6443 };
    expect(proxyListeners([kubernetes], [], { apiServer })[0]?.endpoints).toEqual([apiServer]);
    const slices = [slice("kubernetes", [endpoint("192.0.2.8")], [{ name: "https", port: 7443 }])];
    expect(proxyListeners([kubernetes], slices, { apiServer })[0]?.endpoints).toEqual([
      { address: "192.0.2.8", port: 7443 },
    ]);
    expect(
      proxyListeners([service("kubernetes", { ports: [{ port: 443 }] }, "other")], [], { apiServer })[0]?.endpoints,
    ).toEqual([]);
  });

  test("the result does not depend on the order of its input, keys are unique, endpoints are unique", () => {
    const names = fc.constantFrom("a", "b", "c");
    const conditions = fc.record(
      { ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() },
      { requiredKeys: [] },
    );
    const someEndpoint = fc.record({ n: fc.integer({ min: 1, max: 6 }), conditions });
    const someSlice = fc.record({
      of: names,
      endpoints: fc.array(someEndpoint, { maxLength: 5 }),
      port: fc.integer({ min: 1, max: 2 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(names), fc.array(someSlice, { maxLength: 6 }), (services, slices) => {
        const all = services.map((name) => service(name, { type: "NodePort", ports: [{ port: 80, nodePort: 30000 }] }));
        const made = slices.map(({ of, endpoints, port }) =>
          slice(
            of,
            endpoints.map(({ n, conditions: c }) => endpoint(`10.42.0.${n}`, c)),
            [{ port }],
          ),
        );
        const found = proxyListeners(all, made);
        expect(proxyListeners([...all].reverse(), [...made].reverse())).toEqual(found);
        expect(new Set(found.map(({ key }) => key)).size).toBe(found.length);
        expect(found).toHaveLength(services.length * 2);
        for (const { key, endpoints } of found) {
          expect(new Set(endpoints.map(({ address, port }) => `${address}:${port}`)).size).toBe(endpoints.length);
          const name = key.slice("default/".length, key.indexOf(":"));
          for (const { address } of endpoints)
            expect(
              made.some(
                (s) =>
                  s.metadata.labels?.["kubernetes.io/service-name"] === name &&
                  s.endpoints.some((e) => e.addresses.includes(address)),
              ),
            ).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});

test("an address counts as offered only while a slice calls it ready and not terminating", () => {
  expect(offersAsReady([slice("web", [endpoint("10.42.0.5")])], "10.42.0.5")).toBe(true);
  expect(offersAsReady([slice("web", [endpoint("10.42.0.5")])], "10.42.0.6")).toBe(false);
  expect(offersAsReady([slice("web", [endpoint("10.42.0.5", { ready: false })])], "10.42.0.5")).toBe(false);
  // publishNotReadyAddresses: ready for ever, so that only `terminating` tells.
  expect(offersAsReady([slice("web", [endpoint("10.42.0.5", { ready: true, terminating: true })])], "10.42.0.5")).toBe(
    false,
  );
  const mine = { ...endpoint("192.0.2.7"), targetRef: { kind: "Pod", uid: "mine" } };
  const theirs = { ...endpoint("192.0.2.7"), targetRef: { kind: "Pod", uid: "theirs" } };
  expect(offersAsReady([slice("web", [theirs])], "192.0.2.7", "mine")).toBe(false);
  expect(offersAsReady([slice("web", [theirs, mine])], "192.0.2.7", "mine")).toBe(true);
});
