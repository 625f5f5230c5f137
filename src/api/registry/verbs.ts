import { Scale } from "../../kinds/autoscaling/scale.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import { badRequest, isNotFound, StatusError } from "../../kinds/status_error.ts";
import type { CoreRequest, CoreResponse } from "../core.ts";
import { applyConfiguration } from "./apply.ts";
import { type Change, changeObject } from "./change.ts";
import { createObject } from "./create.ts";
import { checkedBody } from "./incoming.ts";
import { type ApiObject, copyJson, deepFreeze, draftOf, isFields, type StoredObject } from "./object.ts";
import { applyPatch, type Patch, patchedObject } from "./patch_object.ts";
import { bindPod, evictPod, withEphemeralContainers } from "./pod_subresources.ts";
import { type WriteOptions, writeOptions } from "./query.ts";
import { getObject, listObjects } from "./read.ts";
import type { Registry, Subject } from "./registry.ts";
import { removalOf, removeObject } from "./remove.ts";
import { scaled, scaleOf } from "./scale.ts";
import { success } from "./success.ts";

/** Carries out what was authorized. Rejects with StatusError or StoreError. */
export function carryOut(registry: Registry, subject: Subject, request: CoreRequest): Promise<CoreResponse> {
  const { kind } = subject;
  const call: Call = { registry, subject, request, name: request.name ?? "", warnings: [] };
  if (request.subresource !== undefined) return onSubresource(call, request.subresource);
  if (kind.verbs && !kind.verbs.includes(request.verb)) throw methodNotAllowed();
  return onObject(call);
}

interface Call {
  readonly registry: Registry;
  readonly subject: Subject;
  readonly request: CoreRequest;
  readonly name: string;
  readonly warnings: string[];
}

async function onObject(call: Call): Promise<CoreResponse> {
  const { registry, subject, request, name, warnings } = call;
  const { kind } = subject;
  switch (request.verb) {
    case "get":
      return answer(call, await getObject(registry, subject, name, request.query));
    case "list":
      return answer(call, await listObjects(registry, subject, request.query));
    case "create": {
      if (kind.group === "" && kind.plural === "bindings") return bindPod(registry, podsOf(registry, subject), request);
      if (kind.namespaced && subject.namespace === undefined)
        throw badRequest("an empty namespace may not be set during creation");
      const options = writeOptions(request.query, "CreateOptions", request.userAgent);
      const body = bodyOf(call, options);
      return answer(call, await createObject(registry, subject, body, options, warnings), 201);
    }
    case "update":
    case "patch":
      if (isApply(request)) return apply(call);
      return answer(call, await change(call, "main"));
    case "delete": {
      const removed = await removeObject(registry, subject, name, removalOf(request.body, request.query));
      if (!removed.gone) return answer(call, removed.object);
      const group = kind.group === "" ? {} : { group: kind.group };
      return answer(call, success({ name, ...group, kind: kind.plural, uid: removed.object.metadata.uid }));
    }
    case "deletecollection":
      return answer(call, await removeCollection(call));
  }
}

function onSubresource(call: Call, subresource: string): Promise<CoreResponse> {
  const { registry, subject, request } = call;
  const { kind } = subject;
  const { verb } = request;
  const place = `${kind.plural}.${kind.group}/${subresource}`;
  if (subresource === "status" && kind.status) return onPart(call, "status", (_, wished) => wished);
  if (subresource === "scale" && kind.scale) return onScale(call, kind.scale);
  if (place === "pods./ephemeralcontainers") return onPart(call, "exact", withEphemeralContainers);
  if (place === "namespaces./finalize" && verb === "update") return onPart(call, "exact", withFinalizers);
  if (place === "pods./binding" && verb === "create") return bindPod(registry, subject, request);
  if (place === "pods./eviction" && verb === "create") return evictPod(registry, subject, request);
  if (kind.subresources?.some(({ name }) => name === subresource)) throw methodNotAllowed();
  throw unknownResource();
}

/** A subresource that is the object itself, of which a part may be changed. */
async function onPart(
  call: Call,
  part: Change["part"],
  limit: (old: StoredObject, wished: ApiObject) => ApiObject,
): Promise<CoreResponse> {
  const { registry, subject, request, name } = call;
  if (request.verb === "get") return answer(call, await getObject(registry, subject, name, request.query));
  if (request.verb !== "update" && request.verb !== "patch") throw methodNotAllowed();
  if (part === "status" && isApply(request)) return apply(call);
  return answer(call, await change(call, part, limit));
}

