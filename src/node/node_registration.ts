/** Keeps the Node object and its Lease at what this kubelet knows: few writes, and at once when it matters. */
import type { Client } from "../client/client.ts";
import { type Clock, rfc3339Micro, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import { type Lease, leaseKind } from "../kinds/coordination/lease.ts";
import { type Node, nodeKind } from "../kinds/core/node.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import { isAlreadyExists, isNotFound } from "../kinds/status_error.ts";
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
  /** The node's status says Ready in the API. */
  ready(): void;
}

const checkMs = 10_000;
const reportMs = 300_000;
const retryMs = 1000;
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
    let reportedMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      this.#dirty = false;
      let pauseMs = this.#options.problems().length > 0 ? retryMs : checkMs;
      try {
        const force = clock.monotonicMs() - reportedMs >= reportMs;
        if (await this.#reportOnce(force)) reportedMs = clock.monotonicMs();
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

  /** True when it wrote. */
  async #reportOnce(force: boolean): Promise<boolean> {
    const { client, runtime, clock, facts, nodeIp, nodeName, kubeletVersion } = this.#options;
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
    const node = await this.#register();
    const isReady = node.status.conditions?.find(({ type }) => type === "Ready")?.status === "True";
    const mayList = force && problems.length === 0;
    const images = mayList ? await runtime.listImages().catch(() => undefined) : undefined;
    const kept = node.status.images?.map(({ names, sizeBytes }) => ({
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
      node.status,
    );
    if (!force && !differs(node.status, status)) {
      if (isReady && problems.length === 0) this.#options.ready();
      return false;
    }
    const body = { status };
    await client.patch(nodeKind, { name: nodeName }, "application/merge-patch+json", body, { subresource: "status" });
    if (problems.length === 0) this.#options.ready();
    return true;
  }

  async #register(): Promise<Observed<Node>> {
    const { client, nodeName, facts, podCidr } = this.#options;
    const labels = nodeLabels(nodeName, facts);
    let node: Observed<Node>;
    try {
      node = await client.get(nodeKind, { name: nodeName });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      try {
        return await client.create(nodeKind, {
          metadata: { name: nodeName, labels },
          spec: { podCIDR: podCidr, podCIDRs: [podCidr] },
        });
      } catch (raced) {
        if (!isAlreadyExists(raced)) throw raced;
        node = await client.get(nodeKind, { name: nodeName });
      }
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
