import { firstDifference, sameValue } from "../equality.ts";
import { outsideRange } from "../names.ts";
import { compareQuantities, parseQuantity } from "../quantity.ts";
import type { DeepReadonly } from "../schema.ts";
import { forbiddenValue, invalidValue, requiredValue } from "../status_error.ts";
import { checkDnsSubdomain, checkIp, type Errors } from "../validation.ts";
import type { Container, ResourceRequirements } from "./container.ts";
import { qosClass } from "./pod_admission.ts";
import type { PodSpec } from "./pod_spec.ts";
import type { ContainerStatus, PodStatus } from "./pod_status.ts";

type Spec = DeepReadonly<PodSpec>;

const mayChange = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");

const maxInt32 = 2 ** 31 - 1;

/** What of a running pod may be changed: images, a shorter deadline, more tolerations, fewer scheduling gates. */
export function validatePodSpecUpdate(spec: Spec, old: Spec): Errors {
  const errors: Errors = [];
  for (const field of ["containers", "initContainers"] as const) {
    const containers = spec[field] ?? [];
    if (containers.length !== (old[field] ?? []).length)
      return [...errors, forbiddenValue(`spec.${field}`, "pod updates may not add or remove containers")];
    for (const [index, { image = "" }] of containers.entries())
      if (image === "") errors.push(requiredValue(`spec.${field}[${index}].image`));
  }
  const deadline = validateDeadline(spec.activeDeadlineSeconds, old.activeDeadlineSeconds);
  errors.push(...deadline);
  if (deadline.length > 0 && spec.activeDeadlineSeconds !== undefined) return errors;
  errors.push(...validateTolerationsUpdate(spec, old), ...validateGatesUpdate(spec, old));

  const comparable: Spec = {
    ...spec,
    containers: withImagesOf(spec.containers, old.containers),
    initContainers: withImagesOf(spec.initContainers ?? [], old.initContainers ?? []),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
    schedulingGates: old.schedulingGates,
    terminationGracePeriodSeconds:
      (old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1
        ? old.terminationGracePeriodSeconds
        : spec.terminationGracePeriodSeconds,
    // While a gate holds the pod back, its choice of nodes may still be narrowed.
    nodeSelector: mayNarrow(spec, old) ? old.nodeSelector : spec.nodeSelector,
  };
  const difference = firstDifference(comparable, old, "spec");
  if (difference !== undefined)
    errors.push(
      forbiddenValue("spec", `pod updates may not change fields other than ${mayChange}\n${difference} differs`),
    );
  return errors;
}

function withImagesOf(
  containers: readonly DeepReadonly<Container>[],
  old: readonly DeepReadonly<Container>[],
): readonly DeepReadonly<Container>[] {
  return containers.map((container, index) => ({ ...container, image: old[index]?.image }));
}

function mayNarrow(spec: Spec, old: Spec): boolean {
  if ((old.schedulingGates ?? []).length === 0) return false;
  return Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value);
}

function validateDeadline(deadline: number | undefined, old: number | undefined): Errors {
  const path = "spec.activeDeadlineSeconds";
  if (deadline === undefined)
    return old === undefined ? [] : [invalidValue(path, null, "must not update from a positive integer to nil value")];
  if (deadline < 0 || deadline > maxInt32) return [invalidValue(path, deadline, outsideRange(0, maxInt32))];
  return old !== undefined && old < deadline
    ? [invalidValue(path, deadline, "must be less than or equal to previous value")]
    : [];
}

function validateTolerationsUpdate(spec: Spec, old: Spec): Errors {
  const kept = (old.tolerations ?? []).every((before) =>
    spec.tolerations?.some((after) => sameValue({ ...before, tolerationSeconds: after.tolerationSeconds }, after)),
  );
  return kept
    ? []
    : [forbiddenValue("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")];
}

function validateGatesUpdate(spec: Spec, old: Spec): Errors {
  const known = new Set((old.schedulingGates ?? []).map(({ name }) => name));
  return (spec.schedulingGates ?? []).flatMap(({ name }, index) =>
    known.has(name)
      ? []
      : [
          forbiddenValue(
            `spec.schedulingGates[${index}].name`,
            `only deletion is allowed, but found new scheduling gate '${name}'`,
          ),
        ],
  );
}

/** For the ephemeralcontainers subresource: containers are added, and never changed or taken away. */
export function validateEphemeralContainersUpdate(spec: Spec, old: Spec): Errors {
  const path = "spec.ephemeralContainers";
  const byName = new Map((spec.ephemeralContainers ?? []).map((container) => [container.name, container]));
  return (old.ephemeralContainers ?? []).flatMap((before) => {
    const after = byName.get(before.name);
    if (after === undefined)
      return [forbiddenValue(path, `existing ephemeral containers "${before.name}" may not be removed\n`)];
    const difference = firstDifference(after, before, "");
    return difference === undefined
      ? []
      : [forbiddenValue(path, `existing ephemeral containers "${before.name}" may not be changed\n${difference}`)];
  });
}

