import { qualifiedNameProblems } from "../names.ts";
import { compareQuantities, parseQuantity, type Quantity } from "../quantity.ts";
import type { DeepReadonly } from "../schema.ts";
import { forbiddenValue, invalidValue, requiredValue } from "../status_error.ts";
import { checkQualifiedName, type Errors } from "../validation.ts";
import type { ResourceRequirements } from "./container.ts";

const standard = new Set(["cpu", "memory", "ephemeral-storage"]);
/** What a node can give out twice over; everything else is had whole or not at all. */
const overcommitted = new Set(["cpu", "memory", "ephemeral-storage"]);

function isHugePages(name: string): boolean {
  return name.startsWith("hugepages-");
}

function validateName(name: string, path: string): Errors {
  const errors = checkQualifiedName(name, path);
  if (errors.length > 0) return errors;
  if (!name.includes("/"))
    return standard.has(name) || isHugePages(name)
      ? []
      : [invalidValue(path, name, "must be a standard resource for containers")];
  const extended =
    !name.includes("kubernetes.io/") &&
    !name.startsWith("requests.") &&
    qualifiedNameProblems(`requests.${name}`).length === 0;
  return extended || name.includes("kubernetes.io/")
    ? []
    : [invalidValue(path, name, "doesn't follow extended resource name standard")];
}

function validateAmount(name: string, quantity: Quantity, text: string, path: string): Errors {
  const errors: Errors = [];
  if (quantity.nanos < 0n) errors.push(invalidValue(path, text, "must be greater than or equal to 0"));
  if (!overcommitted.has(name) && quantity.nanos % 1_000_000_000n !== 0n)
    errors.push(invalidValue(path, text, "must be an integer"));
  return errors;
}

/** Names, amounts, and that nothing is requested beyond its limit. */
export function validateResources(
  resources: DeepReadonly<ResourceRequirements> | undefined,
  path: string,
  claimNames: ReadonlySet<string> | undefined,
): Errors {
  if (resources === undefined) return [];
  const { limits = {}, requests = {}, claims = [] } = resources;
  const errors: Errors = [];
  for (const [name, text] of Object.entries(limits)) {
    const at = `${path}.limits[${name}]`;
    errors.push(...validateName(name, at), ...validateAmount(name, parseQuantity(text), text, at));
  }
  for (const [name, text] of Object.entries(requests)) {
    const at = `${path}.requests[${name}]`;
    const quantity = parseQuantity(text);
    errors.push(...validateName(name, at), ...validateAmount(name, quantity, text, at));
    // A name may be anything, "__proto__" too.
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined;
    if (limit === undefined) {
      if (!overcommitted.has(name))
        errors.push(requiredValue(`${path}.limits`, "Limit must be set for non overcommitable resources"));
      continue;
    }
    const order = compareQuantities(quantity, parseQuantity(limit));
    if (order !== 0 && !overcommitted.has(name))
      errors.push(invalidValue(`${path}.requests`, text, `must be equal to ${name} limit of ${limit}`));
    else if (order > 0)
      errors.push(invalidValue(`${path}.requests`, text, `must be less than or equal to ${name} limit of ${limit}`));
  }
  if (claims.length > 0 && claimNames === undefined)
    errors.push(forbiddenValue(`${path}.claims`, "claims cannot be set for Resources at pod-level"));
  for (const [index, { name }] of claims.entries())
    if (claimNames?.has(name) === false)
      errors.push(
        invalidValue(`${path}.claims[${index}].name`, name, "must be one of the names in pod.spec.resourceClaims"),
      );
  return errors;
}
