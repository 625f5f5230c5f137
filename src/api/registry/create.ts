import { rfc3339 } from "../../env/clock.ts";
import { nameSuffix, uuid } from "../../env/random.ts";
import { metadataWarnings, validateMetadata } from "../../kinds/metadata.ts";
import { alreadyExists, badRequest, invalid, StatusError } from "../../kinds/status_error.ts";
import { type AdmissionRequest, mutate, validate } from "../admission/admission.ts";
import { commitObject } from "./commit.ts";
import { fillParts, settleNamespace } from "./incoming.ts";
import { objectKey } from "./keys.ts";
import { type ApiObject, copyJson, deepFreeze, type StoredObject } from "./object.ts";
import type { WriteOptions } from "./query.ts";
import { claimsOf, type Registry, type Subject } from "./registry.ts";

/** Kubernetes' length of names that it generates, random tail included. */
const generatedNameLength = 63;
const attempts = 20;
/** A node's kubelet registers it with its status; all other kinds start with none. */
const keepsStatus: readonly string[] = ["nodes"];

/** Stores a new object. Rejects with AlreadyExists, Invalid, Forbidden, or what admission says. */
export async function createObject(
  registry: Registry,
  subject: Subject,
  body: ApiObject,
  options: WriteOptions,
  warnings: string[],
  setsManagedFields = false,
): Promise<StoredObject> {
  const { kind, namespace } = subject;
  const { metadata } = body;
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== "")
    throw badRequest("resourceVersion should not be set on objects to be created");
  settleNamespace(kind, body, namespace);
  const generateName = (metadata.name ?? "") === "" ? (metadata.generateName ?? "") : "";
  const generate = () => {
    if (generateName !== "")
      metadata.name = generateName.slice(0, generatedNameLength - 5) + nameSuffix(registry.random);
  };
  generate();
  metadata.uid = uuid(registry.random);
  metadata.creationTimestamp = rfc3339(registry.clock.now());
  for (const field of ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] as const) delete metadata[field];
  if (!setsManagedFields) delete metadata.managedFields;
  if (kind.status && !keepsStatus.includes(kind.plural)) body.status = {};
  fillParts(kind, body);
  kind.defaults?.(body);

  const claims = claimsOf(registry, kind);
  for (let attempt = 1; ; attempt++) {
    // A claim that another was faster to take is chosen anew, from what the user left open.
    const object = claims ? copyJson(body) : body;
    const admission: AdmissionRequest = {
      kind,
      operation: "CREATE",
      subresource: undefined,
      namespace,
      name: metadata.name ?? "",
      identity: subject.identity,
      dryRun: options.dryRun,
      object,
      old: undefined,
      conditions: [],
    };
    await mutate(registry.admission, admission);
    if (kind.generation) object.metadata.generation = 1;
    else delete object.metadata.generation;
    kind.prepareForCreate?.(object);
    const errors = [...validateMetadata(kind, object.metadata)];
    errors.push(...(kind.validate?.(object, { nowMs: registry.clock.now() }) ?? []));
    if (errors.length > 0) throw invalid(kind, object.metadata.name ?? "", errors);
    await validate(registry.admission, admission);
    if (attempt === 1) warnings.push(...metadataWarnings(object.metadata), ...(kind.warnings?.(object) ?? []));

    const key = objectKey(kind, namespace, object.metadata.name ?? "");
    const plan = await claims?.plan(object, undefined);
    if (options.dryRun) {
      if (await registry.storage.get(key)) {
        if (generateName === "") throw alreadyExists(kind, object.metadata.name ?? "");
        generate();
        continue;
      }
      // Identity is filled in but for the resourceVersion, which an object that was never stored has not.
      return deepFreeze(object as StoredObject);
    }
    const outcome = await commitObject(registry, kind, {
      key,
      basis: 0,
      put: object,
      compare: [...admission.conditions, ...(plan?.compare ?? [])],
      also: plan?.also ?? [],
    });
    // A put always leaves an entry.
    if (outcome.done && outcome.entry) {
      registry.renewals.persisted(outcome.entry);
      return outcome.entry.object;
    }
    if (!outcome.done && outcome.present) {
      if (generateName === "" || attempt >= attempts) throw alreadyExists(kind, object.metadata.name ?? "");
      generate();
    } else if (attempt >= attempts)
      throw new StatusError(
        409,
        "Conflict",
        `Cannot create ${kind.plural} ${JSON.stringify(metadata.name)}: what it rests on changed ${attempts} times meanwhile; try again`,
      );
  }
}
