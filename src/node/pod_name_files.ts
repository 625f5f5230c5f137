/** What a pod finds in /etc/hosts and /etc/resolv.conf. Pure. */
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { hostnameOf } from "./container_config.ts";

export interface DnsSettings {
  /** The cluster's DNS server; absent while there is none. */
  readonly clusterDns: string | undefined;
  readonly clusterDomain: string;
  /** The node's own resolv.conf. */
  readonly nodeResolvConf: string;
}

interface Resolver {
  nameservers: string[];
  searches: string[];
  options: string[];
}

function parseResolvConf(text: string): Resolver {
  const resolver: Resolver = { nameservers: [], searches: [], options: [] };
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest[0]) resolver.nameservers.push(rest[0]);
    if (word === "search" || word === "domain") resolver.searches = rest;
    if (word === "options") resolver.options.push(...rest);
  }
  return resolver;
}

/** Three servers are all that a resolver asks; what is more is left out, as Kubernetes does. */
const mostNameservers = 3;

export function resolvConf(pod: Observed<Pod>, settings: DnsSettings): string {
  const { dnsPolicy = "ClusterFirst", hostNetwork, dnsConfig } = pod.spec;
  const node = parseResolvConf(settings.nodeResolvConf);
  const usesCluster = dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && !hostNetwork);
  let resolver: Resolver = node;
  if (dnsPolicy === "None") resolver = { nameservers: [], searches: [], options: [] };
  else if (usesCluster && settings.clusterDns !== undefined) {
    const { clusterDomain: domain } = settings;
    const namespace = pod.metadata.namespace ?? "default";
    resolver = {
      nameservers: [settings.clusterDns],
      searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...node.searches],
      options: ["ndots:5"],
    };
  }
  const options = new Map(resolver.options.map((option) => [option.split(":")[0] ?? option, option]));
  for (const { name, value } of dnsConfig?.options ?? [])
    if (name) options.set(name, value === undefined ? name : `${name}:${value}`);
  const nameservers = unique([...resolver.nameservers, ...(dnsConfig?.nameservers ?? [])]).slice(0, mostNameservers);
  const searches = unique([...resolver.searches, ...(dnsConfig?.searches ?? [])]);
  const lines = nameservers.map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.push(`search ${searches.join(" ")}`);
  if (options.size > 0) lines.push(`options ${[...options.values()].join(" ")}`);
  return lines.map((line) => `${line}\n`).join("");
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)];
}

export function hostsFile(
  pod: Observed<Pod>,
  podIp: string | undefined,
  nodeHosts: string,
  clusterDomain: string,
): string {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join("\t")}\n`);
  const tail = aliases.length > 0 ? `\n# Entries added by HostAliases.\n${aliases.join("")}` : "";
  if (pod.spec.hostNetwork) return `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${tail}`;
  const name = hostnameOf(pod);
  const { subdomain } = pod.spec;
  const fqdn = subdomain ? `${name}.${subdomain}.${pod.metadata.namespace ?? "default"}.svc.${clusterDomain}\t` : "";
  const own = podIp === undefined ? "" : `${podIp}\t${fqdn}${name}\n`;
  return [
    "# Kubernetes-managed hosts file.\n",
    "127.0.0.1\tlocalhost\n",
    "::1\tlocalhost ip6-localhost ip6-loopback\n",
    "fe00::0\tip6-localnet\n",
    "fe00::0\tip6-mcastprefix\n",
    "fe00::1\tip6-allnodes\n",
    "fe00::2\tip6-allrouters\n",
    own,
    tail,
  ].join("");
}
