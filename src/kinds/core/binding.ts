import { ObjectMeta } from "../meta.ts";
import { type Infer, message, optional, required, string } from "../schema.ts";
import { ObjectReference } from "./reference.ts";

export const Binding = message("io.k8s.api.core.v1.Binding", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  target: required(2, ObjectReference),
});
export type Binding = Infer<typeof Binding>;
