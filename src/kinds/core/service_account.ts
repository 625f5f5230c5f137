import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
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

export const serviceAccountKind = defineKind<typeof ServiceAccount>({
  group: "",
  version: "v1",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  singular: "serviceaccount",
  shortNames: ["sa"],
  namespaced: true,
  schema: ServiceAccount,
  subresources: [
    { name: "token", group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: ["create"] },
  ],
  columns: [
    nameColumn,
    {
      name: "Secrets",
      type: "integer",
      description: "How many secrets the account may mount.",
      cell: ({ secrets = [] }) => secrets.length,
    },
    ageColumn,
  ],
});
