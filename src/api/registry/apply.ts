import { rfc3339 } from "../../env/clock.ts";
import { checkObject } from "../../kinds/check.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import type { ManagedFieldsEntry } from "../../kinds/meta.ts";
import {
  badRequest,
  invalid,
  isAlreadyExists,
  isNotFound,
  requiredValue,
  StatusError,
} from "../../kinds/status_error.ts";
import type { CoreRequest } from "../core.ts";
import {
  difference,
  disagreements,
  type FieldSet,
  fieldSetOf,
  isEmptySet,
  mergeApplied,
  withoutFields,
} from "../patch/field_set.ts";
import { changeObject } from "./change.ts";
import { createObject } from "./create.ts";
import { checkedBody } from "./incoming.ts";
import { type ApiObject, copyJson, draftOf, equalJson, isFields, type StoredObject } from "./object.ts";
import { isTrue, writeOptions } from "./query.ts";
import type { Registry, Subject } from "./registry.ts";

/**
 * Server-side apply in its plain form. What an applier says becomes so; what it said before and says no more goes, unless
 * another applier says it; two appliers that disagree are a conflict, unless forced. Not yet: ownership by other writes
 * than apply (they neither take a field from an applier nor conflict with one).
 */
export async function applyConfiguration(
  registry: Registry,
  subject: Subject,
  request: CoreRequest,
  warnings: string[],
): Promise<{ readonly object: StoredObject; readonly created: boolean }> {
  const { kind } = subject;
  const { name = "", query, subresource } = request;
  const options = writeOptions(query, "PatchOptions", undefined);
  const manager = query.fieldManager ?? "";
  if (manager === "")
    throw invalid({ group: "meta.k8s.io", kind: "PatchOptions" }, "", [
      requiredValue("fieldManager", "is required for apply patch"),
    ]);
  const status = subresource === "status";
  const config = configurationOf(kind, request, status, options.fieldValidation, warnings);
  const apply: Apply = {
    kind,
    config,
    manager,
    force: isTrue(query.force),
    subresource,
    set: ownable(fieldSetOf(kind.schema, config), status),
    time: rfc3339(registry.clock.now()),
  };
  for (;;) {
    try {
      const { object } = await changeObject(registry, subject, {
        name,
        subresource,
        dryRun: options.dryRun,
        part: status ? "status" : "main",
        setsManagedFields: true,
        warnings,
        wish: (old) => applied(apply, old),
      });
      return { object, created: false };
    } catch (error) {
      if (!isNotFound(error) || status || config.metadata.uid) throw error;
    }
    try {
      const body = checkedBody(kind, copyJson(config), "Ignore", [], []);
      body.metadata.name = name;
      body.metadata.managedFields = [entryOf(apply, undefined)];
      return { object: await createObject(registry, subject, body, options, warnings, true), created: true };
    } catch (error) {
      // Another made it meanwhile.
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

interface Apply {
  readonly kind: AnyKind;
  readonly config: ApiObject;
  readonly manager: string;
  readonly force: boolean;
  readonly subresource: string | undefined;
  readonly set: FieldSet;
  readonly time: string;
}

function configurationOf(
  kind: AnyKind,
  request: CoreRequest,
  status: boolean,
  mode: "Strict" | "Warn" | "Ignore",
  warnings: string[],
): ApiObject {
  const { body } = request;
  if (isFields(body) && (!body.apiVersion || !body.kind))
    throw badRequest("an apply configuration must say its apiVersion and kind");
  const { object, problems } = checkObject(kind, body, { fillRequired: false });
  const all = [...(request.decodeProblems ?? []), ...problems];
  if (all.length > 0 && mode === "Strict") throw badRequest(`strict decoding error: ${all.join(", ")}`);
  if (mode === "Warn") warnings.push(...all);
  const metadata = { ...object.metadata };
  if (metadata.managedFields !== undefined && metadata.managedFields.length > 0)
    throw badRequest("metadata.managedFields must be nil");
  if (metadata.name !== undefined && metadata.name !== "" && metadata.name !== request.name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${request.name})`);
  delete metadata.managedFields;
  const config: ApiObject = { ...object, apiVersion: kind.apiVersion, kind: kind.kind, metadata };
  if (!status && kind.status) delete config.status;
  return config;
}

/** Identity belongs to nobody; by status only status is owned. */
function ownable(set: FieldSet, status: boolean): FieldSet {
  const { "f:apiVersion": _version, "f:kind": _kind, "f:metadata": metadata = {}, ...rest } = set;
  if (status) return rest["f:status"] === undefined ? {} : { "f:status": rest["f:status"] };
  const own: FieldSet = {};
  for (const field of ["f:labels", "f:annotations", "f:finalizers", "f:ownerReferences"])
    if (metadata[field] !== undefined) own[field] = metadata[field];
  return isEmptySet(own) ? rest : { "f:metadata": own, ...rest };
}

function applied(apply: Apply, old: StoredObject): ApiObject {
  const { kind, config, set } = apply;
  const present = draftOf(old);
  const entries = present.metadata.managedFields ?? [];
  const mine = entries.find((entry) => isMine(apply, entry));
  const others = entries.filter((entry) => entry !== mine);
  settleConflicts(apply, old, others);

  delete present.metadata.managedFields;
  let gone = difference(setOf(mine), set);
  for (const other of others) gone = difference(gone, setOf(other));
  const kept = isEmptySet(gone) ? present : (withoutFields(kind.schema, present, gone) ?? {});
  const merged = mergeApplied(kind.schema, kept, config);
  const object = checkedBody(kind, merged, "Ignore", [], []);
  object.metadata.managedFields = [...others.filter((entry) => !isEmptySet(setOf(entry))), entryOf(apply, mine)];
  object.metadata.resourceVersion = config.metadata.resourceVersion;
  return object;
}

function isMine({ manager, subresource }: Apply, entry: ManagedFieldsEntry): boolean {
  return entry.manager === manager && entry.operation === "Apply" && (entry.subresource ?? "") === (subresource ?? "");
}

function setOf(entry: ManagedFieldsEntry | undefined): FieldSet {
  // FieldsV1 is a tree of objects and nothing else; we wrote it ourselves.
  return (entry?.fieldsV1 ?? {}) as FieldSet;
}

/** Throws 409, or takes the fields from the others when forced. What they and we say alike is owned by both. */
function settleConflicts(apply: Apply, old: StoredObject, others: ManagedFieldsEntry[]): void {
  const causes: { reason: string; message: string; field: string }[] = [];
  for (const other of others) {
    const conflicts = disagreements(apply.kind.schema, setOf(other), old, apply.config);
    if (apply.force) {
      let rest = setOf(other);
      for (const { set } of conflicts) rest = difference(rest, set);
      other.fieldsV1 = rest;
    } else
      for (const { path } of conflicts)
        causes.push({
          reason: "FieldManagerConflict",
          message: `conflict with ${JSON.stringify(other.manager ?? "")}`,
          field: path,
        });
  }
  if (causes.length === 0) return;
  const list =
    causes.length === 1
      ? causes.map(({ message, field }) => `${message}: ${field}`).join("")
      : causes.map(({ message, field }) => `\n- ${message}: ${field}`).join("");
  throw new StatusError(
    409,
    "Conflict",
    `Apply failed with ${causes.length} conflict${causes.length === 1 ? ": " : "s:"}${list}`,
    {
      causes,
    },
  );
}

function entryOf(
  { kind, manager, subresource, set, time }: Apply,
  before: ManagedFieldsEntry | undefined,
): ManagedFieldsEntry {
  const entry: ManagedFieldsEntry = {
    manager,
    operation: "Apply",
    apiVersion: kind.apiVersion,
    fieldsType: "FieldsV1",
    fieldsV1: set,
    time,
  };
  if (subresource !== undefined) entry.subresource = subresource;
  // Saying the same again is no change.
  return before !== undefined && equalJson({ ...before, time }, entry) ? before : entry;
}
