import { connectVerbs, defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type Infer, message, optional, string } from "../schema.ts";
import { serviceColumns } from "./service_columns.ts";
import { defaultService, prepareServiceForCreate, prepareServiceForUpdate } from "./service_defaults.ts";
import { ServiceSpec, ServiceStatus } from "./service_spec.ts";
import { validateServiceSpec, validateServiceUpdate } from "./service_validation.ts";

export { LoadBalancerIngress, ServicePort, ServiceSpec, ServiceStatus } from "./service_spec.ts";

export const Service = message("io.k8s.api.core.v1.Service", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, ServiceSpec),
  status: optional(3, ServiceStatus),
});
export type Service = Infer<typeof Service>;

export const serviceKind = defineKind<typeof Service>({
  group: "",
  version: "v1",
  kind: "Service",
  plural: "services",
  singular: "service",
  shortNames: ["svc"],
  categories: ["all"],
  namespaced: true,
  schema: Service,
  status: true,
  nameRule: "label1035",
  subresources: [{ name: "proxy", group: "", version: "v1", kind: "ServiceProxyOptions", verbs: connectVerbs }],
  columns: serviceColumns,
  selectableFields: {
    "spec.clusterIP": (service) => service.spec.clusterIP ?? "",
    "spec.type": (service) => service.spec.type ?? "",
  },
  defaults: defaultService,
  prepareForCreate: prepareServiceForCreate,
  prepareForUpdate: prepareServiceForUpdate,
  validate({ spec = {} }, { old }) {
    const errors = validateServiceSpec(spec);
    return old === undefined ? errors : [...validateServiceUpdate(spec, old.spec), ...errors];
  },
});
