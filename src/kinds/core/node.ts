import { ageColumn, nameColumn, wide } from "../columns.ts";
import { cidrProblems } from "../ip.ts";
import { connectVerbs, defineKind, type Observed } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { labelValueProblems } from "../names.ts";
import { parseQuantity } from "../quantity.ts";
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
import { duplicateValue, forbiddenValue, invalidValue } from "../status_error.ts";
import { checkName, checkOneOf, checkQualifiedName, type Errors } from "../validation.ts";
import { taintEffects } from "./scheduling_validation.ts";

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

function statusText({ spec, status }: Observed<Node>): string {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  const words = [ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady"];
  if (spec.unschedulable === true) words.push("SchedulingDisabled");
  return words.join(",");
}

const rolePrefix = "node-role.kubernetes.io/";

function rolesOf(labels: Readonly<Record<string, string>>): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === "kubernetes.io/role" && value !== "") roles.add(value);
  }
  return roles.size === 0 ? "<none>" : [...roles].sort().join(",");
}

function addressOf({ status }: Observed<Node>, type: string): string {
  return status.addresses?.find((address) => address.type === type)?.address ?? "<none>";
}

function validateNode({ spec, status }: Node): Errors {
  const errors: Errors = [];
  const taints = new Set<string>();
  for (const [index, { key, value = "", effect }] of (spec?.taints ?? []).entries()) {
    const at = `spec.taints[${index}]`;
    errors.push(
      ...checkQualifiedName(key, `${at}.key`),
      ...checkName(labelValueProblems, value, `${at}.value`),
      ...checkOneOf(effect, taintEffects, `${at}.effect`, "required"),
    );
    const pair = `${key}:${effect}`;
    if (taints.has(pair)) errors.push(duplicateValue(at, pair));
    taints.add(pair);
  }
  for (const [index, range] of (spec?.podCIDRs ?? []).entries())
    errors.push(...checkName(cidrProblems, range, `spec.podCIDRs[${index}]`));
  for (const field of ["capacity", "allocatable"] as const)
    for (const [name, text] of Object.entries(status?.[field] ?? {})) {
      const at = `status.${field}[${name}]`;
      errors.push(...checkQualifiedName(name, at));
      if (parseQuantity(text).nanos < 0n) errors.push(invalidValue(at, text, "must be greater than or equal to 0"));
    }
  const addresses = new Set<string>();
  for (const [index, { type, address }] of (status?.addresses ?? []).entries()) {
    const pair = `${type}/${address}`;
    if (addresses.has(pair)) errors.push(duplicateValue(`status.addresses[${index}]`, { type, address }));
    addresses.add(pair);
  }
  return errors;
}

/** A node's network and its machine are given to it once. */
function validateNodeUpdate({ spec }: Node, old: Observed<Node>): Errors {
  const errors: Errors = [];
  const once = (field: "podCIDRs" | "providerID", what: string) => {
    const before = old.spec[field];
    if (before === undefined || before.length === 0) return;
    if (String(spec?.[field] ?? "") !== String(before))
      errors.push(forbiddenValue(`spec.${field}`, `node updates may not change ${what} except from "" to valid`));
  };
  once("podCIDRs", "podCIDR");
  once("providerID", "providerID");
  return errors;
}

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
  columns: [
    nameColumn,
    { name: "Status", type: "string", description: "Whether the node takes pods.", cell: statusText },
    {
      name: "Roles",
      type: "string",
      description: "What the node's labels say it is for.",
      cell: ({ metadata }) => rolesOf(metadata.labels ?? {}),
    },
    ageColumn,
    {
      name: "Version",
      type: "string",
      description: "The version of the node's kubelet.",
      cell: ({ status }) => status.nodeInfo?.kubeletVersion ?? "",
    },
    wide({
      name: "Internal-IP",
      type: "string",
      description: "The node's address inside the cluster.",
      cell: (node) => addressOf(node, "InternalIP"),
    }),
    wide({
      name: "External-IP",
      type: "string",
      description: "The node's address outside.",
      cell: (node) => addressOf(node, "ExternalIP"),
    }),
    wide({
      name: "OS-Image",
      type: "string",
      description: "The operating system.",
      cell: ({ status }) => status.nodeInfo?.osImage || "<unknown>",
    }),
    wide({
      name: "Kernel-Version",
      type: "string",
      description: "The kernel.",
      cell: ({ status }) => status.nodeInfo?.kernelVersion || "<unknown>",
    }),
    wide({
      name: "Container-Runtime",
      type: "string",
      description: "What runs the containers.",
      cell: ({ status }) => status.nodeInfo?.containerRuntimeVersion || "<unknown>",
    }),
  ],
  selectableFields: { "spec.unschedulable": (node) => String(node.spec.unschedulable ?? false) },
  defaults({ status }) {
    if (status === undefined) return;
    if (status.allocatable === undefined && status.capacity !== undefined) status.allocatable = { ...status.capacity };
  },
  validate: (node, { old }) => [...validateNode(node), ...(old === undefined ? [] : validateNodeUpdate(node, old))],
  validateStatus: (node) => validateNode(node),
});
