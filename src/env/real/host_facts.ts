/** What the machine says of itself. Has the shape that node/machine_link.ts asks for. */
import { mkdir, readFile, statfs } from "node:fs/promises";
import { arch, cpus, hostname, release, totalmem } from "node:os";

async function textOf(...paths: string[]): Promise<string> {
  for (const path of paths) {
    try {
      return (await readFile(path, "utf8")).trim();
    } catch {
      // Not on this machine: the next one.
    }
  }
  return "";
}

/** The resolver's file whose servers are reachable from elsewhere: systemd-resolved keeps its stub's upstreams apart. */
async function resolvConf(): Promise<string> {
  const text = await textOf("/etc/resolv.conf");
  const servers = [...text.matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] ?? "");
  if (servers.some((server) => !server.startsWith("127."))) {
    return text.replace(/^nameserver\s+127\.\S+\n?/gm, "");
  }
  return (await textOf("/run/systemd/resolve/resolv.conf")) || text;
}

const goArchitecture: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64", ia32: "386" };

export async function readHostFacts(dataDir: string) {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const [release_, machineId, systemUuid, bootId, hosts, resolver, storage] = await Promise.all([
    textOf("/etc/os-release", "/usr/lib/os-release"),
    textOf("/etc/machine-id", "/var/lib/dbus/machine-id"),
    textOf("/sys/class/dmi/id/product_uuid"),
    textOf("/proc/sys/kernel/random/boot_id"),
    textOf("/etc/hosts"),
    resolvConf(),
    statfs(dataDir),
  ]);
  return {
    cpus: cpus().length,
    memoryBytes: totalmem(),
    storageBytes: storage.blocks * storage.bsize,
    architecture: goArchitecture[arch()] ?? arch(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release_)?.[1] ?? "Linux",
    kernelVersion: release(),
    machineId,
    systemUuid: systemUuid || machineId,
    bootId,
    hostName: hostname(),
    resolvConf: `${resolver}\n`,
    hosts: `${hosts}\n`,
  };
}
