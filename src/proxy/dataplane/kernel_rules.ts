/**
 * What the kernel is to do, as text: an nft table and the address and route that it needs. Pure; host_network.ts carries
 * it out. DESIGN.md explains the table.
 */
import type { Listener } from "../state.ts";

export interface KernelView {
  readonly serviceCidr: string;
  readonly privateAddress: string;
  /** Keys and values as nft writes them: "tcp . 10.43.0.5 . 80" -> 40001. */
  readonly clusterIps: ReadonlyMap<string, number>;
  /** "tcp . 30080" -> 40002. */
  readonly nodePorts: ReadonlyMap<string, number>;
  readonly closedNodePorts: ReadonlySet<string>;
}

/** Frontends with endpoints to the private ports of their listeners; the others are left out, and so refused. */
export function kernelView(
  serviceCidr: string,
  privateAddress: string,
  listeners: readonly Listener[],
  portOf: (listener: Listener) => number | undefined,
): KernelView {
  const clusterIps = new Map<string, number>();
  const nodePorts = new Map<string, number>();
  const closedNodePorts = new Set<string>();
  for (const listener of listeners) {
    const { frontend } = listener;
    const protocol = listener.protocol.toLowerCase();
    const port = listener.endpoints.length > 0 ? portOf(listener) : undefined;
    if (frontend.type === "clusterIP") {
      const element = `${protocol} . ${frontend.address} . ${frontend.port}`;
      // Two Services that claim one frontend: the first in the order of keys has it.
      if (port !== undefined && !clusterIps.has(element)) clusterIps.set(element, port);
    } else {
      const element = `${protocol} . ${frontend.port}`;
      if (port === undefined) closedNodePorts.add(element);
      else if (!nodePorts.has(element)) nodePorts.set(element, port);
    }
  }
  for (const element of nodePorts.keys()) closedNodePorts.delete(element);
  return { serviceCidr, privateAddress, clusterIps, nodePorts, closedNodePorts };
}

const tablePrefix = "wherry-proxy-";

/** One table for one service CIDR: two proxies that share a network namespace differ in it, or they would collide anyway. */
export function tableName(serviceCidr: string): string {
  return `${tablePrefix}${serviceCidr.replace("/", "-")}`;
}

export function removeTable(serviceCidr: string): string {
  // Added first, because deleting what is not there is an error that would undo the transaction.
  return `table ip ${tableName(serviceCidr)}\ndelete table ip ${tableName(serviceCidr)}\n`;
}

/** The whole table, in place of whatever is there, in one transaction. */
export function wholeTable(view: KernelView): string {
  const { serviceCidr: cidr, privateAddress: address } = view;
  const translate = [
    `    ip daddr ${cidr} meta l4proto { tcp, udp } dnat to ${address}:meta l4proto . ip daddr . th dport map @cluster_ips`,
    `    fib daddr type local ip daddr != ${address} meta l4proto { tcp, udp } dnat to ${address}:meta l4proto . th dport map @node_ports`,
  ].join("\n");
  const refuse = `    ip daddr ${cidr} jump refuse`;
  const refuseNodePorts = "    fib daddr type local meta l4proto . th dport @closed_node_ports jump refuse";
  return `${removeTable(cidr)}table ip ${tableName(cidr)} {
  map cluster_ips {
    type inet_proto . ipv4_addr . inet_service : inet_service
${elements(mapElements(view.clusterIps))}  }
  map node_ports {
    type inet_proto . inet_service : inet_service
${elements(mapElements(view.nodePorts))}  }
  set closed_node_ports {
    type inet_proto . inet_service
${elements([...view.closedNodePorts])}  }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject
  }
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr ${address} drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat - 5; policy accept;
${translate}
  }
  chain output {
    type nat hook output priority -105; policy accept;
${translate}
  }
  chain refuse_input {
    type filter hook input priority filter - 5; policy accept;
${refuse}
${refuseNodePorts}
  }
  chain refuse_forward {
    type filter hook forward priority filter - 5; policy accept;
${refuse}
  }
  chain refuse_output {
    type filter hook output priority filter - 5; policy accept;
${refuse}
  }
}
`;
}

/** What turns `from` into `to`; "" when nothing differs. Both of one CIDR and address. */
export function changedElements(from: KernelView, to: KernelView): string {
  const table = `ip ${tableName(to.serviceCidr)}`;
  const lines: string[] = [];
  const change = (verb: "add" | "delete", name: string, items: readonly string[]) => {
    if (items.length > 0) lines.push(`${verb} element ${table} ${name} { ${items.join(", ")} }`);
  };
  for (const [name, old, now] of [
    ["cluster_ips", from.clusterIps, to.clusterIps],
    ["node_ports", from.nodePorts, to.nodePorts],
  ] as const) {
    const removed = [...old].filter(([element, port]) => now.get(element) !== port);
    const added = [...now].filter(([element, port]) => old.get(element) !== port);
    change("delete", name, mapElements(removed));
    change("add", name, mapElements(added));
  }
  const { closedNodePorts: oldClosed } = from;
  const { closedNodePorts: nowClosed } = to;
  change(
    "delete",
    "closed_node_ports",
    [...oldClosed].filter((element) => !nowClosed.has(element)),
  );
  change(
    "add",
    "closed_node_ports",
    [...nowClosed].filter((element) => !oldClosed.has(element)),
  );
  return lines.length > 0 ? `${lines.join("\n")}\n` : "";
}

/** UDP frontends of `from` that lead elsewhere in `to`: the kernel still remembers flows to their old private ports. */
export function abandonedUdp(from: KernelView, to: KernelView): { address?: string; port: number }[] {
  const gone: { address?: string; port: number }[] = [];
  for (const [element, port] of from.clusterIps) {
    const [protocol, address, frontendPort] = element.split(" . ");
    if (protocol !== "udp" || address === undefined || to.clusterIps.get(element) === port) continue;
    gone.push({ address, port: Number(frontendPort) });
  }
  for (const [element, port] of from.nodePorts) {
    const [protocol, frontendPort] = element.split(" . ");
    if (protocol === "udp" && to.nodePorts.get(element) !== port) gone.push({ port: Number(frontendPort) });
  }
  return gone;
}

/**
 * UDP node ports that `to` has and `from` has not. A client that sent to one meanwhile was answered by the host itself; the kernel
 * remembers that too, as long as the client goes on. (What is for a virtual IP is refused before it is remembered.)
 */
export function appearedUdp(from: KernelView | undefined, to: KernelView): number[] {
  return [...to.nodePorts.keys()]
    .filter((element) => element.startsWith("udp . ") && !from?.nodePorts.has(element))
    .map((element) => Number(element.slice("udp . ".length)));
}

function mapElements(entries: Iterable<readonly [string, number]>): string[] {
  return [...entries].map(([element, port]) => `${element} : ${port}`);
}

function elements(items: readonly string[]): string {
  return items.length > 0 ? `    elements = { ${items.join(", ")} }\n` : "";
}
