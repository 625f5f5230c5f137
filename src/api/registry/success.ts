import { deepFreeze } from "./object.ts";

/** metav1.Status for a request that has nothing else to show. */
export function success(details?: Readonly<Record<string, unknown>>): unknown {
  return deepFreeze({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    ...(details === undefined ? {} : { details }),
  });
}
