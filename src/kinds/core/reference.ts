import { type Infer, message, optional, quantity, required, string } from "../schema.ts";

export const LocalObjectReference = message(
  "io.k8s.api.core.v1.LocalObjectReference",
  {
    name: optional(1, string),
  },
  { mapType: "atomic" },
);
export type LocalObjectReference = Infer<typeof LocalObjectReference>;

export const ObjectFieldSelector = message(
  "io.k8s.api.core.v1.ObjectFieldSelector",
  {
    apiVersion: optional(1, string),
    fieldPath: required(2, string),
  },
  { mapType: "atomic" },
);
export type ObjectFieldSelector = Infer<typeof ObjectFieldSelector>;

export const ObjectReference = message(
  "io.k8s.api.core.v1.ObjectReference",
  {
    apiVersion: optional(5, string),
    fieldPath: optional(7, string),
    kind: optional(1, string),
    name: optional(3, string),
    namespace: optional(2, string),
    resourceVersion: optional(6, string),
    uid: optional(4, string),
  },
  { mapType: "atomic" },
);
export type ObjectReference = Infer<typeof ObjectReference>;

export const ResourceFieldSelector = message(
  "io.k8s.api.core.v1.ResourceFieldSelector",
  {
    containerName: optional(1, string),
    divisor: optional(3, quantity),
    resource: required(2, string),
  },
  { mapType: "atomic" },
);
export type ResourceFieldSelector = Infer<typeof ResourceFieldSelector>;

export const SecretReference = message(
  "io.k8s.api.core.v1.SecretReference",
  {
    name: optional(1, string),
    namespace: optional(2, string),
  },
  { mapType: "atomic" },
);
export type SecretReference = Infer<typeof SecretReference>;

export const TypedLocalObjectReference = message(
  "io.k8s.api.core.v1.TypedLocalObjectReference",
  {
    apiGroup: optional(1, string),
    kind: required(2, string),
    name: required(3, string),
  },
  { mapType: "atomic" },
);
export type TypedLocalObjectReference = Infer<typeof TypedLocalObjectReference>;

export const TypedObjectReference = message("io.k8s.api.core.v1.TypedObjectReference", {
  apiGroup: optional(1, string),
  kind: required(2, string),
  name: required(3, string),
  namespace: optional(4, string),
});
export type TypedObjectReference = Infer<typeof TypedObjectReference>;
