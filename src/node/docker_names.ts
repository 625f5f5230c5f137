/** Names and labels of containers, as cri-dockerd and dockershim write them, plus the ones that say a container is ours. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export const labels = {
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  podUid: "io.kubernetes.pod.uid",
  containerName: "io.kubernetes.container.name",
  type: "io.kubernetes.docker.type",
  /** The cluster's uid: only containers that carry ours are listed, stopped or removed. */
  cluster: "io.wherry.cluster",
  attempt: "io.wherry.attempt",
  sandbox: "io.wherry.sandbox",
  podAddress: "io.wherry.pod-address",
  image: "io.wherry.image",
  shareProcesses: "io.wherry.share-processes",
} as const;

/** The sandbox's container name in names and labels. */
export const sandboxName = "POD";

export function containerNameOf(container: string, pod: PodIdentity, attempt: number): string {
  return `k8s_${container}_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`;
}
