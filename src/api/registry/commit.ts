import type { AnyKind } from "../../kinds/kind.ts";
import { isStoreError, type ObjectChange, type Outcome } from "./object_storage.ts";
import type { Registry } from "./registry.ts";

/** Writes an object, with a store lease where its kind expires. */
export async function commitObject(registry: Registry, kind: AnyKind, change: ObjectChange): Promise<Outcome> {
  const { timeToLiveSeconds } = kind;
  if (timeToLiveSeconds === undefined || change.put === undefined) return registry.storage.commit(change);
  const lease = await registry.expiry.lease(timeToLiveSeconds);
  try {
    return await registry.storage.commit({ ...change, lease });
  } catch (error) {
    if (!isStoreError(error, "LeaseNotFound")) throw error;
    await registry.expiry.forget(timeToLiveSeconds, lease);
    return registry.storage.commit({ ...change, lease: await registry.expiry.lease(timeToLiveSeconds) });
  }
}
