import { ObjectMeta } from "../meta.ts";
import { boolean, bytes, type Infer, map, message, optional, string } from "../schema.ts";

export const ConfigMap = message("io.k8s.api.core.v1.ConfigMap", {
  apiVersion: optional([], string),
  binaryData: optional(3, map(bytes)),
  data: optional(2, map(string)),
  immutable: optional(4, boolean),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
});
export type ConfigMap = Infer<typeof ConfigMap>;
