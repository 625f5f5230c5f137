import { sameValue } from "./equality.ts";
import { ipProblems } from "./ip.ts";
import type { LabelSelector } from "./meta.ts";
import { validateLabels } from "./metadata.ts";
import {
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  type NameCheck,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from "./names.ts";
import type { DeepReadonly } from "./schema.ts";
import { type FieldError, forbiddenValue, invalidValue, notSupportedValue, requiredValue } from "./status_error.ts";

/** Rules that many kinds share. Each returns what is wrong with the value at `path`. */
export type Errors = FieldError[];

export function checkName(check: NameCheck, value: string, path: string): Errors {
  return check(value).map((problem) => invalidValue(path, value, problem));
}

export function requireName(check: NameCheck, value: string | undefined, path: string): Errors {
  return value === undefined || value === "" ? [requiredValue(path)] : checkName(check, value, path);
}

export const checkDnsLabel = (value: string, path: string) => checkName(dnsLabelProblems, value, path);
export const checkDnsSubdomain = (value: string, path: string) => checkName(dnsSubdomainProblems, value, path);
export const checkQualifiedName = (value: string, path: string) => checkName(qualifiedNameProblems, value, path);
export const checkIp = (value: string, path: string) => checkName(ipProblems, value, path);

export function checkNotNegative(value: number | undefined, path: string): Errors {
  return (value ?? 0) < 0 ? [invalidValue(path, value, "must be greater than or equal to 0")] : [];
}

export function checkPortNumber(value: number, path: string): Errors {
  return portNumberProblems(value).map((problem) => invalidValue(path, value, problem));
}

export function checkPort(value: number | string, path: string): Errors {
  return typeof value === "number" ? checkPortNumber(value, path) : checkName(portNameProblems, value, path);
}

/** `empty`: what is said of an absent value; without it, absent is fine. */
export function checkOneOf(
  value: string | undefined,
  allowed: readonly string[],
  path: string,
  absent: "required" | "optional",
): Errors {
  if (value === undefined || value === "") return absent === "required" ? [requiredValue(path)] : [];
  return allowed.includes(value) ? [] : [notSupportedValue(path, value, allowed)];
}

export const protocols: readonly string[] = ["SCTP", "TCP", "UDP"];

export function checkImmutable(value: unknown, old: unknown, path: string): Errors {
  return sameValue(value, old) ? [] : [invalidValue(path, value ?? null, "field is immutable")];
}

export function tooMany(path: string, count: number, limit: number): FieldError {
  return {
    reason: "FieldValueTooMany",
    field: path,
    message: `Too many: ${count}: must have at most ${limit} ${limit === 1 ? "item" : "items"}`,
  };
}

/** A path inside a volume: relative, and never upwards. */
export function checkLocalPath(value: string, path: string): Errors {
  const errors: Errors = [];
  if (value.startsWith("/")) errors.push(invalidValue(path, value, "must be a relative path"));
  return [...errors, ...checkNoBacksteps(value, path)];
}

export function checkNoBacksteps(value: string, path: string): Errors {
  return value.split("/").includes("..") ? [invalidValue(path, value, "must not contain '..'")] : [];
}

export function validateLabelSelector(selector: DeepReadonly<LabelSelector>, path: string): Errors {
  const errors = validateLabels(selector.matchLabels, `${path}.matchLabels`);
  for (const [index, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    if (operator === "In" || operator === "NotIn") {
      if (values.length === 0)
        errors.push(requiredValue(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === "Exists" || operator === "DoesNotExist") {
      if (values.length > 0)
        errors.push(
          forbiddenValue(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
    } else errors.push(invalidValue(`${at}.operator`, operator, "not a valid selector operator"));
    errors.push(...checkQualifiedName(key, `${at}.key`));
    for (const [at2, value] of values.entries())
      errors.push(...checkName(labelValueProblems, value, `${at}.values[${at2}]`));
  }
  return errors;
}
