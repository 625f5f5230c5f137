import { StatusError } from "../kinds/status_error.ts";
import type { Identity } from "./core.ts";

/** What somebody wants to do, in the words of RBAC. */
export interface Attributes {
  readonly identity: Identity;
  /** get, list, watch, create, update, patch, delete, deletecollection ... */
  readonly verb: string;
  readonly group: string;
  /** The plural: "pods". */
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

export interface Decision {
  readonly allowed: boolean;
  /** Why; shown to the caller after Kubernetes' text when it is not empty. */
  readonly reason?: string;
}

export interface Authorizer {
  decide(attributes: Attributes): Decision | Promise<Decision>;
}

/**
 * Until roles decide: administrators (system:masters) and the parts of the control plane (users "system:...") may do
 * everything, all others nothing. Service accounts and the anonymous user are names under "system:" too, and are others.
 */
export class GroupAuthorizer implements Authorizer {
  decide({ identity }: Attributes): Decision {
    if (identity.groups.includes("system:masters")) return { allowed: true };
    const { name } = identity;
    const component =
      name.startsWith("system:") && name !== "system:anonymous" && !name.startsWith("system:serviceaccount:");
    return { allowed: component && !identity.groups.includes("system:unauthenticated") };
  }
}

/** Rejects with StatusError 403 unless `authorizer` allows it. */
export async function authorize(authorizer: Authorizer, attributes: Attributes): Promise<void> {
  const decision = await authorizer.decide(attributes);
  if (!decision.allowed) throw forbidden(attributes, decision.reason ?? "");
}

/** Kubernetes' words: `pods "web" is forbidden: User "x" cannot get resource "pods" in API group "" in the namespace "y"`. */
export function forbidden(attributes: Attributes, reason: string): StatusError {
  const { identity, verb, group, resource, subresource, namespace, name } = attributes;
  const qualified = group === "" ? resource : `${resource}.${group}`;
  const subject = name === undefined || name === "" ? qualified : `${qualified} ${JSON.stringify(name)}`;
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  const where =
    namespace === undefined || namespace === ""
      ? "at the cluster scope"
      : `in the namespace ${JSON.stringify(namespace)}`;
  const user = JSON.stringify(identity.name);
  const text = `${subject} is forbidden: User ${user} cannot ${verb} resource "${what}" in API group "${group}" ${where}`;
  return new StatusError(403, "Forbidden", reason === "" ? text : `${text}: ${reason}`, {
    ...(name === undefined || name === "" ? {} : { name }),
    group,
    kind: resource,
  });
}
