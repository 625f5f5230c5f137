import { rfc3339 } from "../../env/clock.ts";
import { checkMessage, TypeMismatch } from "../../kinds/check.ts";
import { DeleteOptions } from "../../kinds/meta.ts";
import {
  badRequest,
  conflict,
  type FieldError,
  invalid,
  invalidValue,
  notFound,
  notSupportedValue,
} from "../../kinds/status_error.ts";
import { validate } from "../admission/admission.ts";
import { endsDeletion, isNamespace } from "./change.ts";
import { commitObject } from "./commit.ts";
import { objectKey } from "./keys.ts";
import { type ApiObject, deepFreeze, draftOf, equalJson, isFields, type StoredObject } from "./object.ts";
import { isTrue, type Query } from "./query.ts";
import { claimsOf, type Registry, type Subject } from "./registry.ts";

/** What a DELETE may say. */
export interface Removal {
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: "Orphan" | "Background" | "Foreground" | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly dryRun: boolean;
}

export interface Removed {
  /** As it was last, or as it is now that its deletion waits for its grace period or its finalizers. */
  readonly object: StoredObject;
  readonly gone: boolean;
}

const attempts = 50;
const orphan = "orphan";
const foreground = "foregroundDeletion";

/** Reads DeleteOptions leniently, from the body (with or without kind) and from the query. Throws 400 and 422. */
export function removalOf(body: unknown, query: Query): Removal {
  const said = bodyOptions(body);
  const dryRun = said.dryRun?.[0] ?? query.dryRun ?? "";
  const policy = said.propagationPolicy ?? query.propagationPolicy;
  const grace = said.gracePeriodSeconds ?? numberOf(query.gracePeriodSeconds);
  const orphans = said.orphanDependents ?? (query.orphanDependents ? isTrue(query.orphanDependents) : undefined);
  const errors: FieldError[] = [];
  if (dryRun !== "" && dryRun !== "All") errors.push(notSupportedValue("dryRun", dryRun, ["All"]));
  if (policy !== undefined && policy !== "Orphan" && policy !== "Background" && policy !== "Foreground")
    errors.push(notSupportedValue("propagationPolicy", policy, ["Background", "Foreground", "Orphan"]));
  if (policy !== undefined && orphans !== undefined)
    errors.push(
      invalidValue("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"),
    );
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  return {
    gracePeriodSeconds: grace === undefined || grace >= 0 ? grace : 1,
    propagationPolicy:
      policy === "Orphan" || policy === "Background" || policy === "Foreground"
        ? policy
        : orphans === undefined
          ? undefined
          : orphans
            ? "Orphan"
            : "Background",
    uid: said.preconditions?.uid,
    resourceVersion: said.preconditions?.resourceVersion,
    dryRun: dryRun === "All",
  };
}

function bodyOptions(body: unknown): DeleteOptions {
  if (body === undefined || body === null) return {};
  if (isFields(body) && body.kind !== undefined && body.kind !== "DeleteOptions" && body.kind !== "")
    throw badRequest(`the body of a DELETE must be DeleteOptions, not ${JSON.stringify(body.kind)}`);
  try {
    return checkMessage(DeleteOptions, body).object;
  } catch (error) {
    if (error instanceof TypeMismatch) throw badRequest(`DeleteOptions cannot be read: ${error.message}`, error);
    throw error;
  }
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^-?\d+$/.test(text)) throw badRequest(`gracePeriodSeconds: ${JSON.stringify(text)} is not a whole number`);
  return Number(text);
}

