/** A pod's status from what is observed. Pure; the texts are Kubernetes' own. */
import { rfc3339 } from "../env/clock.ts";
import type { ContainerState, ContainerStatus, PodCondition, PodStatus } from "../kinds/core/pod_status.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import type { ObservedContainer } from "./container_runtime.ts";
import {
  instancesOf,
  isFinished,
  isInitialised,
  isSidecar,
  type PlanInput,
  restarts,
  runningSandbox,
} from "./pod_actions.ts";
import type { AnyContainer } from "./pod_environment.ts";
import { lostReason } from "./vanished_containers.ts";

export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

export interface StatusInput extends Omit<PlanInput, "backOffMs"> {
  /** Why a container does not run, as far as its last try says: ImagePullBackOff and the like. */
  waiting(name: string): Waiting | undefined;
  /** The pause that an ended container waits for, milliseconds; undefined when it does not. */
  crashLoopMs(name: string): number | undefined;
  /** What the container left at its terminationMessagePath. */
  terminationMessage(containerId: string): string | undefined;
  readonly podIp: string | undefined;
  readonly nodeIp: string;
  /** The pod is being ended, or was: nothing starts again. */
  readonly ending: boolean;
  /** A verdict of the kubelet itself: evicted, deadline exceeded. */
  readonly verdict?: { readonly reason: string; readonly message: string };
}

const containerId = (container: ObservedContainer) => `docker://${container.id}`;

function terminated(container: ObservedContainer, message: string | undefined): ContainerState {
  const code = container.exitCode ?? 0;
  const reason = container.lost
    ? lostReason
    : container.error
      ? "ContainerCannotRun"
      : container.oomKilled
        ? "OOMKilled"
        : code === 0
          ? "Completed"
          : "Error";
  const text = message || container.error;
  return {
    terminated: {
      exitCode: code,
      reason,
      ...(text ? { message: text } : {}),
      startedAt: rfc3339(container.startedAtMs ?? container.createdAtMs),
      finishedAt: rfc3339(container.finishedAtMs ?? container.createdAtMs),
      containerID: containerId(container),
    },
  };
}

function containerStatus(input: StatusInput, container: AnyContainer, init: boolean): ContainerStatus {
  const { pod, observed } = input;
  const [latest, previous] = instancesOf(observed, container.name);
  const messageOf = (one: ObservedContainer) => input.terminationMessage(one.id);
  const last = (one: ObservedContainer | undefined) =>
    one?.state === "exited" ? { lastState: terminated(one, messageOf(one)) } : { lastState: {} };
  const base = {
    name: container.name,
    image: latest?.image || (container.image ?? ""),
    imageID: latest ? `docker://${latest.imageId}` : "",
    restartCount: latest?.attempt ?? 0,
    ...(latest ? { containerID: containerId(latest) } : {}),
  };
  const waits = input.waiting(container.name);
  if (latest?.state === "running") {
    const probes = input.probes(latest);
    return {
      ...base,
      ready: init && !isSidecar(container) ? false : probes.ready,
      started: probes.started,
      state: { running: { startedAt: rfc3339(latest.startedAtMs ?? latest.createdAtMs) } },
      ...last(previous),
    };
  }
  if (latest?.state === "exited") {
    const ended = terminated(latest, messageOf(latest));
    const endedWell = init && !isSidecar(container) && latest.exitCode === 0;
    const state = (waiting: Waiting) => ({
      ...base,
      ready: false,
      started: false,
      state: { waiting: { reason: waiting.reason, ...(waiting.message ? { message: waiting.message } : {}) } },
      lastState: ended,
    });
    const comesBack = !input.ending && !endedWell && restarts(pod, container, init, latest);
    if (comesBack && waits) return state(waits);
    const pauseMs = input.crashLoopMs(container.name);
    if (comesBack && pauseMs !== undefined) {
      const { metadata } = pod;
      const where = `${container.name} pod=${metadata.name}_${metadata.namespace}(${metadata.uid})`;
      const pause =
        pauseMs >= 60_000 ? `${Math.floor(pauseMs / 60_000)}m${(pauseMs % 60_000) / 1000}s` : `${pauseMs / 1000}s`;
      return state({
        reason: "CrashLoopBackOff",
        message: `back-off ${pause} restarting failed container=${where}`,
      });
    }
    return { ...base, ready: endedWell, started: false, state: ended, ...last(previous) };
  }
  const reason = (pod.spec.initContainers ?? []).length > 0 ? "PodInitializing" : "ContainerCreating";
  const unstarted: Waiting = waits ?? { reason };
  return {
    ...base,
    ready: false,
    started: false,
    state: { waiting: { reason: unstarted.reason, ...(unstarted.message ? { message: unstarted.message } : {}) } },
    ...last(previous),
  };
}

