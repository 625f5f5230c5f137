import type { AnyKind } from "../../kinds/kind.ts";
import type { Message } from "../../kinds/schema.ts";
import { badRequest, invalid, invalidValue, StatusError } from "../../kinds/status_error.ts";
import { jsonPatch } from "../patch/json_patch.ts";
import { mergePatch } from "../patch/merge_patch.ts";
import { PatchError } from "../patch/patch_error.ts";
import { strategicMerge } from "../patch/strategic_merge.ts";
import { checkedBody } from "./incoming.ts";
import { type ApiObject, copyJson, type Fields, isFields, type StoredObject } from "./object.ts";
import type { WriteOptions } from "./query.ts";

export interface Patch {
  readonly type: string | undefined;
  readonly body: unknown;
  readonly fieldValidation: WriteOptions["fieldValidation"];
  readonly decodeProblems: readonly string[];
}

/** What the patch makes of `old`, types checked. Throws StatusError 400, 415 or 422. */
export function patchedObject(kind: AnyKind, old: StoredObject, patch: Patch, warnings: string[]): ApiObject {
  const result = applyPatch(kind.schema, old, patch);
  let object: ApiObject;
  try {
    object = checkedBody(kind, result, patch.fieldValidation, patch.decodeProblems, warnings);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw invalid(kind, old.metadata.name, [invalidValue("patch", patch.body, error.message)]);
  }
  // A patch that does not speak of the resourceVersion is for whatever revision there is. One that names the present one
  // needs no more: should the object change meanwhile, the patch is applied anew and names the wrong one.
  if (object.metadata.resourceVersion === old.metadata.resourceVersion) delete object.metadata.resourceVersion;
  return object;
}

/** `old` is not changed. */
export function applyPatch(schema: Message, old: unknown, { type, body }: Patch): unknown {
  const present = copyJson(old);
  if (!isFields(present)) throw badRequest("only an object can be patched");
  try {
    switch (type) {
      case "application/json-patch+json":
        return jsonPatch(present, body);
      case "application/merge-patch+json":
        return mergePatch(present, objectPatch(body));
      case "application/strategic-merge-patch+json":
        return strategicMerge(schema, present, objectPatch(body));
      default:
        throw unknownPatchType();
    }
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    if (error.malformed) throw badRequest(error.message, error);
    throw new StatusError(
      422,
      "Invalid",
      `the server rejected our request due to an error in our request: ${error.message}`,
      undefined,
      error,
    );
  }
}

function objectPatch(body: unknown): Fields {
  if (!isFields(body)) throw new PatchError("the patch must be a JSON object", true);
  return body;
}

export function unknownPatchType(): StatusError {
  return new StatusError(
    415,
    "UnsupportedMediaType",
    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
  );
}
