import { createApiCore } from "../api/registry/api_core.ts";
import { ensureSystemObjects } from "../api/registry/system_objects.ts";
import { Client } from "../client/client.ts";
import { Informers } from "../client/informers.ts";
import type { Transport } from "../client/transport.ts";
import { playNode } from "../control/cluster.test_support.ts";
import { startControllers } from "../control/controllers.ts";
import { startScheduler } from "../control/scheduler/scheduler.ts";
import { rfc3339, rfc3339Micro, sleep } from "../env/clock.ts";
import { componentIdentity, inProcessTransport } from "../in_process_transport.ts";
import { allKinds } from "../kinds/all.ts";
import { leaseKind } from "../kinds/coordination/lease.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { editable } from "../kinds/kind.ts";
import { KindRegistry } from "../kinds/registry.ts";
import { openEmbeddedStore } from "../store/embedded_store.ts";
import { SimulatedDisk } from "./disk.ts";
import type { Simulation } from "./simulation.ts";

export interface ControlPlaneOptions {
  /** Virtual milliseconds until a pod is ready on its node. */
  readonly readyAfterMs?: () => number | undefined;
  /** Sees every request of the controllers and the scheduler. */
  readonly onCall?: (line: string) => void;
}

/** The real store, API, controllers and scheduler in virtual time; nodes are played. */
export async function startControlPlane(sim: Simulation, options: ControlPlaneOptions = {}) {
  const { clock, log } = sim;
  const random = sim.random.fork();
  const disk = new SimulatedDisk({ random: sim.random.fork() });
  const opening = openEmbeddedStore({ disk, clock, random, log, directory: "/data/store" });
  const store = await clock.complete(opening, 60_000, "the store");
  const core = createApiCore({
    store,
    kinds: new KindRegistry(allKinds),
    clock,
    random,
    log,
    serviceCidr: "10.43.0.0/16",
    nodePortRange: { first: 30_000, last: 32_767 },
  });
  const system = { serviceCidr: "10.43.0.0/16", addresses: ["192.0.2.1"], port: 6443 };
  await clock.complete(ensureSystemObjects(core, system), 60_000, "the system's objects");
  const transportOf = (name: string) => inProcessTransport(core, componentIdentity(name, "system:masters"), name);
  const client = new Client(transportOf("test"));
  const watched = (name: string) => new Client(observed(transportOf(name), options.onCall));
  const context = { clock, random, log };
  const controllers = { ...context, client: watched("system:kube-controller-manager") };
  startControllers({ ...controllers, clusterCidr: "10.42.0.0/16", clusterCaPem: "the authority" }, sim.signal);
  startScheduler({ ...context, client: watched("system:kube-scheduler") }, sim.signal);
  const informers = new Informers({ ...context, client });
  informers.start(sim.signal);

  /** What takes virtual time where a test runs it. */
  const now = <T>(work: Promise<T>) => clock.complete(work, 60_000);
  return {
    client,
    informers,
    core,
    store,
    clock,
    now,
    /** A node that renews its Lease and runs pods until the returned function is called. */
    async addNode(name: string) {
      const node = await now(
        client.create(nodeKind, {
          metadata: { name, labels: { "kubernetes.io/hostname": name } },
          spec: { taints: [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }] },
        }),
      );
      const lost = new AbortController();
      sim.signal.addEventListener("abort", () => lost.abort(), { once: true });
      playNode(
        { client, informers, clock },
        { nodeName: name, binds: false, readyAfterMs: options.readyAfterMs ?? (() => 1000) },
      );
      const copy = editable(await now(client.get(nodeKind, { name: node.metadata.name })));
      const time = rfc3339(clock.now());
      const amounts = { cpu: "4", memory: "8Gi", pods: "110" };
      copy.status = {
        ...copy.status,
        capacity: amounts,
        allocatable: amounts,
        conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: time, lastTransitionTime: time }],
      };
      await now(client.updateStatus(nodeKind, copy));
      const beat = async () => {
        const place = { namespace: "kube-node-lease", name };
        await client.create(leaseKind, { metadata: place, spec: { holderIdentity: name } });
        while (!lost.signal.aborted) {
          const body = { spec: { renewTime: rfc3339Micro(clock.now()) } };
          await client.patch(leaseKind, place, "application/merge-patch+json", body);
          await sleep(clock, 10_000, lost.signal);
        }
      };
      beat().catch((error: unknown) => log.warn("A played node stopped", { error: String(error) }));
      return () => lost.abort();
    },
  };
}

function observed(transport: Transport, onCall: ControlPlaneOptions["onCall"]): Transport {
  return {
    send(call, signal) {
      const { verb, resource, subresource, namespace, name } = call;
      onCall?.([verb, resource.plural, subresource, namespace, name].filter(Boolean).join(" "));
      return transport.send(call, signal);
    },
    watch: (call, signal) => transport.watch(call, signal),
  };
}
