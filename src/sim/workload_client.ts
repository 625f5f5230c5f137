import { anyObserved } from "../client/object.ts";
import { type Clock, sleep } from "../env/clock.ts";
import { type Deployment, deploymentKind } from "../kinds/apps/deployment.ts";
import { type ConfigMap, configMapKind } from "../kinds/core/config_map.ts";
import { type Service, serviceKind } from "../kinds/core/service.ts";
import { editable, type Kind, type KubeObject, type Observed } from "../kinds/kind.ts";
import { StatusError } from "../kinds/status_error.ts";
import { type Mark, type Model, outcomeOf } from "./model.ts";
import type { SimulatedNode } from "./node.ts";
import type { SeededRandom } from "./random.ts";
import type { Trace } from "./trace.ts";
import { broken, Violation } from "./verdict.ts";

export const namespace = "default";
const markKey = "simulation/mark";
/** A request that takes longer than this is stuck, whatever is broken. */
const answerLimitMs = 120_000;
const names = ["a", "b", "c"] as const;

export interface WorkloadContext {
  readonly node: SimulatedNode;
  readonly model: Model;
  readonly clock: Clock;
  readonly trace: Trace;
}

/**
 * One user of the API with objects of its own: creates, changes, scales, deletes and reads them, one request after the other,
 * and holds every answer against the model.
 */
