import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { nodeKind } from "../kinds/core/node.ts";
import { type ControlContext, eventRecorder } from "./context.ts";

const nodePrefix = 24;

/** The first /24 of `clusterCidr` ("10.42.0.0/16") that is not in `taken`; undefined when all are. */
export function freePodCidr(clusterCidr: string, taken: ReadonlySet<string>): string | undefined {
  const [address = "", length = ""] = clusterCidr.split("/");
  const prefix = Number(length);
  const base = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - nodePrefix);
  for (let n = 0; n < 2 ** (nodePrefix - prefix); n++) {
    const start = base + n * size;
    const text = [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join(".");
    const cidr = `${text}/${nodePrefix}`;
    if (!taken.has(cidr)) return cidr;
  }
  return undefined;
}

/** Gives each node its own part of the pods' network: spec.podCIDR. One worker, so that no part is given twice. */
export function runNodeIpamController(
  context: ControlContext & { readonly clusterCidr: string },
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock, clusterCidr } = context;
  const nodes = informers.of(nodeKind);
  const events = eventRecorder(context, "cidrAllocator");
  const queue = new WorkQueue(clock);
  /** Given out, by node, also where the cache does not show it yet. */
  const given = new Map<string, string>();
  nodes.on({
    add: (node) => {
      if (node.spec.podCIDR) given.set(node.metadata.name, node.spec.podCIDR);
      queue.add(keyOf(node));
    },
    update: (node) => queue.add(keyOf(node)),
    delete: (node) => given.delete(node.metadata.name),
  });

  const reconcile: ControllerOptions["reconcile"] = async (name) => {
    const node = nodes.get(undefined, name);
    if (node === undefined || node.spec.podCIDR || node.metadata.deletionTimestamp !== undefined) return;
    const taken = new Set([...given.values(), ...nodes.list().flatMap(({ spec }) => spec.podCIDR ?? [])]);
    const podCIDR = given.get(name) ?? freePodCidr(clusterCidr, taken);
    if (podCIDR === undefined) {
      events.report(node, "Normal", "CIDRNotAvailable", `Node ${name} status is now: CIDRNotAvailable`);
      throw new Error(`Cannot give node "${name}" a pod network: every /${nodePrefix} of ${clusterCidr} is taken`);
    }
    given.set(name, podCIDR);
    await client.patch(nodeKind, { name }, "application/merge-patch+json", {
      metadata: { uid: node.metadata.uid },
      spec: { podCIDR, podCIDRs: [podCIDR] },
    });
  };

  return runController({ ...context, name: "node-ipam-controller", queue, synced: [nodes.synced], reconcile }, signal);
}
