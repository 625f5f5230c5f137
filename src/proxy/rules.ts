import type { Service, ServicePort } from "../kinds/core/service.ts";
import type { EndpointSlice } from "../kinds/discovery/endpoint_slice.ts";
import type { Observed } from "../kinds/kind.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import type { EndpointAddress, Listener } from "./state.ts";

/** On a slice: the Service that it belongs to. */
export const serviceNameLabel = "kubernetes.io/service-name";
/** On a Service: some other proxy serves it. */
const otherProxyLabel = "service.kubernetes.io/service-proxy-name";
/** What Kubernetes fills in for sessionAffinity ClientIP. */
const defaultAffinitySeconds = 10_800;

export interface RuleOptions {
  /** For internalTrafficPolicy and externalTrafficPolicy Local; absent: every endpoint counts as local. */
  readonly nodeName?: string | undefined;
  /** Behind default/kubernetes as long as no EndpointSlice says otherwise. */
  readonly apiServer?: EndpointAddress | undefined;
}

interface Candidate extends EndpointAddress {
  readonly state: "ready" | "terminating";
  readonly local: boolean;
}

/**
 * Services and EndpointSlices to listeners, sorted by key: a function of its input, whatever its order. Only ready
 * endpoints; where there is none, those that terminate but still serve (KEP-1669). Headless and ExternalName Services
 * have no listener; a Service without endpoints has one that refuses.
 */
export function proxyListeners(
  services: Iterable<Observed<Service>>,
  slices: Iterable<Observed<EndpointSlice>>,
  options: RuleOptions = {},
): Listener[] {
  const slicesOf = groupByService(slices);
  const listeners: Listener[] = [];
  for (const service of services) {
    const address = clusterAddress(service);
    if (address === undefined) continue;
    const { namespace = "default", name } = service.metadata;
    const own = slicesOf.get(`${namespace}/${name}`) ?? [];
    const affinity = affinitySeconds(service);
    const isApiServer = namespace === "default" && name === "kubernetes";
    for (const port of service.spec.ports ?? []) {
      const protocol = port.protocol ?? "TCP";
      if (protocol !== "TCP" && protocol !== "UDP") continue;
      let candidates = candidatesFor(own, port, options.nodeName);
      if (candidates.length === 0 && isApiServer && options.apiServer !== undefined && port.port === 443)
        candidates = [{ ...options.apiServer, state: "ready", local: true }];
      const key = `${namespace}/${name}:${port.name ?? ""}/${protocol}`;
      const shared = { protocol, ...(affinity === undefined ? {} : { affinitySeconds: affinity }) } as const;
      listeners.push({
        ...shared,
        key,
        frontend: { type: "clusterIP", address, port: port.port },
        endpoints: usable(candidates, service.spec.internalTrafficPolicy === "Local"),
      });
      if (!hasNodePort(service) || !port.nodePort) continue;
      listeners.push({
        ...shared,
        key: `${key}/node`,
        frontend: { type: "nodePort", port: port.nodePort },
        endpoints: usable(candidates, service.spec.externalTrafficPolicy === "Local"),
      });
    }
  }
  return listeners.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Whether a slice still offers `address` (or the pod `podUid` at it) as ready; one that terminates does not count. */
export function offersAsReady(
  slices: Iterable<Observed<EndpointSlice>>,
  address: string,
  podUid?: string | undefined,
): boolean {
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      if (!endpoint.addresses.includes(address)) continue;
      const uid = endpoint.targetRef?.uid;
      if (podUid !== undefined && uid !== undefined && uid !== podUid) continue;
      if (endpoint.conditions?.ready !== false && endpoint.conditions?.terminating !== true) return true;
    }
  }
  return false;
}

function groupByService(slices: Iterable<Observed<EndpointSlice>>): Map<string, Observed<EndpointSlice>[]> {
  const groups = new Map<string, Observed<EndpointSlice>[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels?.[serviceNameLabel];
    if (name === undefined || slice.addressType !== "IPv4") continue;
    const key = `${slice.metadata.namespace ?? "default"}/${name}`;
    const group = groups.get(key);
    if (group) group.push(slice);
    else groups.set(key, [slice]);
  }
  return groups;
}

/** The IPv4 cluster address; undefined for Services that this proxy does not serve. */
function clusterAddress(service: Observed<Service>): string | undefined {
  if (service.spec.type === "ExternalName") return undefined;
  if (service.metadata.labels?.[otherProxyLabel] !== undefined) return undefined;
  const addresses = service.spec.clusterIPs ?? [service.spec.clusterIP ?? ""];
  return addresses.find((address) => /^\d+\.\d+\.\d+\.\d+$/.test(address));
}

function hasNodePort(service: Observed<Service>): boolean {
  return service.spec.type === "NodePort" || service.spec.type === "LoadBalancer";
}

function affinitySeconds(service: Observed<Service>): number | undefined {
  if (service.spec.sessionAffinity !== "ClientIP") return undefined;
  return service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds;
}

/** The endpoints of one port, each once, in the order of their addresses. */
function candidatesFor(
  slices: readonly Observed<EndpointSlice>[],
  port: DeepReadonly<ServicePort>,
  nodeName: string | undefined,
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    for (const slicePort of slice.ports ?? []) {
      if ((slicePort.name ?? "") !== (port.name ?? "")) continue;
      if ((slicePort.protocol ?? "TCP") !== (port.protocol ?? "TCP") || !slicePort.port) continue;
      for (const endpoint of slice.endpoints) {
        // The addresses of one endpoint are the same pod: consumers use the first.
        const address = endpoint.addresses[0];
        if (address === undefined) continue;
        const { ready, serving, terminating } = endpoint.conditions ?? {};
        const state = ready !== false ? "ready" : serving !== false && terminating === true ? "terminating" : undefined;
        if (state === undefined) continue;
        const key = `${address}:${slicePort.port}`;
        // While an endpoint moves from one slice to another both list it: ready wins.
        if (found.get(key)?.state === "ready") continue;
        const local = nodeName === undefined || endpoint.nodeName === nodeName;
        found.set(key, { address, port: slicePort.port, state, local });
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
}

function usable(candidates: readonly Candidate[], onlyLocal: boolean): EndpointAddress[] {
  const eligible = onlyLocal ? candidates.filter((candidate) => candidate.local) : candidates;
  const ready = eligible.filter((candidate) => candidate.state === "ready");
  return (ready.length > 0 ? ready : eligible).map(({ address, port }) => ({ address, port }));
}
