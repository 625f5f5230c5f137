import { notFound, qualifiedResource, StatusError } from "../../kinds/status_error.ts";
import { keyBytes, objectKey } from "../registry/keys.ts";
import type { ObjectStorage } from "../registry/object_storage.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";

const namespaces = { group: "", plural: "namespaces" };
/** They hold what the cluster itself needs. */
const immortal: readonly string[] = ["default", "kube-system", "kube-public"];

/**
 * Nothing is made in a namespace that is missing or on its way out, and the cluster's own namespaces stay. The namespace's
 * revision becomes a condition of the write, so no object slips into a namespace that turns Terminating meanwhile.
 */
export class NamespaceLifecycle implements AdmissionPlugin {
  readonly name = "NamespaceLifecycle";
  readonly #storage: ObjectStorage;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const { kind, operation, namespace, name, subresource } = request;
    if (operation === "DELETE" && kind.group === "" && kind.plural === "namespaces" && immortal.includes(name))
      throw new StatusError(403, "Forbidden", `namespaces "${name}" is forbidden: this namespace may not be deleted`, {
        name,
        kind: "namespaces",
      });
    if (operation !== "CREATE" || subresource !== undefined || namespace === undefined) return;
    const key = objectKey(namespaces, undefined, namespace);
    const entry = await this.#storage.get(key);
    if (entry === undefined) throw notFound(namespaces, namespace);
    request.conditions.push({ key: keyBytes(key), target: "mod", result: "=", operand: entry.modRevision });
    if (entry.object.metadata.deletionTimestamp === undefined) return;
    throw new StatusError(
      403,
      "Forbidden",
      `${qualifiedResource(kind)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
      {
        name,
        group: kind.group,
        kind: kind.plural,
        causes: [
          {
            reason: "NamespaceTerminating",
            message: `namespace ${namespace} is being terminated`,
            field: "metadata.namespace",
          },
        ],
      },
    );
  }
}