/** Deletes, or marks for deletion what must wait. Rejects with NotFound, Conflict (preconditions) or Forbidden. */
export async function removeObject(
  registry: Registry,
  subject: Subject,
  name: string,
  removal: Removal,
): Promise<Removed> {
  const { kind, namespace } = subject;
  const key = objectKey(kind, namespace, name);
  let stored = await registry.storage.get(key);
  for (let attempt = 1; ; attempt++) {
    if (stored === undefined) throw notFound(kind, name);
    const old = registry.renewals.current(stored).object;
    checkPreconditions(subject, name, removal, old);
    await validate(registry.admission, {
      kind,
      operation: "DELETE",
      subresource: undefined,
      namespace,
      name,
      identity: subject.identity,
      dryRun: removal.dryRun,
      object: undefined,
      old,
      conditions: [],
    });
    const marked = mark(registry, subject, removal, old);
    const gone = marked === undefined || endsDeletion(kind, marked);
    if (!gone && equalJson(marked, old)) return { object: old, gone: false };
    // Identity was copied from the stored object.
    const result = marked as StoredObject | undefined;
    if (removal.dryRun) return { object: deepFreeze(result ?? old), gone };

    const plan = await claimsOf(registry, kind)?.plan(gone ? undefined : marked, old);
    const outcome = await commitObject(registry, kind, {
      key,
      basis: stored.modRevision,
      ...(gone || marked === undefined ? {} : { put: marked }),
      compare: plan?.compare ?? [],
      also: plan?.also ?? [],
    });
    if (outcome.done) {
      if (outcome.entry) {
        registry.renewals.persisted(outcome.entry);
        return { object: outcome.entry.object, gone: false };
      }
      registry.renewals.forget(key);
      return { object: deepFreeze(result ?? old), gone: true };
    }
    stored = outcome.present;
    if (attempt >= attempts) throw conflict(kind, name, `it changed ${attempts} times meanwhile; please try again`);
  }
}

function checkPreconditions({ kind }: Subject, name: string, removal: Removal, old: StoredObject): void {
  const { uid, resourceVersion } = removal;
  const { metadata } = old;
  if (uid !== undefined && uid !== metadata.uid)
    throw conflict(kind, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`);
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
    throw conflict(
      kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
}

/** The object as it waits for its end; undefined: it goes at once. */
function mark(registry: Registry, { kind }: Subject, removal: Removal, old: StoredObject): ApiObject | undefined {
  const draft = draftOf(old);
  const { metadata } = draft;
  const now = registry.clock.now();
  settleFinalizers(metadata, removal);
  const waits = (metadata.finalizers ?? []).length > 0;
  if (isNamespace(kind)) {
    if (metadata.deletionTimestamp !== undefined) return draft;
    metadata.deletionTimestamp = rfc3339(now);
    draft.status = { ...(isFields(draft.status) ? draft.status : {}), phase: "Terminating" };
    return draft;
  }

  const usual = kind.gracePeriodSeconds?.(old) ?? 0;
  // A kind without grace (or a pod that runs nowhere) goes at once, whatever the caller allows it.
  const grace = usual === 0 ? 0 : (removal.gracePeriodSeconds ?? usual);
  const pending = metadata.deletionTimestamp !== undefined ? (metadata.deletionGracePeriodSeconds ?? 0) : undefined;
  if (pending === undefined) {
    if (grace === 0 && !waits) return undefined;
    metadata.deletionTimestamp = rfc3339(now + grace * 1000);
    metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation !== undefined) metadata.generation++;
    return draft;
  }
  // The grace period of a deletion under way can only get shorter.
  const shorter = usual === 0 ? 0 : removal.gracePeriodSeconds;
  if (shorter !== undefined && shorter < pending) {
    const began = Date.parse(metadata.deletionTimestamp ?? "") - pending * 1000;
    metadata.deletionTimestamp = rfc3339(began + shorter * 1000);
    metadata.deletionGracePeriodSeconds = shorter;
  }
  if ((metadata.deletionGracePeriodSeconds ?? 0) === 0 && !waits) return undefined;
  return draft;
}

/** The garbage collector's finalizers, as the caller wants its dependents treated. */
function settleFinalizers(metadata: ApiObject["metadata"], { propagationPolicy }: Removal): void {
  if (propagationPolicy === undefined) return;
  const others = (metadata.finalizers ?? []).filter((finalizer) => finalizer !== orphan && finalizer !== foreground);
  if (propagationPolicy === "Orphan") others.push(orphan);
  if (propagationPolicy === "Foreground") others.push(foreground);
  if (others.length > 0) metadata.finalizers = others;
  else delete metadata.finalizers;
}
