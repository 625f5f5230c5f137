import { labelValueProblems } from "../names.ts";
import type { DeepReadonly } from "../schema.ts";
import { duplicateValue, forbiddenValue, invalidValue, notSupportedValue, requiredValue } from "../status_error.ts";
import {
  checkDnsLabel,
  checkDnsSubdomain,
  checkName,
  checkOneOf,
  checkQualifiedName,
  type Errors,
  validateLabelSelector,
} from "../validation.ts";
import type {
  Affinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from "./node_selector.ts";

export const taintEffects: readonly string[] = ["NoExecute", "NoSchedule", "PreferNoSchedule"];

export function validateTolerations(tolerations: readonly DeepReadonly<Toleration>[], path: string): Errors {
  const errors: Errors = [];
  for (const [index, toleration] of tolerations.entries()) {
    const { key = "", operator = "", value = "", effect = "", tolerationSeconds } = toleration;
    const at = `${path}[${index}]`;
    if (key !== "") errors.push(...checkQualifiedName(key, `${at}.key`));
    else if (operator !== "Exists")
      errors.push(
        invalidValue(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    if (tolerationSeconds !== undefined && effect !== "NoExecute")
      errors.push(invalidValue(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    if (operator === "" || operator === "Equal") {
      const problems = labelValueProblems(value);
      if (problems.length > 0) errors.push(invalidValue(`${at}.operator`, value, problems.join(";")));
    } else if (operator === "Exists") {
      if (value !== "")
        errors.push(invalidValue(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"));
    } else errors.push(notSupportedValue(`${at}.operator`, operator, ["Equal", "Exists"]));
    errors.push(...checkOneOf(effect, taintEffects, `${at}.effect`, "optional"));
  }
  return errors;
}

export function validateAffinity(affinity: DeepReadonly<Affinity> | undefined, path: string): Errors {
  const errors: Errors = [];
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  const must = "requiredDuringSchedulingIgnoredDuringExecution";
  const should = "preferredDuringSchedulingIgnoredDuringExecution";
  if (nodeAffinity?.[must] !== undefined) {
    const at = `${path}.nodeAffinity.${must}.nodeSelectorTerms`;
    const terms = nodeAffinity[must].nodeSelectorTerms;
    if (terms.length === 0) errors.push(requiredValue(at, "must have at least one node selector term"));
    for (const [index, term] of terms.entries()) errors.push(...validateNodeTerm(term, `${at}[${index}]`, true));
  }
  for (const [index, { weight, preference }] of (nodeAffinity?.[should] ?? []).entries()) {
    const at = `${path}.nodeAffinity.${should}[${index}]`;
    errors.push(...checkWeight(weight, at), ...validateNodeTerm(preference, `${at}.preference`, false));
  }
  for (const [name, pods] of Object.entries({ podAffinity, podAntiAffinity })) {
    for (const [index, term] of (pods?.[must] ?? []).entries())
      errors.push(...validatePodTerm(term, `${path}.${name}.${must}[${index}]`));
    for (const [index, { weight, podAffinityTerm }] of (pods?.[should] ?? []).entries()) {
      const at = `${path}.${name}.${should}[${index}]`;
      errors.push(...checkWeight(weight, at), ...validatePodTerm(podAffinityTerm, `${at}.podAffinityTerm`));
    }
  }
  return errors;
}

function checkWeight(weight: number, path: string): Errors {
  return weight < 1 || weight > 100 ? [invalidValue(`${path}.weight`, weight, "must be in the range 1-100")] : [];
}

/** `strict`: label values are checked too; where a preference names an impossible one, it is only never met. */
function validateNodeTerm(term: DeepReadonly<NodeSelectorTerm>, path: string, strict: boolean): Errors {
  const errors: Errors = [];
  for (const [index, requirement] of (term.matchExpressions ?? []).entries())
    errors.push(...validateNodeLabel(requirement, `${path}.matchExpressions[${index}]`, strict));
  for (const [index, { key, operator, values = [] }] of (term.matchFields ?? []).entries()) {
    const at = `${path}.matchFields[${index}]`;
    if (operator !== "In" && operator !== "NotIn")
      errors.push(invalidValue(`${at}.operator`, operator, "not a valid selector operator"));
    else if (values.length !== 1)
      errors.push(
        requiredValue(
          `${at}.values`,
          "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
      );
    if (key !== "metadata.name") errors.push(invalidValue(`${at}.key`, key, "not a valid field selector key"));
    else for (const [of, value] of values.entries()) errors.push(...checkDnsSubdomain(value, `${at}.values[${of}]`));
  }
  return errors;
}

function validateNodeLabel(
  { key, operator, values = [] }: DeepReadonly<NodeSelectorRequirement>,
  path: string,
  strict: boolean,
): Errors {
  const errors: Errors = [];
  switch (operator) {
    case "In":
    case "NotIn":
      if (values.length === 0)
        errors.push(requiredValue(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      break;
    case "Exists":
    case "DoesNotExist":
      if (values.length > 0)
        errors.push(
          forbiddenValue(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
      break;
    case "Gt":
    case "Lt":
      if (values.length !== 1)
        errors.push(requiredValue(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      break;
    default:
      errors.push(invalidValue(`${path}.operator`, operator, "not a valid selector operator"));
  }
  errors.push(...checkQualifiedName(key, `${path}.key`));
  if (strict)
    for (const [index, value] of values.entries())
      errors.push(...checkName(labelValueProblems, value, `${path}.values[${index}]`));
  return errors;
}

function validatePodTerm(term: DeepReadonly<PodAffinityTerm>, path: string): Errors {
  const errors: Errors = [];
  if (term.labelSelector !== undefined)
    errors.push(...validateLabelSelector(term.labelSelector, `${path}.labelSelector`));
  if (term.namespaceSelector !== undefined)
    errors.push(...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`));
  for (const namespace of term.namespaces ?? []) errors.push(...checkDnsLabel(namespace, `${path}.namespace`));
  if (term.topologyKey === "") errors.push(requiredValue(`${path}.topologyKey`, "can not be empty"));
  errors.push(...checkQualifiedName(term.topologyKey, `${path}.topologyKey`));
  return errors;
}

export function validateSpread(constraints: readonly DeepReadonly<TopologySpreadConstraint>[], path: string): Errors {
  const errors: Errors = [];
  const pairs = new Set<string>();
  for (const [index, constraint] of constraints.entries()) {
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains, labelSelector } = constraint;
    const at = `${path}[${index}]`;
    if (maxSkew <= 0) errors.push(invalidValue(`${at}.maxSkew`, maxSkew, "must be greater than zero"));
    if (topologyKey === "") errors.push(requiredValue(`${at}.topologyKey`, "can not be empty"));
    else errors.push(...checkQualifiedName(topologyKey, `${at}.topologyKey`));
    if (!["DoNotSchedule", "ScheduleAnyway"].includes(whenUnsatisfiable))
      errors.push(notSupportedValue(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]));
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (pairs.has(pair)) errors.push(duplicateValue(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    pairs.add(pair);
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.push(invalidValue(`${at}.minDomains`, minDomains, "must be greater than zero"));
      if (whenUnsatisfiable !== "DoNotSchedule")
        errors.push(
          invalidValue(
            `${at}.minDomains`,
            minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
          ),
        );
    }
    for (const policy of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const)
      errors.push(...checkOneOf(constraint[policy], ["Honor", "Ignore"], `${at}.${policy}`, "optional"));
    if (labelSelector !== undefined) errors.push(...validateLabelSelector(labelSelector, `${at}.labelSelector`));
  }
  return errors;
}
