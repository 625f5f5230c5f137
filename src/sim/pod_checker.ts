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
  /** The Deployment and the wanted size of each ReplicaSet. */
  readonly #sets = new Map<string, { readonly name: string; readonly deployment: string; readonly replicas: number }>();
  /** The most pods that each Deployment and each ReplicaSet may have, by every spec since it was last at rest. */
  readonly #limits = new Map<string, { readonly atMs: number; readonly most: number; readonly atRest: boolean }[]>();
  #violation: Violation | undefined;

  constructor(node: SimulatedNode, model: Model, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
    this.checkers = [
      new WatchChecker(deploymentKind, node, model, clock, (type, one) => this.#deployment(type, one)),
      new WatchChecker(replicaSetKind, node, model, clock, (type, one) => this.#replicaSet(type, one)),
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
    this.#limit(metadata.uid, now, atRest || type === "ADDED");
  }

  #replicaSet(type: string, { metadata, spec, status }: Observed<ReplicaSet>): void {
    const owner = metadata.ownerReferences?.find(({ controller }) => controller);
    if (owner === undefined) return;
    const replicas = spec?.replicas ?? 1;
    const before = this.#sets.get(metadata.uid)?.replicas ?? 0;
    const atRest = status?.observedGeneration === metadata.generation && status?.replicas === replicas;
    this.#limit(metadata.uid, replicas, atRest || type === "ADDED");
    if (type === "DELETED") this.#sets.delete(metadata.uid);
    else this.#sets.set(metadata.uid, { name: metadata.name, deployment: owner.uid, replicas });
    if (type === "DELETED" || replicas <= before) return;
    // Kubernetes counts what the ReplicaSets want: a pod that one of them is about to delete does not hold another back.
    let wanted = 0;
    for (const { deployment, replicas: size } of this.#sets.values()) if (deployment === owner.uid) wanted += size;
    this.#compare(owner.uid, wanted, `With ${metadata.name} the pods that its Deployment's ReplicaSets want`);
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
    let count = 0;
    for (const set of this.#active.values()) if (set === owner.uid) count++;
    this.#compare(owner.uid, count, `With ${metadata.name} the pods of its ReplicaSet`);
  }

  /** A rest is forgotten late: after a restart one kind's watch may catch up with all that happened before another's does. */
  #limit(uid: string, most: number, atRest: boolean): void {
    const atMs = this.#clock.monotonicMs();
    const history = this.#limits.get(uid) ?? [];
    const from = history.findLastIndex((entry) => entry.atRest && entry.atMs < atMs - 2 * settleMs);
    this.#limits.set(uid, [...history.slice(Math.max(0, from)), { atMs, most, atRest }]);
  }

  /** Some of what led to the pods may become known only now. */
  #compare(uid: string, count: number, what: string): void {
    this.#clock.schedule(settleMs, () => {
      const history = this.#limits.get(uid);
      if (history === undefined) return;
      const most = Math.max(...history.map((entry) => entry.most));
      if (count > most) this.#found(`${what} are ${count}, but ${most} are allowed`);
    });
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
