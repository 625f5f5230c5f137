/** Keeps the Node object and its Lease at what this kubelet knows: few writes, and at once when it matters. */
import type { Client } from "../client/client.ts";
import { type Clock, rfc3339Micro, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import { type Lease, leaseKind } from "../kinds/coordination/lease.ts";
import { type Node, nodeKind } from "../kinds/core/node.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import { isNotFound } from "../kinds/status_error.ts";
import type { ContainerRuntime, RuntimeVersion } from "./container_runtime.ts";
import type { HostFacts } from "./machine_link.ts";
import { differs, nodeLabels, nodeStatus } from "./node_status.ts";

export interface RegistrationOptions {
  readonly client: Client;
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly nodeIp: string;
  readonly podCidr: string;
  readonly kubeletVersion: string;
  readonly facts: HostFacts;
  /** Why this node cannot run pods, as far as its parts say; empty when it can. */
  problems(): readonly string[];
  /** The API says that the node is Ready, and nothing keeps pods away from it. */
  ready(): void;
}

const checkMs = 10_000;
const reportMs = 300_000;
const retryMs = 1000;
/** So long after the start, parts of the machine that have not answered yet are not held against the node. */
const settlingMs = 1000;
/** A ready node may still carry the taint of one that was not; who removes it need not be there. */
const taintLimitMs = 2000;
const taintCheckMs = 25;
const notReadyTaint = "node.kubernetes.io/not-ready";
const leaseNamespace = "kube-node-lease";
const leaseSeconds = 40;
const renewMs = 10_000;

export class NodeRegistration {
  readonly #options: RegistrationOptions;
  #version: RuntimeVersion | undefined;
  #wake: () => void = () => undefined;
  #dirty = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** The engine or the network is other than before. */
  trigger(): void {
    this.#dirty = true;
    this.#wake();
  }

  /** Never rejects; returns after `signal`. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#report(signal), this.#renew(signal)]);
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const startedMs = clock.monotonicMs();
    let reportedMs = Number.NEGATIVE_INFINITY;
    let readySinceMs: number | undefined;
    while (!signal.aborted) {
      this.#dirty = false;
      const hasProblems = this.#options.problems().length > 0;
      const settlingForMs = startedMs + settlingMs - clock.monotonicMs();
      let pauseMs = hasProblems ? retryMs : checkMs;
      try {
        // A Node that is Ready from its first moment gets no taint, and one that was Ready before a restart keeps so.
        if (hasProblems && settlingForMs > 0) pauseMs = settlingForMs;
        else {
          const force = clock.monotonicMs() - reportedMs >= reportMs;
          const { node, wrote } = await this.#reportOnce(force);
          if (wrote) reportedMs = clock.monotonicMs();
          readySinceMs = isReady(node) ? (readySinceMs ?? clock.monotonicMs()) : undefined;
          if (readySinceMs !== undefined) {
            const tainted = node.spec.taints?.some(({ key }) => key === notReadyTaint) ?? false;
            if (!tainted || clock.monotonicMs() - readySinceMs >= taintLimitMs) this.#options.ready();
            else pauseMs = taintCheckMs;
          }
        }
      } catch (error) {
        log.warn("the node's status could not be written; trying again", { error: describeError(error) });
        pauseMs = retryMs;
      }
      const over = new AbortController();
      const stop = () => over.abort();
      this.#wake = stop;
      signal.addEventListener("abort", stop, { once: true });
      if (!this.#dirty) await sleep(clock, pauseMs, over.signal);
      signal.removeEventListener("abort", stop);
    }
  }

  async #reportOnce(force: boolean): Promise<{ readonly node: Observed<Node>; readonly wrote: boolean }> {
    const { client, runtime, clock, facts, nodeIp, nodeName, kubeletVersion, podCidr } = this.#options;
    const problems = [...this.#options.problems()];
    if (problems.length === 0 && this.#version === undefined) {
      try {
        this.#version = await runtime.version();
      } catch (error) {
        problems.push(`container runtime is down: ${describeError(error)}`);
      }
    }
    // The engine may be another one when it comes back.
    if (problems.length > 0) this.#version = undefined;
    const node = await this.#find();
    const before = node?.status ?? {};
    const mayList = force && problems.length === 0;
    const images = mayList ? await runtime.listImages().catch(() => undefined) : undefined;
    const kept = before.images?.map(({ names, sizeBytes }) => ({
      id: "",
      tags: names ?? [],
      sizeBytes: sizeBytes ?? 0,
      hasRegistryDigest: false,
      user: "",
    }));
    const status = nodeStatus(
      {
        facts,
        nodeIp,
        nodeName,
        kubeletVersion,
        runtime: this.#version,
        images: images ?? kept ?? [],
        problems,
        nowMs: clock.now(),
      },
      before,
    );
    if (node === undefined) {
      const labels = nodeLabels(nodeName, facts);
      const spec = { podCIDR: podCidr, podCIDRs: [podCidr] };
      return {
        node: await client.create(nodeKind, { metadata: { name: nodeName, labels }, spec, status }),
        wrote: true,
      };
    }
    if (!force && !differs(node.status, status)) return { node, wrote: false };
    const written = await client.patch(
      nodeKind,
      { name: nodeName },
      "application/merge-patch+json",
      { status },
      { subresource: "status" },
    );
    return { node: written, wrote: true };
  }

  /** The Node with our labels; undefined when there is none yet. */
  async #find(): Promise<Observed<Node> | undefined> {
    const { client, nodeName, facts } = this.#options;
    const labels = nodeLabels(nodeName, facts);
    let node: Observed<Node>;
    try {
      node = await client.get(nodeKind, { name: nodeName });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
    const missing = Object.entries(labels).filter(([key, value]) => node.metadata.labels?.[key] !== value);
    if (missing.length === 0) return node;
    const body = { metadata: { labels: Object.fromEntries(missing) } };
    return client.patch(nodeKind, { name: nodeName }, "application/merge-patch+json", body);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let lease: Observed<Lease> | undefined;
    while (!signal.aborted) {
      let pauseMs = renewMs;
      try {
        lease = await this.#renewOnce(lease);
      } catch (error) {
        lease = undefined;
        pauseMs = retryMs;
        log.debug("the node's lease could not be renewed; trying again", { error: describeError(error) });
      }
      await sleep(clock, pauseMs, signal);
    }
  }

  async #renewOnce(known: Observed<Lease> | undefined): Promise<Observed<Lease>> {
    const { client, clock, nodeName } = this.#options;
    const name = { namespace: leaseNamespace, name: nodeName };
    const renewTime = rfc3339Micro(clock.now());
    let lease = known;
    if (lease === undefined) {
      try {
        lease = await client.get(leaseKind, name);
      } catch (error) {
        if (!isNotFound(error)) throw error;
        const node = await client.get(nodeKind, { name: nodeName });
        return client.create(leaseKind, {
          metadata: {
            ...name,
            ownerReferences: [{ apiVersion: "v1", kind: "Node", name: nodeName, uid: node.metadata.uid }],
          },
          spec: { holderIdentity: nodeName, leaseDurationSeconds: leaseSeconds, renewTime },
        });
      }
    }
    const renewed = editable(lease);
    renewed.spec = { ...renewed.spec, holderIdentity: nodeName, leaseDurationSeconds: leaseSeconds, renewTime };
    return client.update(leaseKind, renewed);
  }
}

function isReady({ status }: Observed<Node>): boolean {
  return status.conditions?.find(({ type }) => type === "Ready")?.status === "True";
}
