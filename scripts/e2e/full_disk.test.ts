/** A full disk: writes are refused in words, reads go on, and all is well again when there is room. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, must } from "./command.ts";
import { NodeUnderTest } from "./node_under_test.ts";

setDefaultTimeout(90_000);

let node: NodeUnderTest;

beforeAll(async () => {
  node = await NodeUnderTest.start({
    prepare: async ({ dataDir }) => {
      await mkdir(dataDir, { recursive: true });
      await must("mount", ["-t", "tmpfs", "-o", "size=64m,mode=0700", "wherry-e2e", dataDir]);
    },
  });
}, 400_000);

afterAll(async () => {
  await node?.end("SIGTERM");
  await node?.uninstall();
  if (node) await must("umount", ["--lazy", node.dataDir]);
  await node?.destroy();
}, 120_000);

function write(name: string): Promise<Response> {
  const data = { filler: "x".repeat(200_000) };
  return node.request("/api/v1/namespaces/default/configmaps", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data }),
  });
}

describe("a full disk", () => {
  test("refuses writes, keeps reads, loses nothing and recovers by itself", async () => {
    const { bavail, bsize } = await statfs(node.dataDir);
    const filler = join(node.dataDir, "filler");
    await writeFile(filler, new Uint8Array(bavail * bsize - 65_536));
    const acknowledged: string[] = [];
    const refused = await eventually("a refused write", async () => {
      const name = `fill-${acknowledged.length}`;
      const response = await write(name);
      if (response.status === 201) acknowledged.push(name);
      return response.status === 201 ? undefined : { code: response.status, text: await response.text() };
    });
    expect([500, 503, 507]).toContain(refused.code);
    expect(refused.text).toContain("is full: nothing was changed");
    const listed = () => node.mustKubectl(["get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}"]);
    const present = (await listed()).split(" ");
    expect(acknowledged.filter((name) => !present.includes(name))).toEqual([]);
    await rm(filler);
    await eventually("a write that is taken again", async () => (await write("after")).status === 201);
    await node.end("SIGKILL");
    await node.launch();
    const after = (await listed()).split(" ");
    expect([...acknowledged, "after"].filter((name) => !after.includes(name))).toEqual([]);
  });
});
