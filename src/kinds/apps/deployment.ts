import { ageColumn, nameColumn, wide } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod_defaults.ts";
import { PodTemplateSpec } from "../core/pod_spec.ts";
import { podSpecWarnings } from "../core/pod_warnings.ts";
import { defineKind } from "../kind.ts";
import { selectorString, selectorText } from "../label_selector.ts";
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
import { forbiddenValue, invalidValue } from "../status_error.ts";
import { checkImmutable, checkNotNegative, checkOneOf, type Errors } from "../validation.ts";
import { checkNumberOrPercent, percentOf, validateSelectorAndTemplate } from "./workload_validation.ts";

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

function defaultDeployment({ spec }: Deployment): void {
  if (spec === undefined) return;
  spec.replicas ??= 1;
  spec.strategy ??= {};
  spec.strategy.type ||= "RollingUpdate";
  if (spec.strategy.type === "RollingUpdate") {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= "25%";
    spec.strategy.rollingUpdate.maxSurge ??= "25%";
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  defaultPodTemplate(spec.template);
}

function validateDeploymentSpec(spec: DeploymentSpec | undefined): Errors {
  const errors = [
    ...checkNotNegative(spec?.replicas, "spec.replicas"),
    ...validateSelectorAndTemplate(spec?.selector, spec?.template ?? {}),
    ...validateStrategy(spec?.strategy ?? {}),
    ...checkNotNegative(spec?.minReadySeconds, "spec.minReadySeconds"),
    ...checkNotNegative(spec?.revisionHistoryLimit, "spec.revisionHistoryLimit"),
  ];
  const deadline = spec?.progressDeadlineSeconds;
  if (deadline !== undefined) {
    const path = "spec.progressDeadlineSeconds";
    errors.push(...checkNotNegative(deadline, path));
    if (deadline <= (spec?.minReadySeconds ?? 0))
      errors.push(invalidValue(path, deadline, "must be greater than minReadySeconds"));
  }
  return errors;
}

function validateStrategy({ type, rollingUpdate }: DeploymentStrategy): Errors {
  const path = "spec.strategy.rollingUpdate";
  if (type === "Recreate")
    return rollingUpdate === undefined
      ? []
      : [forbiddenValue(path, "may not be specified when strategy `type` is 'Recreate'")];
  if (type !== "RollingUpdate" || rollingUpdate === undefined)
    return checkOneOf(type, ["Recreate", "RollingUpdate"], "spec.strategy.type", "optional");
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const errors = [
    ...checkNumberOrPercent(maxUnavailable, `${path}.maxUnavailable`),
    ...checkNumberOrPercent(maxSurge, `${path}.maxSurge`),
  ];
  if (isZero(maxUnavailable) && isZero(maxSurge))
    errors.push(invalidValue(`${path}.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0"));
  if ((percentOf(maxUnavailable) ?? 0) > 100)
    errors.push(invalidValue(`${path}.maxUnavailable`, maxUnavailable, "must not be greater than 100%"));
  return errors;
}

function isZero(value: number | string): boolean {
  return value === 0 || percentOf(value) === 0;
}

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
  columns: [
    nameColumn,
    {
      name: "Ready",
      type: "string",
      description: "How many pods are ready, of those that there shall be.",
      cell: ({ spec, status }) => `${status.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    },
    {
      name: "Up-to-date",
      type: "integer",
      description: "How many pods are of the newest template.",
      cell: ({ status }) => status.updatedReplicas ?? 0,
    },
    {
      name: "Available",
      type: "integer",
      description: "How many pods have been ready for long enough.",
      cell: ({ status }) => status.availableReplicas ?? 0,
    },
    ageColumn,
    wide({
      name: "Containers",
      type: "string",
      description: "The names of the template's containers.",
      cell: ({ spec }) => (spec.template.spec?.containers ?? []).map(({ name }) => name).join(","),
    }),
    wide({
      name: "Images",
      type: "string",
      description: "The images of the template's containers.",
      cell: ({ spec }) => (spec.template.spec?.containers ?? []).map(({ image }) => image).join(","),
    }),
    wide({
      name: "Selector",
      type: "string",
      description: "The labels of the pods that are counted.",
      cell: ({ spec }) => selectorText(spec.selector),
    }),
  ],
  defaults: defaultDeployment,
  prepareForCreate(deployment) {
    deployment.status = {};
  },
  validate({ spec }, { old }) {
    const errors = validateDeploymentSpec(spec);
    return old === undefined
      ? errors
      : [...errors, ...checkImmutable(spec?.selector, old.spec.selector, "spec.selector")];
  },
  warnings: ({ spec }) =>
    spec?.template.spec === undefined ? [] : podSpecWarnings(spec.template.spec, "spec.template.spec"),
});
