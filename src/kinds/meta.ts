import {
  boolean,
  fieldsV1,
  type Infer,
  int32,
  int64,
  list,
  map,
  message,
  optional,
  required,
  string,
  time,
} from "./schema.ts";

export const Condition = message("io.k8s.apimachinery.pkg.apis.meta.v1.Condition", {
  lastTransitionTime: required(4, time),
  message: required(6, string),
  observedGeneration: optional(3, int64),
  reason: required(5, string),
  status: required(2, string),
  type: required(1, string),
});
export type Condition = Infer<typeof Condition>;

export const Preconditions = message("io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions", {
  resourceVersion: optional(2, string),
  uid: optional(1, string),
});
export type Preconditions = Infer<typeof Preconditions>;

export const DeleteOptions = message("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", {
  apiVersion: optional([], string),
  dryRun: optional(5, list(string), { listType: "atomic" }),
  gracePeriodSeconds: optional(1, int64),
  ignoreStoreReadErrorWithClusterBreakingPotential: optional(6, boolean),
  kind: optional([], string),
  orphanDependents: optional(3, boolean),
  preconditions: optional(2, Preconditions),
  propagationPolicy: optional(4, string),
});
export type DeleteOptions = Infer<typeof DeleteOptions>;

export const LabelSelectorRequirement = message("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement", {
  key: required(1, string),
  operator: required(2, string),
  values: optional(3, list(string), { listType: "atomic" }),
});
export type LabelSelectorRequirement = Infer<typeof LabelSelectorRequirement>;

export const LabelSelector = message(
  "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
  {
    matchExpressions: optional(2, list(LabelSelectorRequirement), { listType: "atomic" }),
    matchLabels: optional(1, map(string)),
  },
  { mapType: "atomic" },
);
export type LabelSelector = Infer<typeof LabelSelector>;

export const ListMeta = message("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", {
  continue: optional(3, string),
  remainingItemCount: optional(4, int64),
  resourceVersion: optional(2, string),
  selfLink: optional(1, string),
});
export type ListMeta = Infer<typeof ListMeta>;

export const ManagedFieldsEntry = message("io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry", {
  apiVersion: optional(3, string),
  fieldsType: optional(6, string),
  fieldsV1: optional(7, fieldsV1),
  manager: optional(1, string),
  operation: optional(2, string),
  subresource: optional(8, string),
  time: optional(4, time),
});
export type ManagedFieldsEntry = Infer<typeof ManagedFieldsEntry>;

export const OwnerReference = message(
  "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
  {
    apiVersion: required(5, string),
    blockOwnerDeletion: optional(7, boolean),
    controller: optional(6, boolean),
    kind: required(1, string),
    name: required(3, string),
    uid: required(4, string),
  },
  { mapType: "atomic" },
);
export type OwnerReference = Infer<typeof OwnerReference>;

export const ObjectMeta = message("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", {
  annotations: optional(12, map(string)),
  creationTimestamp: optional(8, time),
  deletionGracePeriodSeconds: optional(10, int64),
  deletionTimestamp: optional(9, time),
  finalizers: optional(14, list(string), { patchStrategy: "merge", listType: "set" }),
  generateName: optional(2, string),
  generation: optional(7, int64),
  labels: optional(11, map(string)),
  managedFields: optional(17, list(ManagedFieldsEntry), { listType: "atomic" }),
  name: optional(1, string),
  namespace: optional(3, string),
  ownerReferences: optional(13, list(OwnerReference), {
    patchMergeKey: "uid",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["uid"],
  }),
  resourceVersion: optional(6, string),
  selfLink: optional(4, string),
  uid: optional(5, string),
});
export type ObjectMeta = Infer<typeof ObjectMeta>;

export const StatusCause = message("io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause", {
  field: optional(3, string),
  message: optional(2, string),
  reason: optional(1, string),
});
export type StatusCause = Infer<typeof StatusCause>;

export const StatusDetails = message("io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails", {
  causes: optional(4, list(StatusCause), { listType: "atomic" }),
  group: optional(2, string),
  kind: optional(3, string),
  name: optional(1, string),
  retryAfterSeconds: optional(5, int32),
  uid: optional(6, string),
});
export type StatusDetails = Infer<typeof StatusDetails>;

export const Status = message("io.k8s.apimachinery.pkg.apis.meta.v1.Status", {
  apiVersion: optional([], string),
  code: optional(6, int32),
  details: optional(5, StatusDetails),
  kind: optional([], string),
  message: optional(3, string),
  metadata: optional(1, ListMeta),
  reason: optional(4, string),
  status: optional(2, string),
});
export type Status = Infer<typeof Status>;
