import { expect, test } from "bun:test";
import { canonicalQuantity } from "../kinds/quantity.ts";
import { simHostFacts } from "../sim/machine_link.ts";
import { nodeStatus } from "./node_status.ts";

test("quantities are in the form in which the API gives them back, so that a look at an unchanged Node writes nothing", () => {
  for (const [memoryBytes, storageBytes] of [
    [8 * 2 ** 30, 100 * 2 ** 30],
    [4_028_560 * 1024, 41_943_040_000],
    [2 ** 30 + 1, 10 ** 12],
  ] as const) {
    const facts = { ...simHostFacts, memoryBytes, storageBytes };
    const fixed = { nodeIp: "192.0.2.7", nodeName: "boat", kubeletVersion: "v1.35.0", runtime: undefined };
    const { capacity, allocatable } = nodeStatus({ ...fixed, facts, images: [], problems: [], nowMs: 0 }, {});
    for (const quantity of [...Object.values(capacity ?? {}), ...Object.values(allocatable ?? {})])
      expect(quantity).toBe(canonicalQuantity(quantity));
  }
});
