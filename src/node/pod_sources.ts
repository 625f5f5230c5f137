/** The objects of the API that a pod's environment and volumes refer to, read when they are needed. */
import type { Client } from "../client/client.ts";
import { type ConfigMap, configMapKind } from "../kinds/core/config_map.ts";
import type { Pod } from "../kinds/core/pod.ts";
import { type Secret, secretKind } from "../kinds/core/secret.ts";
import { type Service, serviceKind } from "../kinds/core/service.ts";
import type { Kind, KubeObject, Observed } from "../kinds/kind.ts";
import { isNotFound } from "../kinds/status_error.ts";
import type { RegistryLogin } from "./container_runtime.ts";
import { type EnvironmentSources, environmentReferences } from "./pod_environment.ts";
import { volumeReferences } from "./pod_volumes.ts";
import { loginFor } from "./registry_login.ts";

export interface SourcesOptions {
  readonly client: Client;
  readonly nodeIp: string;
  readonly allocatable: EnvironmentSources["allocatable"];
}

async function find<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  namespace: string,
  name: string,
): Promise<Observed<T> | undefined> {
  try {
    return await client.get(kind, { namespace, name });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The login for the registry of `image` among the pod's imagePullSecrets; a secret that is missing is passed over. */
export async function readLogin(client: Client, pod: Observed<Pod>, image: string): Promise<RegistryLogin | undefined> {
  const names = (pod.spec.imagePullSecrets ?? []).flatMap(({ name }) => name ?? []);
  const found = await Promise.all(
    names.map((name) => find(client, secretKind, pod.metadata.namespace ?? "default", name)),
  );
  return loginFor(
    image,
    found.filter((secret) => secret !== undefined),
  );
}

/** Rejects with StatusError when the API does not answer. */
export async function readSources(
  options: SourcesOptions,
  pod: Observed<Pod>,
  podIp: string,
): Promise<EnvironmentSources> {
  const { client, nodeIp, allocatable } = options;
  const namespace = pod.metadata.namespace ?? "default";
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const references = [volumeReferences(pod.spec.volumes ?? []), ...containers.map(environmentReferences)];
  const configMaps = new Map<string, Observed<ConfigMap>>();
  const secrets = new Map<string, Observed<Secret>>();
  let services: readonly Observed<Service>[] = [];
  const readServices = async () => {
    if (pod.spec.enableServiceLinks === false) return;
    const [own, kubernetes] = await Promise.all([
      client.list(serviceKind, { namespace }),
      namespace === "default" ? undefined : find(client, serviceKind, "default", "kubernetes"),
    ]);
    services = [...(kubernetes ? [kubernetes] : []), ...own.items];
  };
  await Promise.all([
    ...[...new Set(references.flatMap((one) => one.configMaps))].map(async (name) => {
      const found = await find(client, configMapKind, namespace, name);
      if (found) configMaps.set(name, found);
    }),
    ...[...new Set(references.flatMap((one) => one.secrets))].map(async (name) => {
      const found = await find(client, secretKind, namespace, name);
      if (found) secrets.set(name, found);
    }),
    readServices(),
  ]);
  return {
    pod,
    configMap: (name) => configMaps.get(name),
    secret: (name) => secrets.get(name),
    services,
    podIp,
    nodeIp,
    allocatable,
  };
}