export class WorkloadClient {
  readonly #context: WorkloadContext;
  readonly #random: SeededRandom;
  readonly #id: string;
  #marks = 0;
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0, reads: 0 };
  /** Version of each ConfigMap's write that was acknowledged: a watch must have told of it. */
  readonly configMapVersions: string[] = [];
  #overwritten: Observed<ConfigMap> | undefined;

  constructor(id: string, context: WorkloadContext, random: SeededRandom) {
    this.#id = id;
    this.#context = context;
    this.#random = random;
  }

  async run(untilMs: number): Promise<void> {
    const { clock } = this.#context;
    while (clock.monotonicMs() < untilMs) {
      await sleep(clock, this.#random.chance(0.3) ? this.#random.below(20) : this.#random.below(4000));
      const name = `${this.#id}-${this.#random.pick(names)}`;
      const work = this.#random.pick([
        () => this.#configMap(name),
        () => this.#configMap(name),
        () => this.#deployment(name),
        () => this.#deployment(name),
        () => this.#service(name),
      ]);
      await work();
    }
  }

  /** Reads every key; for when nothing is under way. */
  async verify(): Promise<void> {
    for (const name of names) {
      await this.#read(configMapKind, `${this.#id}-${name}`, true);
      await this.#read(deploymentKind, `${this.#id}-${name}`, true);
      await this.#read(serviceKind, `${this.#id}-${name}`, true);
    }
  }

  async #configMap(name: string): Promise<void> {
    const { client } = this.#context.node;
    const mark = this.#mark();
    const metadata = { namespace, name, annotations: { [markKey]: mark } };
    const filler = "x".repeat(this.#random.chance(0.1) ? this.#random.below(50_000) : 10);
    const present = await this.#present(configMapKind, name);
    if (present === "unclear") return;
    if (present === undefined) {
      await this.#write(configMapKind, name, mark, [], () =>
        client.create(configMapKind, { metadata, data: { mark, filler } }),
      );
    } else if (this.#random.chance(0.2)) {
      await this.#delete(configMapKind, name);
    } else if (this.#overwritten?.metadata.name === name && this.#random.chance(0.3)) {
      const stale = editable(this.#overwritten);
      stale.data = { mark, filler };
      stale.metadata = { ...stale.metadata, annotations: { [markKey]: mark } };
      const outcome = await this.#write(configMapKind, name, mark, [409], () => client.update(configMapKind, stale));
      if (outcome === "acknowledged") broken(`configmap ${name} was overwritten with a stale resourceVersion`);
    } else {
      const copy = editable(present);
      copy.data = { mark, filler };
      copy.metadata = { ...copy.metadata, annotations: { [markKey]: mark } };
      const outcome = await this.#write(configMapKind, name, mark, [], () => client.update(configMapKind, copy));
      if (outcome === "acknowledged") this.#overwritten = present;
    }
  }

  async #deployment(name: string): Promise<void> {
    const { client } = this.#context.node;
    const random = this.#random;
    const mark = this.#mark();
    const present = await this.#present(deploymentKind, name);
    if (present === "unclear") return;
    if (present === undefined) {
      await this.#write(deploymentKind, name, mark, [], () =>
        client.create(deploymentKind, this.#newDeployment(name, mark)),
      );
      return;
    }
    if (random.chance(0.15)) {
      await this.#delete(deploymentKind, name);
      return;
    }
    const metadata = { annotations: { [markKey]: mark } };
    const containers = present.spec.template.spec?.containers.map((container) => ({
      ...container,
      image: random.pick(["nginx:1", "nginx:2", "nginx:3"]),
    }));
    const body = random.chance(0.5)
      ? { metadata, spec: { replicas: random.below(5) } }
      : { metadata, spec: { template: { spec: { containers } } } };
    await this.#write(deploymentKind, name, mark, [409], () =>
      client.patch(deploymentKind, { namespace, name }, "application/merge-patch+json", body),
    );
  }

  #newDeployment(name: string, mark: string): Deployment {
    const random = this.#random;
    const probe = { httpGet: { path: "/", port: 80 }, periodSeconds: 1 };
    const maxSurge = random.pick([0, 1, 2, "25%", "50%"]);
    return {
      metadata: { namespace, name, annotations: { [markKey]: mark } },
      spec: {
        replicas: random.below(5),
        selector: { matchLabels: { app: name } },
        strategy: {
          type: "RollingUpdate",
          rollingUpdate: { maxSurge, maxUnavailable: maxSurge === 0 ? 1 : random.pick([0, 1, "50%"]) },
        },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            terminationGracePeriodSeconds: random.between(0, 10),
            ...(random.chance(0.2)
              ? { initContainers: [{ name: "first", image: "nginx:1", command: ["sim", "sleep", "300", "exit", "0"] }] }
              : {}),
            containers: [
              {
                name: "app",
                image: random.pick(["nginx:1", "nginx:2", "nginx:3"]),
                ports: [{ containerPort: 80 }],
                ...(random.chance(0.3) ? { command: ["sim", "deaf"] } : {}),
                ...(random.chance(0.3) ? { readinessProbe: probe } : {}),
                ...(random.chance(0.2) ? { livenessProbe: probe } : {}),
              },
            ],
          },
        },
      },
    };
  }

  async #service(name: string): Promise<void> {
    const { client } = this.#context.node;
    const mark = this.#mark();
    const present = await this.#present(serviceKind, name);
    if (present === "unclear") return;
    if (present !== undefined) {
      if (this.#random.chance(0.3)) await this.#delete(serviceKind, name);
      return;
    }
    const service: Service = {
      metadata: { namespace, name, annotations: { [markKey]: mark } },
      spec: { selector: { app: name }, ports: [{ port: 8080, targetPort: 80, protocol: "TCP" }] },
    };
    await this.#write(serviceKind, name, mark, [], () => client.create(serviceKind, service));
  }

  #mark(): string {
    return `${this.#id}.${++this.#marks}`;
  }

  /** What is there, checked; "unclear" when the node does not answer. */
  async #present<T extends KubeObject>(kind: Kind<T>, name: string): Promise<Observed<T> | undefined | "unclear"> {
    return this.#read(kind, name, false);
  }

  async #read<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    mustAnswer: boolean,
  ): Promise<Observed<T> | undefined | "unclear"> {
    const { node, model } = this.#context;
    const key = `${kind.plural}/${name}`;
    this.counts.reads++;
    try {
      const object = await this.#answer(`get ${key}`, node.client.get(kind, { namespace, name }));
      const { annotations, resourceVersion } = metadataOf(object);
      model.read(key, annotations?.[markKey] ?? "unmarked", resourceVersion);
      return object;
    } catch (error) {
      if (error instanceof StatusError && error.code === 404) {
        model.read(key, undefined, undefined);
        return undefined;
      }
      if (error instanceof StatusError && error.code >= 500 && !mustAnswer) return "unclear";
      throw error;
    }
  }

  async #delete<T extends KubeObject>(kind: Kind<T>, name: string): Promise<void> {
    const { client } = this.#context.node;
    await this.#write(kind, name, undefined, [], async () => {
      await client.delete(kind, { namespace, name });
      return undefined;
    });
  }

  /** `refusals`: codes below 500 that are right answers. */
  async #write<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    mark: Mark,
    refusals: readonly number[],
    work: () => Promise<Observed<T> | undefined>,
  ): Promise<"acknowledged" | "refused" | "unknown"> {
    const { model } = this.#context;
    const key = `${kind.plural}/${name}`;
    const after = model.newest;
    try {
      const object = await this.#answer(`write ${key}`, work());
      const version = object ? metadataOf(object).resourceVersion : undefined;
      model.acknowledged(key, mark, version, after);
      if (kind.kind === "ConfigMap" && version !== undefined) this.configMapVersions.push(version);
      this.counts.acknowledged++;
      return "acknowledged";
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (error instanceof StatusError && error.code < 500 && !refusals.includes(error.code))
        broken(`write ${key} (${mark ?? "delete"}) was refused with ${error.code}: ${error.message}`);
      const outcome = outcomeOf(error);
      if (outcome === "unknown") model.unanswered(key, mark);
      this.#context.trace.note(`${outcome}: write ${key} (${mark ?? "delete"}): ${String(error)}`);
      this.counts[outcome]++;
      return outcome;
    }
  }

  async #answer<T>(what: string, work: Promise<T>): Promise<T> {
    const { clock } = this.#context;
    const answered = new AbortController();
    const late = sleep(clock, answerLimitMs, answered.signal).then((): never => {
      throw new Violation("liveness", `${what} got no answer in ${answerLimitMs} ms`);
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([work, late]);
    } finally {
      answered.abort();
    }
  }
}

function metadataOf<T extends KubeObject>(object: Observed<T>) {
  return anyObserved<T>(object).metadata;
}
