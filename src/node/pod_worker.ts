/**
 * One pod's life on this node: looks, plans (pod_actions.ts), carries out, says how it is (pod_status.ts), waits. One
 * pass at a time; every pass starts from what the engine says, so a pass that fails is simply done again.
 */
import { sleep } from "../env/clock.ts";
import { describeError } from "../env/log.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { PodStatus } from "../kinds/core/pod_status.ts";
import type { Observed } from "../kinds/kind.ts";
import { BackOff } from "./back_off.ts";
import type { ObservedContainer } from "./container_runtime.ts";
import { ContainerStarts } from "./container_start.ts";
import { stopContainer, stopContainers } from "./container_stop.ts";
import type { PodIdentity } from "./docker_names.ts";
import { withdraw } from "./endpoint_withdrawal.ts";
import { instancesOf, isSidecar, type PodPlan, type ProbeState, planPod, runningSandbox } from "./pod_actions.ts";
import { PodFolder } from "./pod_folder.ts";
import { PodSandboxes } from "./pod_sandboxes.ts";
import { podStatus } from "./pod_status.ts";
import { Prober } from "./prober.ts";
import { TerminationMessages } from "./termination_messages.ts";
import { containerSpec, WorkedPod, type WorkerContext } from "./worked_pod.ts";

const firstPauseMs = 1000;
const longestPauseMs = 30_000;
/**
 * Of a pod whose object goes while it runs: only a deletion by force does that, and its last state does not say so (it still has
 * the old grace period). Kubernetes gives so long in that case.
 */
const forcedGraceSeconds = 2;

export class PodWorker {
  readonly #worked: WorkedPod;
  readonly #context: WorkerContext;
  readonly #folder: PodFolder;
  readonly #sandboxes: PodSandboxes;
  readonly #starts: ContainerStarts;
  readonly #messages: TerminationMessages;
  readonly #prober: Prober;
  readonly #backOff = new BackOff();
  #backingOff: readonly string[] = [];
  /** The API has it no more, or never had: only ending is left. */
  #gone: boolean;
  #endingBegun = false;
  #verdict: { readonly reason: string; readonly message: string } | undefined;
  #done = false;
  #dirty = true;
  #wake: () => void = () => undefined;

