import { deploymentKind } from "./apps/deployment.ts";
import { replicaSetKind } from "./apps/replica_set.ts";
import { leaseKind } from "./coordination/lease.ts";
import { bindingKind } from "./core/binding.ts";
import { configMapKind } from "./core/config_map.ts";
import { endpointsKind } from "./core/endpoints.ts";
import { eventKind } from "./core/event.ts";
import { namespaceKind } from "./core/namespace.ts";
import { nodeKind } from "./core/node.ts";
import { podKind } from "./core/pod.ts";
import { secretKind } from "./core/secret.ts";
import { serviceKind } from "./core/service.ts";
import { serviceAccountKind } from "./core/service_account.ts";
import { endpointSliceKind } from "./discovery/endpoint_slice.ts";
import type { AnyKind } from "./kind.ts";

/** Every kind that the server serves. A new kind is its file and its line here. */
export const allKinds: readonly AnyKind[] = [
  podKind,
  nodeKind,
  namespaceKind,
  serviceKind,
  endpointsKind,
  configMapKind,
  secretKind,
  serviceAccountKind,
  eventKind,
  bindingKind,
  replicaSetKind,
  deploymentKind,
  endpointSliceKind,
  leaseKind,
];
