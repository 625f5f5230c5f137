import { checkObject } from "./check.ts";
import type { AnyKind, Kind, KubeObject, Observed } from "./kind.ts";
import { validateMetadata, validateMetadataUpdate } from "./metadata.ts";
import type { FieldError } from "./status_error.ts";

const nowMs = Date.parse("2026-11-23T22:00:00Z");
const identity = { uid: "u", resourceVersion: "1", creationTimestamp: "2026-11-23T21:55:00Z" };

const told = (errors: readonly FieldError[]) => errors.map(({ field, message }) => `${field}: ${message}`);

type Body = Readonly<Record<string, unknown>>;

function named<T extends KubeObject>(kind: Kind<T>, body: Body): T {
  const metadata = { name: "web", ...(kind.namespaced ? { namespace: "default" } : {}), ...Object(body.metadata) };
  const object = structuredClone(checkObject(kind, { ...body, metadata }).object);
  kind.defaults?.(object);
  return object;
}

/** The object as it would be stored after a create. */
export function stored<T extends KubeObject>(kind: Kind<T>, body: Body): Observed<T> {
  const object = named(kind, body);
  kind.prepareForCreate?.(object);
  Object.assign(object, { metadata: { ...object.metadata, ...identity } });
  // It has now what Observed adds to T.
  return object as Observed<T>;
}

/** What is said of a create: "FIELD: MESSAGE" each. */
export function createProblems(kind: AnyKind, body: Body): string[] {
  const object = named(kind, body);
  kind.prepareForCreate?.(object);
  return told([...validateMetadata(kind, object.metadata ?? {}), ...(kind.validate?.(object, { nowMs }) ?? [])]);
}

/** What is said of an update from one body to another. */
export function updateProblems(kind: AnyKind, before: Body, after: Body): string[] {
  const { object, old } = updated(kind, before, after);
  const metadata = validateMetadataUpdate(object.metadata ?? {}, old.metadata);
  return told([...metadata, ...(kind.validate?.(object, { old, nowMs }) ?? [])]);
}

/** The object that an update would store. */
export function updated<T extends KubeObject>(
  kind: Kind<T>,
  before: Body,
  after: Body,
): { object: T; old: Observed<T> } {
  const old = stored(kind, before);
  const object = named(kind, after);
  Object.assign(object, { metadata: { ...object.metadata, ...identity } });
  kind.prepareForUpdate?.(object, old);
  return { object, old };
}

/** What is said of a write to status. */
export function statusProblems(kind: AnyKind, before: Body, status: Body, after: Body): string[] {
  const old: Observed<KubeObject> = Object.assign(structuredClone(stored(kind, before)), { status });
  const object = Object.assign(named(kind, before), after);
  Object.assign(object, { metadata: { ...object.metadata, ...identity } });
  return told(kind.validateStatus?.(object, { old, nowMs }) ?? []);
}
