import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { type ConfigMap, configMapKind } from "../kinds/core/config_map.ts";
import { namespaceKind } from "../kinds/core/namespace.ts";
import { type ServiceAccount, serviceAccountKind } from "../kinds/core/service_account.ts";
import type { Observed } from "../kinds/kind.ts";
import { isAlreadyExists, StatusError } from "../kinds/status_error.ts";
import type { ControlContext } from "./context.ts";

export const rootCaName = "kube-root-ca.crt";

/**
 * Gives every namespace its ServiceAccount "default" and, when the cluster's authority is given, the ConfigMap that pods check
 * the API server's certificate with; both come back when they are deleted.
 */
export function runServiceAccountController(
  context: ControlContext & { readonly clusterCaPem?: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock, clusterCaPem } = context;
  const namespaces = informers.of(namespaceKind);
  const accounts = informers.of(serviceAccountKind);
  const configMaps = informers.of(configMapKind);
  const queue = new WorkQueue(clock);
  namespaces.on({ add: (each) => queue.add(keyOf(each)), update: (each) => queue.add(keyOf(each)) });
  const enqueueNamespace = ({ metadata }: Observed<ServiceAccount> | Observed<ConfigMap>) => {
    if (metadata.name === "default" || metadata.name === rootCaName) queue.add(metadata.namespace ?? "");
  };
  accounts.on({ delete: enqueueNamespace });
  configMaps.on({ update: enqueueNamespace, delete: enqueueNamespace });

  const reconcile: ControllerOptions["reconcile"] = async (name) => {
    const namespace = namespaces.get(undefined, name);
    if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return;
    if (accounts.get(name, "default") === undefined)
      await ensure(() => client.create(serviceAccountKind, { metadata: { namespace: name, name: "default" } }));
    if (clusterCaPem === undefined) return;
    const existing = configMaps.get(name, rootCaName);
    const data = { "ca.crt": clusterCaPem };
    const metadata = {
      namespace: name,
      name: rootCaName,
      annotations: {
        "kubernetes.io/description":
          "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
      },
    };
    if (existing === undefined) await ensure(() => client.create(configMapKind, { metadata, data }));
    else if (existing.data?.["ca.crt"] !== clusterCaPem)
      await client.patch(configMapKind, existing.metadata, "application/merge-patch+json", { data });
  };

  const synced = [namespaces.synced, accounts.synced, configMaps.synced];
  return runController({ ...context, name: "serviceaccount-controller", queue, synced, reconcile }, signal);
}

/** That it is there already, or that the namespace is on its way out, is as good. */
async function ensure(create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (error) {
    const terminating = error instanceof StatusError && error.code === 403;
    if (!isAlreadyExists(error) && !terminating) throw error;
  }
}
