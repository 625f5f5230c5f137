import type { AnyKind } from "../../kinds/kind.ts";
import { metadataWarnings, validateMetadataUpdate } from "../../kinds/metadata.ts";
import { badRequest, conflict, invalid, notFound } from "../../kinds/status_error.ts";
import { type AdmissionRequest, mutate, validate } from "../admission/admission.ts";
import { commitObject } from "./commit.ts";
import { fillParts, settleNamespace } from "./incoming.ts";
import { objectKey } from "./keys.ts";
import { type ApiObject, deepFreeze, draftOf, equalJson, isFields, type StoredObject } from "./object.ts";
import type { Entry } from "./object_storage.ts";
import { claimsOf, type Registry, type Subject } from "./registry.ts";

/** Unconditional changes start again on the newest object this often before they give up. */
const attempts = 50;
export const modified = "the object has been modified; please apply your changes to the latest version and try again";

export interface Change {
  readonly name: string;
  readonly subresource: string | undefined;
  readonly dryRun: boolean;
  /**
   * What the object shall become. Called again on the newest object after a conflict, unless the wish names a
   * resourceVersion. What it may not change is put back afterwards.
   */
  wish(old: StoredObject): ApiObject | Promise<ApiObject>;
  /**
   * Which part the caller may change. "main": all but status. "status": status, and labels and annotations. "exact": the
   * registry's own change of metadata or spec, neither validated nor passed to admission.
   */
  readonly part: "main" | "status" | "exact";
  /** The wish's managedFields count (apply); else those of the stored object stay. */
  readonly setsManagedFields?: boolean;
  readonly warnings: string[];
}

export interface Changed {
  readonly object: StoredObject;
  /** The change took the last finalizer of an object that was being deleted. */
  readonly removed: boolean;
}

/** Every change of an existing object. Rejects with NotFound, Conflict, Invalid, or what admission says. */
export async function changeObject(registry: Registry, subject: Subject, change: Change): Promise<Changed> {
  const { kind, namespace } = subject;
  const key = objectKey(kind, namespace, change.name);
  let stored = await registry.storage.get(key);
  for (let attempt = 1; ; attempt++) {
    if (stored === undefined) throw notFound(kind, change.name);
    const old = registry.renewals.current(stored).object;
    const object = await change.wish(old);
    const versioned = checkPreconditions(kind, change.name, object, old);
    settleNamespace(kind, object, namespace);
    if ((object.metadata.name ?? "") === "") object.metadata.name = change.name;
    if (object.metadata.name !== change.name)
      throw badRequest(
        `the name of the object (${object.metadata.name}) does not match the name on the URL (${change.name})`,
      );
    const wished = change.part === "status" ? withStatusOf(kind, object, old) : object;
    if (change.setsManagedFields) wished.metadata.managedFields = object.metadata.managedFields;
    const conditions = await prepare(registry, subject, change, wished, old, attempt === 1);
    if (equalJson(wished, old)) return { object: old, removed: false };

    const removed = endsDeletion(kind, wished);
    // Identity was put back from the stored object.
    const result = wished as StoredObject;
    if (change.dryRun) return { object: deepFreeze(result), removed };
    const renewal = removed ? undefined : registry.renewals.take(stored, result);
    if (renewal) return { object: renewal.object, removed: false };

    const plan = await claimsOf(registry, kind)?.plan(removed ? undefined : wished, old);
    const outcome = await commitObject(registry, kind, {
      key,
      basis: stored.modRevision,
      ...(removed ? {} : { put: wished }),
      compare: [...conditions, ...(plan?.compare ?? [])],
      also: plan?.also ?? [],
    });
    if (outcome.done) return settled(registry, key, outcome.entry, result);
    stored = outcome.present;
    if (stored && (versioned || attempt >= attempts)) throw conflict(kind, change.name, modified);
  }
}

function settled(registry: Registry, key: string, entry: Entry | undefined, last: StoredObject): Changed {
  if (entry) {
    registry.renewals.persisted(entry);
    return { object: entry.object, removed: false };
  }
  registry.renewals.forget(key);
  return { object: deepFreeze(last), removed: true };
}

/** True when the wish names a resourceVersion, so that only that revision may be changed. */
function checkPreconditions(kind: AnyKind, name: string, object: ApiObject, old: StoredObject): boolean {
  const { uid = "", resourceVersion = "" } = object.metadata;
  if (uid !== "" && uid !== old.metadata.uid)
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  if (resourceVersion === "" || resourceVersion === "0") return false;
  if (resourceVersion !== old.metadata.resourceVersion) throw conflict(kind, name, modified);
  return true;
}

