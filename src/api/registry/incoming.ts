import { checkObject } from "../../kinds/check.ts";
import type { AnyKind, KubeObject } from "../../kinds/kind.ts";
import { badRequest } from "../../kinds/status_error.ts";
import type { ApiObject } from "./object.ts";
import type { WriteOptions } from "./query.ts";

/** Types checked, unknown fields dealt with as `fieldValidation` says; their texts go to `warnings`. */
export function checkedBody(
  kind: AnyKind,
  body: unknown,
  mode: WriteOptions["fieldValidation"],
  decodeProblems: readonly string[],
  warnings: string[],
): ApiObject {
  const { object, problems } = checkObject(kind, body);
  const all = [...decodeProblems, ...problems];
  if (all.length > 0 && mode === "Strict") throw badRequest(`strict decoding error: ${all.join(", ")}`);
  if (mode === "Warn") warnings.push(...all);
  return withMetadata(kind, object);
}

function withMetadata(kind: AnyKind, object: KubeObject): ApiObject {
  // A shallow copy: metadata is ours to change, and the rest of the body was handed over by the caller.
  return {
    ...object,
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { ...object.metadata },
  };
}

/** Kubernetes' structs write spec and status even when nothing is in them; clients rely on it. */
export function fillParts(kind: AnyKind, object: ApiObject): void {
  for (const part of ["spec", "status"])
    if (Object.hasOwn(kind.schema.fields, part) && object[part] === undefined) object[part] = {};
}

/** The namespace of the URL, or the body's when they agree. */
export function settleNamespace(kind: AnyKind, object: ApiObject, namespace: string | undefined): void {
  const { metadata } = object;
  if (!kind.namespaced) return;
  if (metadata.namespace === undefined || metadata.namespace === "") metadata.namespace = namespace;
  else if (metadata.namespace !== namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
}
