import { describe, expect, test } from "bun:test";
import { addressNumber, addressText, serviceAddresses, upperBand } from "./address_range.ts";
import { refusal, TestCluster, valueAt } from "./cluster.test_support.ts";

const service = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
});
const merge = "application/merge-patch+json";

describe("a cluster address", () => {
  test("is chosen in the range, and stays with its Service", async () => {
    const cluster = await TestCluster.started();
    const created = await cluster.create("services", service("web"));
    const ip = String(valueAt(created, "spec.clusterIP"));
    expect(valueAt(created, "spec.clusterIPs")).toEqual([ip]);
    const number = addressNumber(ip) ?? 0;
    // The lowest 256 addresses are left to people.
    expect(number).toBeGreaterThan(addressNumber("10.43.1.0") ?? 0);
    expect(number).toBeLessThan(addressNumber("10.43.255.255") ?? 0);
    const replaced = await cluster.update("services", "web", service("web", { ports: [{ port: 81 }] }));
    expect(valueAt(replaced, "spec.clusterIP")).toBe(ip);
  });

  test("that somebody has is refused in Kubernetes' words, and free again after the delete", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("services", service("web", { clusterIP: "10.43.0.10" }));
    const error = await refusal(cluster.create("services", service("shop", { clusterIP: "10.43.0.10" })));
    expect([error.code, error.message]).toEqual([
      422,
      'Service "shop" is invalid: spec.clusterIPs: Invalid value: ["10.43.0.10"]: failed to allocate IP 10.43.0.10: provided IP is already allocated',
    ]);
    await cluster.delete("services", "web");
    await cluster.create("services", service("shop", { clusterIP: "10.43.0.10" }));
  });

  test("outside of the range is refused", async () => {
    const cluster = await TestCluster.started();
    const error = await refusal(cluster.create("services", service("web", { clusterIP: "192.168.1.1" })));
    expect(error.message).toContain(
      "failed to allocate IP 192.168.1.1: the provided IP (192.168.1.1) is not in the valid range. The range of valid IPs is 10.43.0.0/16",
    );
    expect((await refusal(cluster.create("services", service("web", { clusterIP: "10.43.255.255" })))).code).toBe(422);
  });

  test("is not given to headless and to ExternalName Services, and comes with a change of type", async () => {
    const cluster = await TestCluster.started();
    const headless = await cluster.create("services", service("web", { clusterIP: "None" }));
    expect(valueAt(headless, "spec.clusterIP")).toBe("None");
    const external = { type: "ExternalName", externalName: "example.com", ports: undefined };
    expect(valueAt(await cluster.create("services", service("shop", external)), "spec.clusterIP")).toBeUndefined();
    const changed = await cluster.patch("services", "shop", merge, {
      spec: { type: "ClusterIP", externalName: null, ports: [{ port: 80 }] },
    });
    expect(valueAt(changed, "spec.clusterIP")).toStartWith("10.43.");
    const back = await cluster.patch("services", "shop", merge, {
      spec: { type: "ExternalName", externalName: "example.com" },
    });
    expect(valueAt(back, "spec.clusterIP")).toBeUndefined();
    const ip = String(valueAt(changed, "spec.clusterIP"));
    await cluster.create("services", service("heir", { clusterIP: ip }));
  });

  test("goes to one of two that ask for it at once", async () => {
    const cluster = await TestCluster.started();
    const ask = (name: string) => cluster.create("services", service(name, { clusterIP: "10.43.0.10" }));
    cluster.store.beforeTxn = async () => {
      await ask("quick");
    };
    expect((await refusal(ask("slow"))).message).toContain("provided IP is already allocated");
    expect(await cluster.list("services")).toHaveLength(1);
  });

  test("is chosen anew when another took it meanwhile", async () => {
    const cluster = await TestCluster.started();
    cluster.store.beforeTxn = async (request) => {
      // The rival takes the very address that was chosen.
      const claim = request.success.find(
        (operation) => operation.type === "put" && operation.key[1] === "c".charCodeAt(0),
      );
      if (claim) await cluster.store.txn({ compare: [], success: [claim], failure: [] });
    };
    await cluster.create("services", service("web"));
    expect(await cluster.list("services")).toHaveLength(1);
  });

  test("runs out with a clear error, and not before the last one is given", async () => {
    const cluster = await TestCluster.started({ serviceCidr: "10.43.0.0/29" });
    const given = new Set<unknown>();
    for (let at = 0; at < 6; at++)
      given.add(valueAt(await cluster.create("services", service(`web-${at}`)), "spec.clusterIP"));
    expect([...given].sort()).toEqual([1, 2, 3, 4, 5, 6].map((last) => `10.43.0.${last}`));
    const error = await refusal(cluster.create("services", service("more")));
    expect(error.message).toBe("Internal error occurred: failed to allocate a serviceIP: range is full");
  });

  test("is never given twice, although two servers hand out a small range at once", async () => {
    const serviceCidr = "10.43.0.0/27";
    const one = await TestCluster.started({ serviceCidr });
    // The same random numbers on purpose: both draw the same addresses.
    const two = new TestCluster({ serviceCidr, store: one.store });
    const creates = Array.from({ length: 30 }, (_, at) =>
      (at % 2 === 0 ? one : two).create("services", service(`web-${at}`)),
    );
    const addresses = (await Promise.all(creates)).map((each) => valueAt(each, "spec.clusterIP"));
    expect(new Set(addresses).size).toBe(30);
  });

  test("is known to a server that starts later", async () => {
    const cluster = await TestCluster.started();
    await cluster.create("services", service("web", { clusterIP: "10.43.0.10" }));
    const later = new TestCluster({ store: cluster.store });
    expect((await refusal(later.create("services", service("shop", { clusterIP: "10.43.0.10" })))).code).toBe(422);
  });
});

