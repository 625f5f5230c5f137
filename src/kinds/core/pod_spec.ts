import { ObjectMeta } from "../meta.ts";
import {
  boolean,
  type Infer,
  int32,
  int64,
  list,
  map,
  message,
  optional,
  quantity,
  required,
  string,
} from "../schema.ts";
import { Container, EphemeralContainer, PodSecurityContext, ResourceRequirements } from "./container.ts";
import { Affinity, Toleration, TopologySpreadConstraint } from "./node_selector.ts";
import { LocalObjectReference } from "./reference.ts";
import { Volume } from "./volume.ts";

export const HostAlias = message("io.k8s.api.core.v1.HostAlias", {
  hostnames: optional(2, list(string), { listType: "atomic" }),
  ip: required(1, string),
});
export type HostAlias = Infer<typeof HostAlias>;

export const PodDNSConfigOption = message("io.k8s.api.core.v1.PodDNSConfigOption", {
  name: optional(1, string),
  value: optional(2, string),
});
export type PodDNSConfigOption = Infer<typeof PodDNSConfigOption>;

export const PodDNSConfig = message("io.k8s.api.core.v1.PodDNSConfig", {
  nameservers: optional(1, list(string), { listType: "atomic" }),
  options: optional(3, list(PodDNSConfigOption), { listType: "atomic" }),
  searches: optional(2, list(string), { listType: "atomic" }),
});
export type PodDNSConfig = Infer<typeof PodDNSConfig>;

export const PodOS = message("io.k8s.api.core.v1.PodOS", {
  name: required(1, string),
});
export type PodOS = Infer<typeof PodOS>;

export const PodReadinessGate = message("io.k8s.api.core.v1.PodReadinessGate", {
  conditionType: required(1, string),
});
export type PodReadinessGate = Infer<typeof PodReadinessGate>;

export const PodResourceClaim = message("io.k8s.api.core.v1.PodResourceClaim", {
  name: required(1, string),
  resourceClaimName: optional(3, string),
  resourceClaimTemplateName: optional(4, string),
});
export type PodResourceClaim = Infer<typeof PodResourceClaim>;

export const PodSchedulingGate = message("io.k8s.api.core.v1.PodSchedulingGate", {
  name: required(1, string),
});
export type PodSchedulingGate = Infer<typeof PodSchedulingGate>;

export const WorkloadReference = message("io.k8s.api.core.v1.WorkloadReference", {
  name: required([], string),
  podGroup: required([], string),
  podGroupReplicaKey: optional([], string),
});
export type WorkloadReference = Infer<typeof WorkloadReference>;

export const PodSpec = message("io.k8s.api.core.v1.PodSpec", {
  activeDeadlineSeconds: optional(5, int64),
  affinity: optional(18, Affinity),
  automountServiceAccountToken: optional(21, boolean),
  containers: required(2, list(Container), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  dnsConfig: optional(26, PodDNSConfig),
  dnsPolicy: optional(6, string),
  enableServiceLinks: optional(30, boolean),
  ephemeralContainers: optional(34, list(EphemeralContainer), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  hostAliases: optional(23, list(HostAlias), {
    patchMergeKey: "ip",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["ip"],
  }),
  hostIPC: optional(13, boolean),
  hostNetwork: optional(11, boolean),
  hostPID: optional(12, boolean),
  hostUsers: optional(37, boolean),
  hostname: optional(16, string),
  hostnameOverride: optional(41, string),
  imagePullSecrets: optional(15, list(LocalObjectReference), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  initContainers: optional(20, list(Container), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  nodeName: optional(10, string),
  nodeSelector: optional(7, map(string), { mapType: "atomic" }),
  os: optional(36, PodOS),
  overhead: optional(32, map(quantity)),
  preemptionPolicy: optional(31, string),
  priority: optional(25, int32),
  priorityClassName: optional(24, string),
  readinessGates: optional(28, list(PodReadinessGate), { listType: "atomic" }),
  resourceClaims: optional(39, list(PodResourceClaim), {
    patchMergeKey: "name",
    patchStrategy: "merge,retainKeys",
    listType: "map",
    listMapKeys: ["name"],
  }),
  resources: optional(40, ResourceRequirements),
  restartPolicy: optional(3, string),
  runtimeClassName: optional(29, string),
  schedulerName: optional(19, string),
  schedulingGates: optional(38, list(PodSchedulingGate), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  securityContext: optional(14, PodSecurityContext),
  serviceAccount: optional(9, string),
  serviceAccountName: optional(8, string),
  setHostnameAsFQDN: optional(35, boolean),
  shareProcessNamespace: optional(27, boolean),
  subdomain: optional(17, string),
  terminationGracePeriodSeconds: optional(4, int64),
  tolerations: optional(22, list(Toleration), { listType: "atomic" }),
  topologySpreadConstraints: optional(33, list(TopologySpreadConstraint), {
    patchMergeKey: "topologyKey",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["topologyKey", "whenUnsatisfiable"],
  }),
  volumes: optional(1, list(Volume), {
    patchMergeKey: "name",
    patchStrategy: "merge,retainKeys",
    listType: "map",
    listMapKeys: ["name"],
  }),
  workloadRef: optional([], WorkloadReference),
});
export type PodSpec = Infer<typeof PodSpec>;

export const PodTemplateSpec = message("io.k8s.api.core.v1.PodTemplateSpec", {
  metadata: optional(1, ObjectMeta),
  spec: optional(2, PodSpec),
});
export type PodTemplateSpec = Infer<typeof PodTemplateSpec>;
