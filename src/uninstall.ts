/** `wherry uninstall`: takes away from a machine what a node put there. Composition, as up.ts is. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { NodeOnMachine } from "./cli/cli.ts";
import type { Log } from "./env/log.ts";
import { realEnv } from "./env/real/env.ts";
import { lockDataDirectory } from "./machine.ts";
import type { ContainerRuntime } from "./node/container_runtime.ts";
import { createDockerRuntime } from "./node/docker.ts";
import { bridgeName, createPodNetwork } from "./node/pod_network.ts";
import { stopProxy } from "./proxy/dataplane/spawn.ts";

/** What a node makes in its data directory. Anything else there is somebody else's, and stays. */
const ownEntries = ["cluster-uid", "kubeconfig.yaml", "lock", "pki", "pods", "proxy", "store"];
const containerGraceSeconds = 2;

/** What would be removed, in words. Empty: there is no node. */
export async function surveyNode({ dataDir }: NodeOnMachine): Promise<string[]> {
  const present = ownEntriesIn(dataDir);
  if (present.length === 0) return [];
  return [
    "every container of its pods",
    "the proxy process, its nftables rules and its private address",
    `the bridge ${bridgeName}, the pods' links, and the rules that let them out`,
    `${dataDir} (${present.join(", ")}), with every object of the cluster`,
  ];
}

/** Rejects with DataDirectoryInUse while the node runs, and when its Docker Engine does not answer. */
export async function removeNode(
  { dataDir, dockerHost }: NodeOnMachine,
  say: (line: string) => Promise<void>,
): Promise<void> {
  const unlock = await lockDataDirectory(dataDir);
  try {
    const env = realEnv({ logLevel: "error", logFormat: "text" });
    const { log, clock } = env;
    const clusterUid = clusterUidOf(dataDir);
    if (clusterUid === undefined) await say("The node never started a container.");
    else {
      const host = dockerHost ?? process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
      const runtime = createDockerRuntime({ dockerHost: host, clusterUid, clock, log });
      const count = await removeContainers(runtime);
      await say(`Removed ${count} containers.`);
    }
    await stopProxy(join(dataDir, "proxy"), { clock, log });
    await say("Removed the proxy and its rules.");
    await createPodNetwork(log).removeNode();
    await say("Removed the pod network.");
    await unmountBelow(dataDir, env.log);
    for (const entry of ownEntriesIn(dataDir).filter((name) => name !== "lock"))
      await rm(join(dataDir, entry), { recursive: true, force: true });
  } finally {
    await unlock();
  }
  const left = readdirSync(dataDir);
  if (left.length > 0)
    await say(`Removed the node's data; ${dataDir} stays, because others put things there: ${left.join(", ")}.`);
  else if (await removeEmpty(dataDir)) await say(`Removed ${dataDir}.`);
  else await say(`Removed the node's data; ${dataDir} stays, because it is a mount point.`);
}

/** Resolves to whether the directory is gone: one on which a disk is mounted cannot be removed, and need not be. */
export async function removeEmpty(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EBUSY") return false;
    throw error;
  }
}

function ownEntriesIn(dataDir: string): string[] {
  if (!existsSync(dataDir)) return [];
  return readdirSync(dataDir).filter((name) => ownEntries.includes(name));
}

/** The uid that the node's containers carry; undefined when the node never came so far as to have one. */
function clusterUidOf(dataDir: string): string | undefined {
  const path = join(dataDir, "cluster-uid");
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

async function removeContainers(runtime: ContainerRuntime): Promise<number> {
  const { sandboxes, containers } = await runtime.list();
  await Promise.all(
    containers.map(async ({ id, state }) => {
      if (state === "running") await runtime.stopContainer(id, containerGraceSeconds);
      await runtime.removeContainer(id);
    }),
  );
  await Promise.all(
    sandboxes.map(async ({ id }) => {
      await runtime.stopPodSandbox(id);
      await runtime.removePodSandbox(id);
    }),
  );
  return sandboxes.length + containers.length;
}

/** Volumes in memory are mounted below the data directory: deepest first. */
async function unmountBelow(dataDir: string, log: Log): Promise<void> {
  const { spawnSync } = await import("node:child_process");
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
    )
    .filter((path) => path.startsWith(`${dataDir}/`))
    .sort((a, b) => b.length - a.length);
  for (const path of mounts) {
    const { status, stderr } = spawnSync("umount", [path], { encoding: "utf8" });
    if (status !== 0) log.error("Cannot unmount a volume", { path, error: stderr.trim() });
  }
}
