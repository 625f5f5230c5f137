import type { Node } from "../kinds/core/node.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../kinds/discovery/endpoint_slice.ts";
import { ipFamily } from "../kinds/ip.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import { controllerReference } from "./ownership.ts";
import { isPodReady, isPodTerminal, type ObservedPod } from "./pod_state.ts";
import { same } from "./same.ts";
import { hostnameIn, isHeadless, type ObservedService, portsKey, targetPort } from "./service_pods.ts";

export const managedBy = "endpointslice-controller.k8s.io";
export const serviceNameLabel = "kubernetes.io/service-name";
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
export const headlessLabel = "service.kubernetes.io/headless";
const zoneLabel = "topology.kubernetes.io/zone";

const maxEndpointsPerSlice = 100;

export interface EndpointSliceView {
  readonly service: ObservedService;
  /** That its selector matches. */
  readonly pods: readonly ObservedPod[];
  /** Of this Service and managed by this controller. */
  readonly slices: readonly Observed<EndpointSlice>[];
  node(name: string): Observed<Node> | undefined;
}

export interface EndpointSlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly Observed<EndpointSlice>[];
}

interface Group {
  readonly family: "IPv4" | "IPv6";
  readonly ports: EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

/**
 * Each pod stands in one slice for each address family; pods with other port numbers stand in other slices. Endpoints
 * stay in the slice they are in, new ones fill what has room, and a slice that is left empty goes.
 */
export function planEndpointSlices(view: EndpointSliceView): EndpointSlicePlan {
  const { service, slices } = view;
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const left = new Set(slices);
  for (const group of groupsOf(view)) {
    const missing = new Map(group.endpoints);
    const kept: { readonly slice: Observed<EndpointSlice>; readonly endpoints: Endpoint[] }[] = [];
    for (const slice of slices) {
      if (!left.has(slice) || slice.addressType !== group.family || !samePorts(slice.ports, group.ports)) continue;
      const endpoints = slice.endpoints.flatMap((endpoint) => {
        const key = identityOf(endpoint);
        const wanted = missing.get(key);
        missing.delete(key);
        return wanted === undefined ? [] : [wanted];
      });
      kept.push({ slice, endpoints });
      left.delete(slice);
    }
    for (const { endpoints } of kept) {
      for (const [key, endpoint] of missing) {
        if (endpoints.length >= maxEndpointsPerSlice) break;
        endpoints.push(endpoint);
        missing.delete(key);
      }
    }
    const hasAny = kept.some(({ endpoints }) => endpoints.length > 0);
    let mayStayEmpty = !hasAny && group.endpoints.size === 0;
    for (const { slice, endpoints } of kept) {
      if (endpoints.length === 0 && !mayStayEmpty) {
        left.add(slice);
        continue;
      }
      if (endpoints.length === 0) mayStayEmpty = false;
      const wanted = sliceOf(service, group, endpoints);
      if (isUpToDate(slice, wanted)) continue;
      const copy = editable(slice);
      copy.endpoints = endpoints;
      copy.metadata.labels = wanted.metadata?.labels;
      copy.metadata.ownerReferences = wanted.metadata?.ownerReferences;
      update.push(copy);
    }
    const rest = [...missing.values()];
    for (let at = 0; at < rest.length; at += maxEndpointsPerSlice)
      create.push(sliceOf(service, group, rest.slice(at, at + maxEndpointsPerSlice)));
    if (kept.length === 0 && group.endpoints.size === 0) create.push(sliceOf(service, group, []));
  }
  return { create, update, remove: [...left] };
}

/** Endpoints by family and ports; a family without any has one empty group, for which an empty slice stands. */
function groupsOf({ service, pods, node }: EndpointSliceView): Group[] {
  const groups: Group[] = [];
  for (const text of service.spec.ipFamilies ?? ["IPv4"]) {
    const family = text === "IPv6" ? "IPv6" : "IPv4";
    const byPorts = new Map<string, Group>();
    for (const pod of pods) {
      const address = addressOf(pod, family);
      if (isPodTerminal(pod) || address === undefined) continue;
      const ports = portsOf(service, pod);
      const key = portsKey(ports);
      const group = byPorts.get(key) ?? { family, ports, endpoints: new Map() };
      byPorts.set(key, group);
      const endpoint = endpointOf(service, pod, address, node);
      group.endpoints.set(identityOf(endpoint), endpoint);
    }
    if (byPorts.size === 0) groups.push({ family, ports: [], endpoints: new Map() });
    else groups.push(...byPorts.values());
  }
  return groups;
}

function addressOf(pod: ObservedPod, family: "IPv4" | "IPv6"): string | undefined {
  const addresses = pod.status.podIPs?.map(({ ip }) => ip) ?? (pod.status.podIP ? [pod.status.podIP] : []);
  return addresses.find((ip) => ipFamily(ip) === family);
}

function portsOf(service: ObservedService, pod: ObservedPod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function endpointOf(
  service: ObservedService,
  pod: ObservedPod,
  address: string,
  node: EndpointSliceView["node"],
): Endpoint {
  const { namespace, name, uid } = pod.metadata;
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const hostname = hostnameIn(service, pod);
  const { nodeName } = pod.spec;
  const zone = nodeName ? node(nodeName)?.metadata.labels?.[zoneLabel] : undefined;
  return {
    addresses: [address],
    conditions: {
      // A pod that is being deleted gets no new connections, even while it still answers its probe.
      ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName ? { nodeName } : {}),
    ...(zone === undefined ? {} : { zone }),
    targetRef: { kind: "Pod", ...(namespace === undefined ? {} : { namespace }), name, uid },
  };
}

const identityOf = (endpoint: DeepReadonly<Endpoint>) => endpoint.targetRef?.uid ?? endpoint.addresses.join(",");

function samePorts(a: DeepReadonly<EndpointPort[]> | undefined, b: readonly EndpointPort[]): boolean {
  return same(a ?? [], b);
}

function sliceOf(service: ObservedService, group: Group, endpoints: Endpoint[]): EndpointSlice {
  const { name, namespace } = service.metadata;
  return {
    metadata: {
      generateName: `${name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: {
        ...service.metadata.labels,
        [serviceNameLabel]: name,
        [managedByLabel]: managedBy,
        ...(isHeadless(service) ? { [headlessLabel]: "" } : {}),
      },
      ownerReferences: [controllerReference(service)],
    },
    addressType: group.family,
    endpoints,
    ports: group.ports,
  };
}

function isUpToDate(slice: Observed<EndpointSlice>, wanted: EndpointSlice): boolean {
  const labels = slice.metadata.labels ?? {};
  const owners = slice.metadata.ownerReferences ?? [];
  return (
    same(labels, wanted.metadata?.labels) &&
    same(owners, wanted.metadata?.ownerReferences) &&
    same(slice.endpoints, wanted.endpoints)
  );
}