/** Metadata put back, defaults, admission, strategy, validation: `wished` becomes what may be stored. */
async function prepare(
  registry: Registry,
  subject: Subject,
  change: Change,
  wished: ApiObject,
  old: StoredObject,
  first: boolean,
): Promise<AdmissionRequest["conditions"]> {
  const { kind } = subject;
  keepIdentity(wished, old, change.setsManagedFields === true);
  if (change.part === "main" && kind.status) wished.status = draftOf(old).status;
  fillParts(kind, wished);
  kind.defaults?.(wished);
  if (change.part === "exact") return [];
  const admission: AdmissionRequest = {
    kind,
    operation: "UPDATE",
    subresource: change.subresource,
    namespace: subject.namespace,
    name: change.name,
    identity: subject.identity,
    dryRun: change.dryRun,
    object: wished,
    old,
    conditions: [],
  };
  await mutate(registry.admission, admission);
  if (change.part === "main") kind.prepareForUpdate?.(wished, old);
  settleGeneration(kind, wished, old);
  const context = { old, nowMs: registry.clock.now() };
  const errors = validateMetadataUpdate(wished.metadata, old.metadata);
  errors.push(
    ...((change.part === "main" ? kind.validate?.(wished, context) : kind.validateStatus?.(wished, context)) ?? []),
  );
  if (errors.length > 0) throw invalid(kind, change.name, errors);
  await validate(registry.admission, admission);
  if (first && change.part === "main")
    change.warnings.push(...metadataWarnings(wished.metadata), ...(kind.warnings?.(wished) ?? []));
  return admission.conditions;
}

/** What nobody may change by an update. */
function keepIdentity(wished: ApiObject, old: StoredObject, setsManagedFields: boolean): void {
  const { metadata } = wished;
  metadata.uid = old.metadata.uid;
  metadata.creationTimestamp = old.metadata.creationTimestamp;
  metadata.resourceVersion = old.metadata.resourceVersion;
  for (const field of ["deletionTimestamp", "selfLink", "generateName"] as const) {
    const value = old.metadata[field];
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
  for (const field of ["deletionGracePeriodSeconds", "generation"] as const) {
    const value = old.metadata[field];
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
  if (!setsManagedFields) {
    if (old.metadata.managedFields === undefined) delete metadata.managedFields;
    else metadata.managedFields = draftOf(old).metadata.managedFields;
  }
  for (const field of ["labels", "annotations"] as const)
    if (metadata[field] && Object.keys(metadata[field]).length === 0) delete metadata[field];
  for (const field of ["finalizers", "ownerReferences"] as const)
    if (metadata[field]?.length === 0) delete metadata[field];
}

/** metadata.generation counts the changes of everything but metadata and status. */
function settleGeneration(kind: AnyKind, wished: ApiObject, old: StoredObject): void {
  if (!kind.generation) return;
  const generation = old.metadata.generation ?? 1;
  const changed = !equalJson(
    { ...wished, metadata: undefined, status: undefined },
    { ...old, metadata: undefined, status: undefined },
  );
  wished.metadata.generation = generation + (changed ? 1 : 0);
}

function withStatusOf(kind: AnyKind, object: ApiObject, old: StoredObject): ApiObject {
  const result = draftOf(old);
  result.status = object.status ?? {};
  const { annotations, labels } = object.metadata;
  result.metadata.annotations = annotations;
  if (kind.group === "") result.metadata.labels = labels;
  return result;
}

/** An object on its way out, with no grace left, goes with its last finalizer; a namespace also waits for spec.finalizers. */
export function endsDeletion(kind: AnyKind, wished: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers = [] } = wished.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0) return false;
  return isNamespace(kind) ? namespaceFinalizers(wished).length === 0 : deletionGracePeriodSeconds === 0;
}

export function isNamespace(kind: AnyKind): boolean {
  return kind.group === "" && kind.plural === "namespaces";
}

export function namespaceFinalizers(namespace: { readonly [field: string]: unknown }): readonly unknown[] {
  const { spec } = namespace;
  const finalizers = isFields(spec) ? spec.finalizers : undefined;
  return Array.isArray(finalizers) ? finalizers : [];
}
