import { qualifiedResource, StatusError } from "../../kinds/status_error.ts";
import { objectKey } from "../registry/keys.ts";
import { isFields } from "../registry/object.ts";
import type { ObjectStorage } from "../registry/object_storage.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";

const serviceAccounts = { group: "", plural: "serviceaccounts" };

/**
 * A pod runs as a ServiceAccount that exists, and takes over its imagePullSecrets. "default" need not be there yet: the
 * controller makes it a moment after its namespace, and who creates both in one go should not fail.
 */
export class ServiceAccountAdmission implements AdmissionPlugin {
  readonly name = "ServiceAccount";
  readonly #storage: ObjectStorage;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  async mutate({ kind, operation, subresource, namespace, name, object }: AdmissionRequest): Promise<void> {
    if (kind.group !== "" || kind.plural !== "pods" || operation !== "CREATE" || subresource !== undefined) return;
    const spec = object?.spec;
    if (!isFields(spec)) return;
    const said = spec.serviceAccountName;
    const account = typeof said === "string" && said !== "" ? said : "default";
    const entry = await this.#storage.get(objectKey(serviceAccounts, namespace, account));
    if (entry === undefined) {
      if (account === "default") return;
      throw new StatusError(
        403,
        "Forbidden",
        `${qualifiedResource(kind)} "${name}" is forbidden: error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`,
        { name, group: kind.group, kind: kind.plural },
      );
    }
    const { imagePullSecrets } = entry.object;
    if (Array.isArray(imagePullSecrets) && imagePullSecrets.length > 0 && spec.imagePullSecrets === undefined)
      spec.imagePullSecrets = structuredClone(imagePullSecrets);
  }
}
