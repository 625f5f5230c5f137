import { ObjectMeta } from "../meta.ts";
import { type Infer, int32, message, optional, required, string } from "../schema.ts";

export const ScaleSpec = message("io.k8s.api.autoscaling.v1.ScaleSpec", {
  replicas: optional(1, int32),
});
export type ScaleSpec = Infer<typeof ScaleSpec>;

export const ScaleStatus = message("io.k8s.api.autoscaling.v1.ScaleStatus", {
  replicas: required(1, int32),
  selector: optional(2, string),
});
export type ScaleStatus = Infer<typeof ScaleStatus>;

export const Scale = message("io.k8s.api.autoscaling.v1.Scale", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, ScaleSpec),
  status: optional(3, ScaleStatus),
});
export type Scale = Infer<typeof Scale>;
