import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Listener } from "../state.ts";
import { abandonedUdp, appearedUdp, changedElements, type KernelView, kernelView, wholeTable } from "./kernel_rules.ts";

const endpoint = { address: "10.42.0.5", port: 8080 };
const clusterIp = (
  key: string,
  address: string,
  protocol: "TCP" | "UDP" = "TCP",
  endpoints = [endpoint],
): Listener => ({
  key,
  protocol,
  frontend: { type: "clusterIP", address, port: 80 },
  endpoints,
});
const nodePort = (key: string, port: number, endpoints = [endpoint]): Listener => ({
  key,
  protocol: "TCP",
  frontend: { type: "nodePort", port },
  endpoints,
});
const view = (listeners: Listener[], ports: Record<string, number>) =>
  kernelView("10.43.0.0/16", "169.254.43.1", listeners, (listener) => ports[listener.key]);

describe("the kernel's table", () => {
  test("leads frontends with endpoints to private ports, and leaves out the others", () => {
    const listeners = [
      clusterIp("a", "10.43.0.5"),
      clusterIp("b", "10.43.0.6", "UDP"),
      clusterIp("empty", "10.43.0.7", "TCP", []),
      clusterIp("failed to bind", "10.43.0.8"),
      nodePort("n", 30080),
      nodePort("closed", 30081, []),
    ];
    const made = view(listeners, { a: 40001, b: 40002, empty: 40003, n: 40004, closed: 40005 });
    expect([...made.clusterIps]).toEqual([
      ["tcp . 10.43.0.5 . 80", 40001],
      ["udp . 10.43.0.6 . 80", 40002],
    ]);
    expect([...made.nodePorts]).toEqual([["tcp . 30080", 40004]]);
    expect([...made.closedNodePorts]).toEqual(["tcp . 30081"]);
  });

  test("gives a frontend that two listeners claim to the first", () => {
    const made = view([clusterIp("a", "10.43.0.5"), clusterIp("b", "10.43.0.5")], { a: 1, b: 2 });
    expect([...made.clusterIps]).toEqual([["tcp . 10.43.0.5 . 80", 1]]);
    const node = view([nodePort("x", 30000, []), nodePort("y", 30000)], { x: 1, y: 2 });
    expect([...node.nodePorts]).toEqual([["tcp . 30000", 2]]);
    expect(node.closedNodePorts.size).toBe(0);
  });

  test("is replaced whole in one transaction", () => {
    const text = wholeTable(view([clusterIp("a", "10.43.0.5")], { a: 40001 }));
    expect(text.startsWith("table ip wherry-proxy-10.43.0.0-16\ndelete table ip wherry-proxy-10.43.0.0-16\n")).toBe(
      true,
    );
    expect(text).toContain("elements = { tcp . 10.43.0.5 . 80 : 40001 }");
  });

  test("changes by exactly the elements that differ", () => {
    const from = view([clusterIp("a", "10.43.0.5"), clusterIp("b", "10.43.0.6"), nodePort("n", 30080)], {
      a: 1,
      b: 2,
      n: 3,
    });
    const to = view([clusterIp("a", "10.43.0.5"), clusterIp("c", "10.43.0.7"), nodePort("n", 30080, [])], {
      a: 9,
      c: 4,
    });
    expect(changedElements(from, from)).toBe("");
    expect(changedElements(from, to).split("\n")).toEqual([
      "delete element ip wherry-proxy-10.43.0.0-16 cluster_ips { tcp . 10.43.0.5 . 80 : 1, tcp . 10.43.0.6 . 80 : 2 }",
      "add element ip wherry-proxy-10.43.0.0-16 cluster_ips { tcp . 10.43.0.5 . 80 : 9, tcp . 10.43.0.7 . 80 : 4 }",
      "delete element ip wherry-proxy-10.43.0.0-16 node_ports { tcp . 30080 : 3 }",
      "add element ip wherry-proxy-10.43.0.0-16 closed_node_ports { tcp . 30080 }",
      "",
    ]);
  });

  test("its changes carried out on the old elements give the new ones, whatever both are", () => {
    const ports = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 40000, max: 40003 })), {
      selector: ([frontend]) => frontend,
    });
    const viewOf = (cluster: [number, number][], node: [number, number][], closed: number[]): KernelView => ({
      serviceCidr: "10.43.0.0/16",
      privateAddress: "169.254.43.1",
      clusterIps: new Map(cluster.map(([n, port]) => [`tcp . 10.43.0.${n} . 80`, port])),
      nodePorts: new Map(node.map(([n, port]) => [`udp . ${30000 + n}`, port])),
      closedNodePorts: new Set(closed.map((n) => `tcp . ${31000 + n}`)),
    });
    const some = fc.tuple(ports, ports, fc.uniqueArray(fc.integer({ min: 1, max: 4 })));
    fc.assert(
      fc.property(some, some, (before, after) => {
        const [from, to] = [viewOf(...before), viewOf(...after)];
        const sets: Record<string, Set<string>> = {
          cluster_ips: new Set([...from.clusterIps].map(([key, port]) => `${key} : ${port}`)),
          node_ports: new Set([...from.nodePorts].map(([key, port]) => `${key} : ${port}`)),
          closed_node_ports: new Set(from.closedNodePorts),
        };
        for (const line of changedElements(from, to)
          .split("\n")
          .filter((text) => text !== "")) {
          const [, verb, name = "", items = ""] = /^(add|delete) element ip \S+ (\w+) \{ (.*) \}$/.exec(line) ?? [];
          for (const item of items.split(", ")) {
            // nft refuses to delete what is not there.
            if (verb === "delete") expect(sets[name]?.delete(item)).toBe(true);
            else sets[name]?.add(item);
          }
        }
        expect(sets.cluster_ips).toEqual(new Set([...to.clusterIps].map(([key, port]) => `${key} : ${port}`)));
        expect(sets.node_ports).toEqual(new Set([...to.nodePorts].map(([key, port]) => `${key} : ${port}`)));
        expect(sets.closed_node_ports).toEqual(new Set(to.closedNodePorts));
      }),
    );
  });

  test("knows the UDP frontends whose flows still lead to an old port", () => {
    const from = view(
      [clusterIp("t", "10.43.0.4"), clusterIp("a", "10.43.0.5", "UDP"), clusterIp("b", "10.43.0.6", "UDP")],
      { t: 1, a: 2, b: 3 },
    );
    const to = view([clusterIp("b", "10.43.0.6", "UDP")], { b: 3 });
    expect(abandonedUdp(from, to)).toEqual([{ address: "10.43.0.5", port: 80 }]);
    expect(abandonedUdp(from, from)).toEqual([]);
  });

  test("knows the UDP node ports that it did not have before", () => {
    const bare = { ...view([], {}), nodePorts: new Map([["tcp . 30080", 1]]) };
    const both = { ...bare, nodePorts: new Map([...bare.nodePorts, ["udp . 30053", 2]]) };
    expect(appearedUdp(bare, both)).toEqual([30053]);
    expect(appearedUdp(undefined, both)).toEqual([30053]);
    expect(appearedUdp(both, { ...both, nodePorts: new Map([["udp . 30053", 3]]) })).toEqual([]);
    expect(appearedUdp(both, bare)).toEqual([]);
  });
});
