import { validateAnnotations, validateLabels } from "../metadata.ts";
import { dnsSubdomainProblems, outsideRange } from "../names.ts";
import { compareQuantities, parseQuantity, tryParseQuantity } from "../quantity.ts";
import type { DeepReadonly } from "../schema.ts";
import { duplicateValue, forbiddenValue, invalidValue, requiredValue } from "../status_error.ts";
import {
  checkDnsLabel,
  checkDnsSubdomain,
  checkIp,
  checkName,
  checkOneOf,
  checkQualifiedName,
  type Errors,
} from "../validation.ts";
import {
  type ContainerSurroundings,
  validateContainers,
  validateEphemeralContainers,
  validateInitContainers,
} from "./container_validation.ts";
import type { PodSpec, PodTemplateSpec } from "./pod_spec.ts";
import { validateResources } from "./resource_validation.ts";
import { validateAffinity, validateSpread, validateTolerations } from "./scheduling_validation.ts";
import { validatePodSecurity } from "./security_validation.ts";
import { validateVolumes } from "./volume_validation.ts";

const maxInt32 = 2 ** 31 - 1;

/** `isPod`: the spec is a pod's own, not a template's. Defaults are filled in already. */
export function validatePodSpec(spec: DeepReadonly<PodSpec>, path: string, isPod: boolean): Errors {
  const initContainers = spec.initContainers ?? [];
  const around: ContainerSurroundings = {
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claimNames: new Set((spec.resourceClaims ?? []).map(({ name }) => name)),
    graceSeconds: spec.terminationGracePeriodSeconds,
    restartPolicy: spec.restartPolicy,
    isPod,
  };
  return [
    ...validateVolumes(spec.volumes ?? [], `${path}.volumes`),
    ...validateContainers(spec.containers, around, `${path}.containers`),
    ...validateInitContainers(initContainers, spec.containers, around, `${path}.initContainers`),
    ...validateEphemeralContainers(
      spec.ephemeralContainers ?? [],
      [...spec.containers, ...initContainers],
      around,
      `${path}.ephemeralContainers`,
    ),
    ...validatePodResources(spec, `${path}.resources`),
    ...validateHostNetwork(spec, path, isPod),
    ...checkOneOf(spec.restartPolicy, ["Always", "Never", "OnFailure"], `${path}.restartPolicy`, "required"),
    ...checkOneOf(
      spec.dnsPolicy,
      ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
      `${path}.dnsPolicy`,
      "required",
    ),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validatePodSecurity(spec.securityContext, `${path}.securityContext`),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateDns(spec, path),
    ...(spec.readinessGates ?? []).flatMap(({ conditionType }, index) =>
      checkQualifiedName(conditionType, `${path}.readinessGates[${index}].conditionType`),
    ),
    ...validateGates(spec, `${path}.schedulingGates`),
    ...validateSpread(spec.topologySpreadConstraints ?? [], `${path}.topologySpreadConstraints`),
    ...validateNames(spec, path),
    ...validateNumbers(spec, path),
    ...validateTolerations(spec.tolerations ?? [], `${path}.tolerations`),
    ...validateHostAliases(spec, `${path}.hostAliases`),
  ];
}

/** The template of a controller: metadata, and a spec that no ephemeral container may be in. */
export function validatePodTemplate(template: DeepReadonly<PodTemplateSpec>, path: string): Errors {
  const spec = template.spec ?? { containers: [] };
  const errors = [
    ...validateLabels(template.metadata?.labels, `${path}.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${path}.annotations`),
    ...validatePodSpec(spec, `${path}.spec`, false),
  ];
  if ((spec.ephemeralContainers ?? []).length > 0)
    errors.push(forbiddenValue(`${path}.spec.ephemeralContainers`, "ephemeral containers not allowed in pod template"));
  return errors;
}

/** Besides what is asked of each pod spec. */
export function validateNewPod(spec: DeepReadonly<PodSpec>): Errors {
  const errors: Errors = [];
  if ((spec.ephemeralContainers ?? []).length > 0)
    errors.push(forbiddenValue("spec.ephemeralContainers", "cannot be set on create"));
  if (spec.nodeName && (spec.schedulingGates ?? []).length > 0)
    errors.push(forbiddenValue("spec.nodeName", "cannot be set until all schedulingGates have been cleared"));
  return errors;
}

function validateNames(spec: DeepReadonly<PodSpec>, path: string): Errors {
  const errors: Errors = [];
  for (const field of ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] as const) {
    const name = spec[field];
    if (name) errors.push(...checkName(dnsSubdomainProblems, name, `${path}.${field}`));
  }
  for (const field of ["hostname", "subdomain"] as const) {
    const name = spec[field];
    if (name) errors.push(...checkDnsLabel(name, `${path}.${field}`));
  }
  if (spec.os !== undefined)
    errors.push(...checkOneOf(spec.os.name, ["linux", "windows"], `${path}.os.name`, "required"));
  errors.push(
    ...checkOneOf(spec.preemptionPolicy, ["Never", "PreemptLowerPriority"], `${path}.preemptionPolicy`, "optional"),
  );
  return errors;
}