  /** `pod` undefined: something on the engine whose pod is gone. */
  constructor(context: WorkerContext, identity: PodIdentity, pod: Observed<Pod> | undefined) {
    const worked = new WorkedPod(context, identity, pod);
    this.#worked = worked;
    this.#context = context;
    this.#folder = new PodFolder(worked);
    this.#sandboxes = new PodSandboxes(worked);
    this.#starts = new ContainerStarts(worked, this.#folder, this.#backOff);
    this.#messages = new TerminationMessages(worked);
    this.#gone = pod === undefined;
    const before = new Map(
      [...(pod?.status.containerStatuses ?? []), ...(pod?.status.initContainerStatuses ?? [])].map((status) => [
        status.containerID,
        { ready: status.ready, started: status.started ?? false },
      ]),
    );
    this.#prober = new Prober({
      effects: context.probeEffects,
      changed: () => this.trigger(),
      unhealthy: (container, message) => worked.event("Warning", "Unhealthy", message, container),
      lastKnown: (id) => before.get(`docker://${id}`) ?? { ready: false, started: false },
    });
  }

  get done(): boolean {
    return this.#done;
  }

  /** The newest state of the pod that is known. */
  get pod(): Observed<Pod> | undefined {
    return this.#worked.pod;
  }

  /** Something may be different: look again. */
  trigger(): void {
    this.#dirty = true;
    this.#wake();
  }

  update(pod: Observed<Pod>): void {
    this.#worked.writer?.observe(pod);
    if (pod.metadata.deletionTimestamp) this.#worked.giveUpStarting();
    this.trigger();
  }

  /** The API object is gone. What runs is ended; what is being ended, sooner. */
  deleted(): void {
    this.#gone = true;
    this.#worked.giveUpStarting();
    if (this.#endingBegun)
      for (const { id, state } of this.#worked.observation().containers)
        if (state === "running") this.#context.runtime.stopContainer(id, forcedGraceSeconds).catch(() => undefined);
    this.trigger();
  }

  /** Until the pod has ended and is cleared away, or `signal` is aborted (then everything is left as it is). */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted && !this.#done) {
      this.#dirty = false;
      let againMs: number | undefined;
      try {
        againMs = await this.#pass(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        againMs = Math.min(firstPauseMs * 2 ** failures++, longestPauseMs);
        this.#worked.log.warn("a pod could not be brought to what it should be; trying again", {
          error: describeError(error),
          againMs,
        });
      }
      if (!this.#dirty && !this.#done) await this.#pause(againMs, signal);
    }
    this.#prober.stop();
  }

  #pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const stop = () => over.abort();
    this.#wake = stop;
    if (signal.aborted || this.#dirty) return Promise.resolve();
    signal.addEventListener("abort", stop, { once: true });
    return sleep(this.#context.clock, ms ?? 24 * 3_600_000, over.signal).finally(() => {
      signal.removeEventListener("abort", stop);
    });
  }

  async #pass(signal: AbortSignal): Promise<number | undefined> {
    const pod = this.pod;
    if (pod === undefined || this.#gone || pod.metadata.deletionTimestamp) {
      await this.#end(signal);
      return undefined;
    }
    const deadline = this.#deadline(pod);
    if (deadline !== undefined && deadline <= 0 && this.#verdict === undefined) {
      this.#verdict = {
        reason: "DeadlineExceeded",
        message: "Pod was active on the node longer than the specified deadline",
      };
      this.#worked.event("Normal", "DeadlineExceeded", this.#verdict.message);
    }
    const phase = pod.status.phase;
    if (this.#verdict || phase === "Succeeded" || phase === "Failed") {
      await this.#stopEverything(pod, signal);
      await this.#look(signal);
      return undefined;
    }
    const plan = this.#plan(pod);
    this.#backingOff = plan.backingOff;
    this.#reportBackOff(pod, plan);
    this.#publish(signal);
    let againMs = soonest(plan.againMs, deadline);
    for (const { id, name, message } of plan.kill) {
      const spec = containerSpec(pod, name);
      this.#worked.event("Normal", "Killing", message, name);
      await stopContainer(this.#worked, pod, spec, id, spec?.livenessProbe?.terminationGracePeriodSeconds);
    }
    if (plan.finished) {
      await this.#stopEverything(pod, signal);
      await this.#look(signal);
      return undefined;
    }
    if (plan.stopSandboxes.length > 0) {
      this.#worked.event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
      this.#prober.stop();
      await this.#sandboxes.stop(plan.stopSandboxes);
    }
    for (const id of plan.discard) await this.#context.runtime.removeContainer(id);
    // Before the next is made: where none can be started, they and their addresses must not become more and more.
    for (const id of plan.removeSandboxes) await this.#context.runtime.removePodSandbox(id);
    const current = runningSandbox(this.#worked.observation());
    const unwired = current !== undefined && !this.#sandboxes.isWired(current.id);
    if (plan.createSandbox !== undefined || plan.start.length > 0 || unwired) {
      const later = await this.#start(pod, plan, signal);
      againMs = soonest(againMs, later);
    }
    for (const id of plan.removeContainers) {
      await this.#context.runtime.removeContainer(id);
      this.#messages.forget(id);
    }
    await this.#look(
      signal,
      plan.kill.length + plan.start.length + plan.removeContainers.length + plan.removeSandboxes.length > 0,
    );
    return againMs;
  }

  /** Milliseconds left of activeDeadlineSeconds. */
  #deadline(pod: Observed<Pod>): number | undefined {
    const seconds = pod.spec.activeDeadlineSeconds;
    const { startTime } = pod.status;
    if (seconds === undefined || !startTime) return undefined;
    return Date.parse(startTime) + seconds * 1000 - this.#context.clock.now();
  }

  /** Lists again where something was done, reads what ended containers left, probes what runs, writes the status. */
  async #look(signal: AbortSignal, changed = true): Promise<void> {
    const { observed } = this.#context;
    if (changed) await observed.refresh();
    const pod = this.pod;
    if (pod === undefined) return;
    const observation = this.#worked.observation();
    await this.#messages.read(pod);
    const sandbox = runningSandbox(observation);
    const running = sandbox
      ? [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers].flatMap((spec) => {
          const [latest] = instancesOf(observation, spec.name);
          return latest?.state === "running" && latest.sandboxId === sandbox.id ? [{ spec, container: latest }] : [];
        })
      : [];
    for (const { spec } of running) this.#starts.waitsNoMore(spec.name);
    this.#prober.sync(running, this.#worked.podIp(pod) ?? "");
    this.#publish(signal);
  }

  #probeState(container: ObservedContainer): ProbeState {
    const pod = this.pod;
    const spec = pod && containerSpec(pod, container.name);
    return spec ? this.#prober.state(container, spec) : { started: true, ready: true };
  }

  #plan(pod: Observed<Pod>): PodPlan {
    const nowMs = this.#context.clock.now();
    return planPod({
      pod,
      observed: this.#worked.observation(),
      probes: (container) => this.#probeState(container),
      backOffMs: (name, finishedAtMs) => this.#backOff.waitMs(name, finishedAtMs, nowMs),
      nowMs,
    });
  }

  #reportBackOff(pod: Observed<Pod>, plan: PodPlan): void {
    const { name, namespace, uid } = this.#worked.identity;
    for (const container of plan.backingOff) {
      const where = `${container} in pod ${name}_${namespace}(${uid})`;
      this.#worked.event("Warning", "BackOff", `Back-off restarting failed container ${where}`, container);
      this.#starts.waitsNoMore(container);
    }
    if (pod.spec.containers.length === 0) this.#worked.log.warn("a pod has no containers");
  }

  #status(): PodStatus {
    const pod = this.pod;
    if (pod === undefined) throw new Error("a pod that the API does not have has no status");
    const podIp = this.#worked.podIp(pod);
    return podStatus({
      pod,
      observed: this.#worked.observation(),
      probes: (container) => this.#probeState(container),
      nowMs: this.#context.clock.now(),
      waiting: (name) => this.#starts.waiting(name),
      crashLoopMs: (name) => (this.#backingOff.includes(name) ? this.#backOff.delayMs(name) : undefined),
      terminationMessage: (id) => this.#messages.of(id),
      podIp,
      nodeIp: this.#context.nodeIp,
      ending: pod.metadata.deletionTimestamp !== undefined || this.#verdict !== undefined,
      ...(this.#verdict ? { verdict: this.#verdict } : {}),
    });
  }

  #publish(signal: AbortSignal): void {
    if (!this.#gone) this.#worked.writer?.write(() => this.#status(), signal);
  }

  // Starting

  /** Milliseconds after which to try again what could not be started. */
  async #start(pod: Observed<Pod>, plan: PodPlan, signal: AbortSignal): Promise<number | undefined> {
    const { runtime } = this.#context;
    const found = runningSandbox(this.#worked.observation());
    let sandboxId = found?.id;
    let podIp = this.#worked.podIp(pod);
    let ready: Promise<void> = Promise.resolve();
    if (plan.createSandbox !== undefined) {
      this.#folder.renew();
      const made = await this.#sandboxes.make(pod, plan.createSandbox);
      sandboxId = made.id;
      podIp = made.podIp;
      ready = made.ready;
      // Awaited below; a failure before that must not count as unhandled.
      ready.catch(() => undefined);
    } else if (found !== undefined && !this.#sandboxes.isWired(found.id)) {
      // An earlier life started it: it may have ended before it was wired, or somebody took the link or the bridge away since.
      ready = this.#sandboxes.wire(found.id, found.pid ?? 0, found.podAddress);
      ready.catch(() => undefined);
    }
    if (sandboxId === undefined) return undefined;
    const inSandbox = sandboxId;
    const address = podIp ?? "";
    const outcomes = await Promise.all([
      ready,
      ...plan.start.map((start) => this.#starts.prepare(pod, start, inSandbox, address)),
    ]).catch(async (error: unknown) => {
      // Half a pod is of no use; the next pass makes another sandbox.
      if (plan.createSandbox !== undefined) await runtime.stopPodSandbox(inSandbox).catch(() => undefined);
      throw error;
    });
    let againMs: number | undefined;
    for (const outcome of outcomes) {
      if (outcome === undefined) continue;
      if ("againMs" in outcome) againMs = soonest(againMs, outcome.againMs);
      else if (!signal.aborted && !this.#worked.starting.aborted) await this.#starts.start(pod, outcome, address);
    }
    return againMs;
  }

  // Ending

  /** Ends what runs, main containers before sidecars, then the sandbox. Ended containers stay for their logs. */
  async #stopEverything(pod: Observed<Pod> | undefined, signal: AbortSignal, graceSeconds?: number): Promise<void> {
    const sandboxes = this.#worked.observation().sandboxes.filter(({ state }) => state !== "exited");
    await stopContainers(this.#worked, pod, graceSeconds);
    this.#prober.stop();
    if (sandboxes.length === 0) return;
    await this.#context.observed.refresh();
    if (pod) {
      await this.#messages.read(pod);
      this.#publish(signal);
    }
    await this.#sandboxes.stop(sandboxes.map(({ id }) => id));
    await this.#context.observed.refresh();
  }

  async #end(signal: AbortSignal): Promise<void> {
    const { runtime, addresses, puller, observed } = this.#context;
    const { uid } = this.#worked.identity;
    const pod = this.pod;
    this.#worked.giveUpStarting();
    // What was made since the last list that came through must be ended too.
    await observed.refresh();
    const address = pod && !pod.spec.hostNetwork ? this.#worked.podIp(pod) : undefined;
    const grace = pod?.metadata.deletionGracePeriodSeconds ?? pod?.spec.terminationGracePeriodSeconds;
    if (address !== undefined && this.#worked.observation().containers.some(({ state }) => state === "running"))
      await withdraw(this.#worked, address, grace ?? 30, signal);
    if (signal.aborted) return;
    this.#endingBegun = true;
    const hurried = this.#gone && pod !== undefined ? forcedGraceSeconds : grace;
    await this.#stopEverything(pod, signal, hurried);
    const { sandboxes, containers } = this.#worked.observation();
    if (pod !== undefined && !this.#gone) {
      await this.#look(signal, false);
      await this.#worked.writer?.flushed();
      await this.#worked.writer?.deletePod();
    }
    await Promise.all(containers.map(({ id }) => runtime.removeContainer(id)));
    await Promise.all(sandboxes.map(({ id }) => runtime.removePodSandbox(id)));
    await this.#folder.remove();
    addresses.free(uid);
    puller.forget(uid);
    await observed.refresh();
    this.#done = true;
  }
}

function soonest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
