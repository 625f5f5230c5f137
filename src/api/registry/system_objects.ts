import { isAlreadyExists, isNotFound } from "../../kinds/status_error.ts";
import type { ApiCore, CoreRequest, Identity } from "../core.ts";
import { addressText, serviceAddresses } from "./address_range.ts";

export interface SystemObjectOptions {
  readonly serviceCidr: string;
  /** Where the API servers answer: what the Service `kubernetes` leads to. */
  readonly addresses: readonly string[];
  readonly port: number;
}

const identity: Identity = { name: "system:apiserver", groups: ["system:masters"] };
const namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];
const core = { group: "", version: "v1" };

/**
 * What every cluster has from the start: four namespaces, and the Service `kubernetes` with its endpoints, which are brought
 * up to date. Safe to call at every start, and by several servers.
 */
export async function ensureSystemObjects(api: ApiCore, options: SystemObjectOptions): Promise<void> {
  for (const name of namespaces) await ensure(api, { ...core, plural: "namespaces" }, undefined, name, {});
  const { serviceCidr, addresses, port } = options;
  const labels = { component: "apiserver", provider: "kubernetes" };
  await ensure(api, { ...core, plural: "services" }, "default", "kubernetes", {
    metadata: { labels },
    spec: {
      type: "ClusterIP",
      clusterIP: addressText(serviceAddresses(serviceCidr).first),
      ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: port }],
    },
  });
  const ports = [{ name: "https", port, protocol: "TCP" }];
  await ensure(
    api,
    { ...core, plural: "endpoints" },
    "default",
    "kubernetes",
    {
      metadata: { labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
      subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports }],
    },
    true,
  );
  await ensure(
    api,
    { group: "discovery.k8s.io", version: "v1", plural: "endpointslices" },
    "default",
    "kubernetes",
    {
      metadata: { labels: { "kubernetes.io/service-name": "kubernetes" } },
      addressType: "IPv4",
      endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      ports,
    },
    true,
  );
}

async function ensure(
  api: ApiCore,
  resource: CoreRequest["resource"],
  namespace: string | undefined,
  name: string,
  object: { readonly metadata?: object; readonly [field: string]: unknown },
  update = false,
): Promise<void> {
  const body = { ...object, metadata: { ...object.metadata, name } };
  const send = (verb: "get" | "create" | "update") =>
    api.call({
      identity,
      verb,
      resource,
      namespace,
      query: {},
      ...(verb === "create" ? {} : { name }),
      ...(verb === "get" ? {} : { body: structuredClone(body) }),
    });
  try {
    await send(update ? "update" : "get");
    return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  try {
    await send("create");
  } catch (error) {
    // Another server was faster.
    if (!isAlreadyExists(error)) throw error;
  }
}