function phaseOf(input: StatusInput, main: readonly ContainerStatus[], initialised: boolean): string {
  const { pod, observed } = input;
  const before = pod.status.phase;
  if (before === "Succeeded" || before === "Failed") return before;
  if (input.verdict) return "Failed";
  const finished = isFinished(pod, observed);
  if (finished === "failed") return "Failed";
  if (finished === "succeeded") return "Succeeded";
  if (input.ending && main.every(({ state }) => state?.terminated !== undefined))
    return main.some(({ state }) => state?.terminated?.exitCode !== 0) ? "Failed" : "Succeeded";
  if (!initialised && !main.some(({ lastState, state }) => lastState?.terminated || state?.terminated))
    return "Pending";
  const neverRan = main.some(
    ({ state, lastState }) => state?.waiting !== undefined && lastState?.terminated === undefined,
  );
  return neverRan ? "Pending" : "Running";
}

/** The status that the pod should have. Fields and conditions of others are kept. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, observed, nowMs } = input;
  const sandbox = runningSandbox(observed);
  const initContainers = pod.spec.initContainers ?? [];
  const initialised = sandbox
    ? isInitialised(pod, observed, sandbox, input)
    : initContainers.every((container) => {
        const [latest] = instancesOf(observed, container.name);
        return latest?.state === "exited" && latest.exitCode === 0;
      });
  const inits = initContainers.map((container) => containerStatus(input, container, true));
  const mains = pod.spec.containers
    .map((container) => containerStatus(input, container, false))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const phase = phaseOf(input, mains, initialised);
  const over = phase === "Succeeded" || phase === "Failed";

  const generation = pod.metadata.generation;
  const conditions: PodCondition[] = [];
  const old = new Map((pod.status.conditions ?? []).map((condition) => [condition.type, condition]));
  const put = (type: string, holds: boolean, reason?: string, message?: string) => {
    const was = old.get(type);
    old.delete(type);
    const status = holds ? "True" : "False";
    conditions.push({
      type,
      status,
      lastProbeTime: was?.lastProbeTime,
      lastTransitionTime: was?.status === status && was.lastTransitionTime ? was.lastTransitionTime : rfc3339(nowMs),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      ...(reason ? { reason } : {}),
      ...(message ? { message } : {}),
    });
  };
  put("PodReadyToStartContainers", sandbox !== undefined && input.podIp !== undefined);
  const uninitialised = inits.filter(({ ready }) => !ready).map(({ name }) => name);
  if (phase === "Succeeded") put("Initialized", true, "PodCompleted");
  else if (initialised) put("Initialized", true);
  else
    put(
      "Initialized",
      false,
      "ContainersNotInitialized",
      `containers with incomplete status: [${uninitialised.join(" ")}]`,
    );
  const unready = mains.filter(({ ready }) => !ready).map(({ name }) => name);
  const containersReady = unready.length === 0 && !over && initialised;
  const why: readonly [string?, string?] =
    phase === "Succeeded"
      ? ["PodCompleted"]
      : phase === "Failed"
        ? ["PodFailed"]
        : containersReady
          ? []
          : ["ContainersNotReady", `containers with unready status: [${unready.join(" ")}]`];
  const gates = (pod.spec.readinessGates ?? []).filter(
    ({ conditionType }) => (pod.status.conditions ?? []).find(({ type }) => type === conditionType)?.status !== "True",
  );
  if (containersReady && gates.length > 0) {
    const texts = gates.map(({ conditionType }) =>
      (pod.status.conditions ?? []).some(({ type }) => type === conditionType)
        ? `the status of pod readiness gate "${conditionType}" is not "True", but False`
        : `corresponding condition of pod readiness gate "${conditionType}" does not exist.`,
    );
    put("Ready", false, "ReadinessGatesNotReady", texts.join(", "));
  } else put("Ready", containersReady, ...why);
  put("ContainersReady", containersReady, ...why);
  put("PodScheduled", true);
  // A condition that another part wrote is its own.
  for (const other of old.values()) conditions.push({ ...other });

  const reason = input.verdict?.reason ?? pod.status.reason;
  const message = input.verdict?.message ?? pod.status.message;
  return {
    phase,
    conditions,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    hostIP: input.nodeIp,
    hostIPs: [{ ip: input.nodeIp }],
    ...(input.podIp === undefined ? {} : { podIP: input.podIp, podIPs: [{ ip: input.podIp }] }),
    startTime: pod.status.startTime ?? rfc3339(nowMs),
    qosClass: pod.status.qosClass,
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    containerStatuses: mains,
  };
}

/** JSON merge patch from one status to another; undefined when they say the same. */
export function statusPatch(
  from: DeepReadonly<PodStatus>,
  to: DeepReadonly<PodStatus>,
): Record<string, unknown> | undefined {
  // Undefined and absent mean the same.
  const plainFrom: Record<string, unknown> = JSON.parse(JSON.stringify(from));
  const plainTo: Record<string, unknown> = JSON.parse(JSON.stringify(to));
  const patch: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(plainTo)) if (!sameJson(plainFrom[key], value)) patch[key] = value;
  // Of what is ours, only these go away again.
  for (const key of ["reason", "message", "podIP", "podIPs"])
    if (key in plainFrom && !(key in plainTo)) patch[key] = null;
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const entries = Object.entries(a);
  const other = new Map(Object.entries(b));
  return (
    entries.length === other.size && entries.every(([key, value]) => other.has(key) && sameJson(value, other.get(key)))
  );
}
