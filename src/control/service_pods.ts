import type { Informer } from "../client/informer.ts";
import { keyOf } from "../client/object.ts";
import type { WorkQueue } from "../client/workqueue.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Service, ServicePort } from "../kinds/core/service.ts";
import type { Observed } from "../kinds/kind.ts";
import { matchesMap } from "../kinds/label_selector.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import type { ObservedPod } from "./pod_state.ts";

export type ObservedService = Observed<Service>;

/** Whether the cluster keeps the endpoints of this Service; without a selector its owner does. */
export function hasManagedEndpoints(service: ObservedService): boolean {
  return service.spec.type !== "ExternalName" && Object.keys(service.spec.selector ?? {}).length > 0;
}

export function isHeadless(service: ObservedService): boolean {
  return service.spec.clusterIP === "None";
}

export function podsOf(service: ObservedService, pods: Informer<Pod>): ObservedPod[] {
  return pods
    .list(service.metadata.namespace ?? "")
    .filter((pod) => matchesMap(service.spec.selector, pod.metadata.labels));
}

/** Queues every Service whose endpoints a change of a pod may touch. */
export function queueServicesOfPods(pods: Informer<Pod>, services: Informer<Service>, queue: WorkQueue): void {
  const enqueue = (pod: ObservedPod) => {
    for (const service of services.list(pod.metadata.namespace ?? ""))
      if (hasManagedEndpoints(service) && matchesMap(service.spec.selector, pod.metadata.labels))
        queue.add(keyOf(service));
  };
  pods.on({
    add: enqueue,
    update: (pod, old) => {
      if (old.metadata.labels !== pod.metadata.labels) enqueue(old);
      enqueue(pod);
    },
    delete: enqueue,
  });
}

/** The number of a Service's port in a pod; undefined where a named one is not there. */
export function targetPort(pod: ObservedPod, port: DeepReadonly<ServicePort>): number | undefined {
  const target = port.targetPort;
  if (target === undefined || target === 0 || target === "") return port.port;
  if (typeof target === "number") return target;
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const { name, containerPort, protocol = "TCP" } of container.ports ?? [])
      if (name === target && protocol === (port.protocol ?? "TCP")) return containerPort;
  }
  return undefined;
}

/** A pod's own DNS name under a headless Service. */
export function hostnameIn(service: ObservedService, pod: ObservedPod): string | undefined {
  return pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined;
}

/** Equal for equal ports. */
export function portsKey(
  ports: readonly {
    readonly name?: string | undefined;
    readonly port?: number | undefined;
    readonly protocol?: string | undefined;
    readonly appProtocol?: string | undefined;
  }[],
): string {
  return ports.map(({ name, port, protocol, appProtocol }) => `${port}/${protocol}/${name}/${appProtocol}`).join(",");
}
