import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { boolean, bytes, type Infer, map, message, optional, string } from "../schema.ts";

export const Secret = message("io.k8s.api.core.v1.Secret", {
  apiVersion: optional([], string),
  data: optional(2, map(bytes)),
  immutable: optional(5, boolean),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  stringData: optional(4, map(string)),
  type: optional(3, string),
});
export type Secret = Infer<typeof Secret>;

export const secretKind = defineKind<typeof Secret>({
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  singular: "secret",
  namespaced: true,
  schema: Secret,
  columns: [nameColumn, ageColumn],
});
