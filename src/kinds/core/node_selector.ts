import { LabelSelector } from "../meta.ts";
import { type Infer, int32, int64, list, message, optional, required, string } from "../schema.ts";

export const NodeSelectorRequirement = message("io.k8s.api.core.v1.NodeSelectorRequirement", {
  key: required(1, string),
  operator: required(2, string),
  values: optional(3, list(string), { listType: "atomic" }),
});
export type NodeSelectorRequirement = Infer<typeof NodeSelectorRequirement>;

export const NodeSelectorTerm = message(
  "io.k8s.api.core.v1.NodeSelectorTerm",
  {
    matchExpressions: optional(1, list(NodeSelectorRequirement), { listType: "atomic" }),
    matchFields: optional(2, list(NodeSelectorRequirement), { listType: "atomic" }),
  },
  { mapType: "atomic" },
);
export type NodeSelectorTerm = Infer<typeof NodeSelectorTerm>;

export const PreferredSchedulingTerm = message("io.k8s.api.core.v1.PreferredSchedulingTerm", {
  preference: required(2, NodeSelectorTerm),
  weight: required(1, int32),
});
export type PreferredSchedulingTerm = Infer<typeof PreferredSchedulingTerm>;

export const NodeSelector = message(
  "io.k8s.api.core.v1.NodeSelector",
  {
    nodeSelectorTerms: required(1, list(NodeSelectorTerm), { listType: "atomic" }),
  },
  { mapType: "atomic" },
);
export type NodeSelector = Infer<typeof NodeSelector>;

export const NodeAffinity = message("io.k8s.api.core.v1.NodeAffinity", {
  preferredDuringSchedulingIgnoredDuringExecution: optional(2, list(PreferredSchedulingTerm), { listType: "atomic" }),
  requiredDuringSchedulingIgnoredDuringExecution: optional(1, NodeSelector),
});
export type NodeAffinity = Infer<typeof NodeAffinity>;

export const PodAffinityTerm = message("io.k8s.api.core.v1.PodAffinityTerm", {
  labelSelector: optional(1, LabelSelector),
  matchLabelKeys: optional(5, list(string), { listType: "atomic" }),
  mismatchLabelKeys: optional(6, list(string), { listType: "atomic" }),
  namespaceSelector: optional(4, LabelSelector),
  namespaces: optional(2, list(string), { listType: "atomic" }),
  topologyKey: required(3, string),
});
export type PodAffinityTerm = Infer<typeof PodAffinityTerm>;

export const WeightedPodAffinityTerm = message("io.k8s.api.core.v1.WeightedPodAffinityTerm", {
  podAffinityTerm: required(2, PodAffinityTerm),
  weight: required(1, int32),
});
export type WeightedPodAffinityTerm = Infer<typeof WeightedPodAffinityTerm>;

export const PodAffinity = message("io.k8s.api.core.v1.PodAffinity", {
  preferredDuringSchedulingIgnoredDuringExecution: optional(2, list(WeightedPodAffinityTerm), { listType: "atomic" }),
  requiredDuringSchedulingIgnoredDuringExecution: optional(1, list(PodAffinityTerm), { listType: "atomic" }),
});
export type PodAffinity = Infer<typeof PodAffinity>;

export const PodAntiAffinity = message("io.k8s.api.core.v1.PodAntiAffinity", {
  preferredDuringSchedulingIgnoredDuringExecution: optional(2, list(WeightedPodAffinityTerm), { listType: "atomic" }),
  requiredDuringSchedulingIgnoredDuringExecution: optional(1, list(PodAffinityTerm), { listType: "atomic" }),
});
export type PodAntiAffinity = Infer<typeof PodAntiAffinity>;

export const Affinity = message("io.k8s.api.core.v1.Affinity", {
  nodeAffinity: optional(1, NodeAffinity),
  podAffinity: optional(2, PodAffinity),
  podAntiAffinity: optional(3, PodAntiAffinity),
});
export type Affinity = Infer<typeof Affinity>;

export const Toleration = message("io.k8s.api.core.v1.Toleration", {
  effect: optional(4, string),
  key: optional(1, string),
  operator: optional(2, string),
  tolerationSeconds: optional(5, int64),
  value: optional(3, string),
});
export type Toleration = Infer<typeof Toleration>;

export const TopologySpreadConstraint = message("io.k8s.api.core.v1.TopologySpreadConstraint", {
  labelSelector: optional(4, LabelSelector),
  matchLabelKeys: optional(8, list(string), { listType: "atomic" }),
  maxSkew: required(1, int32),
  minDomains: optional(5, int32),
  nodeAffinityPolicy: optional(6, string),
  nodeTaintsPolicy: optional(7, string),
  topologyKey: required(2, string),
  whenUnsatisfiable: required(3, string),
});
export type TopologySpreadConstraint = Infer<typeof TopologySpreadConstraint>;
