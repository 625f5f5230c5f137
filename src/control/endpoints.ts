import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf, splitKey } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import {
  type EndpointAddress,
  type EndpointPort,
  type EndpointSubset,
  type Endpoints,
  endpointsKind,
} from "../kinds/core/endpoints.ts";
import { podKind } from "../kinds/core/pod.ts";
import { serviceKind } from "../kinds/core/service.ts";
import { editable } from "../kinds/kind.ts";
import { isAlreadyExists } from "../kinds/status_error.ts";
import type { ControlContext } from "./context.ts";
import { headlessLabel } from "./endpoint_slice_plan.ts";
import { isPodReady, isPodTerminal, type ObservedPod } from "./pod_state.ts";
import { same } from "./same.ts";
import {
  hasManagedEndpoints,
  hostnameIn,
  isHeadless,
  type ObservedService,
  podsOf,
  portsKey,
  queueServicesOfPods,
  targetPort,
} from "./service_pods.ts";

const managedByLabel = "endpoints.kubernetes.io/managed-by";
const managedBy = "endpoint-controller";

/** What the older Endpoints object of a Service shall hold: pods grouped by the set of ports they offer. */
export function endpointsOf(service: ObservedService, pods: readonly ObservedPod[]): Endpoints {
  const everyone = service.spec.publishNotReadyAddresses === true;
  const groups = new Map<string, { readonly ports: EndpointPort[]; readonly pods: ObservedPod[] }>();
  for (const pod of pods) {
    const isThere = everyone || pod.metadata.deletionTimestamp === undefined;
    if (!pod.status.podIP || isPodTerminal(pod) || !isThere) continue;
    const ports = portsOf(service, pod);
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const key = portsKey(ports);
    const group = groups.get(key) ?? { ports, pods: [] };
    group.pods.push(pod);
    groups.set(key, group);
  }
  const { name, namespace, labels } = service.metadata;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...labels, [managedByLabel]: managedBy, ...(isHeadless(service) ? { [headlessLabel]: "" } : {}) },
    },
    subsets: [...groups.keys()].sort().flatMap((key) => {
      const group = groups.get(key);
      return group === undefined ? [] : [subsetOf(service, group.ports, group.pods, everyone)];
    }),
  };
}

function portsOf(service: ObservedService, pod: ObservedPod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name, protocol = "TCP", appProtocol } = port;
    return [
      { ...(name ? { name } : {}), port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) },
    ];
  });
}

function subsetOf(
  service: ObservedService,
  ports: EndpointPort[],
  pods: readonly ObservedPod[],
  everyone: boolean,
): EndpointSubset {
  const ready: EndpointAddress[] = [];
  const notReady: EndpointAddress[] = [];
  for (const pod of pods) (everyone || isPodReady(pod) ? ready : notReady).push(addressOf(service, pod));
  const byIp = (a: EndpointAddress, b: EndpointAddress) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0);
  return {
    ...(ready.length > 0 ? { addresses: ready.sort(byIp) } : {}),
    ...(notReady.length > 0 ? { notReadyAddresses: notReady.sort(byIp) } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  };
}

function addressOf(service: ObservedService, pod: ObservedPod): EndpointAddress {
  const { namespace, name, uid } = pod.metadata;
  const hostname = hostnameIn(service, pod);
  return {
    ip: pod.status.podIP ?? "",
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: "Pod", ...(namespace === undefined ? {} : { namespace }), name, uid },
  };
}

/** Keeps the Endpoints of Services with a selector, for clients that do not read EndpointSlices. */
export function runEndpointsController(context: ControlContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = context;
  const services = informers.of(serviceKind);
  const pods = informers.of(podKind);
  const endpoints = informers.of(endpointsKind);
  const queue = new WorkQueue(clock);
  const enqueue = (object: Parameters<typeof keyOf>[0]) => queue.add(keyOf(object));
  services.on({ add: enqueue, update: enqueue, delete: enqueue });
  endpoints.on({ add: enqueue, update: enqueue, delete: enqueue });
  queueServicesOfPods(pods, services, queue);

  const reconcile: ControllerOptions["reconcile"] = async (key) => {
    const { namespace, name } = splitKey(key);
    const service = services.get(namespace, name);
    const existing = endpoints.get(namespace, name);
    if (service === undefined) {
      if (existing?.metadata.labels?.[managedByLabel] === managedBy)
        await client.delete(endpointsKind, { namespace, name }, { preconditions: { uid: existing.metadata.uid } });
      return;
    }
    if (!hasManagedEndpoints(service) || service.metadata.deletionTimestamp !== undefined) return;
    const wanted = endpointsOf(service, podsOf(service, pods));
    if (existing === undefined) {
      try {
        await client.create(endpointsKind, wanted);
      } catch (error) {
        // The cache is behind: its event will call again.
        if (!isAlreadyExists(error)) throw error;
      }
      return;
    }
    const labels = wanted.metadata?.labels;
    if (same(existing.subsets ?? [], wanted.subsets) && same(existing.metadata.labels, labels)) return;
    const copy = editable(existing);
    copy.metadata.labels = labels;
    copy.subsets = wanted.subsets;
    await client.update(endpointsKind, copy);
  };

  const synced = [services.synced, pods.synced, endpoints.synced];
  return runController({ ...context, name: "endpoints-controller", queue, synced, workers: 5, reconcile }, signal);
}
