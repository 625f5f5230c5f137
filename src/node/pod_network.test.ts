/** The real wiring, in a network namespace of its own: nothing of the machine is touched. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

setDefaultTimeout(60_000);

const works = spawnSync("unshare", ["-n", "true"]).status === 0;

if (!works) {
  test.skip("no network namespace can be made here: the pod network is not checked", () => {});
} else {
  describe("the pod network", () => {
    test("wires pods to each other, to the node and to themselves, survives repetition, and leaves nothing", () => {
      const walk = join(import.meta.dirname, "testdata", "pod_network_walk.ts");
      const ran = spawnSync("unshare", ["-n", "-m", process.execPath, walk], { encoding: "utf8" });
      expect(ran.stderr).toBe("");
      expect(ran.stdout).toBe("done\n");
    });
  });
}
