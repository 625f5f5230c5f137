import { ageColumn, nameColumn, wide } from "../columns.ts";
import { ageOf } from "../human_duration.ts";
import type { Column } from "../kind.ts";
import type { ObjectMeta } from "../meta.ts";
import type { DeepReadonly } from "../schema.ts";
import { timeMs } from "../timestamp.ts";
import type { Container } from "./container.ts";
import type { PodSpec } from "./pod_spec.ts";
import type { ContainerState, ContainerStatus, PodStatus } from "./pod_status.ts";

/** The parts of a Pod that its row is made of; any Observed<Pod> is one. */
export interface PodView {
  readonly metadata: DeepReadonly<ObjectMeta>;
  readonly spec: DeepReadonly<PodSpec>;
  readonly status: DeepReadonly<PodStatus>;
}

/** What `kubectl get pods` says of a pod in one word, and how it came to it. */
export interface PodSummary {
  /** "Running", "Init:0/1", "CrashLoopBackOff", "Terminating" ... */
  readonly status: string;
  readonly ready: number;
  readonly total: number;
  readonly restarts: number;
  /** When the last container that restarted had ended. */
  readonly lastRestart: string | undefined;
}

type Status = DeepReadonly<ContainerStatus>;

class Restarts {
  count = 0;
  last: string | undefined;

  add(status: Status): void {
    this.count += status.restartCount;
    const ended = status.lastState?.terminated?.finishedAt;
    if (ended !== undefined && (timeMs(ended) ?? 0) > (timeMs(this.last) ?? 0)) this.last = ended;
  }
}

function isSidecar(container: DeepReadonly<Container> | undefined): boolean {
  return container?.restartPolicy === "Always";
}

export function podSummary(pod: PodView): PodSummary {
  const { spec, status } = pod;
  const initContainers = spec.initContainers ?? [];
  const statuses = status.containerStatuses ?? [];
  let reason = status.reason || status.phase || "";
  if (status.conditions?.some(({ type, reason: why }) => type === "PodScheduled" && why === "SchedulingGated"))
    reason = "SchedulingGated";
  const total = spec.containers.length + initContainers.filter(isSidecar).length;
  let ready = 0;

  const whileStarting = new Restarts();
  const once = new Restarts();
  let starting = false;
  for (const [index, each] of (status.initContainerStatuses ?? []).entries()) {
    whileStarting.add(each);
    const sidecar = isSidecar(initContainers.find(({ name }) => name === each.name));
    if (sidecar) once.add(each);
    const { terminated, waiting } = each.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && each.started === true) {
      if (each.ready) ready++;
      continue;
    }
    starting = true;
    if (terminated !== undefined) reason = `Init:${terminated.reason || endingOf(terminated)}`;
    else if (waiting?.reason && waiting.reason !== "PodInitializing") reason = `Init:${waiting.reason}`;
    else reason = `Init:${index}/${initContainers.length}`;
    break;
  }

  const initialized = hasCondition(status, "Initialized");
  if (!starting || initialized) {
    let running = false;
    for (const each of [...statuses].reverse()) {
      once.add(each);
      const { terminated, waiting, running: state } = each.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated !== undefined) reason = terminated.reason || endingOf(terminated);
      else if (each.ready && state !== undefined) {
        running = true;
        ready++;
      }
    }
    // One container has ended and another goes on: the pod has not completed.
    if (reason === "Completed" && running) reason = hasCondition(status, "Ready") ? "Running" : "NotReady";
  }

  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status.reason === "NodeLost") reason = "Unknown";
    else if (status.phase !== "Succeeded" && status.phase !== "Failed") reason = "Terminating";
  }
  const { count, last } = !starting || initialized ? once : whileStarting;
  return { status: reason, ready, total, restarts: count, lastRestart: last };
}

function endingOf({ signal, exitCode }: DeepReadonly<NonNullable<ContainerState["terminated"]>>): string {
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

function hasCondition(status: DeepReadonly<PodStatus>, type: string): boolean {
  return status.conditions?.some((condition) => condition.type === type && condition.status === "True") === true;
}

function readinessGates(spec: PodView["spec"], status: PodView["status"]): string {
  const gates = spec.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  return `${gates.filter(({ conditionType }) => hasCondition(status, conditionType)).length}/${gates.length}`;
}

export const podColumns: readonly Column<PodView>[] = [
  nameColumn,
  {
    name: "Ready",
    type: "string",
    description: "Containers that are ready, of those that shall run.",
    cell(pod) {
      const { ready, total } = podSummary(pod);
      return `${ready}/${total}`;
    },
  },
  {
    name: "Status",
    type: "string",
    description: "The phase, or the most telling reason that a container gives.",
    cell: (pod) => podSummary(pod).status,
  },
  {
    name: "Restarts",
    type: "string",
    description: "How often containers were restarted, and when last.",
    cell(pod, nowMs) {
      const { restarts, lastRestart } = podSummary(pod);
      return restarts !== 0 && lastRestart !== undefined
        ? `${restarts} (${ageOf(lastRestart, nowMs)} ago)`
        : String(restarts);
    },
  },
  ageColumn,
  wide({
    name: "IP",
    type: "string",
    description: "The pod's address.",
    cell: ({ status }) => status.podIPs?.[0]?.ip || status.podIP || "<none>",
  }),
  wide({
    name: "Node",
    type: "string",
    description: "The node that runs the pod.",
    cell: ({ spec }) => spec.nodeName || "<none>",
  }),
  wide({
    name: "Nominated Node",
    type: "string",
    description: "The node on which others are being moved out of the pod's way.",
    cell: ({ status }) => status.nominatedNodeName || "<none>",
  }),
  wide({
    name: "Readiness Gates",
    type: "string",
    description: "Conditions of others that hold, of those that must.",
    cell: ({ spec, status }) => readinessGates(spec, status),
  }),
];
