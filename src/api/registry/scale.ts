import { Scale } from "../../kinds/autoscaling/scale.ts";
import { checkMessage, TypeMismatch } from "../../kinds/check.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import { badRequest, invalid, invalidValue } from "../../kinds/status_error.ts";
import { type ApiObject, deepFreeze, draftOf, type StoredObject } from "./object.ts";

type ScaleAccess = NonNullable<AnyKind["scale"]>;

/** The object as autoscaling/v1 Scale shows it. */
export function scaleOf(access: ScaleAccess, object: StoredObject): unknown {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return deepFreeze({
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: access.replicas(object) },
    status: { replicas: access.statusReplicas(object), selector: access.selector(object) },
  });
}

/** `old` with the replicas of a Scale that a client sent. Throws StatusError 400 or 422. */
export function scaled(access: ScaleAccess, old: StoredObject, body: unknown): ApiObject {
  let scale: Scale;
  try {
    scale = checkMessage(Scale, body).object;
  } catch (error) {
    if (error instanceof TypeMismatch)
      throw badRequest(`Scale in version "v1" cannot be handled as a Scale: ${error.message}`, error);
    throw error;
  }
  const { name = "" } = scale.metadata ?? {};
  if (name !== "" && name !== old.metadata.name)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${old.metadata.name})`);
  const replicas = scale.spec?.replicas ?? 0;
  if (replicas < 0)
    throw invalid({ group: "autoscaling", kind: "Scale" }, old.metadata.name, [
      invalidValue("spec.replicas", replicas, "must be greater than or equal to 0"),
    ]);
  const draft = draftOf(old);
  access.setReplicas(draft, replicas);
  for (const field of ["resourceVersion", "uid"] as const) {
    const value = scale.metadata?.[field];
    if (value === undefined || value === "") delete draft.metadata[field];
    else draft.metadata[field] = value;
  }
  return draft;
}
