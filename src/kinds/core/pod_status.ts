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
import { ResourceRequirements } from "./container.ts";

export const ContainerExtendedResourceRequest = message("io.k8s.api.core.v1.ContainerExtendedResourceRequest", {
  containerName: required(1, string),
  requestName: required(3, string),
  resourceName: required(2, string),
});
export type ContainerExtendedResourceRequest = Infer<typeof ContainerExtendedResourceRequest>;

export const ContainerStateRunning = message("io.k8s.api.core.v1.ContainerStateRunning", {
  startedAt: optional(1, time),
});
export type ContainerStateRunning = Infer<typeof ContainerStateRunning>;

export const ContainerStateTerminated = message("io.k8s.api.core.v1.ContainerStateTerminated", {
  containerID: optional(7, string),
  exitCode: required(1, int32),
  finishedAt: optional(6, time),
  message: optional(4, string),
  reason: optional(3, string),
  signal: optional(2, int32),
  startedAt: optional(5, time),
});
export type ContainerStateTerminated = Infer<typeof ContainerStateTerminated>;

export const ContainerStateWaiting = message("io.k8s.api.core.v1.ContainerStateWaiting", {
  message: optional(2, string),
  reason: optional(1, string),
});
export type ContainerStateWaiting = Infer<typeof ContainerStateWaiting>;

export const ContainerState = message("io.k8s.api.core.v1.ContainerState", {
  running: optional(2, ContainerStateRunning),
  terminated: optional(3, ContainerStateTerminated),
  waiting: optional(1, ContainerStateWaiting),
});
export type ContainerState = Infer<typeof ContainerState>;

export const ResourceHealth = message("io.k8s.api.core.v1.ResourceHealth", {
  health: optional(2, string),
  resourceID: required(1, string),
});
export type ResourceHealth = Infer<typeof ResourceHealth>;

export const ResourceStatus = message("io.k8s.api.core.v1.ResourceStatus", {
  name: required(1, string),
  resources: optional(2, list(ResourceHealth), { listType: "map", listMapKeys: ["resourceID"] }),
});
export type ResourceStatus = Infer<typeof ResourceStatus>;

export const LinuxContainerUser = message("io.k8s.api.core.v1.LinuxContainerUser", {
  gid: required(2, int64),
  supplementalGroups: optional(3, list(int64), { listType: "atomic" }),
  uid: required(1, int64),
});
export type LinuxContainerUser = Infer<typeof LinuxContainerUser>;

export const ContainerUser = message("io.k8s.api.core.v1.ContainerUser", {
  linux: optional(1, LinuxContainerUser),
});
export type ContainerUser = Infer<typeof ContainerUser>;

export const VolumeMountStatus = message("io.k8s.api.core.v1.VolumeMountStatus", {
  mountPath: required(2, string),
  name: required(1, string),
  readOnly: optional(3, boolean),
  recursiveReadOnly: optional(4, string),
});
export type VolumeMountStatus = Infer<typeof VolumeMountStatus>;

export const ContainerStatus = message("io.k8s.api.core.v1.ContainerStatus", {
  allocatedResources: optional(10, map(quantity)),
  allocatedResourcesStatus: optional(14, list(ResourceStatus), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  containerID: optional(8, string),
  image: required(6, string),
  imageID: required(7, string),
  lastState: optional(3, ContainerState),
  name: required(1, string),
  ready: required(4, boolean),
  resources: optional(11, ResourceRequirements),
  restartCount: required(5, int32),
  started: optional(9, boolean),
  state: optional(2, ContainerState),
  stopSignal: optional(15, string),
  user: optional(13, ContainerUser),
  volumeMounts: optional(12, list(VolumeMountStatus), {
    patchMergeKey: "mountPath",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["mountPath"],
  }),
});
export type ContainerStatus = Infer<typeof ContainerStatus>;

export const HostIP = message("io.k8s.api.core.v1.HostIP", {
  ip: required(1, string),
});
export type HostIP = Infer<typeof HostIP>;

export const PodCondition = message("io.k8s.api.core.v1.PodCondition", {
  lastProbeTime: optional(3, time),
  lastTransitionTime: optional(4, time),
  message: optional(6, string),
  observedGeneration: optional(7, int64),
  reason: optional(5, string),
  status: required(2, string),
  type: required(1, string),
});
export type PodCondition = Infer<typeof PodCondition>;

export const PodExtendedResourceClaimStatus = message("io.k8s.api.core.v1.PodExtendedResourceClaimStatus", {
  requestMappings: required(1, list(ContainerExtendedResourceRequest), { listType: "atomic" }),
  resourceClaimName: required(2, string),
});
export type PodExtendedResourceClaimStatus = Infer<typeof PodExtendedResourceClaimStatus>;

export const PodIP = message("io.k8s.api.core.v1.PodIP", {
  ip: required(1, string),
});
export type PodIP = Infer<typeof PodIP>;

export const PodResourceClaimStatus = message("io.k8s.api.core.v1.PodResourceClaimStatus", {
  name: required(1, string),
  resourceClaimName: optional(2, string),
});
export type PodResourceClaimStatus = Infer<typeof PodResourceClaimStatus>;

export const PodStatus = message("io.k8s.api.core.v1.PodStatus", {
  allocatedResources: optional(19, map(quantity)),
  conditions: optional(2, list(PodCondition), {
    patchMergeKey: "type",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["type"],
  }),
  containerStatuses: optional(8, list(ContainerStatus), { listType: "atomic" }),
  ephemeralContainerStatuses: optional(13, list(ContainerStatus), { listType: "atomic" }),
  extendedResourceClaimStatus: optional(18, PodExtendedResourceClaimStatus),
  hostIP: optional(5, string),
  hostIPs: optional(16, list(HostIP), { patchMergeKey: "ip", patchStrategy: "merge", listType: "atomic" }),
  initContainerStatuses: optional(10, list(ContainerStatus), { listType: "atomic" }),
  message: optional(3, string),
  nominatedNodeName: optional(11, string),
  observedGeneration: optional(17, int64),
  phase: optional(1, string),
  podIP: optional(6, string),
  podIPs: optional(12, list(PodIP), {
    patchMergeKey: "ip",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["ip"],
  }),
  qosClass: optional(9, string),
  reason: optional(4, string),
  resize: optional(14, string),
  resourceClaimStatuses: optional(15, list(PodResourceClaimStatus), {
    patchMergeKey: "name",
    patchStrategy: "merge,retainKeys",
    listType: "map",
    listMapKeys: ["name"],
  }),
  resources: optional(20, ResourceRequirements),
  startTime: optional(7, time),
});
export type PodStatus = Infer<typeof PodStatus>;
