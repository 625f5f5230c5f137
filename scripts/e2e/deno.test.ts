/**
 * The same sources on Deno: control plane and API of a node, without kubelet and proxy, so that it needs no Docker. It keeps
 * what it was given over a restart, serves the stock kubectl over HTTP/2 and ends by SIGTERM with 0.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, eventually, must } from "./command.ts";
import { freePort, root, stockKubectl } from "./node_under_test.ts";

setDefaultTimeout(120_000);

const deno = join(root, "node_modules", "@deno", "linux-x64-glibc", "deno");
let directory: string;
let port: number;
let node: ChildProcess | undefined;
let written = "";

beforeAll(async () => {
  if (!existsSync(deno)) throw new Error(`Cannot find ${deno}: run npm ci first`);
  directory = await mkdtemp(join(tmpdir(), "wherry-deno-"));
  port = await freePort();
});

afterAll(async () => {
  if (node && node.exitCode === null) await stop();
  await rm(directory, { recursive: true, force: true });
});

/** `deno task start`, until the line that says that its API answers. */
async function start(): Promise<void> {
  written = "";
  const flags = ["--data-dir", join(directory, "data"), "--https-listen-port", String(port), "--node-name", "boat"];
  // The address is never dialled: the kubeconfig names 127.0.0.1.
  const alone = ["--bind-address", "127.0.0.1", "--node-ip", "192.0.2.7", "--disable", "kubelet,proxy"];
  const child = spawn(deno, ["task", "start", ...flags, ...alone], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  node = child;
  const keep = (chunk: Buffer) => {
    written += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  await eventually(
    "the ready line of a node on Deno",
    () => {
      if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}: ${written}`);
      return written.includes(`ready https://192.0.2.7:${port} node=boat`);
    },
    60_000,
  );
}

async function stop(): Promise<number | null> {
  const child = node;
  if (!child) throw new Error("the node does not run");
  const gone = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  child.kill("SIGTERM");
  return gone;
}

function environment(): Record<string, string> {
  return { KUBECONFIG: join(directory, "data", "kubeconfig.yaml") };
}

async function kubectl(...args: string[]): Promise<string> {
  return must(await stockKubectl(), ["--cache-dir", join(directory, "cache"), ...args], { env: environment() });
}

test("a node on Deno keeps an object over a restart and ends by SIGTERM with 0", async () => {
  await start();
  await kubectl("create", "configmap", "crew", "--from-literal=captain=ann");
  await kubectl("create", "deployment", "sail", "--image=canvas", "--replicas=2");
  // The controllers run on Deno as well: they make the ReplicaSet and its pods.
  await eventually("the deployment's pods", async () => {
    const names = await kubectl("get", "pods", "-l", "app=sail", "-o", "name");
    return names.trim().split("\n").length === 2;
  });
  expect(await stop()).toBe(0);

  await start();
  expect(await kubectl("get", "configmap", "crew", "-o", "jsonpath={.data.captain}")).toBe("ann");
  expect((await kubectl("get", "pods", "-l", "app=sail", "-o", "name")).trim().split("\n")).toHaveLength(2);
  expect(await stop()).toBe(0);
  expect(written).not.toContain("ERROR");
});

test("a watch, a refused stream and the command line work on Deno", async () => {
  await start();
  const stock = await stockKubectl();
  const watching = spawn(stock, ["get", "configmaps", "-w", "-o", "name"], {
    env: { ...process.env, ...environment() },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let seen = "";
  watching.stdout.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
  });
  try {
    await eventually("the watch's first line", () => seen.includes("configmap/crew"));
    await kubectl("create", "configmap", "mate");
    await eventually("the watch's event", () => seen.includes("configmap/mate"));
  } finally {
    watching.kill("SIGTERM");
  }
  const exec = await capture(stock, ["exec", "nobody", "--", "ls"], { env: environment() });
  expect(exec.stderr).toContain('pods "nobody" not found');
  const cli = await must(deno, ["task", "wherry", "get", "configmap", "crew", "-o", "name"], {
    cwd: root,
    env: environment(),
  });
  expect(cli.trim()).toBe("configmap/crew");
  expect(await stop()).toBe(0);
  expect(written).not.toContain("ERROR");
});
