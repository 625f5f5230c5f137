import { ipFamily } from "../ip.ts";
import type { DeepReadonly } from "../schema.ts";
import type { ServicePort, ServiceSpec, ServiceStatus } from "./service_spec.ts";

interface ServiceParts {
  spec?: ServiceSpec | undefined;
  status?: ServiceStatus | undefined;
}

export function defaultService(service: ServiceParts): void {
  service.spec ??= {};
  const { spec } = service;
  spec.sessionAffinity ||= "None";
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === "ClientIP" && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined)
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10_800 } };
  spec.type ||= "ClusterIP";
  for (const port of spec.ports ?? []) {
    port.protocol ||= "TCP";
    port.targetPort ||= port.port;
  }
  if (isReachedFromOutside(spec)) spec.externalTrafficPolicy ||= "Cluster";
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ||= "Cluster";
  if (spec.type === "LoadBalancer") {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= "VIP";
  }
}

function isReachedFromOutside(spec: ServiceSpec): boolean {
  if (spec.type === "LoadBalancer" || spec.type === "NodePort") return true;
  return spec.type === "ClusterIP" && (spec.externalIPs ?? []).length > 0;
}

/** Before addresses are allocated: clusterIP and clusterIPs say the same, and the address family is decided. */
export function prepareServiceForCreate(service: ServiceParts): void {
  service.status = { loadBalancer: {} };
  const spec = service.spec;
  if (spec === undefined) return;
  if (spec.type === "ExternalName") return;
  if (spec.clusterIP && spec.clusterIPs === undefined) spec.clusterIPs = [spec.clusterIP];
  if (!spec.clusterIP) delete spec.clusterIP;
  decideFamilies(spec);
}

function decideFamilies(spec: ServiceSpec): void {
  const headless = spec.clusterIP === "None";
  const selects = Object.keys(spec.selector ?? {}).length > 0;
  spec.ipFamilyPolicy ??= headless && !selects ? "RequireDualStack" : "SingleStack";
  if (spec.ipFamilies === undefined || spec.ipFamilies.length === 0) {
    const given = (spec.clusterIPs ?? []).map(ipFamily).filter((family) => family !== undefined);
    spec.ipFamilies = given.length > 0 ? given : ["IPv4"];
  }
  // Headless and selectorless: nobody but the user makes endpoints, and they may be of both families.
  if (headless && !selects && spec.ipFamilyPolicy !== "SingleStack" && spec.ipFamilies.length === 1)
    spec.ipFamilies.push(spec.ipFamilies[0] === "IPv4" ? "IPv6" : "IPv4");
}

/**
 * An update that leaves out what was allocated keeps it (`kubectl replace` of a manifest does), and a type that has no
 * use for it gives it up.
 */
export function prepareServiceForUpdate(service: ServiceParts, old: DeepReadonly<ServiceParts>): void {
  const spec = service.spec;
  const before = old.spec;
  if (spec === undefined || before === undefined) return;
  if (spec.type === "ExternalName") {
    if (before.type !== "ExternalName" && spec.clusterIP === before.clusterIP) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
      delete spec.ipFamilies;
      delete spec.ipFamilyPolicy;
      delete spec.internalTrafficPolicy;
    }
    return;
  }
  if (before.type !== "ExternalName") {
    if (!spec.clusterIP && before.clusterIP !== undefined) spec.clusterIP = before.clusterIP;
    if (spec.clusterIPs === undefined && spec.clusterIP === before.clusterIP && before.clusterIPs !== undefined)
      spec.clusterIPs = [...before.clusterIPs];
    spec.ipFamilyPolicy ??= before.ipFamilyPolicy;
    if (spec.ipFamilies === undefined && before.ipFamilies !== undefined) spec.ipFamilies = [...before.ipFamilies];
  }
  if (spec.clusterIP && spec.clusterIPs === undefined) spec.clusterIPs = [spec.clusterIP];
  decideFamilies(spec);
  keepNodePorts(spec, before);
}

function usesNodePorts(spec: DeepReadonly<ServiceSpec>): boolean {
  return spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
}

function keepNodePorts(spec: ServiceSpec, before: DeepReadonly<ServiceSpec>): void {
  const key = ({ protocol, port }: DeepReadonly<ServicePort>) => `${protocol}/${port}`;
  const old = new Map((before.ports ?? []).map((port) => [key(port), port.nodePort]));
  if (usesNodePorts(spec)) {
    if (!usesNodePorts(before)) return;
    const taken = new Set((spec.ports ?? []).map(({ nodePort }) => nodePort));
    for (const port of spec.ports ?? []) {
      const kept = old.get(key(port));
      if (!port.nodePort && kept && !taken.has(kept)) port.nodePort = kept;
    }
    return;
  }
  // Back to a type without: ports that the user did not change were allocated and are given back.
  if (!usesNodePorts(before)) return;
  for (const port of spec.ports ?? []) if (port.nodePort === old.get(key(port))) delete port.nodePort;
}
