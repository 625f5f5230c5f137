import type { PodTemplateSpec } from "../core/pod_spec.ts";
import { validatePodTemplate } from "../core/pod_validation.ts";
import { matchesSelector } from "../label_selector.ts";
import type { LabelSelector } from "../meta.ts";
import { percentProblems } from "../names.ts";
import type { DeepReadonly } from "../schema.ts";
import { forbiddenValue, invalidValue, notSupportedValue, requiredValue } from "../status_error.ts";
import { checkName, checkNotNegative, type Errors, validateLabelSelector } from "../validation.ts";

/** A selector that chooses something, and a template whose pods it chooses and that are to run for ever. */
export function validateSelectorAndTemplate(
  selector: DeepReadonly<LabelSelector> | undefined,
  template: DeepReadonly<PodTemplateSpec>,
): Errors {
  const errors: Errors = [];
  let usable = true;
  if (selector === undefined) errors.push(requiredValue("spec.selector"));
  else {
    const problems = validateLabelSelector(selector, "spec.selector");
    usable = problems.length === 0;
    errors.push(...problems);
    if (isEmpty(selector))
      errors.push(invalidValue("spec.selector", selector, "empty selector is invalid for deployment"));
  }
  const labels = template.metadata?.labels;
  if (usable && !(selector !== undefined && isEmpty(selector)) && !matchesSelector(selector, labels))
    errors.push(
      invalidValue("spec.template.metadata.labels", labels ?? null, "`selector` does not match template `labels`"),
    );
  errors.push(...validatePodTemplate(template, "spec.template"));
  const spec = template.spec;
  if (spec?.restartPolicy !== undefined && ["Never", "OnFailure"].includes(spec.restartPolicy))
    errors.push(notSupportedValue("spec.template.spec.restartPolicy", spec.restartPolicy, ["Always"]));
  if (spec?.activeDeadlineSeconds !== undefined)
    errors.push(
      forbiddenValue(
        "spec.template.spec.activeDeadlineSeconds",
        "activeDeadlineSeconds in ReplicaSet is not Supported",
      ),
    );
  return errors;
}

function isEmpty({ matchLabels, matchExpressions }: DeepReadonly<LabelSelector>): boolean {
  return Object.keys(matchLabels ?? {}).length === 0 && (matchExpressions ?? []).length === 0;
}

/** "25%" or 3, not negative. */
export function checkNumberOrPercent(value: number | string, path: string): Errors {
  return typeof value === "string" ? checkName(percentProblems, value, path) : checkNotNegative(value, path);
}

/** 25 of "25%", undefined for a plain number. */
export function percentOf(value: number | string): number | undefined {
  return typeof value === "string" && percentProblems(value).length === 0 ? Number(value.slice(0, -1)) : undefined;
}
