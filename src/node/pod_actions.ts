/**
 * What must be done for a pod: its spec against the sandboxes and containers that exist. Pure and level-based: the same observation
 * gives the same plan, whoever made what is there.
 */
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import type { ObservedContainer, ObservedSandbox } from "./container_runtime.ts";
import type { AnyContainer } from "./pod_environment.ts";

export interface PodObservation {
  readonly sandboxes: readonly ObservedSandbox[];
  readonly containers: readonly ObservedContainer[];
}

/** What probes say of a running container. A container without such a probe has all three as they are best. */
export interface ProbeState {
  readonly started: boolean;
  readonly ready: boolean;
  /** The message of the probe that failed too often: the container must be killed. */
  readonly failed?: { readonly probe: "liveness" | "startup" };
}

export interface PlanInput {
  readonly pod: Observed<Pod>;
  readonly observed: PodObservation;
  probes(container: ObservedContainer): ProbeState;
  /** Milliseconds until a container of this name that ended at `finishedAtMs` may be started again. */
  backOffMs(name: string, finishedAtMs: number): number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

export interface ContainerStart {
  readonly container: AnyContainer;
  readonly attempt: number;
  readonly init: boolean;
  /** The instance that this one follows, which ended at that time. */
  readonly afterEndMs?: number;
}

export interface ContainerKill {
  readonly id: string;
  readonly name: string;
  readonly message: string;
}

export interface PodPlan {
  /** A sandbox that does not serve any more: it and its containers are ended before another is made. */
  readonly stopSandboxes: readonly string[];
  /** Make a sandbox with this attempt, then start. */
  readonly createSandbox?: number;
  readonly kill: readonly ContainerKill[];
  /** Containers that were made for a sandbox that is gone and never ran: away first, their attempts are used again. */
  readonly discard: readonly string[];
  readonly start: readonly ContainerStart[];
  /** Containers that wait for their back-off. */
  readonly backingOff: readonly string[];
  readonly removeContainers: readonly string[];
  readonly removeSandboxes: readonly string[];
  /** Nothing will run any more: the sandbox may go. */
  readonly finished: boolean;
  /** Look again after so many milliseconds, even if nothing happens. */
  readonly againMs?: number;
}

/** A container of initContainers that goes on beside the others. */
export function isSidecar(container: AnyContainer): boolean {
  return container.restartPolicy === "Always";
}

/** Instances of one container, newest first. */
export function instancesOf(observed: PodObservation, name: string): ObservedContainer[] {
  return observed.containers
    .filter((container) => container.name === name)
    .sort((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs);
}

export function runningSandbox(observed: PodObservation): ObservedSandbox | undefined {
  return [...observed.sandboxes].sort((a, b) => b.attempt - a.attempt).find(({ state }) => state === "running");
}

/** Does the pod's policy start the container again after this end? */
export function restarts(
  pod: Observed<Pod>,
  container: AnyContainer,
  init: boolean,
  ended: ObservedContainer,
): boolean {
  if (init && isSidecar(container)) return true;
  const code = ended.exitCode ?? 0;
  for (const rule of container.restartPolicyRules ?? []) {
    const values = rule.exitCodes?.values ?? [];
    const matches = rule.exitCodes?.operator === "NotIn" ? !values.includes(code) : values.includes(code);
    if (rule.action === "Restart" && matches) return true;
  }
  const policy = (init ? undefined : container.restartPolicy) ?? pod.spec.restartPolicy ?? "Always";
  if (policy === "Never") return false;
  if (policy === "OnFailure" || init) return code !== 0;
  return true;
}

export function planPod(input: PlanInput): PodPlan {
  const { pod, observed } = input;
  const sandbox = runningSandbox(observed);
  const fresh = sandbox === undefined;
  const kill: ContainerKill[] = [];
  const discard: string[] = [];
  const backingOff: string[] = [];
  let againMs: number | undefined;
  const again = (ms: number) => {
    againMs = Math.min(againMs ?? Number.POSITIVE_INFINITY, ms);
  };

  /** What to do about one container, if it is its turn. Undefined: nothing. */
  const startOf = (container: AnyContainer, init: boolean): ContainerStart | undefined => {
    const [latest] = instancesOf(observed, container.name);
    if (latest === undefined) return { container, attempt: 0, init };
    const here = sandbox !== undefined && latest.sandboxId === sandbox.id;
    if (here && latest.state === "running") return undefined;
    // Made by a run that ended before it could start it.
    if (here && latest.state === "created") return { container, attempt: latest.attempt, init };
    if (latest.state === "created") {
      discard.push(latest.id);
      return { container, attempt: latest.attempt, init };
    }
    const attempt = latest.attempt + 1;
    // A new sandbox runs its init containers from the start, and ends what ran in the old one.
    if (!here && init) return { container, attempt, init };
    if (latest.state !== "exited")
      return restarts(pod, container, init, asKilled(latest)) ? { container, attempt, init } : undefined;
    if (!restarts(pod, container, init, latest)) return undefined;
    const finishedAtMs = latest.finishedAtMs ?? latest.createdAtMs;
    const waitMs = input.backOffMs(container.name, finishedAtMs);
    if (waitMs > 0) {
      backingOff.push(container.name);
      again(waitMs);
      return undefined;
    }
    return { container, attempt, init, afterEndMs: finishedAtMs };
  };

  const initContainers = pod.spec.initContainers ?? [];
  const main = pod.spec.containers;
  const done = isFinished(pod, observed);
  const initialised = !fresh && isInitialised(pod, observed, sandbox, input);
  const start: ContainerStart[] = [];

  if (done === "running" && !(fresh && main.every((container) => endsWithSandbox(pod, container, observed)))) {
    if (initialised) {
      for (const container of [...initContainers.filter(isSidecar), ...main]) {
        const one = startOf(container, initContainers.includes(container));
        if (one) start.push(one);
      }
    } else {
      // Sidecars that came before stay up; the first one that is not through is next.
      for (const container of initContainers) {
        const state = fresh ? "absent" : initStateOf(container, observed, sandbox, input);
        const one = state === "done" ? undefined : startOf(container, true);
        if (one) start.push(one);
        if (state !== "done") break;
      }
      if (initContainers.length === 0)
        for (const container of main) {
          const one = startOf(container, false);
          if (one) start.push(one);
        }
    }
    for (const container of [...initContainers, ...main]) {
      const [latest] = instancesOf(observed, container.name);
      if (latest === undefined || latest.state !== "running" || fresh || latest.sandboxId !== sandbox.id) continue;
      const failed = input.probes(latest).failed;
      if (failed) {
        const message = `Container ${container.name} failed ${failed.probe} probe, will be restarted`;
        kill.push({ id: latest.id, name: container.name, message });
      } else if (latest.image !== container.image) {
        const message = `Container ${container.name} definition changed, will be restarted`;
        kill.push({ id: latest.id, name: container.name, message });
      }
    }
  }

  const finished = done !== "running";
  const ended = observed.sandboxes
    .filter(({ id, state }) => (finished || id !== sandbox?.id) && (state === "running" || hasRunning(observed, id)))
    .map(({ id }) => id);
  // Removed by hand: its containers run on, in a network that nobody reaches.
  const removed = observed.containers
    .filter(({ state, sandboxId }) => state === "running" && !observed.sandboxes.some(({ id }) => id === sandboxId))
    .map(({ sandboxId }) => sandboxId);
  const stopSandboxes = [...new Set([...ended, ...removed])];
  const wantsSandbox = !finished && fresh && start.length > 0;
  const attempts = observed.sandboxes.map(({ attempt }) => attempt);
  return {
    stopSandboxes,
    ...(wantsSandbox ? { createSandbox: attempts.length === 0 ? 0 : Math.max(...attempts) + 1 } : {}),
    kill,
    discard,
    start,
    backingOff,
    ...garbage(pod, observed, sandbox),
    finished,
    ...(againMs === undefined ? {} : { againMs }),
  };
}

/** How a container ends whose sandbox died: it is killed. */
function asKilled(container: ObservedContainer): ObservedContainer {
  return container.state === "running" ? { ...container, state: "exited", exitCode: 137 } : container;
}

/** With the sandbox gone, is this main container through for good? Then nothing needs another sandbox for it. */
function endsWithSandbox(pod: Observed<Pod>, container: AnyContainer, observed: PodObservation): boolean {
  const [latest] = instancesOf(observed, container.name);
  if (latest === undefined || latest.state === "created") return false;
  return !restarts(pod, container, false, asKilled(latest));
}

function hasRunning({ containers }: PodObservation, sandboxId: string): boolean {
  return containers.some((container) => container.sandboxId === sandboxId && container.state === "running");
}

/**
 * "succeeded" or "failed" when no main container will run again; "failed" too when an init container has failed for good.
 */
export function isFinished(pod: Observed<Pod>, observed: PodObservation): "running" | "succeeded" | "failed" {
  for (const container of pod.spec.initContainers ?? []) {
    const [latest] = instancesOf(observed, container.name);
    if (isSidecar(container) || latest === undefined) continue;
    if (latest.state === "exited" && latest.exitCode !== 0 && !restarts(pod, container, true, latest)) return "failed";
  }
  let failed = false;
  for (const container of pod.spec.containers) {
    const [latest] = instancesOf(observed, container.name);
    if (latest === undefined || latest.state !== "exited" || restarts(pod, container, false, latest)) return "running";
    failed ||= latest.exitCode !== 0;
  }
  return failed ? "failed" : "succeeded";
}

/** "done": the next one may start. */
function initStateOf(
  container: AnyContainer,
  observed: PodObservation,
  sandbox: ObservedSandbox,
  input: Pick<PlanInput, "probes">,
): "absent" | "waiting" | "done" {
  const [latest] = instancesOf(observed, container.name);
  if (latest === undefined || latest.sandboxId !== sandbox.id) return "absent";
  if (isSidecar(container)) return latest.state === "running" && input.probes(latest).started ? "done" : "waiting";
  return latest.state === "exited" && latest.exitCode === 0 ? "done" : "waiting";
}

/** Has every init container of this sandbox run through (sidecars: started)? A main container that exists says so too. */
export function isInitialised(
  pod: Observed<Pod>,
  observed: PodObservation,
  sandbox: ObservedSandbox,
  input: Pick<PlanInput, "probes">,
): boolean {
  const names = new Set(pod.spec.containers.map(({ name }) => name));
  if (observed.containers.some(({ sandboxId, name }) => sandboxId === sandbox.id && names.has(name))) return true;
  return (pod.spec.initContainers ?? []).every(
    (container) => initStateOf(container, observed, sandbox, input) === "done",
  );
}

/**
 * Of each container the last two instances stay (lastState, logs --previous); of sandboxes the last. One whose start failed
 * never becomes more than "created", holds an address, and is of no use.
 */
function garbage(
  pod: Observed<Pod>,
  observed: PodObservation,
  current: ObservedSandbox | undefined,
): Pick<PodPlan, "removeContainers" | "removeSandboxes"> {
  const names = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ name }) => name);
  const removeContainers = names.flatMap((name) =>
    instancesOf(observed, name)
      .slice(2)
      .filter(({ state }) => state !== "running")
      .map(({ id }) => id),
  );
  const newest = [...observed.sandboxes].sort((a, b) => b.attempt - a.attempt)[0];
  const removeSandboxes = observed.sandboxes
    .filter(
      ({ id, state }) =>
        id !== current?.id &&
        (state === "created" || (state === "exited" && id !== newest?.id)) &&
        !hasRunning(observed, id),
    )
    .map(({ id }) => id);
  return { removeContainers, removeSandboxes };
}
