/** `wherry uninstall`: takes away from a machine what a node put there. Composition, as up.ts is. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { createApiCore } from "./api/registry/api_core.ts";
import type { NodeOnMachine } from "./cli/cli.ts";
import { describeError, type Log } from "./env/log.ts";
import { realEnv } from "./env/real/env.ts";
import { componentIdentity } from "./in_process_transport.ts";
import { allKinds } from "./kinds/all.ts";
import { KindRegistry } from "./kinds/registry.ts";
import { lockDataDirectory } from "./machine.ts";
import type { ContainerRuntime } from "./node/container_runtime.ts";
import { createDockerRuntime } from "./node/docker.ts";
import { bridgeName, createPodNetwork } from "./node/pod_network.ts";
import { stopProxy } from "./proxy/dataplane/spawn.ts";
import { openEmbeddedStore } from "./store/embedded_store.ts";

/** What a node makes in its data directory. Anything else there is somebody else's, and stays. */
const ownEntries = ["kubeconfig.yaml", "lock", "pki", "pods", "proxy", "store"];
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
    const clusterUid = await clusterUidOf(dataDir, log);
    if (clusterUid === undefined)
      await say("The store cannot be read, so it is not known which containers are the node's: they stay.");
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
  else {
    await rmdir(dataDir);
    await say(`Removed ${dataDir}.`);
  }
}

function ownEntriesIn(dataDir: string): string[] {
  if (!existsSync(dataDir)) return [];
  return readdirSync(dataDir).filter((name) => ownEntries.includes(name));
}

/** The uid that the node's containers carry; undefined when the store is absent or cannot be trusted. */
async function clusterUidOf(dataDir: string, log: Log): Promise<string | undefined> {
  if (!existsSync(join(dataDir, "store"))) return undefined;
  const { disk, clock, random } = realEnv({ logLevel: "error", logFormat: "text" });
  try {
    const store = await openEmbeddedStore({
      disk,
      clock,
      random,
      log,
      directory: `${dataDir}/store`,
      onFailure: (error) => log.error("The store failed", { error: describeError(error) }),
    });
    const core = createApiCore({
      store,
      kinds: new KindRegistry(allKinds),
      clock,
      random,
      log,
      serviceCidr: "10.43.0.0/16",
      nodePortRange: { first: 30000, last: 32767 },
    });
    try {
      const { object } = await core.call({
        identity: componentIdentity("system:wherry", "system:masters"),
        verb: "get",
        resource: { group: "", version: "v1", plural: "namespaces" },
        name: "kube-system",
        query: {},
      });
      // Sound: the core answers with a Namespace.
      return (object as { readonly metadata: { readonly uid: string } }).metadata.uid;
    } finally {
      core.close();
      await store.close();
    }
  } catch (error) {
    log.error("Cannot read the store", { dataDir, error: describeError(error) });
    return undefined;
  }
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
