import type { AnyKind } from "./kind.ts";
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from "./meta.ts";
import { byteLength, dnsLabelProblems, labelValueProblems, nameProblems, qualifiedNameProblems } from "./names.ts";
import type { DeepReadonly } from "./schema.ts";
import { type FieldError, forbiddenValue, invalidValue, requiredValue, tooLongValue } from "./status_error.ts";

const annotationsLimit = 256 * 1024;

/** Metadata of a new object; its name is generated already. */
export function validateMetadata(kind: Pick<AnyKind, "nameRule" | "namespaced">, metadata: ObjectMeta): FieldError[] {
  const rule = kind.nameRule ?? "subdomain";
  const { name = "", generateName = "", namespace = "" } = metadata;
  const errors: FieldError[] = [];
  if (generateName !== "")
    for (const problem of nameProblems(rule, generateName, true))
      errors.push(invalidValue("metadata.generateName", generateName, problem));
  if (name === "") errors.push(requiredValue("metadata.name", "name or generateName is required"));
  else for (const problem of nameProblems(rule, name)) errors.push(invalidValue("metadata.name", name, problem));

  if (!kind.namespaced) {
    if (namespace !== "") errors.push(forbiddenValue("metadata.namespace", "not allowed on this type"));
  } else if (namespace === "") errors.push(requiredValue("metadata.namespace"));
  else
    for (const problem of dnsLabelProblems(namespace))
      errors.push(invalidValue("metadata.namespace", namespace, problem));

  if ((metadata.generation ?? 0) < 0)
    errors.push(invalidValue("metadata.generation", metadata.generation, "must be greater than or equal to 0"));
  errors.push(...validateCommon(metadata));
  return errors;
}

/** Metadata of a changed object, after the registry has put back what users may not set. */
export function validateMetadataUpdate(metadata: ObjectMeta, old: DeepReadonly<ObjectMeta>): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp !== undefined) {
    const added = (metadata.finalizers ?? []).filter((finalizer) => !old.finalizers?.includes(finalizer)).sort();
    if (added.length > 0)
      errors.push(
        forbiddenValue(
          "metadata.finalizers",
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((finalizer) => JSON.stringify(finalizer)).join(", ")}}`,
        ),
      );
  }
  if ((metadata.resourceVersion ?? "") === "")
    errors.push(
      invalidValue("metadata.resourceVersion", metadata.resourceVersion ?? "", "must be specified for an update"),
    );
  if ((metadata.generation ?? 0) < (old.generation ?? 0))
    errors.push(invalidValue("metadata.generation", metadata.generation, "must not be decremented"));
  const immutable = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
  ] as const;
  for (const field of immutable) {
    if (metadata[field] !== old[field])
      errors.push(invalidValue(`metadata.${field}`, metadata[field], "field is immutable"));
  }
  errors.push(...validateCommon(metadata));
  return errors;
}

function validateCommon(metadata: ObjectMeta): FieldError[] {
  return [
    ...validateLabels(metadata.labels, "metadata.labels"),
    ...validateAnnotations(metadata.annotations, "metadata.annotations"),
    ...validateOwnerReferences(metadata.ownerReferences ?? [], "metadata.ownerReferences"),
    ...validateFinalizers(metadata.finalizers ?? [], "metadata.finalizers"),
    ...validateManagedFields(metadata.managedFields ?? [], "metadata.managedFields"),
  ];
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalidValue(path, key, problem));
    for (const problem of labelValueProblems(value)) errors.push(invalidValue(path, value, problem));
  }
  return errors;
}

/** Keys are compared without regard to case, the sum of keys and values is at most 256 KiB. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const problem of qualifiedNameProblems(key.toLowerCase())) errors.push(invalidValue(path, key, problem));
    size += byteLength(key) + byteLength(value);
  }
  if (size > annotationsLimit) errors.push(tooLongValue(path, annotationsLimit));
  return errors;
}

function validateOwnerReferences(references: readonly OwnerReference[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  let controller = "";
  for (const reference of references) {
    const { apiVersion, kind, name, uid } = reference;
    if (/^$|\/$/.test(apiVersion))
      errors.push(invalidValue(`${path}.apiVersion`, apiVersion, "version must not be empty"));
    if (kind === "") errors.push(invalidValue(`${path}.kind`, kind, "must not be empty"));
    if (name === "") errors.push(invalidValue(`${path}.name`, name, "must not be empty"));
    if (uid === "") errors.push(invalidValue(`${path}.uid`, uid, "must not be empty"));
    if (apiVersion === "v1" && kind === "Event")
      errors.push(invalidValue(path, reference, "/v1, Kind=Event is disallowed from being an owner"));
    if (reference.controller !== true) continue;
    if (controller === "") controller = `${kind}/${name}`;
    else
      errors.push(
        invalidValue(
          path,
          references,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${kind}/${name}`,
        ),
      );
  }
  return errors;
}

function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((finalizer) =>
    qualifiedNameProblems(finalizer).map((problem) => invalidValue(path, finalizer, problem)),
  );
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion"))
    errors.push(invalidValue(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"));
  return errors;
}

function validateManagedFields(entries: readonly ManagedFieldsEntry[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, { operation, fieldsType, manager = "" }] of entries.entries()) {
    const at = `${path}[${index}]`;
    if (operation !== "Apply" && operation !== "Update")
      errors.push(invalidValue(`${at}.operation`, operation ?? "", "must be `Apply` or `Update`"));
    if (fieldsType !== undefined && fieldsType !== "" && fieldsType !== "FieldsV1")
      errors.push(invalidValue(`${at}.fieldsType`, fieldsType, "must be `FieldsV1`"));
    errors.push(...validateFieldManager(manager, `${at}.manager`));
  }
  return errors;
}

export function validateFieldManager(manager: string, path: string): FieldError[] {
  if (byteLength(manager) > 128) return [tooLongValue(path, 128)];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is the unprintable that is looked for
  return /[\u0000-\u001f\u007f]/.test(manager)
    ? [invalidValue(path, manager, "should only contain printable characters")]
    : [];
}

/** The texts of Warning headers about metadata that is allowed and yet unwise. */
export function metadataWarnings(metadata: DeepReadonly<ObjectMeta>): string[] {
  const known = ["orphan", "foregroundDeletion", "kubernetes"];
  return (metadata.finalizers ?? [])
    .filter((finalizer) => !finalizer.includes("/") && !known.includes(finalizer))
    .map(
      (finalizer) =>
        `metadata.finalizers: ${JSON.stringify(finalizer)}: prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers`,
    );
}
