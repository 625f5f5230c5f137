import { rfc3339 } from "../../env/clock.ts";
import { checkMessage, checkObject, TypeMismatch } from "../../kinds/check.ts";
import { bindingKind } from "../../kinds/core/binding.ts";
import { Pod } from "../../kinds/core/pod.ts";
import {
  badRequest,
  conflict,
  forbiddenValue,
  invalid,
  notSupportedValue,
  requiredValue,
} from "../../kinds/status_error.ts";
import type { CoreRequest, CoreResponse } from "../core.ts";
import { changeObject } from "./change.ts";
import { type ApiObject, draftOf, equalJson, isFields, type StoredObject } from "./object.ts";
import { type Query, writeOptions } from "./query.ts";
import type { Registry, Subject } from "./registry.ts";
import { removalOf, removeObject } from "./remove.ts";
import { success } from "./success.ts";

const pods = { group: "", plural: "pods" };
const bindings = { group: "", plural: "pods/binding" };

/** POST pods/NAME/binding, and the older POST bindings: gives a pod its node, once. */
export async function bindPod(registry: Registry, subject: Subject, request: CoreRequest): Promise<CoreResponse> {
  const options = writeOptions(request.query, "CreateOptions", request.userAgent);
  const { object: binding } = checkObject(bindingKind, request.body);
  const name = request.name ?? binding.metadata?.name ?? "";
  const { kind: targetKind = "", name: node = "" } = binding.target;
  if (targetKind !== "" && targetKind !== "Node")
    throw invalid(bindingKind, name, [notSupportedValue("target.kind", targetKind, ["Node", "<empty>"])]);
  if (node === "") throw invalid(bindingKind, name, [requiredValue("target.name")]);
  await changeObject(registry, subject, {
    name,
    subresource: "binding",
    dryRun: options.dryRun,
    part: "exact",
    warnings: [],
    wish: (old) => bound(old, binding.metadata, node, rfc3339(registry.clock.now())),
  });
  return { code: 201, object: success(), warnings: [] };
}

function bound(old: StoredObject, wanted: ApiObject["metadata"] | undefined, node: string, now: string): ApiObject {
  const draft = draftOf(old);
  const { name, uid, deletionTimestamp } = old.metadata;
  if (wanted?.uid && wanted.uid !== uid)
    throw conflict(
      bindings,
      name,
      `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid}`,
    );
  if (deletionTimestamp !== undefined)
    throw conflict(bindings, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  const pod = checkMessage(Pod, draft).object;
  if (pod.spec === undefined) throw conflict(bindings, name, `pod ${name} has no spec`);
  if (pod.spec.nodeName)
    throw conflict(bindings, name, `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
  draft.spec = { ...pod.spec, nodeName: node };
  draft.status = {
    ...pod.status,
    conditions: [...others, { type: "PodScheduled", status: "True", lastTransitionTime: now }],
  };
  if (wanted?.annotations) draft.metadata.annotations = { ...draft.metadata.annotations, ...wanted.annotations };
  // Only what a binding names of the pod's revision is a precondition.
  draft.metadata.resourceVersion = wanted?.resourceVersion;
  return draft;
}

/** POST pods/NAME/eviction: a deletion that, one day, asks the PodDisruptionBudgets first. */
export async function evictPod(registry: Registry, subject: Subject, request: CoreRequest): Promise<CoreResponse> {
  const { body, query } = request;
  if (!isFields(body)) throw badRequest("the body must be an Eviction");
  const name = request.name ?? "";
  const { metadata } = body;
  const said = isFields(metadata) ? metadata.name : undefined;
  if (said !== undefined && said !== "" && said !== name)
    throw badRequest(`name in URL does not match name in Eviction object: ${name} and ${String(said)}`);
  await removeObject(registry, subject, name, removalOf(evictionOptions(body.deleteOptions), query satisfies Query));
  return { code: 201, object: success(), warnings: [] };
}

function evictionOptions(options: unknown): unknown {
  return isFields(options) ? { ...options, kind: undefined } : options;
}

/** What an update of pods/NAME/ephemeralcontainers makes of the pod: containers may be added, nothing else. */
export function withEphemeralContainers(old: StoredObject, wished: ApiObject): ApiObject {
  const kind = { group: pods.group, kind: "Pod" };
  const draft = draftOf(old);
  const before = typed(draft).spec?.ephemeralContainers ?? [];
  const after = typed(wished).spec?.ephemeralContainers ?? [];
  const path = "spec.ephemeralContainers";
  for (const container of before)
    if (!after.some((other) => other.name === container.name && equalJson(other, container)))
      throw invalid(kind, old.metadata.name, [
        forbiddenValue(
          path,
          `existing ephemeral containers ${JSON.stringify(container.name)} may not be changed or removed`,
        ),
      ]);
  for (const [at, { name, image }] of after.entries()) {
    if (name === "") throw invalid(kind, old.metadata.name, [requiredValue(`${path}[${at}].name`)]);
    if (!image) throw invalid(kind, old.metadata.name, [requiredValue(`${path}[${at}].image`)]);
  }
  draft.spec = { ...(isFields(draft.spec) ? draft.spec : {}), ephemeralContainers: after };
  draft.metadata.resourceVersion = wished.metadata.resourceVersion;
  if (after.length !== before.length && draft.metadata.generation !== undefined) draft.metadata.generation++;
  return draft;
}

function typed(object: ApiObject): Pod {
  try {
    return checkMessage(Pod, object).object;
  } catch (error) {
    if (error instanceof TypeMismatch)
      throw badRequest(`Pod in version "v1" cannot be handled as a Pod: ${error.message}`, error);
    throw error;
  }
}
