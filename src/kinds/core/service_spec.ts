import { Condition } from "../meta.ts";
import { boolean, type Infer, int32, intOrString, list, map, message, optional, required, string } from "../schema.ts";

export const ClientIPConfig = message("io.k8s.api.core.v1.ClientIPConfig", {
  timeoutSeconds: optional(1, int32),
});
export type ClientIPConfig = Infer<typeof ClientIPConfig>;

export const PortStatus = message("io.k8s.api.core.v1.PortStatus", {
  error: optional(3, string),
  port: required(1, int32),
  protocol: required(2, string),
});
export type PortStatus = Infer<typeof PortStatus>;

export const LoadBalancerIngress = message("io.k8s.api.core.v1.LoadBalancerIngress", {
  hostname: optional(2, string),
  ip: optional(1, string),
  ipMode: optional(3, string),
  ports: optional(4, list(PortStatus), { listType: "atomic" }),
});
export type LoadBalancerIngress = Infer<typeof LoadBalancerIngress>;

export const LoadBalancerStatus = message("io.k8s.api.core.v1.LoadBalancerStatus", {
  ingress: optional(1, list(LoadBalancerIngress), { listType: "atomic" }),
});
export type LoadBalancerStatus = Infer<typeof LoadBalancerStatus>;

export const ServicePort = message("io.k8s.api.core.v1.ServicePort", {
  appProtocol: optional(6, string),
  name: optional(1, string),
  nodePort: optional(5, int32),
  port: required(3, int32),
  protocol: optional(2, string),
  targetPort: optional(4, intOrString),
});
export type ServicePort = Infer<typeof ServicePort>;

export const SessionAffinityConfig = message("io.k8s.api.core.v1.SessionAffinityConfig", {
  clientIP: optional(1, ClientIPConfig),
});
export type SessionAffinityConfig = Infer<typeof SessionAffinityConfig>;

export const ServiceSpec = message("io.k8s.api.core.v1.ServiceSpec", {
  allocateLoadBalancerNodePorts: optional(20, boolean),
  clusterIP: optional(3, string),
  clusterIPs: optional(18, list(string), { listType: "atomic" }),
  externalIPs: optional(5, list(string), { listType: "atomic" }),
  externalName: optional(10, string),
  externalTrafficPolicy: optional(11, string),
  healthCheckNodePort: optional(12, int32),
  internalTrafficPolicy: optional(22, string),
  ipFamilies: optional(19, list(string), { listType: "atomic" }),
  ipFamilyPolicy: optional(17, string),
  loadBalancerClass: optional(21, string),
  loadBalancerIP: optional(8, string),
  loadBalancerSourceRanges: optional(9, list(string), { listType: "atomic" }),
  ports: optional(1, list(ServicePort), {
    patchMergeKey: "port",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["port", "protocol"],
  }),
  publishNotReadyAddresses: optional(13, boolean),
  selector: optional(2, map(string), { mapType: "atomic" }),
  sessionAffinity: optional(7, string),
  sessionAffinityConfig: optional(14, SessionAffinityConfig),
  trafficDistribution: optional(23, string),
  type: optional(4, string),
});
export type ServiceSpec = Infer<typeof ServiceSpec>;

export const ServiceStatus = message("io.k8s.api.core.v1.ServiceStatus", {
  conditions: optional(2, list(Condition), {
    patchMergeKey: "type",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["type"],
  }),
  loadBalancer: optional(1, LoadBalancerStatus),
});
export type ServiceStatus = Infer<typeof ServiceStatus>;
