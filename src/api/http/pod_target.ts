import { badRequest, StatusError } from "../../kinds/status_error.ts";
import { authorize } from "../authorization.ts";
import type { KubeletLink, PodRef } from "../kubelet_link.ts";
import { arrayAt, recordAt, stringAt } from "./json_value.ts";
import type { HttpOptions } from "./options.ts";
import type { ResourceRequest } from "./resource_routes.ts";

/** A pod that somebody wants a stream of. */
export interface PodTarget {
  readonly pod: unknown;
  readonly ref: PodRef;
  /** "" before it is scheduled. */
  readonly nodeName: string;
}

/** Authorizes `verb` on the pod's subresource and reads the pod. */
export async function podTarget(options: HttpOptions, resource: ResourceRequest, verb: string): Promise<PodTarget> {
  const { identity, path } = resource;
  const { namespace = "", name = "", subresource } = path;
  await authorize(options.authorizer, {
    identity,
    verb,
    group: "",
    resource: "pods",
    subresource,
    namespace,
    name,
  });
  const { object: pod } = await options.core.call({
    // Who may read a pod's log need not be allowed to read the pod: the server itself looks it up.
    identity: { name: "system:apiserver", groups: ["system:masters"] },
    verb: "get",
    resource: { group: "", version: "v1", plural: "pods" },
    namespace,
    name,
    query: {},
  });
  const uid = stringAt(recordAt(pod, "metadata"), "uid");
  return { pod, ref: { namespace, name, uid }, nodeName: stringAt(recordAt(pod, "spec"), "nodeName") };
}

/** The kubelet of the pod's node. */
export function kubeletOf(options: HttpOptions, { ref, nodeName }: PodTarget): KubeletLink {
  if (nodeName === "") throw badRequest(`pod ${ref.name} does not have a host assigned`);
  const kubelet = options.kubelets(nodeName);
  if (!kubelet)
    throw new StatusError(
      503,
      "ServiceUnavailable",
      `cannot reach the kubelet of node ${JSON.stringify(nodeName)}, where pod ${ref.namespace}/${ref.name} runs`,
      {},
    );
  return kubelet;
}

/** The container that is meant: the one that is named, or the only one. Kubernetes' words otherwise. */
export function chooseContainer({ pod, ref }: PodTarget, wanted: string | null): string {
  const spec = recordAt(pod, "spec");
  const names = (key: string) => arrayAt(spec, key).map((container) => stringAt(container, "name"));
  const containers = names("containers");
  // In the order in which the API server walks a pod: init containers, containers, ephemeral ones.
  const all = [...names("initContainers"), ...containers, ...names("ephemeralContainers")];
  if (wanted !== null && wanted !== "") {
    if (!all.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${ref.name}`);
    return wanted;
  }
  const [only] = containers;
  if (containers.length === 1 && only !== undefined) return only;
  throw badRequest(`a container name must be specified for pod ${ref.name}, choose one of: [${all.join(" ")}]`);
}
