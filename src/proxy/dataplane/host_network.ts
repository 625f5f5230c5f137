import { acceptOnInput, forgetInput } from "./firewall.ts";
import { run } from "./host_tool.ts";
import {
  abandonedUdp,
  appearedUdp,
  changedElements,
  type KernelView,
  removeTable,
  tableName,
  wholeTable,
} from "./kernel_rules.ts";

/** The kernel's part of the proxy as an effect; a test without root has one that only remembers. */
export interface HostNetwork {
  /** Makes the private address exist, so that sockets can be bound to it, and routes the CIDR to this machine. */
  prepare(serviceCidr: string, privateAddress: string): Promise<void>;
  /** Makes the kernel do `view`: all of it, or nothing and an error. Cheap when little or nothing has changed. */
  apply(view: KernelView): Promise<void>;
  /** Restores what others have removed since; returns what was missing, for people. */
  restore(): Promise<readonly string[]>;
  /** Takes table, route and address away. */
  remove(): Promise<void>;
}

/** `ip route` and `ip rule` show this number: how we know our route again. */
export const routeProtocol = 243;
/** Link-local, so that it is nobody's; host scope, so that the kernel never chooses it towards others by itself. */
export const defaultPrivateAddress = "169.254.43.1";

/** With nft, ip and, where they are there, conntrack and iptables. */
export class LinuxNetwork implements HostNetwork {
  #current: KernelView | undefined;

  async prepare(serviceCidr: string, privateAddress: string): Promise<void> {
    await run(
      ["ip", "-4", "-batch", "-"],
      [
        "link set lo up",
        `address replace ${privateAddress}/32 dev lo scope host`,
        `route replace ${serviceCidr} dev lo src ${privateAddress} proto ${routeProtocol}`,
        "",
      ].join("\n"),
    );
    await acceptOnInput(privateAddress);
  }

  async apply(view: KernelView): Promise<void> {
    const current = this.#current;
    const sameTable =
      current !== undefined &&
      current.serviceCidr === view.serviceCidr &&
      current.privateAddress === view.privateAddress;
    if (!sameTable) {
      const old = current === undefined ? "" : removeTable(current.serviceCidr);
      await run(["nft", "-f", "-"], old + wholeTable(view));
      if (current !== undefined && current.serviceCidr !== view.serviceCidr) await removeRoute(current.serviceCidr);
    } else {
      const change = changedElements(current, view);
      // The table may be gone, or not be what it was: then all of it.
      if (change !== "") await run(["nft", "-f", "-"], change).catch(() => run(["nft", "-f", "-"], wholeTable(view)));
    }
    this.#current = view;
    if (current === undefined) {
      // Flows to the ports of a proxy that is gone, or that gives way to us; and those for virtual IPs when there was none.
      await forget(["--reply-src", view.privateAddress]);
      await forget(["--orig-dst", view.serviceCidr]);
    } else await forgetFlows(current, view);
    // Those that are not translated have the same port both ways.
    for (const port of appearedUdp(current, view))
      await forget(["--orig-port-dst", String(port), "--reply-port-src", String(port)]);
  }

  async restore(): Promise<readonly string[]> {
    const view = this.#current;
    if (view === undefined) return [];
    const missing: string[] = [];
    const table = tableName(view.serviceCidr);
    const present = await run(["nft", "list", "chain", "ip", table, "refuse_output"]).then(
      (text) => text.includes("jump refuse"),
      () => false,
    );
    if (!present) {
      missing.push(`nft table ${table}`);
      await run(["nft", "-f", "-"], wholeTable(view));
    }
    const route = await run(["ip", "-4", "route", "show", view.serviceCidr, "proto", String(routeProtocol)]);
    if (route.trim() === "") {
      missing.push(`route ${view.serviceCidr}`);
      await this.prepare(view.serviceCidr, view.privateAddress);
    } else if (await acceptOnInput(view.privateAddress)) missing.push("rule in iptables' INPUT");
    return missing;
  }

  async remove(): Promise<void> {
    const view = this.#current;
    this.#current = undefined;
    if (view !== undefined) await removeFromHost(view.serviceCidr, view.privateAddress);
  }
}

/** Removes what a proxy for this CIDR has left on the host. No error when nothing is there. */
export async function removeFromHost(serviceCidr: string, privateAddress = defaultPrivateAddress): Promise<void> {
  await run(["nft", "-f", "-"], removeTable(serviceCidr));
  await removeRoute(serviceCidr);
  // Another proxy in this network namespace uses the address too.
  const others = await run(["ip", "-4", "route", "show", "proto", String(routeProtocol)]);
  if (others.trim() !== "") return;
  await run(["ip", "address", "del", `${privateAddress}/32`, "dev", "lo"]).catch(() => {});
  await forgetInput(privateAddress);
}

async function removeRoute(serviceCidr: string): Promise<void> {
  await run(["ip", "-4", "route", "del", serviceCidr, "dev", "lo", "proto", String(routeProtocol)]).catch(() => {});
}

async function forgetFlows(from: KernelView, to: KernelView): Promise<void> {
  for (const { address, port } of abandonedUdp(from, to)) {
    const original = address === undefined ? [] : ["--orig-dst", address];
    await forget([...original, "--orig-port-dst", String(port), "--reply-src", to.privateAddress]);
  }
}

/**
 * Makes the kernel forget where it led UDP flows: the next datagram of each is looked up anew. Fails when there was no such
 * flow, and when conntrack is not installed; then flows end by their time-out.
 */
async function forget(which: readonly string[]): Promise<void> {
  await run(["conntrack", "-D", "-p", "udp", ...which]).catch(() => {});
}
