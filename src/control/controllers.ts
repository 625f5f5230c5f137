import type { Client } from "../client/client.ts";
import { Informers } from "../client/informers.ts";
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { allKinds } from "../kinds/all.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { runDeploymentController } from "./deployment.ts";
import { runEndpointSliceController } from "./endpoint_slice.ts";
import { runEndpointsController } from "./endpoints.ts";
import { runGarbageCollector } from "./garbage_collector.ts";
import { runNamespaceController } from "./namespace.ts";
import { runNodeIpamController } from "./node_ipam.ts";
import { runNodeLifecycleController } from "./node_lifecycle.ts";
import { runPodGarbageCollector } from "./pod_garbage.ts";
import { runReplicaSetController } from "./replica_set.ts";
import { runServiceAccountController } from "./service_account.ts";
import { runTaintEvictionController } from "./taint_eviction.ts";

export interface ControllersOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** "10.42.0.0/16": nodes get a /24 of it each. */
  readonly clusterCidr: string;
  /** PEM; given, every namespace gets the ConfigMap kube-root-ca.crt. */
  readonly clusterCaPem?: string | undefined;
  /** See node_lifecycle.ts. */
  readonly isServerReachable?: (nodeName: string) => boolean | undefined;
  /** Default: every kind that the server has. */
  readonly kinds?: () => readonly AnyKind[];
}

/**
 * Runs every controller, on shared informers, until `signal` is aborted; resolves when the last one has ended. Where there are
 * several servers, only the leader's may run: give it a client whose transport compares the term with each write.
 */
export async function startControllers(options: ControllersOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, random, log } = options;
  const informers = new Informers({ client, clock, random, log });
  const context = { kinds: () => allKinds, ...options, informers };
  const running = [
    runNodeIpamController(context, signal),
    runNodeLifecycleController(context, signal),
    runTaintEvictionController(context, signal),
    runServiceAccountController(context, signal),
    runDeploymentController(context, signal),
    runReplicaSetController(context, signal),
    runEndpointSliceController(context, signal),
    runEndpointsController(context, signal),
    runNamespaceController(context, signal),
    runPodGarbageCollector(context, signal),
    runGarbageCollector(context, signal),
  ];
  informers.start(signal);
  await Promise.all(running);
  await informers.ended();
}
