import type { Pod } from "../kinds/core/pod.ts";
import { podKind } from "../kinds/core/pod.ts";
import type { PodSpec } from "../kinds/core/pod_spec.ts";
import type { AnyKind, Observed } from "../kinds/kind.ts";
import { selectorString } from "../kinds/label_selector.ts";
import type { LabelSelector } from "../kinds/meta.ts";
import type { KindRegistry } from "../kinds/registry.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import { resourcePath } from "./api_connection.ts";
import type { Session } from "./cli.ts";
import { UsageError } from "./failure.ts";
import { type AnyObject, anyObject, readList, readObject } from "./object.ts";
import { parsePodOwner } from "./resource_args.ts";

/** A pod's spec, or that of the pods that a workload makes. */
export function podSpecOf(object: AnyObject): DeepReadonly<PodSpec> | undefined {
  // Sound: objects of these kinds were checked by the server against the published types.
  if (object.kind === "Pod") return object.spec as DeepReadonly<PodSpec>;
  const spec = object.spec as { readonly template?: { readonly spec?: DeepReadonly<PodSpec> } } | undefined;
  return spec?.template?.spec;
}

/** The labels that select an object's pods; undefined for a kind that has none. */
export function selectorOf(object: AnyObject): Readonly<Record<string, string>> | undefined {
  if (object.kind === "Pod") return object.metadata?.labels ?? {};
  // Sound as above: a Service's selector is a map, a workload's a LabelSelector.
  const spec = object.spec as { readonly selector?: unknown } | undefined;
  if (object.kind === "Service" || object.kind === "ReplicationController")
    return (spec?.selector as Record<string, string> | undefined) ?? {};
  if (podSpecOf(object) === undefined) return undefined;
  const selector = spec?.selector as DeepReadonly<LabelSelector> | undefined;
  if ((selector?.matchExpressions?.length ?? 0) > 0)
    throw new UsageError(`couldn't convert expressions - ${selectorString(selector)} to map-based selector format`);
  return selector?.matchLabels ?? {};
}

/** The pod of that name, or the first running one (else the first) of a workload or Service. */
export async function findPod(
  kinds: KindRegistry,
  { api, namespace }: Session,
  word: string,
  verb: string,
): Promise<Observed<Pod>> {
  const { kind, name } = parsePodOwner(kinds, word, verb);
  if (isPod(kind)) return readObject(api, podKind, namespace, name);
  const pods = await podsOf({ api, namespace }, kind, name);
  const pod = pods.find(({ status }) => status.phase === "Running") ?? pods[0];
  if (pod === undefined) throw new Error(`${kind.singular} "${name}" has no pods in the namespace ${namespace}`);
  return pod;
}

export function isPod(kind: AnyKind): boolean {
  return kind.group === "" && kind.plural === "pods";
}

/** A workload's pods, oldest first. */
export async function podsOf({ api, namespace }: Session, kind: AnyKind, name: string): Promise<Observed<Pod>[]> {
  const owner = anyObject(await api.json({ method: "GET", path: resourcePath(kind, namespace, name) }));
  const selector = selectorOf(owner);
  if (selector === undefined)
    throw new UsageError(`a ${kind.kind} has no pods: name a pod, or a workload such as deployment/web`);
  const labelSelector = selectorString({ matchLabels: { ...selector } });
  const pods = await readList(api, podKind, namespace, { labelSelector });
  return [...pods].sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
}

/** The container to speak to: the one named, the annotated default, else the first. */
export function chooseContainer(pod: Observed<Pod>, named: string | undefined): string {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers, ...(pod.spec.ephemeralContainers ?? [])];
  const annotated = pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"];
  const wanted = named ?? annotated;
  if (wanted !== undefined && all.some(({ name }) => name === wanted)) return wanted;
  if (named !== undefined)
    throw new Error(
      `container ${named} not found in pod ${pod.metadata.name}; it has ${all.map(({ name }) => name).join(", ")}`,
    );
  return pod.spec.containers[0]?.name ?? "";
}
