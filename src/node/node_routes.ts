import type { Client } from "../client/client.ts";
import { Informer } from "../client/informer.ts";
import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { type Node, nodeKind } from "../kinds/core/node.ts";
import type { Observed } from "../kinds/kind.ts";
import type { NodeRoute, PodNetwork } from "./pod_network_link.ts";

export interface NodeRoutesOptions {
  readonly client: Client;
  readonly podNetwork: Pick<PodNetwork, "setRoutes">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nodeName: string;
}

const tryAgainMs = 5000;

/** The ways to the pods of all nodes but `own`, sorted by network. */
export function routesOf(nodes: readonly Observed<Node>[], own: string): NodeRoute[] {
  return nodes
    .flatMap(({ metadata, spec, status }) => {
      const via = status.addresses?.find(({ type }) => type === "InternalIP")?.address;
      return metadata.name === own || !spec.podCIDR || via === undefined ? [] : [{ podCidr: spec.podCIDR, via }];
    })
    .sort((a, b) => (a.podCidr < b.podCidr ? -1 : 1));
}

/** Keeps the ways to other nodes' pods as the Nodes say. A route that cannot be set is tried again, and told of once. */
export async function runNodeRoutes(options: NodeRoutesOptions, signal: AbortSignal): Promise<void> {
  const { client, podNetwork, clock, random, log, nodeName } = options;
  const nodes = new Informer(nodeKind, { client, clock, random, log });
  let wake = () => {};
  const changed = () => wake();
  nodes.on({ add: changed, update: changed, delete: changed });
  signal.addEventListener("abort", changed, { once: true });
  const running = nodes.run(signal);
  await Promise.race([nodes.synced, running]);
  let set = "none yet";
  let complaint = "";
  while (!signal.aborted) {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const routes = routesOf(nodes.list(), nodeName);
    const wanted = JSON.stringify(routes);
    if (wanted === set) {
      await woken;
      continue;
    }
    try {
      await podNetwork.setRoutes(routes);
      set = wanted;
      complaint = "";
    } catch (error) {
      const text = describeError(error);
      if (text !== complaint)
        log.warn("pods of other nodes cannot be reached: the nodes must share a network; trying again", {
          error: text,
        });
      complaint = text;
      await Promise.race([woken, sleep(clock, tryAgainMs, signal)]);
    }
  }
  await running;
}
