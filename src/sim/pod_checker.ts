import type { Clock } from "../env/clock.ts";
import { type Deployment, deploymentKind } from "../kinds/apps/deployment.ts";
import { type ReplicaSet, replicaSetKind } from "../kinds/apps/replica_set.ts";
import { type Pod, podKind } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import type { Model } from "./model.ts";
import type { SimulatedNode } from "./node.ts";
import { Violation } from "./verdict.ts";
import { WatchChecker } from "./watch_checker.ts";

/** How late another kind's watch may tell what led to a pod. */
const settleMs = 500;

/**
 * While the workload runs: no Deployment has more pods than its strategy allows, and no container of a pod runs twice.
 */
export class PodChecker {
  readonly checkers: readonly { run(signal: AbortSignal): Promise<void> }[];
  readonly #clock: Clock;
  readonly #node: SimulatedNode;
  /** Pods that are not on their way out, and the ReplicaSet of each. */
  readonly #active = new Map<string, string>();
  readonly #deploymentOf = new Map<string, string>();
  /** The most pods that each Deployment may have, by every spec since it was last at rest. */
  readonly #limits = new Map<string, number>();
  #violation: Violation | undefined;

  constructor(node: SimulatedNode, model: Model, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
    this.checkers = [
      new WatchChecker(deploymentKind, node, model, clock, (type, one) => this.#deployment(type, one)),
      new WatchChecker(replicaSetKind, node, model, clock, (_type, one) => this.#replicaSet(one)),
      new WatchChecker(podKind, node, model, clock, (type, one) => this.#pod(type, one)),
    ];
    node.engine.listen((event) => {
      if (event !== "cut" && event.type === "started") this.#containers();
    });
  }

  /** Throws what was found since the last call. */
  check(): void {
    if (this.#violation) throw this.#violation;
  }

  #found(message: string): void {
    this.#violation ??= new Violation("correctness", message);
  }

  #deployment(type: string, { metadata, spec, status }: Observed<Deployment>): void {
    const replicas = spec.replicas ?? 1;
    const atRest =
      status.observedGeneration === metadata.generation &&
      status.replicas === replicas &&
      status.updatedReplicas === replicas;
    const now = replicas + surgeOf(spec.strategy?.rollingUpdate?.maxSurge ?? "25%", replicas);
    const before = atRest || type === "ADDED" ? 0 : (this.#limits.get(metadata.uid) ?? 0);
    this.#limits.set(metadata.uid, Math.max(before, now));
  }

  #replicaSet({ metadata }: Observed<ReplicaSet>): void {
    const owner = metadata.ownerReferences?.find(({ controller }) => controller);
    if (owner) this.#deploymentOf.set(metadata.uid, owner.uid);
  }

  #pod(type: string, { metadata, status }: Observed<Pod>): void {
    const owner = metadata.ownerReferences?.find(({ controller }) => controller);
    const isOver = status.phase === "Failed" || status.phase === "Succeeded";
    if (type === "DELETED" || metadata.deletionTimestamp !== undefined || isOver || owner === undefined) {
      this.#active.delete(metadata.uid);
      return;
    }
    const isNew = !this.#active.has(metadata.uid);
    this.#active.set(metadata.uid, owner.uid);
    if (!isNew) return;
    const counts = new Map<string, number>();
    for (const replicaSet of this.#active.values()) counts.set(replicaSet, (counts.get(replicaSet) ?? 0) + 1);
    // It may come to rest with fewer pods before the look back.
    const before = this.#limitOf(owner.uid) ?? 0;
    this.#clock.schedule(settleMs, () => this.#surge(owner.uid, counts, before, metadata.name));
  }

  #limitOf(replicaSet: string): number | undefined {
    const deployment = this.#deploymentOf.get(replicaSet);
    return deployment === undefined ? undefined : this.#limits.get(deployment);
  }

  #surge(replicaSet: string, counts: ReadonlyMap<string, number>, before: number, pod: string): void {
    const deployment = this.#deploymentOf.get(replicaSet);
    const present = this.#limitOf(replicaSet);
    if (present === undefined) return;
    const limit = Math.max(before, present);
    let pods = 0;
    for (const [owner, count] of counts) if (this.#deploymentOf.get(owner) === deployment) pods += count;
    if (pods > limit) this.#found(`With ${pod} its Deployment had ${pods} pods, but its strategy allows ${limit}`);
  }

  #containers(): void {
    const live = new Map<string, string>();
    for (const { id, config, state } of this.#node.engine.containers.values()) {
      if (state !== "running") continue;
      const name = `container ${config.name} of pod ${config.pod.name} (${config.pod.uid})`;
      const other = live.get(name);
      if (other !== undefined) this.#found(`The ${name} runs twice: ${other} and ${id}`);
      live.set(name, id);
    }
  }
}

function surgeOf(value: number | string, replicas: number): number {
  if (typeof value === "number") return value;
  return value.endsWith("%") ? Math.ceil((Number(value.slice(0, -1)) * replicas) / 100) : Number(value);
}
