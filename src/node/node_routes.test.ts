import { expect, test } from "bun:test";
import { routesOf } from "./node_routes.ts";

const node = (name: string, podCIDR: string | undefined, address: string | undefined) => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: podCIDR === undefined ? {} : { podCIDR },
  status: address === undefined ? {} : { addresses: [{ type: "InternalIP", address }] },
});

test("each other node's pods are behind that node; the own ones, and those of nodes without a network, are not", () => {
  const nodes = [
    node("n3", "10.42.2.0/24", "192.0.2.3"),
    node("n1", "10.42.0.0/24", "192.0.2.1"),
    node("n2", "10.42.1.0/24", "192.0.2.2"),
    node("n4", undefined, "192.0.2.4"),
    node("n5", "10.42.4.0/24", undefined),
  ];
  expect(routesOf(nodes, "n1")).toEqual([
    { podCidr: "10.42.1.0/24", via: "192.0.2.2" },
    { podCidr: "10.42.2.0/24", via: "192.0.2.3" },
  ]);
});
