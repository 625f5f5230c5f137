import type { AnyKind, KubeObject, Observed, ValidationContext } from "./kind.ts";
import { metadataWarnings, validateMetadata, validateMetadataUpdate } from "./metadata.ts";
import { type FieldError, invalid } from "./status_error.ts";

/** Metadata and the kind's own rules. `context.old` makes it an update. */
export function validateObject(
  kind: AnyKind,
  object: KubeObject,
  context: ValidationContext<KubeObject>,
): FieldError[] {
  return [...validateIdentity(kind, object, context.old), ...(kind.validate?.(object, context) ?? [])];
}

/** For /status writes: metadata, and what the kind says of its status. */
export function validateObjectStatus(
  kind: AnyKind,
  object: KubeObject,
  context: ValidationContext<KubeObject>,
): FieldError[] {
  return [...validateIdentity(kind, object, context.old), ...(kind.validateStatus?.(object, context) ?? [])];
}

function validateIdentity(kind: AnyKind, object: KubeObject, old: Observed<KubeObject> | undefined): FieldError[] {
  const metadata = object.metadata ?? {};
  return old === undefined ? validateMetadata(kind, metadata) : validateMetadataUpdate(metadata, old.metadata);
}

/** Throws StatusError 422 with all that is wrong. */
export function refuseIfInvalid(
  kind: Pick<AnyKind, "group" | "kind">,
  name: string,
  errors: readonly FieldError[],
): void {
  if (errors.length > 0) throw invalid(kind, name, errors);
}

/** Texts for Warning headers. */
export function warningsOf(kind: AnyKind, object: KubeObject): string[] {
  return [...metadataWarnings(object.metadata ?? {}), ...(kind.warnings?.(object) ?? [])];
}
