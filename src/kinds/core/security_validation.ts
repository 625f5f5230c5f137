import { outsideRange } from "../names.ts";
import type { DeepReadonly } from "../schema.ts";
import { duplicateValue, invalidValue, requiredValue } from "../status_error.ts";
import { checkLocalPath, checkOneOf, type Errors } from "../validation.ts";
import type { AppArmorProfile, PodSecurityContext, SeccompProfile, SecurityContext } from "./container.ts";

const maxId = 0xffffffff;

function checkId(value: number | undefined, path: string): Errors {
  return value !== undefined && (value < 0 || value > maxId) ? [invalidValue(path, value, outsideRange(0, maxId))] : [];
}

const profileTypes = ["Localhost", "RuntimeDefault", "Unconfined"];

function validateSeccomp(profile: DeepReadonly<SeccompProfile> | undefined, path: string): Errors {
  if (profile === undefined) return [];
  const { type, localhostProfile } = profile;
  const errors: Errors =
    type === ""
      ? [requiredValue(`${path}.type`, "type is required when seccompProfile is set")]
      : checkOneOf(type, profileTypes, `${path}.type`, "required");
  const at = `${path}.localhostProfile`;
  if (type !== "Localhost") {
    if (localhostProfile !== undefined)
      errors.push(invalidValue(at, profile, "can only be set when seccomp type is Localhost"));
  } else if (localhostProfile === undefined)
    errors.push(requiredValue(at, "must be set when seccomp type is Localhost"));
  else errors.push(...checkLocalPath(localhostProfile, at));
  return errors;
}

function validateAppArmor(profile: DeepReadonly<AppArmorProfile> | undefined, path: string): Errors {
  if (profile === undefined) return [];
  const { type, localhostProfile } = profile;
  const errors: Errors =
    type === ""
      ? [requiredValue(`${path}.type`, "type is required when appArmorProfile is set")]
      : checkOneOf(type, profileTypes, `${path}.type`, "required");
  const at = `${path}.localhostProfile`;
  if (type === "Localhost") {
    if (localhostProfile === undefined || localhostProfile === "")
      errors.push(requiredValue(at, "must be set when AppArmor type is Localhost"));
    else if (localhostProfile !== localhostProfile.trim())
      errors.push(invalidValue(at, localhostProfile, "must not be padded with whitespace"));
  } else if (localhostProfile !== undefined)
    errors.push(invalidValue(at, localhostProfile, "can only be set when AppArmor type is Localhost"));
  return errors;
}

export function validateContainerSecurity(security: DeepReadonly<SecurityContext> | undefined, path: string): Errors {
  if (security === undefined) return [];
  const errors = [
    ...checkId(security.runAsUser, `${path}.runAsUser`),
    ...checkId(security.runAsGroup, `${path}.runAsGroup`),
    ...checkOneOf(security.procMount, ["Default", "Unmasked"], `${path}.procMount`, "optional"),
    ...validateSeccomp(security.seccompProfile, `${path}.seccompProfile`),
    ...validateAppArmor(security.appArmorProfile, `${path}.appArmorProfile`),
  ];
  if (security.allowPrivilegeEscalation === false) {
    if (security.privileged === true)
      errors.push(
        invalidValue(path, security, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"),
      );
    if (security.capabilities?.add?.includes("CAP_SYS_ADMIN") === true)
      errors.push(
        invalidValue(
          path,
          security,
          "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
        ),
      );
  }
  return errors;
}

const sysctlName = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
const sysctlRegExp = new RegExp(`^${sysctlName}$`);

export function validatePodSecurity(security: DeepReadonly<PodSecurityContext> | undefined, path: string): Errors {
  if (security === undefined) return [];
  const errors = [
    ...checkId(security.fsGroup, `${path}.fsGroup`),
    ...checkId(security.runAsUser, `${path}.runAsUser`),
    ...checkId(security.runAsGroup, `${path}.runAsGroup`),
    ...(security.supplementalGroups ?? []).flatMap((id, index) => checkId(id, `${path}.supplementalGroups[${index}]`)),
    ...checkOneOf(
      security.fsGroupChangePolicy,
      ["Always", "OnRootMismatch"],
      `${path}.fsGroupChangePolicy`,
      "optional",
    ),
    ...checkOneOf(
      security.supplementalGroupsPolicy,
      ["Merge", "Strict"],
      `${path}.supplementalGroupsPolicy`,
      "optional",
    ),
    ...checkOneOf(
      security.seLinuxChangePolicy,
      ["MountOption", "Recursive"],
      `${path}.seLinuxChangePolicy`,
      "optional",
    ),
    ...validateSeccomp(security.seccompProfile, `${path}.seccompProfile`),
    ...validateAppArmor(security.appArmorProfile, `${path}.appArmorProfile`),
  ];
  const names = new Set<string>();
  for (const [index, { name }] of (security.sysctls ?? []).entries()) {
    const at = `${path}.sysctls[${index}].name`;
    if (name === "") errors.push(requiredValue(at));
    else if (name.length > 253 || !sysctlRegExp.test(name))
      errors.push(invalidValue(at, name, `must have at most 253 characters and match regex ^${sysctlName}$`));
    else if (names.has(name)) errors.push(duplicateValue(at, name));
    names.add(name);
  }
  return errors;
}
