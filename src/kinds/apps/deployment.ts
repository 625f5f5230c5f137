import { ageColumn, nameColumn } from "../columns.ts";
import { PodTemplateSpec } from "../core/pod_spec.ts";
import { defineKind } from "../kind.ts";
import { selectorString } from "../label_selector.ts";
import { LabelSelector, ObjectMeta } from "../meta.ts";
import {
  boolean,
  type Infer,
  int32,
  int64,
  intOrString,
  list,
  message,
  optional,
  required,
  string,
  time,
} from "../schema.ts";

export const RollingUpdateDeployment = message("io.k8s.api.apps.v1.RollingUpdateDeployment", {
  maxSurge: optional(2, intOrString),
  maxUnavailable: optional(1, intOrString),
});
export type RollingUpdateDeployment = Infer<typeof RollingUpdateDeployment>;

export const DeploymentStrategy = message("io.k8s.api.apps.v1.DeploymentStrategy", {
  rollingUpdate: optional(2, RollingUpdateDeployment),
  type: optional(1, string),
});
export type DeploymentStrategy = Infer<typeof DeploymentStrategy>;

export const DeploymentSpec = message("io.k8s.api.apps.v1.DeploymentSpec", {
  minReadySeconds: optional(5, int32),
  paused: optional(7, boolean),
  progressDeadlineSeconds: optional(9, int32),
  replicas: optional(1, int32),
  revisionHistoryLimit: optional(6, int32),
  selector: required(2, LabelSelector),
  strategy: optional(4, DeploymentStrategy, { patchStrategy: "retainKeys" }),
  template: required(3, PodTemplateSpec),
});
export type DeploymentSpec = Infer<typeof DeploymentSpec>;

export const DeploymentCondition = message("io.k8s.api.apps.v1.DeploymentCondition", {
  lastTransitionTime: optional(7, time),
  lastUpdateTime: optional(6, time),
  message: optional(5, string),
  reason: optional(4, string),
  status: required(2, string),
  type: required(1, string),
});
export type DeploymentCondition = Infer<typeof DeploymentCondition>;

export const DeploymentStatus = message("io.k8s.api.apps.v1.DeploymentStatus", {
  availableReplicas: optional(4, int32),
  collisionCount: optional(8, int32),
  conditions: optional(6, list(DeploymentCondition), {
    patchMergeKey: "type",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["type"],
  }),
  observedGeneration: optional(1, int64),
  readyReplicas: optional(7, int32),
  replicas: optional(2, int32),
  terminatingReplicas: optional(9, int32),
  unavailableReplicas: optional(5, int32),
  updatedReplicas: optional(3, int32),
});
export type DeploymentStatus = Infer<typeof DeploymentStatus>;

export const Deployment = message("io.k8s.api.apps.v1.Deployment", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, DeploymentSpec),
  status: optional(3, DeploymentStatus),
});
export type Deployment = Infer<typeof Deployment>;

export const deploymentKind = defineKind<typeof Deployment>({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  singular: "deployment",
  shortNames: ["deploy"],
  categories: ["all"],
  namespaced: true,
  schema: Deployment,
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
  columns: [nameColumn, ageColumn],
});
