/**
 * Containers that the engine does not have any more: somebody removed them (`docker rm -f`, `docker system prune`, a new data
 * root). The pod's own status still tells of them. Without it a pod that is to run once would run twice, a container that had
 * ended well would begin anew, and restart counts would start from 0. Pure.
 */
import type { Pod } from "../kinds/core/pod.ts";
import type { ContainerStatus } from "../kinds/core/pod_status.ts";
import type { Observed } from "../kinds/kind.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import type { ObservedContainer } from "./container_runtime.ts";
import { type PodObservation, runningSandbox } from "./pod_actions.ts";

/** Kubernetes' words for a container whose end nobody saw. */
export const lostReason = "ContainerStatusUnknown";
const lostMessage = "The container could not be located when the pod was looked at. The container used to be Running";
/** Killed, as far as one can tell. */
const lostExitCode = 137;

const prefix = "docker://";

/** What is observed, and beside it an ended instance of each container that ran, as the status says, and is not there. */
export function withVanished(pod: Observed<Pod>, observed: PodObservation): PodObservation {
  const statuses = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])];
  const present = new Set(observed.containers.map(({ name }) => name));
  const vanished = statuses.flatMap((status) => {
    if (present.has(status.name)) return [];
    const one = vanishedOf(pod, status, observed);
    return one ? [one] : [];
  });
  return vanished.length === 0 ? observed : { ...observed, containers: [...observed.containers, ...vanished] };
}

function vanishedOf(
  pod: Observed<Pod>,
  status: DeepReadonly<ContainerStatus>,
  observed: PodObservation,
): ObservedContainer | undefined {
  const { running, waiting } = status.state ?? {};
  // One that waits for its next instance says of the last how it ended.
  const ended = status.state?.terminated ?? (waiting ? status.lastState?.terminated : undefined);
  const id = ended?.containerID ?? status.containerID;
  if (!id?.startsWith(prefix) || (!running && !ended)) return undefined;
  const startedAtMs = timeMs(running?.startedAt ?? ended?.startedAt) ?? 0;
  const lost = ended === undefined || ended.reason === lostReason;
  const error = lost ? lostMessage : ended.reason === "ContainerCannotRun" ? (ended.message ?? "") : "";
  const sandbox = runningSandbox(observed);
  return {
    id: id.slice(prefix.length),
    // What began before this sandbox was made ran in another one.
    sandboxId: sandbox !== undefined && startedAtMs >= secondsOf(sandbox.createdAtMs) ? sandbox.id : "",
    pod: { namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: pod.metadata.uid },
    name: status.name,
    attempt: status.restartCount,
    state: "exited",
    image: status.image,
    imageId: status.imageID.startsWith(prefix) ? status.imageID.slice(prefix.length) : status.imageID,
    exitCode: ended?.exitCode ?? lostExitCode,
    oomKilled: ended?.reason === "OOMKilled",
    ...(lost ? { lost } : {}),
    ...(error ? { error } : {}),
    createdAtMs: startedAtMs,
    startedAtMs,
    finishedAtMs: timeMs(ended?.finishedAt) ?? startedAtMs,
    labels: {},
  };
}

/** A status tells times in whole seconds. */
const secondsOf = (ms: number) => Math.floor(ms / 1000) * 1000;

function timeMs(text: string | null | undefined): number | undefined {
  if (!text) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
