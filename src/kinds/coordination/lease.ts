import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type Infer, int32, message, microTime, optional, string } from "../schema.ts";
import { invalidValue } from "../status_error.ts";
import { checkNotNegative } from "../validation.ts";

export const LeaseSpec = message("io.k8s.api.coordination.v1.LeaseSpec", {
  acquireTime: optional(3, microTime),
  holderIdentity: optional(1, string),
  leaseDurationSeconds: optional(2, int32),
  leaseTransitions: optional(5, int32),
  preferredHolder: optional(7, string),
  renewTime: optional(4, microTime),
  strategy: optional(6, string),
});
export type LeaseSpec = Infer<typeof LeaseSpec>;

export const Lease = message("io.k8s.api.coordination.v1.Lease", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, LeaseSpec),
});
export type Lease = Infer<typeof Lease>;

export const leaseKind = defineKind<typeof Lease>({
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  singular: "lease",
  namespaced: true,
  schema: Lease,
  columns: [
    nameColumn,
    {
      name: "Holder",
      type: "string",
      description: "Who holds the lease.",
      cell: ({ spec }) => spec.holderIdentity ?? "",
    },
    ageColumn,
  ],
  validate({ spec = {} }) {
    const { leaseDurationSeconds: seconds, leaseTransitions } = spec;
    return [
      ...(seconds !== undefined && seconds <= 0
        ? [invalidValue("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
        : []),
      ...checkNotNegative(leaseTransitions, "spec.leaseTransitions"),
    ];
  },
});
