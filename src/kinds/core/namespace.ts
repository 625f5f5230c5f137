import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type Infer, list, message, optional, required, string, time } from "../schema.ts";
import { invalidValue } from "../status_error.ts";
import { checkQualifiedName } from "../validation.ts";

export const NamespaceSpec = message("io.k8s.api.core.v1.NamespaceSpec", {
  finalizers: optional(1, list(string), { listType: "atomic" }),
});
export type NamespaceSpec = Infer<typeof NamespaceSpec>;

export const NamespaceCondition = message("io.k8s.api.core.v1.NamespaceCondition", {
  lastTransitionTime: optional(4, time),
  message: optional(6, string),
  reason: optional(5, string),
  status: required(2, string),
  type: required(1, string),
});
export type NamespaceCondition = Infer<typeof NamespaceCondition>;

export const NamespaceStatus = message("io.k8s.api.core.v1.NamespaceStatus", {
  conditions: optional(2, list(NamespaceCondition), {
    patchMergeKey: "type",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["type"],
  }),
  phase: optional(1, string),
});
export type NamespaceStatus = Infer<typeof NamespaceStatus>;

export const Namespace = message("io.k8s.api.core.v1.Namespace", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, NamespaceSpec),
  status: optional(3, NamespaceStatus),
});
export type Namespace = Infer<typeof Namespace>;

/** Selectors over namespaces can name one by a label that is always there. */
function labelWithName(namespace: Namespace): void {
  const name = namespace.metadata?.name;
  if (namespace.metadata === undefined || !name) return;
  namespace.metadata.labels ??= {};
  namespace.metadata.labels["kubernetes.io/metadata.name"] = name;
}

export const namespaceKind = defineKind<typeof Namespace>({
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  singular: "namespace",
  shortNames: ["ns"],
  namespaced: false,
  schema: Namespace,
  status: true,
  verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
  nameRule: "label",
  subresources: [{ name: "finalize", group: "", version: "v1", kind: "Namespace", verbs: ["update"] }],
  columns: [
    nameColumn,
    {
      name: "Status",
      type: "string",
      description: "Active, or Terminating while its objects are deleted.",
      cell: ({ status }) => status.phase ?? "",
    },
    ageColumn,
  ],
  selectableFields: { "status.phase": (namespace) => namespace.status.phase ?? "" },
  defaults: labelWithName,
  prepareForCreate(namespace) {
    labelWithName(namespace);
    namespace.status = { phase: "Active" };
    namespace.spec ??= {};
    namespace.spec.finalizers ??= [];
    if (!namespace.spec.finalizers.includes("kubernetes")) namespace.spec.finalizers.push("kubernetes");
  },
  prepareForUpdate(namespace, old) {
    // Only the finalize subresource takes finalizers of spec away.
    namespace.spec = { finalizers: [...(old.spec.finalizers ?? [])] };
  },
  validate({ spec }) {
    return (spec?.finalizers ?? []).flatMap((name, index) => checkQualifiedName(name, `spec.finalizers[${index}]`));
  },
  validateStatus({ status, metadata }) {
    const phase = status?.phase ?? "";
    const deleted = metadata?.deletionTimestamp !== undefined;
    if (phase === (deleted ? "Terminating" : "Active") || phase === "") return [];
    return [
      invalidValue(
        "status.phase",
        phase,
        deleted
          ? "may only be 'Terminating' if `deletionTimestamp` is not empty"
          : "may only be 'Active' if `deletionTimestamp` is empty",
      ),
    ];
  },
});