function validateNumbers(spec: DeepReadonly<PodSpec>, path: string): Errors {
  const errors: Errors = [];
  if (spec.terminationGracePeriodSeconds === undefined)
    errors.push(requiredValue(`${path}.terminationGracePeriodSeconds`));
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > maxInt32))
    errors.push(invalidValue(`${path}.activeDeadlineSeconds`, deadline, outsideRange(1, maxInt32)));
  if (spec.shareProcessNamespace === true && spec.hostPID === true)
    errors.push(
      invalidValue(
        `${path}.securityContext.shareProcessNamespace`,
        true,
        "ShareProcessNamespace and HostPID cannot both be enabled",
      ),
    );
  if (spec.hostUsers === false)
    for (const field of ["hostNetwork", "hostPID", "hostIPC"] as const)
      if (spec[field] === true) errors.push(forbiddenValue(`${path}.${field}`, "when `pod.Spec.HostUsers` is false"));
  return errors;
}

function validateHostNetwork(spec: DeepReadonly<PodSpec>, path: string, isPod: boolean): Errors {
  if (spec.hostNetwork !== true) return [];
  const errors: Errors = [];
  for (const [index, { ports = [] }] of spec.containers.entries())
    for (const [portIndex, { hostPort = 0, containerPort }] of ports.entries())
      if ((isPod || hostPort !== 0) && hostPort !== containerPort)
        errors.push(
          invalidValue(
            `${path}.containers[${index}].ports[${portIndex}].hostPort`,
            hostPort,
            "must match `containerPort` when `hostNetwork` is true",
          ),
        );
  return errors;
}

function validateDns({ dnsPolicy, dnsConfig }: DeepReadonly<PodSpec>, podPath: string): Errors {
  const path = `${podPath}.dnsConfig`;
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {};
  if (dnsPolicy === "None") {
    if (dnsConfig === undefined) return [requiredValue(path, "must provide `dnsConfig` when `dnsPolicy` is None")];
    if (nameservers.length === 0)
      return [
        requiredValue(`${path}.nameservers`, "must provide at least one DNS nameserver when `dnsPolicy` is None"),
      ];
  }
  const errors: Errors = [];
  if (nameservers.length > 3)
    errors.push(invalidValue(`${path}.nameservers`, nameservers, "must not have more than 3 nameservers"));
  for (const [index, address] of nameservers.entries())
    errors.push(...checkIp(address, `${path}.nameservers[${index}]`));
  if (searches.length > 32)
    errors.push(invalidValue(`${path}.searches`, searches, "must not have more than 32 search paths"));
  if (searches.join(" ").length > 2048)
    errors.push(
      invalidValue(
        `${path}.searches`,
        searches,
        "must not have more than 2048 characters (including spaces) in the search list",
      ),
    );
  // "." is the root, and underscores are how services are looked up by SRV.
  for (const [index, search] of searches.entries())
    if (search !== ".")
      errors.push(...checkDnsSubdomain(search.replace(/\.$/, "").replace(/_/g, "a"), `${path}.searches[${index}]`));
  for (const [index, { name = "" }] of options.entries())
    if (name === "") errors.push(requiredValue(`${path}.options[${index}]`, "must not be empty"));
  return errors;
}

function validateGates({ schedulingGates = [] }: DeepReadonly<PodSpec>, path: string): Errors {
  const errors: Errors = [];
  const names = new Set<string>();
  for (const [index, { name }] of schedulingGates.entries()) {
    errors.push(...checkQualifiedName(name, `${path}[${index}]`));
    if (names.has(name)) errors.push(duplicateValue(`${path}[${index}]`, name));
    names.add(name);
  }
  return errors;
}

function validateHostAliases({ hostAliases = [] }: DeepReadonly<PodSpec>, path: string): Errors {
  return hostAliases.flatMap(({ ip, hostnames = [] }, index) => [
    ...checkIp(ip, `${path}[${index}].ip`),
    ...hostnames.flatMap((name, of) => checkDnsSubdomain(name, `${path}[${index}].hostnames[${of}]`)),
  ]);
}

/** Resources of the whole pod: no container may be allowed more than all together. */
function validatePodResources(spec: DeepReadonly<PodSpec>, path: string): Errors {
  const errors = validateResources(spec.resources, path, undefined);
  for (const [name, text] of Object.entries(spec.resources?.limits ?? {})) {
    const limit = parseQuantity(text);
    for (const [index, container] of spec.containers.entries()) {
      const limits = container.resources?.limits ?? {};
      const ownText = Object.hasOwn(limits, name) ? limits[name] : undefined;
      const own = tryParseQuantity(ownText ?? "");
      if (own !== undefined && compareQuantities(own, limit) > 0)
        errors.push(
          invalidValue(
            `${path}.containers[${index}][${name}].limits`,
            ownText,
            `must be less than or equal to pod limits of ${text}`,
          ),
        );
    }
  }
  return errors;
}
