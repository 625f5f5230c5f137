import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "wherry-up-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** A node without pods and Services: it touches nothing but its directory. */
function start(port: number) {
  const main = join(import.meta.dir, "main.ts");
  const flags = ["--data-dir", directory, "--https-listen-port", String(port), "--bind-address", "127.0.0.1"];
  const node = [process.execPath, main, "up", ...flags, "--node-ip", "192.0.2.7", "--log-level", "debug"];
  return Bun.spawn([...node, "--disable", "kubelet,proxy"], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

async function version(port: number): Promise<number> {
  const tls = { ca: await readFile(join(directory, "pki/ca.crt"), "utf8") };
  return (await fetch(`https://127.0.0.1:${port}/version`, { tls })).status;
}

test("a node outlives the reader of its log, and ends with 0 on SIGTERM", async () => {
  const port = await freePort();
  const node = start(port);
  const out = node.stdout.getReader();
  const { value } = await out.read();
  expect(new TextDecoder().decode(value)).toStartWith("ready https://192.0.2.7:");
  await node.stderr.cancel();
  // Each request is a line of its log.
  for (let request = 0; request < 5; request++) expect(await version(port)).toBe(200);
  node.kill("SIGTERM");
  expect(await node.exited).toBe(0);
});

test("a port that is taken is said with the port, and the directory is free again", async () => {
  const port = await freePort();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  const node = start(port);
  const text = await new Response(node.stderr).text();
  expect(await node.exited).toBe(1);
  expect(text).toContain(`error: Cannot listen on 127.0.0.1:${port}: `);
  await new Promise((resolve) => other.close(resolve));
  const again = start(port);
  const { value } = await again.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toStartWith("ready ");
  again.kill("SIGTERM");
  expect(await again.exited).toBe(0);
});
