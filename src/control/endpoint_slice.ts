import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf, splitKey } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { serviceKind } from "../kinds/core/service.ts";
import { type EndpointSlice, endpointSliceKind } from "../kinds/discovery/endpoint_slice.ts";
import type { Observed } from "../kinds/kind.ts";
import { isNotFound } from "../kinds/status_error.ts";
import type { ControlContext } from "./context.ts";
import { managedBy, managedByLabel, planEndpointSlices, serviceNameLabel } from "./endpoint_slice_plan.ts";
import { Pending } from "./pending.ts";
import { hasManagedEndpoints, type ObservedService, podsOf, queueServicesOfPods } from "./service_pods.ts";

/** Keeps the EndpointSlices of Services with a selector. The decisions are in endpoint_slice_plan.ts. */
export function runEndpointSliceController(context: ControlContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = context;
  const services = informers.of(serviceKind);
  const pods = informers.of(podKind);
  const slices = informers.of(endpointSliceKind);
  const nodes = informers.of(nodeKind);
  const byService = "service";
  slices.addIndex(byService, ownServiceKeys);
  const queue = new WorkQueue(clock);
  const pending = new Pending(slices);

  const enqueue = (service: ObservedService) => queue.add(keyOf(service));
  services.on({ add: enqueue, update: enqueue, delete: enqueue });
  queueServicesOfPods(pods, services, queue);
  const enqueueService = (slice: Observed<EndpointSlice>) => {
    for (const key of ownServiceKeys(slice)) queue.add(key);
  };
  slices.on({
    add: enqueueService,
    update: (slice, old) => {
      enqueueService(old);
      enqueueService(slice);
    },
    delete: enqueueService,
  });

  const reconcile: ControllerOptions["reconcile"] = async (key) => {
    const { namespace, name } = splitKey(key);
    const service = services.get(namespace, name);
    if (service === undefined) {
      // Its slices are garbage then: the collector takes them.
      pending.forget(key);
      return;
    }
    if (!hasManagedEndpoints(service) || service.metadata.deletionTimestamp !== undefined) return;
    if (!pending.isSettled(key)) return { requeueAfterMs: 1000 };
    const existing = slices.byIndex(byService, key).filter(({ metadata }) => !pending.isBeingDeleted(metadata.uid));
    const plan = planEndpointSlices({
      service,
      pods: podsOf(service, pods),
      slices: existing,
      node: (nodeName) => nodes.get(undefined, nodeName),
    });
    // First what takes endpoints out or in of slices that are there: a pod that ends must be gone at once.
    for (const slice of plan.update) await client.update(endpointSliceKind, slice);
    for (const slice of plan.create) pending.created(key, await client.create(endpointSliceKind, slice));
    for (const { metadata } of plan.remove) {
      pending.deleting(metadata.uid);
      try {
        await client.delete(endpointSliceKind, metadata, { preconditions: { uid: metadata.uid } });
      } catch (error) {
        pending.deletionFailed(metadata.uid);
        if (!isNotFound(error)) throw error;
      }
    }
    return undefined;
  };

  const synced = [services.synced, pods.synced, slices.synced, nodes.synced];
  return runController({ ...context, name: "endpointslice-controller", queue, synced, workers: 5, reconcile }, signal);
}

function ownServiceKeys(slice: Observed<EndpointSlice>): string[] {
  const labels = slice.metadata.labels ?? {};
  const service = labels[serviceNameLabel];
  return service !== undefined && labels[managedByLabel] === managedBy
    ? [`${slice.metadata.namespace}/${service}`]
    : [];
}
