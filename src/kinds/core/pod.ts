import { connectVerbs, defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type Infer, message, optional, string } from "../schema.ts";
import { preparePod, preparePodUpdate, qosClass } from "./pod_admission.ts";
import { podColumns } from "./pod_columns.ts";
import { defaultPod } from "./pod_defaults.ts";
import { PodSpec } from "./pod_spec.ts";
import { PodStatus } from "./pod_status.ts";
import { validatePodSpecUpdate, validatePodStatusUpdate } from "./pod_update.ts";
import { validateNewPod, validatePodSpec } from "./pod_validation.ts";
import { podWarnings } from "./pod_warnings.ts";

export { ContainerState, ContainerStatus, PodCondition, PodStatus } from "./pod_status.ts";

export const Pod = message("io.k8s.api.core.v1.Pod", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  spec: optional(2, PodSpec),
  status: optional(3, PodStatus),
});
export type Pod = Infer<typeof Pod>;

export const podKind = defineKind<typeof Pod>({
  group: "",
  version: "v1",
  kind: "Pod",
  plural: "pods",
  singular: "pod",
  shortNames: ["po"],
  categories: ["all"],
  namespaced: true,
  schema: Pod,
  status: true,
  generation: true,
  subresources: [
    { name: "attach", group: "", version: "v1", kind: "PodAttachOptions", verbs: ["create", "get"] },
    { name: "binding", group: "", version: "v1", kind: "Binding", verbs: ["create"] },
    { name: "ephemeralcontainers", group: "", version: "v1", kind: "Pod", verbs: ["get", "patch", "update"] },
    { name: "eviction", group: "policy", version: "v1", kind: "Eviction", verbs: ["create"] },
    { name: "exec", group: "", version: "v1", kind: "PodExecOptions", verbs: ["create", "get"] },
    { name: "log", group: "", version: "v1", kind: "Pod", verbs: ["get"] },
    { name: "portforward", group: "", version: "v1", kind: "PodPortForwardOptions", verbs: ["create", "get"] },
    { name: "proxy", group: "", version: "v1", kind: "PodProxyOptions", verbs: connectVerbs },
    { name: "resize", group: "", version: "v1", kind: "Pod", verbs: ["get", "patch", "update"] },
  ],
  columns: podColumns,
  selectableFields: {
    "spec.hostNetwork": (pod) => String(pod.spec.hostNetwork ?? false),
    "spec.nodeName": (pod) => pod.spec.nodeName ?? "",
    "spec.restartPolicy": (pod) => pod.spec.restartPolicy ?? "",
    "spec.schedulerName": (pod) => pod.spec.schedulerName ?? "",
    "spec.serviceAccountName": (pod) => pod.spec.serviceAccountName ?? "",
    "status.nominatedNodeName": (pod) => pod.status.nominatedNodeName ?? "",
    "status.phase": (pod) => pod.status.phase ?? "",
    "status.podIP": (pod) => pod.status.podIP ?? "",
  },
  gracePeriodSeconds(pod) {
    // Nothing runs: a pod that has no node, or that has ended, goes at once.
    if ((pod.spec.nodeName ?? "") === "" || pod.status.phase === "Succeeded" || pod.status.phase === "Failed") return 0;
    const seconds = pod.spec.terminationGracePeriodSeconds ?? 30;
    return seconds < 0 ? 1 : seconds;
  },
  defaults(pod) {
    defaultPod(pod);
    // A status that leaves it out keeps it: it follows from the spec, and never changes.
    if (pod.status !== undefined && pod.spec !== undefined) pod.status.qosClass ||= qosClass(pod.spec);
  },
  prepareForCreate: preparePod,
  prepareForUpdate: preparePodUpdate,
  validate({ spec = { containers: [] } }, { old }) {
    const errors = validatePodSpec(spec, "spec", true);
    return [...errors, ...(old === undefined ? validateNewPod(spec) : validatePodSpecUpdate(spec, old.spec))];
  },
  validateStatus({ status = {} }, { old }) {
    return old === undefined ? [] : validatePodStatusUpdate(status, old.status, old.spec);
  },
  warnings: podWarnings,
});
