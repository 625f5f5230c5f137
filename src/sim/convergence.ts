import { isPodReady } from "../control/pod_state.ts";
import { deploymentKind } from "../kinds/apps/deployment.ts";
import { replicaSetKind } from "../kinds/apps/replica_set.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { serviceKind } from "../kinds/core/service.ts";
import type { SimulatedNode } from "./node.ts";

/** What is not yet as the API says that it shall be; nothing when the node is at rest. */
export async function unfinished(node: SimulatedNode): Promise<string[]> {
  const { client, engine, network, proxy } = node;
  const namespace = "default";
  const [nodes, deployments, replicaSets, pods, services] = await Promise.all([
    client.list(nodeKind),
    client.list(deploymentKind, { namespace }),
    client.list(replicaSetKind, { namespace }),
    client.list(podKind, { namespace }),
    client.list(serviceKind, { namespace }),
  ]);
  const found: string[] = [];
  for (const { metadata, status } of nodes.items) {
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.status !== "True") found.push(`node ${metadata.name} is not ready: ${ready?.message}`);
  }
  let wanted = 0;
  for (const { metadata, spec, status } of deployments.items) {
    const replicas = spec.replicas ?? 1;
    wanted += replicas;
    const counts = [status.replicas, status.updatedReplicas, status.readyReplicas, status.availableReplicas];
    if (status.observedGeneration !== metadata.generation || counts.some((count = 0) => count !== replicas))
      found.push(`deployment ${metadata.name} wants ${replicas}: ${JSON.stringify(status)}`);
  }
  const uids = new Set(deployments.items.map(({ metadata }) => metadata.uid));
  for (const { metadata } of replicaSets.items)
    if (!metadata.ownerReferences?.some(({ uid }) => uids.has(uid)))
      found.push(`replica set ${metadata.name} is an orphan`);
  if (pods.items.length !== wanted) found.push(`${pods.items.length} pods are there, wanted are ${wanted}`);
  for (const pod of pods.items)
    if (!isPodReady(pod)) found.push(`pod ${pod.metadata.name} is not ready: ${JSON.stringify(pod.status)}`);

  // What runs is what the API knows, once each.
  const known = new Map(pods.items.map((pod) => [pod.metadata.uid, pod]));
  const running = new Map<string, number>();
  for (const { config, state } of engine.containers.values()) {
    const pod = known.get(config.pod.uid);
    if (!pod) found.push(`container ${config.name} of the pod ${config.pod.name}, which is gone, is still there`);
    if (state === "running") running.set(config.pod.uid, (running.get(config.pod.uid) ?? 0) + 1);
  }
  for (const { config } of engine.sandboxes.values())
    if (!known.has(config.pod.uid))
      found.push(`the sandbox of the pod ${config.pod.name}, which is gone, is still there`);
  for (const [uid, { metadata, spec }] of known) {
    const live = running.get(uid) ?? 0;
    if (live !== spec.containers.length) found.push(`of the pod ${metadata.name} ${live} containers run`);
    const sandboxes = [...engine.sandboxes.values()].filter(
      ({ config, state }) => config.pod.uid === uid && state === "running",
    );
    if (sandboxes.length !== 1) found.push(`the pod ${metadata.name} has ${sandboxes.length} running sandboxes`);
  }
  for (const uid of network.wired().keys())
    if (!known.has(uid)) found.push(`the network of the pod ${uid}, which is gone, is still there`);

  // The proxy leads to the ready pods, and to nothing else.
  for (const { metadata, spec } of services.items) {
    if (spec.selector === undefined) continue;
    const selector = Object.entries(spec.selector);
    const ready = pods.items
      .filter((pod) => selector.every(([key, value]) => pod.metadata.labels?.[key] === value))
      .map(({ status }) => status.podIP ?? "")
      .sort();
    const listener = proxy.listener(spec.clusterIP ?? "", spec.ports?.[0]?.port ?? 0);
    const offered = listener?.endpoints.map(({ address }) => address).sort();
    if (String(offered) !== String(ready))
      found.push(`service ${metadata.name} leads to ${offered}, its pods are ${ready}`);
    for (const address of offered ?? [])
      if (!node.answers(address)) found.push(`service ${metadata.name} leads to ${address}, where nobody listens`);
  }
  const addresses = new Set(services.items.map(({ spec }) => spec.clusterIP));
  for (const { key, frontend } of proxy.state?.listeners ?? [])
    if (frontend.type === "clusterIP" && !addresses.has(frontend.address)) found.push(`the proxy still serves ${key}`);
  return found;
}
