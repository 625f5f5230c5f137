/**
 * The wiring of pods on Linux: one bridge, a veth pair a pod, one nftables table, two rules in Docker's user chain, and
 * unreachable routes. All of it is found again by name or comment, and every call is idempotent. Commands are run in
 * batches: a pod costs two processes.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { describeError, type Log } from "../env/log.ts";
import { gatewayOf, macOf } from "./address_pool.ts";
import type { NodeNetworkConfig, NodeRoute, PodNetwork } from "./pod_network_link.ts";

export const bridgeName = "wherry0";
const tableName = "wherry_pods";
const ruleComment = "wherry pods";
/** The routing protocol that marks our routes to other nodes' pods: one of those that nobody has registered. */
const routeProtocol = 199;
/** Whatever else routes these networks goes first; without that, nothing for them may leave the machine. */
const lastResortMetric = 4_000_000_000;

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A tool that hangs (a lock, a namespace that is being torn down) must not hold its pod, or the node's network, for ever. */
const limitMs = 30_000;

function run(command: string, args: readonly string[], input = ""): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const limit = { timeout: limitMs, killSignal: "SIGKILL" } as const;
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], ...limit });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", (cause) =>
      reject(new Error(`Cannot run ${command}: install it (packages iproute2, nftables, util-linux)`, { cause })),
    );
    child.on("close", (code, signal) => {
      const ended = code === null ? `ended by ${signal}; it may take ${limitMs / 1000} s at most` : "";
      resolve({ code: code ?? -1, stdout, stderr: stderr + ended });
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

async function must(command: string, args: readonly string[], input = ""): Promise<string> {
  const ran = await run(command, args, input);
  if (ran.code === 0) return ran.stdout;
  const shown = [command, ...args].join(" ");
  const of = input === "" ? "" : ` of:\n${input.trim()}\n`;
  throw new Error(`Cannot finish "${shown}"${of}: it ended with ${ran.code}: ${ran.stderr.trim()}`);
}

const batch = (lines: readonly string[]) => `${lines.join("\n")}\n`;

/** The host's end of a pod's pair; 15 characters are all that Linux allows. */
export function vethOf(podUid: string): string {
  return `whr${createHash("sha256").update(podUid).digest("hex").slice(0, 12)}`;
}

function natRules({ podCidr, clusterCidr }: NodeNetworkConfig): string {
  return batch([
    `table ip ${tableName}`,
    `delete table ip ${tableName}`,
    `table ip ${tableName} {`,
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat; policy accept;",
    `    ip saddr ${podCidr} ip daddr != ${clusterCidr} oifname != "${bridgeName}" masquerade`,
    "  }",
    "}",
  ]);
}

class LinuxPodNetwork implements PodNetwork {
  readonly #log: Log;
  #mtu: number | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  async prepareNode(config: NodeNetworkConfig): Promise<void> {
    try {
      this.#mtu = config.mtu ?? (await this.#defaultMtu());
      await Promise.all([this.#prepareBridge(config), must("nft", ["-f", "-"], natRules(config)), this.#openForward()]);
      await this.#forward();
    } catch (error) {
      throw new Error("Cannot prepare the pod network of this node", { cause: error });
    }
  }

  /** That of the interface which the default route takes: a larger one would need fragments on the way out. */
  async #defaultMtu(): Promise<number> {
    const route = await run("ip", ["-4", "route", "show", "default"]);
    const device = /\bdev (\S+)/.exec(route.stdout)?.[1];
    if (device === undefined) return 1500;
    const link = await run("ip", ["link", "show", "dev", device]);
    return Number(/\bmtu (\d+)/.exec(link.stdout)?.[1] ?? 1500);
  }

  async #prepareBridge({ podCidr, clusterCidr, serviceCidr }: NodeNetworkConfig): Promise<void> {
    const gateway = `${gatewayOf(podCidr)}/${podCidr.split("/")[1] ?? ""}`;
    const shown = await run("ip", ["-4", "-o", "addr", "show", "dev", bridgeName]);
    const lines: string[] = [];
    if (shown.code !== 0) lines.push(`link add ${bridgeName} address ${macOf(gateway)} type bridge`);
    const present = [...shown.stdout.matchAll(/\binet (\S+)/g)].map((match) => match[1] ?? "");
    // Left over from a run with another network.
    for (const other of present.filter((address) => address !== gateway))
      lines.push(`addr del ${other} dev ${bridgeName}`);
    if (!present.includes(gateway)) lines.push(`addr add ${gateway} dev ${bridgeName}`);
    lines.push(`link set ${bridgeName} mtu ${this.#mtu ?? 1500} up`);
    for (const cidr of [clusterCidr, serviceCidr])
      lines.push(`route replace unreachable ${cidr} metric ${lastResortMetric}`);
    await must("ip", ["-batch", "-"], batch(lines));
  }

  async #forward(): Promise<void> {
    const settings: readonly [string, string][] = [
      ["/proc/sys/net/ipv4/ip_forward", "1"],
      // Pods have IPv4 addresses only: no router advertisements on their bridge.
      [`/proc/sys/net/ipv6/conf/${bridgeName}/disable_ipv6`, "1"],
    ];
    for (const [path, value] of settings) {
      try {
        await writeFile(path, value);
      } catch (error) {
        // In a container /proc/sys may be read-only; without forwarding the first probe or request tells.
        this.#log.warn("a kernel setting could not be made", { path, value, error: describeError(error) });
      }
    }
  }

  /** Docker's policy on FORWARD is DROP where it switched forwarding on: its user chain is where others accept. */
  async #openForward(): Promise<void> {
    let saved: Ran;
    try {
      saved = await run("iptables-save", ["-t", "filter"]);
    } catch {
      // No iptables, so no chain of it that drops.
      return;
    }
    const hasUserChain = /^:DOCKER-USER /m.test(saved.stdout);
    if (!hasUserChain && !/^:FORWARD DROP/m.test(saved.stdout)) return;
    const chain = hasUserChain ? "DOCKER-USER" : "FORWARD";
    const wanted = [`-i ${bridgeName}`, `-o ${bridgeName}`];
    const missing = wanted.filter(
      (match) => !saved.stdout.includes(`-A ${chain} ${match} -m comment --comment "${ruleComment}" -j ACCEPT`),
    );
    if (missing.length === 0) return;
    const rules = missing.map((match) => `-I ${chain} ${match} -m comment --comment "${ruleComment}" -j ACCEPT`);
    await must("iptables-restore", ["-w", "5", "--noflush"], batch(["*filter", ...rules, "COMMIT"]));
  }

  async setRoutes(routes: readonly NodeRoute[]): Promise<void> {
    const shown = await run("ip", ["-4", "route", "show", "proto", String(routeProtocol)]);
    const stale = [...shown.stdout.matchAll(/^(\S+) via (\S+)/gm)]
      .map(([, podCidr = "", via = ""]) => ({ podCidr, via }))
      .filter((old) => !routes.some(({ podCidr, via }) => old.podCidr === podCidr && old.via === via));
    const failures: string[] = [];
    const change = async (verb: "del" | "replace", { podCidr, via }: NodeRoute) => {
      const { code, stderr } = await run("ip", ["route", verb, podCidr, "via", via, "proto", String(routeProtocol)]);
      if (code !== 0) failures.push(`${podCidr} via ${via}: ${stderr.trim()}`);
    };
    for (const route of stale) await change("del", route);
    for (const route of routes) await change("replace", route);
    if (failures.length > 0) throw new Error(`Cannot set the routes to other nodes' pods: ${failures.join("; ")}`);
  }

  async attach(podUid: string, pid: number, address: string): Promise<void> {
    const veth = vethOf(podUid);
    try {
      await this.#attach(veth, pid, address);
    } catch (error) {
      // Half of an earlier attempt may be there; the host's end takes the pod's end with it.
      if (await this.#isAttached(veth, pid, address)) return;
      this.#log.debug("attaching a pod again from the start", { podUid, error: describeError(error) });
      await this.detach(podUid);
      try {
        await this.#attach(veth, pid, address);
      } catch (again) {
        throw new Error(`Cannot give the pod ${podUid} the address ${address}`, { cause: again });
      }
    }
  }

  async #attach(veth: string, pid: number, address: string): Promise<void> {
    const mtu = this.#mtu ?? 1500;
    await must(
      "ip",
      ["-batch", "-"],
      batch([
        `link add ${veth} mtu ${mtu} type veth peer name eth0 mtu ${mtu} address ${macOf(address)} netns ${pid}`,
        // Hairpin: a pod reaches itself through a virtual address.
        `link set ${veth} master ${bridgeName} up`,
        `link set ${veth} type bridge_slave hairpin on`,
      ]),
    );
    const gateway = gatewayOf(address);
    await must(
      "nsenter",
      ["-t", String(pid), "-n", "ip", "-batch", "-"],
      batch([
        "link set lo up",
        "link set eth0 up",
        `route add default via ${gateway} dev eth0 onlink`,
        // Last: whoever finds it knows that the rest was done.
        `addr add ${address} dev eth0`,
      ]),
    );
  }

  async #isAttached(veth: string, pid: number, address: string): Promise<boolean> {
    const [host, pod] = await Promise.all([
      run("ip", ["-o", "link", "show", "dev", veth]),
      run("nsenter", ["-t", String(pid), "-n", "ip", "-4", "-o", "addr", "show", "dev", "eth0", "up"]),
    ]);
    if (host.code !== 0 || !host.stdout.includes(`master ${bridgeName}`) || pod.code !== 0) return false;
    // Not its routes: a pod that may change them (one that builds a tunnel) shall keep them when it is adopted.
    return pod.stdout.includes(`inet ${address} `);
  }

  async detach(podUid: string): Promise<void> {
    const veth = vethOf(podUid);
    const { code, stderr } = await run("ip", ["link", "del", veth]);
    if (code !== 0 && !/Cannot find device/.test(stderr))
      throw new Error(`Cannot remove the pod's link ${veth}: ${stderr.trim()}`);
  }

  async removeNode(): Promise<void> {
    const links = await run("ip", ["-o", "link", "show", "type", "veth"]);
    const veths = [...links.stdout.matchAll(/^\d+: (whr[0-9a-f]{12})@/gm)].map((match) => match[1] ?? "");
    for (const device of [...veths, bridgeName]) await run("ip", ["link", "del", device]);
    await run("ip", ["-4", "route", "flush", "proto", String(routeProtocol)]);
    const routes = await run("ip", ["-4", "route", "show", "type", "unreachable"]);
    for (const match of routes.stdout.matchAll(/^unreachable (\S+) metric (\d+)/gm))
      if (Number(match[2]) === lastResortMetric)
        await run("ip", ["route", "del", "unreachable", match[1] ?? "", "metric", match[2] ?? ""]);
    await run("nft", ["delete", "table", "ip", tableName]);
    try {
      const saved = await run("iptables-save", ["-t", "filter"]);
      const rules = saved.stdout.split("\n").filter((line) => line.includes(`--comment "${ruleComment}"`));
      if (rules.length > 0)
        await must(
          "iptables-restore",
          ["-w", "5", "--noflush"],
          batch(["*filter", ...rules.map((rule) => rule.replace(/^-A/, "-D")), "COMMIT"]),
        );
    } catch (error) {
      this.#log.debug("no rules of iptables to remove", { error: describeError(error) });
    }
  }
}

export function createPodNetwork(log: Log): PodNetwork {
  return new LinuxPodNetwork(log);
}