/** For the resize subresource: processor and memory of containers that run, within the pod's class of service. */
export function validateResize(spec: Spec, old: Spec): Errors {
  if (spec.resources !== undefined || old.resources !== undefined)
    return [forbiddenValue("", "pods with pod-level resources cannot be resized")];
  const errors: Errors = [];
  const before = qosClass(old);
  if (before !== qosClass(spec))
    errors.push(invalidValue("spec", before, "Pod QOS Class may not change as a result of resizing"));
  for (const [index, container] of spec.containers.entries()) {
    const previous = old.containers[index];
    if (previous === undefined) continue;
    const path = `spec.containers[${index}].resources`;
    for (const field of ["requests", "limits"] as const)
      for (const name of Object.keys(previous.resources?.[field] ?? {}))
        if (!Object.hasOwn(container.resources?.[field] ?? {}, name))
          errors.push(forbiddenValue(`${path}.${field}`, `resource ${field} cannot be removed`));
    errors.push(...validateMemoryLimit(container, previous, path));
  }
  const comparable: Spec = {
    ...spec,
    containers: spec.containers.map((container, index) => resizable(container, old.containers[index])),
    initContainers: (spec.initContainers ?? []).map((container, index) => {
      const previous = old.initContainers?.[index];
      return container.restartPolicy === "Always" ? resizable(container, previous) : container;
    }),
  };
  if (errors.length === 0 && !sameValue(comparable, old))
    errors.push(forbiddenValue("spec", "only cpu and memory resources are mutable"));
  return errors;
}

function validateMemoryLimit(
  { resources, resizePolicy = [] }: DeepReadonly<Container>,
  old: DeepReadonly<Container>,
  path: string,
): Errors {
  if (resizePolicy.find(({ resourceName }) => resourceName === "memory")?.restartPolicy === "RestartContainer")
    return [];
  const limit = resources?.limits?.memory;
  const before = old.resources?.limits?.memory;
  const at = `${path}.limits[memory]`;
  if (limit !== undefined && before === undefined)
    return [forbiddenValue(at, "memory limits cannot be added unless resizePolicy is RestartContainer")];
  if (limit !== undefined && before !== undefined && compareQuantities(parseQuantity(limit), parseQuantity(before)) < 0)
    return [forbiddenValue(at, "memory limits cannot be decreased unless resizePolicy is RestartContainer")];
  return [];
}

/** The container with the old amounts of what may be resized, to see whether anything else changed. */
function resizable(
  container: DeepReadonly<Container>,
  old: DeepReadonly<Container> | undefined,
): DeepReadonly<Container> {
  const amounts = (field: "limits" | "requests", of: DeepReadonly<ResourceRequirements> | undefined) => {
    const { cpu: _cpu, memory: _memory, ...others } = { ...of?.[field] };
    return others;
  };
  const merged = (field: "limits" | "requests") => {
    const own = amounts(field, container.resources);
    for (const name of ["cpu", "memory"]) {
      const before = old?.resources?.[field]?.[name];
      if (before !== undefined) own[name] = before;
    }
    return own;
  };
  return {
    ...container,
    resizePolicy: old?.resizePolicy,
    resources: { ...container.resources, limits: merged("limits"), requests: merged("requests") },
  };
}

/** What a status may not say: that a container that ended for good runs again, or another class of service. */
export function validatePodStatusUpdate(
  status: DeepReadonly<PodStatus>,
  old: DeepReadonly<PodStatus>,
  oldSpec: Spec,
): Errors {
  const errors: Errors = [];
  if (status.nominatedNodeName && status.nominatedNodeName !== old.nominatedNodeName)
    errors.push(...checkDnsSubdomain(status.nominatedNodeName, "status.nominatedNodeName"));
  if (status.qosClass !== old.qosClass && old.qosClass !== undefined)
    errors.push(invalidValue("status.qosClass", status.qosClass ?? "", "field is immutable"));
  const fields = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] as const;
  for (const field of fields) {
    const policy = field === "ephemeralContainerStatuses" ? "Never" : oldSpec.restartPolicy;
    const sidecars = field === "initContainerStatuses" ? (oldSpec.initContainers ?? []) : [];
    if (policy === "Always") continue;
    for (const [index, before] of (old[field] ?? []).entries()) {
      const own = [...oldSpec.containers, ...sidecars].find(({ name }) => name === before.name);
      // A container with a policy of its own restarts by that.
      if (own?.restartPolicy !== undefined || !hasEnded(before, policy)) continue;
      const after = status[field]?.find(({ name }) => name === before.name);
      if (after !== undefined && after.state?.terminated === undefined)
        errors.push(
          forbiddenValue(`status.${field}[${index}].state`, "may not be transitioned to non-terminated state"),
        );
    }
  }
  for (const [index, { ip }] of (status.podIPs ?? []).entries()) errors.push(...checkIp(ip, `status.podIPs[${index}]`));
  return errors;
}

function hasEnded(status: DeepReadonly<ContainerStatus>, policy: string | undefined): boolean {
  const ended = status.state?.terminated;
  return ended !== undefined && !(ended.exitCode !== 0 && policy === "OnFailure");
}