function isApply({ verb, patchType }: CoreRequest): boolean {
  return verb === "patch" && patchType === "application/apply-patch+yaml";
}

async function apply(call: Call): Promise<CoreResponse> {
  const { registry, subject, request, warnings } = call;
  const { object, created } = await applyConfiguration(registry, subject, request, warnings);
  return answer(call, object, created ? 201 : 200);
}

async function change(
  call: Call,
  part: Change["part"],
  limit: (old: StoredObject, wished: ApiObject) => ApiObject = (_, wished) => wished,
): Promise<StoredObject> {
  const { registry, subject, request, name, warnings } = call;
  const options = writeOptions(request.query, optionsKind(request), request.userAgent);
  const common = { name, subresource: request.subresource, dryRun: options.dryRun, part, warnings };
  let wish: Change["wish"];
  if (request.verb === "patch") {
    const patch = patchOf(request, options);
    wish = (old) => limit(old, patchedObject(subject.kind, old, patch, warnings));
  } else {
    const body = bodyOf(call, options);
    // A copy each time: what is made of it is changed on the way.
    wish = (old) => limit(old, copyJson(body));
  }
  return (await changeObject(registry, subject, { ...common, wish })).object;
}

async function onScale(call: Call, access: NonNullable<AnyKind["scale"]>): Promise<CoreResponse> {
  const { registry, subject, request, name, warnings } = call;
  if (request.verb === "get")
    return answer(call, scaleOf(access, await getObject(registry, subject, name, request.query)));
  if (request.verb !== "update" && request.verb !== "patch") throw methodNotAllowed();
  const options = writeOptions(request.query, optionsKind(request), request.userAgent);
  const patch = patchOf(request, options);
  const { object } = await changeObject(registry, subject, {
    name,
    subresource: "scale",
    dryRun: options.dryRun,
    part: "main",
    warnings,
    wish: (old) => {
      if (request.verb === "update") return scaled(access, old, request.body);
      const draft = scaled(access, old, applyPatch(Scale, scaleOf(access, old), patch));
      if (draft.metadata.resourceVersion === old.metadata.resourceVersion) delete draft.metadata.resourceVersion;
      return draft;
    },
  });
  return answer(call, scaleOf(access, object));
}

async function removeCollection(call: Call): Promise<unknown> {
  const { registry, subject, request } = call;
  const removal = removalOf(request.body, request.query);
  const list = await listObjects(registry, subject, request.query);
  const items: StoredObject[] = [];
  for (const { metadata } of list.items) {
    const place = { ...subject, namespace: subject.kind.namespaced ? metadata.namespace : undefined };
    try {
      items.push((await removeObject(registry, place, metadata.name, removal)).object);
    } catch (error) {
      // Another was faster.
      if (!isNotFound(error)) throw error;
    }
  }
  return deepFreeze({ ...list, items });
}

function answer(call: Call, object: unknown, code = 200): CoreResponse {
  // A patch that was applied anew after a conflict warns but once.
  return { code, object, warnings: [...new Set(call.warnings)] };
}

function bodyOf({ subject, request, warnings }: Call, { fieldValidation }: WriteOptions): ApiObject {
  return checkedBody(subject.kind, request.body, fieldValidation, request.decodeProblems ?? [], warnings);
}

function patchOf(request: CoreRequest, { fieldValidation }: WriteOptions): Patch {
  return { type: request.patchType, body: request.body, fieldValidation, decodeProblems: request.decodeProblems ?? [] };
}

function optionsKind({ verb }: CoreRequest): string {
  return verb === "patch" ? "PatchOptions" : "UpdateOptions";
}

/** namespaces/NAME/finalize: only spec.finalizers. */
function withFinalizers(old: StoredObject, wished: ApiObject): ApiObject {
  const draft = draftOf(old);
  const spec = isFields(wished.spec) ? wished.spec : {};
  draft.spec = { ...(isFields(draft.spec) ? draft.spec : {}), finalizers: spec.finalizers };
  draft.metadata.resourceVersion = wished.metadata.resourceVersion;
  return draft;
}

function podsOf(registry: Registry, subject: Subject): Subject {
  const kind = registry.kinds.byResource("", "v1", "pods");
  if (kind === undefined) throw unknownResource();
  return { ...subject, kind };
}

export function unknownResource(): StatusError {
  return new StatusError(404, "NotFound", "the server could not find the requested resource");
}

export function methodNotAllowed(): StatusError {
  return new StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}
