import type { Status } from "./meta.ts";

/** Why a field is refused; the words and forms are Kubernetes' (apimachinery field.Error), clients show them verbatim. */
export interface FieldError {
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueNotFound"
    | "FieldValueTypeInvalid";
  /** As in "spec.template.spec.containers[0].name". */
  readonly field: string;
  /** Without the field: "Required value: ..." */
  readonly message: string;
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? "null";
}

/** `detail` is appended after a colon when it is not empty. */
function withDetail(head: string, detail: string): string {
  return detail === "" ? head : `${head}: ${detail}`;
}

export function requiredValue(field: string, detail = ""): FieldError {
  return { reason: "FieldValueRequired", field, message: withDetail("Required value", detail) };
}
export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return { reason: "FieldValueInvalid", field, message: withDetail(`Invalid value: ${shown(value)}`, detail) };
}
export function duplicateValue(field: string, value: unknown): FieldError {
  return { reason: "FieldValueDuplicate", field, message: `Duplicate value: ${shown(value)}` };
}
export function forbiddenValue(field: string, detail: string): FieldError {
  return { reason: "FieldValueForbidden", field, message: withDetail("Forbidden", detail) };
}
export function notSupportedValue(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = [...supported].sort().map(shown).join(", ");
  return {
    reason: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${shown(value)}: supported values: ${list}`,
  };
}
export function tooLongValue(field: string, maxLength: number): FieldError {
  return { reason: "FieldValueTooLong", field, message: `Too long: may not be more than ${maxLength} bytes` };
}
export function notFoundValue(field: string, value: unknown): FieldError {
  return { reason: "FieldValueNotFound", field, message: `Not found: ${shown(value)}` };
}

/** What an error is about: `resource` is the plural (with group), or the Kind where Kubernetes says the Kind. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  readonly retryAfterSeconds?: number;
}

/**
 * The only exception that HTTP translates: Kubernetes' metav1.Status with its reason and code. In-process clients get the
 * same object that a client over the wire reads.
 */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  toStatus(): Status {
    const status: Status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message: this.message };
    if (this.reason !== "") status.reason = this.reason;
    if (this.details) {
      const { causes, ...rest } = this.details;
      status.details = { ...rest, ...(causes ? { causes: causes.map((cause) => ({ ...cause })) } : {}) };
    }
    status.code = this.code;
    return status;
  }
}

export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

/** "pods" or "deployments.apps". */
export function qualifiedResource({ group, plural }: ResourceName): string {
  return group === "" ? plural : `${plural}.${group}`;
}

export function notFound(resource: ResourceName, name: string): StatusError {
  return new StatusError(404, "NotFound", `${qualifiedResource(resource)} ${shown(name)} not found`, {
    name,
    group: resource.group,
    kind: resource.plural,
  });
}
export function alreadyExists(resource: ResourceName, name: string): StatusError {
  return new StatusError(409, "AlreadyExists", `${qualifiedResource(resource)} ${shown(name)} already exists`, {
    name,
    group: resource.group,
    kind: resource.plural,
  });
}
export function conflict(resource: ResourceName, name: string, detail: string): StatusError {
  return new StatusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualifiedResource(resource)} ${shown(name)}: ${detail}`,
    { name, group: resource.group, kind: resource.plural },
  );
}
export function badRequest(message: string, cause?: unknown): StatusError {
  return new StatusError(400, "BadRequest", message, undefined, cause);
}
export function invalid(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  const qualified = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
  const message = `${qualified} ${shown(name)} is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`}`;
  return new StatusError(422, "Invalid", message, { name, group: kind.group, kind: kind.kind, causes: errors });
}
export function isNotFound(error: unknown): boolean {
  return error instanceof StatusError && error.code === 404;
}
export function isConflict(error: unknown): boolean {
  return error instanceof StatusError && error.reason === "Conflict";
}
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof StatusError && error.reason === "AlreadyExists";
}
