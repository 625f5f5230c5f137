import { ageColumn, nameColumn, wide } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod_defaults.ts";
import { PodTemplateSpec } from "../core/pod_spec.ts";
import { defineKind } from "../kind.ts";
import { selectorString, selectorText } from "../label_selector.ts";
import { LabelSelector, ObjectMeta } from "../meta.ts";
import { type Infer, int32, int64, list, message, optional, required, string, time } from "../schema.ts";
import { checkImmutable, checkNotNegative } from "../validation.ts";
import { validateSelectorAndTemplate } from "./workload_validation.ts";

export const ReplicaSetSpec = message("io.k8s.api.apps.v1.ReplicaSetSpec", {
  minReadySeconds: optional(4, int32),
  replicas: optional(1, int32),
  selector: required(2, LabelSelector),
  template: optional(3, PodTemplateSpec),
});
export type ReplicaSetSpec = Infer<typeof ReplicaSetSpec>;

export const ReplicaSetCondition = message("io.k8s.api.apps.v1.ReplicaSetCondition", {
  lastTransitionTime: optional(3, time),
  message: optional(5, string),
  reason: optional(4, string),
  status: required(2, string),
  type: required(1, string),
});
export type ReplicaSetCondition = Infer<typeof ReplicaSetCondition>;

export const ReplicaSetStatus = message("io.k8s.api.apps.v1.ReplicaSetStatus", {
  availableReplicas: optional(5, int32),
  conditions: optional(6, list(ReplicaSetCondition), {
    patchMergeKey: "type",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["type"],
  }),
  fullyLabeledReplicas: optional(2, int32),
  observedGeneration: optional(3, int64),
  readyReplicas: optional(4, int32),
  replicas: required(1, int32),
  terminatingReplicas: optional(7, int32),
});
export type ReplicaSetStatus = Infer<typeof ReplicaSetStatus>;

export const ReplicaSet = message("io.k8s.api.apps.v1.ReplicaSet", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, ReplicaSetSpec),
  status: optional(3, ReplicaSetStatus),
});
export type ReplicaSet = Infer<typeof ReplicaSet>;

export const replicaSetKind = defineKind<typeof ReplicaSet>({
  group: "apps",
  version: "v1",
  kind: "ReplicaSet",
  plural: "replicasets",
  singular: "replicaset",
  shortNames: ["rs"],
  categories: ["all"],
  namespaced: true,
  schema: ReplicaSet,
  status: true,
  generation: true,
  scale: {
    replicas: (object) => object.spec.replicas ?? 1,
    statusReplicas: (object) => object.status.replicas ?? 0,
    selector: (object) => selectorString(object.spec.selector),
    setReplicas: (object, replicas) => {
      if (object.spec !== undefined) object.spec.replicas = replicas;
    },
  },
  columns: [
    nameColumn,
    {
      name: "Desired",
      type: "integer",
      description: "How many pods there shall be.",
      cell: ({ spec }) => spec.replicas ?? 0,
    },
    {
      name: "Current",
      type: "integer",
      description: "How many pods there are.",
      cell: ({ status }) => status.replicas ?? 0,
    },
    {
      name: "Ready",
      type: "integer",
      description: "How many of them are ready.",
      cell: ({ status }) => status.readyReplicas ?? 0,
    },
    ageColumn,
    wide({
      name: "Containers",
      type: "string",
      description: "The names of the template's containers.",
      cell: ({ spec }) => (spec.template?.spec?.containers ?? []).map(({ name }) => name).join(","),
    }),
    wide({
      name: "Images",
      type: "string",
      description: "The images of the template's containers.",
      cell: ({ spec }) => (spec.template?.spec?.containers ?? []).map(({ image }) => image).join(","),
    }),
    wide({
      name: "Selector",
      type: "string",
      description: "The labels of the pods that are counted.",
      cell: ({ spec }) => selectorText(spec.selector),
    }),
  ],
  defaults(set) {
    if (set.spec === undefined) return;
    set.spec.replicas ??= 1;
    set.spec.template ??= {};
    defaultPodTemplate(set.spec.template);
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 };
  },
  validate({ spec }, { old }) {
    const errors = [
      ...checkNotNegative(spec?.replicas, "spec.replicas"),
      ...checkNotNegative(spec?.minReadySeconds, "spec.minReadySeconds"),
      ...validateSelectorAndTemplate(spec?.selector, spec?.template ?? {}),
    ];
    return old === undefined
      ? errors
      : [...errors, ...checkImmutable(spec?.selector, old.spec.selector, "spec.selector")];
  },
});
