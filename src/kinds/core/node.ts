import { ageColumn, nameColumn } from "../columns.ts";
import { connectVerbs, defineKind } from "../kind.ts";
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
  time,
} from "../schema.ts";

export const AttachedVolume = message("io.k8s.api.core.v1.AttachedVolume", {
  devicePath: required(2, string),
  name: required(1, string),
});
export type AttachedVolume = Infer<typeof AttachedVolume>;

export const ConfigMapNodeConfigSource = message("io.k8s.api.core.v1.ConfigMapNodeConfigSource", {
  kubeletConfigKey: required(5, string),
  name: required(2, string),
  namespace: required(1, string),
  resourceVersion: optional(4, string),
  uid: optional(3, string),
});
export type ConfigMapNodeConfigSource = Infer<typeof ConfigMapNodeConfigSource>;

export const ContainerImage = message("io.k8s.api.core.v1.ContainerImage", {
  names: optional(1, list(string), { listType: "atomic" }),
  sizeBytes: optional(2, int64),
});
export type ContainerImage = Infer<typeof ContainerImage>;

export const DaemonEndpoint = message("io.k8s.api.core.v1.DaemonEndpoint", {
  Port: required(1, int32),
});
export type DaemonEndpoint = Infer<typeof DaemonEndpoint>;

export const NodeConfigSource = message("io.k8s.api.core.v1.NodeConfigSource", {
  configMap: optional(2, ConfigMapNodeConfigSource),
});
export type NodeConfigSource = Infer<typeof NodeConfigSource>;

export const Taint = message("io.k8s.api.core.v1.Taint", {
  effect: required(3, string),
  key: required(1, string),
  timeAdded: optional(4, time),
  value: optional(2, string),
});
export type Taint = Infer<typeof Taint>;

export const NodeSpec = message("io.k8s.api.core.v1.NodeSpec", {
  configSource: optional(6, NodeConfigSource),
  externalID: optional(2, string),
  podCIDR: optional(1, string),
  podCIDRs: optional(7, list(string), { patchStrategy: "merge", listType: "set" }),
  providerID: optional(3, string),
  taints: optional(5, list(Taint), { listType: "atomic" }),
  unschedulable: optional(4, boolean),
});
export type NodeSpec = Infer<typeof NodeSpec>;

export const NodeAddress = message("io.k8s.api.core.v1.NodeAddress", {
  address: required(2, string),
  type: required(1, string),
});
export type NodeAddress = Infer<typeof NodeAddress>;

export const NodeCondition = message("io.k8s.api.core.v1.NodeCondition", {
  lastHeartbeatTime: optional(3, time),
  lastTransitionTime: optional(4, time),
  message: optional(6, string),
  reason: optional(5, string),
  status: required(2, string),
  type: required(1, string),
});
export type NodeCondition = Infer<typeof NodeCondition>;

export const NodeConfigStatus = message("io.k8s.api.core.v1.NodeConfigStatus", {
  active: optional(2, NodeConfigSource),
  assigned: optional(1, NodeConfigSource),
  error: optional(4, string),
  lastKnownGood: optional(3, NodeConfigSource),
});
export type NodeConfigStatus = Infer<typeof NodeConfigStatus>;

export const NodeDaemonEndpoints = message("io.k8s.api.core.v1.NodeDaemonEndpoints", {
  kubeletEndpoint: optional(1, DaemonEndpoint),
});
export type NodeDaemonEndpoints = Infer<typeof NodeDaemonEndpoints>;

export const NodeFeatures = message("io.k8s.api.core.v1.NodeFeatures", {
  supplementalGroupsPolicy: optional(1, boolean),
});
export type NodeFeatures = Infer<typeof NodeFeatures>;

export const NodeSwapStatus = message("io.k8s.api.core.v1.NodeSwapStatus", {
  capacity: optional(1, int64),
});
export type NodeSwapStatus = Infer<typeof NodeSwapStatus>;

export const NodeSystemInfo = message("io.k8s.api.core.v1.NodeSystemInfo", {
  architecture: required(10, string),
  bootID: required(3, string),
  containerRuntimeVersion: required(6, string),
  kernelVersion: required(4, string),
  kubeProxyVersion: required(8, string),
  kubeletVersion: required(7, string),
  machineID: required(1, string),
  operatingSystem: required(9, string),
  osImage: required(5, string),
  swap: optional(11, NodeSwapStatus),
  systemUUID: required(2, string),
});
export type NodeSystemInfo = Infer<typeof NodeSystemInfo>;

export const NodeRuntimeHandlerFeatures = message("io.k8s.api.core.v1.NodeRuntimeHandlerFeatures", {
  recursiveReadOnlyMounts: optional(1, boolean),
  userNamespaces: optional(2, boolean),
});
export type NodeRuntimeHandlerFeatures = Infer<typeof NodeRuntimeHandlerFeatures>;

export const NodeRuntimeHandler = message("io.k8s.api.core.v1.NodeRuntimeHandler", {
  features: optional(2, NodeRuntimeHandlerFeatures),
  name: optional(1, string),
});
export type NodeRuntimeHandler = Infer<typeof NodeRuntimeHandler>;

export const NodeStatus = message("io.k8s.api.core.v1.NodeStatus", {
  addresses: optional(5, list(NodeAddress), {
    patchMergeKey: "type",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["type"],
  }),
  allocatable: optional(2, map(quantity)),
  capacity: optional(1, map(quantity)),
  conditions: optional(4, list(NodeCondition), {
    patchMergeKey: "type",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["type"],
  }),
  config: optional(11, NodeConfigStatus),
  daemonEndpoints: optional(6, NodeDaemonEndpoints),
  declaredFeatures: optional(14, list(string), { listType: "atomic" }),
  features: optional(13, NodeFeatures),
  images: optional(8, list(ContainerImage), { listType: "atomic" }),
  nodeInfo: optional(7, NodeSystemInfo),
  phase: optional(3, string),
  runtimeHandlers: optional(12, list(NodeRuntimeHandler), { listType: "atomic" }),
  volumesAttached: optional(10, list(AttachedVolume), { listType: "atomic" }),
  volumesInUse: optional(9, list(string), { listType: "atomic" }),
});
export type NodeStatus = Infer<typeof NodeStatus>;

export const Node = message("io.k8s.api.core.v1.Node", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, NodeSpec),
  status: optional(3, NodeStatus),
});
export type Node = Infer<typeof Node>;

export const nodeKind = defineKind<typeof Node>({
  group: "",
  version: "v1",
  kind: "Node",
  plural: "nodes",
  singular: "node",
  shortNames: ["no"],
  namespaced: false,
  schema: Node,
  status: true,
  subresources: [{ name: "proxy", group: "", version: "v1", kind: "NodeProxyOptions", verbs: connectVerbs }],
  columns: [nameColumn, ageColumn],
});