describe("a node port", () => {
  test("is chosen, kept, given up and refused", async () => {
    const cluster = await TestCluster.started();
    const created = await cluster.create("services", service("web", { type: "NodePort" }));
    const nodePort = Number(valueAt(created, "spec.ports.0.nodePort"));
    expect(nodePort).toBeGreaterThanOrEqual(30000);
    expect(nodePort).toBeLessThanOrEqual(32767);
    const taken = service("shop", { type: "NodePort", ports: [{ port: 80, nodePort }] });
    expect((await refusal(cluster.create("services", taken))).message).toBe(
      `Service "shop" is invalid: spec.ports[0].nodePort: Invalid value: ${nodePort}: provided port is already allocated`,
    );
    const outside = service("shop", { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] });
    expect((await refusal(cluster.create("services", outside))).message).toContain(
      "provided port is not in the valid range. The range of valid ports is 30000-32767",
    );
    await cluster.patch("services", "web", merge, { spec: { type: "ClusterIP", externalTrafficPolicy: null } });
    await cluster.create("services", taken);
  });

  test("serves TCP and UDP of one port under one number", async () => {
    const cluster = await TestCluster.started();
    const ports = [
      { name: "tcp", port: 53, protocol: "TCP" },
      { name: "udp", port: 53, protocol: "UDP" },
      { name: "other", port: 54, protocol: "UDP" },
    ];
    const created = await cluster.create("services", service("dns", { type: "NodePort", ports }));
    const [tcp, udp, other] = [0, 1, 2].map((at) => valueAt(created, `spec.ports.${at}.nodePort`));
    expect(udp).toBe(tcp);
    expect(other).not.toBe(tcp);
  });
});

describe("ranges", () => {
  test("know their addresses", () => {
    const range = serviceAddresses("10.43.0.0/16");
    expect([addressText(range.first), addressText(range.last)]).toEqual(["10.43.0.1", "10.43.255.254"]);
    expect(addressText(upperBand(range, 16, 256).first)).toBe("10.43.1.1");
    expect(serviceAddresses("192.168.7.9/30")).toEqual({
      first: addressNumber("192.168.7.9") ?? 0,
      last: addressNumber("192.168.7.10") ?? 0,
    });
    for (const bad of ["10.43.0.0", "10.43.0.0/33", "fd00::/112", "10.43.0/16", ""])
      expect(() => serviceAddresses(bad)).toThrow("an IPv4 network between /8 and /30 is needed");
  });
});
