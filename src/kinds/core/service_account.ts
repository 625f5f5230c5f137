import { ObjectMeta } from "../meta.ts";
import { boolean, type Infer, list, message, optional, string } from "../schema.ts";
import { LocalObjectReference, ObjectReference } from "./reference.ts";

export const ServiceAccount = message("io.k8s.api.core.v1.ServiceAccount", {
  apiVersion: optional([], string),
  automountServiceAccountToken: optional(4, boolean),
  imagePullSecrets: optional(3, list(LocalObjectReference), { listType: "atomic" }),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  secrets: optional(2, list(ObjectReference), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
});
export type ServiceAccount = Infer<typeof ServiceAccount>;
