import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type Infer, message, optional, required, string } from "../schema.ts";
import { notSupportedValue, requiredValue } from "../status_error.ts";
import type { Errors } from "../validation.ts";
import { ObjectReference } from "./reference.ts";

export const Binding = message("io.k8s.api.core.v1.Binding", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  target: required(2, ObjectReference),
});
export type Binding = Infer<typeof Binding>;

export const bindingKind = defineKind<typeof Binding>({
  group: "",
  version: "v1",
  kind: "Binding",
  plural: "bindings",
  singular: "binding",
  namespaced: true,
  schema: Binding,
  verbs: ["create"],
  columns: [nameColumn, ageColumn],
  validate: ({ target }) => {
    const errors: Errors = [];
    if (target.kind && target.kind !== "Node")
      errors.push(notSupportedValue("target.kind", target.kind, ["Node", "<empty>"]));
    if (!target.name) errors.push(requiredValue("target.name"));
    return errors;
  },
});
