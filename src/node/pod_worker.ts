/**
 * One pod's life on this node: looks, plans (pod_actions.ts), carries out, says how it is (pod_status.ts), waits. One
 * pass at a time; every pass starts from what the engine says, so a pass that fails is simply done again.
 */
import type { Client } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import { type Pod, podKind } from "../kinds/core/pod.ts";
import type { PodStatus } from "../kinds/core/pod_status.ts";
import type { Observed } from "../kinds/kind.ts";
import { isConflict, isNotFound } from "../kinds/status_error.ts";
import type { AddressBook } from "./address_book.ts";
import { BackOff } from "./back_off.ts";
import { containerConfig, graceLabel, sandboxConfig } from "./container_config.ts";
import { type ContainerRuntime, type Mount, type ObservedContainer, RuntimeError } from "./container_runtime.ts";
import type { PodIdentity } from "./docker_names.ts";
import type { EndpointGate } from "./endpoint_gate.ts";
import type { ImagePuller } from "./image_puller.ts";
import type { HostFacts, PodFiles } from "./machine_link.ts";
import type { ObservedPods } from "./observed_pods.ts";
import {
  type ContainerStart,
  instancesOf,
  isSidecar,
  type PodPlan,
  type ProbeState,
  planPod,
  runningSandbox,
} from "./pod_actions.ts";
import { type AnyContainer, ConfigError, type EnvironmentSources, environmentOf } from "./pod_environment.ts";
import { type DnsSettings, hostsFile, resolvConf } from "./pod_name_files.ts";
import type { PodNetwork } from "./pod_network_link.ts";
import { readLogin, readSources, type SourcesOptions } from "./pod_sources.ts";
import { podStatus, type Waiting } from "./pod_status.ts";
import { PodStatusWriter } from "./pod_status_writer.ts";
import { makeVolume, VolumeError, volumeMounts } from "./pod_volumes.ts";
import { type ProbeEffects, tryHandler } from "./probe_actions.ts";
import { Prober } from "./prober.ts";

/** What all workers of a node share. */
export interface WorkerContext extends SourcesOptions {
  readonly client: Client;
  readonly runtime: ContainerRuntime;
  readonly podNetwork: PodNetwork;
  readonly observed: ObservedPods;
  readonly addresses: AddressBook;
  readonly puller: ImagePuller;
  readonly files: PodFiles;
  readonly probeEffects: ProbeEffects;
  readonly gate: EndpointGate;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly facts: HostFacts;
  readonly dns: DnsSettings;
  /** Folder of all pods' files: "/var/lib/wherry/pods". */
  readonly podsDir: string;
  /** Where localhost seccomp profiles lie. */
  readonly profileRoot: string;
  /** Resolves when the node's side of the pod network is there. */
  networkReady(): Promise<void>;
}

interface PreparedVolumes {
  /** Where each volume lies. */
  readonly paths: ReadonlyMap<string, string>;
  readonly sources: EnvironmentSources;
}

interface Prepared {
  readonly start: ContainerStart;
  readonly id: string;
}

const encoder = new TextEncoder();
const mostTerminationMessage = 4096;
const configRetryMs = 5000;
const firstPauseMs = 1000;
const longestPauseMs = 30_000;

export class PodWorker {
  readonly identity: PodIdentity;
  readonly #context: WorkerContext;
  readonly #log: Log;
  readonly #writer: PodStatusWriter | undefined;
  readonly #prober: Prober;
  readonly #backOff = new BackOff();
  readonly #waiting = new Map<string, Waiting>();
  readonly #messages = new Map<string, string>();
  #backingOff: readonly string[] = [];
  /** The API has it no more, or never had: only ending is left. */
  #gone: boolean;
  #endingBegun = false;
  #verdict: { readonly reason: string; readonly message: string } | undefined;
  #volumes: Promise<PreparedVolumes> | undefined;
  /** The sandbox whose network this worker knows to be wired. */
  #wired: string | undefined;
  #done = false;
  #dirty = true;
  #wake: () => void = () => undefined;
  /** Aborted when the pod is to end: a pull or a pause is given up. */
  readonly #starting = new AbortController();

  /** Rejects when the pod is to end: for what a start waits on. */
  readonly #givenUp = new Promise<never>((_, reject) => {
    this.#starting.signal.addEventListener("abort", () => reject(new Error("the pod is to end")), { once: true });
  });

  /** `pod` undefined: something on the engine whose pod is gone. */
  constructor(context: WorkerContext, identity: PodIdentity, pod: Observed<Pod> | undefined) {
    this.#context = context;
    this.identity = identity;
    this.#log = context.log.with({ pod: `${identity.namespace}/${identity.name}` });
    this.#gone = pod === undefined;
    this.#givenUp.catch(() => undefined);
    this.#writer = pod && new PodStatusWriter(context.client, context.clock, this.#log, pod);
    const before = new Map(
      [...(pod?.status.containerStatuses ?? []), ...(pod?.status.initContainerStatuses ?? [])].map((status) => [
        status.containerID,
        { ready: status.ready, started: status.started ?? false },
      ]),
    );
    this.#prober = new Prober({
      effects: context.probeEffects,
      changed: () => this.trigger(),
      unhealthy: (container, message) => this.#event("Warning", "Unhealthy", message, container),
      lastKnown: (id) => before.get(`docker://${id}`) ?? { ready: false, started: false },
    });
  }

  get done(): boolean {
    return this.#done;
  }

  /** The newest state of the pod that is known. */
  get pod(): Observed<Pod> | undefined {
    return this.#writer?.pod;
  }

  /** Something may be different: look again. */
  trigger(): void {
    this.#dirty = true;
    this.#wake();
  }

  update(pod: Observed<Pod>): void {
    this.#writer?.observe(pod);
    if (pod.metadata.deletionTimestamp) this.#starting.abort();
    this.trigger();
  }

  /** The API object is gone. What runs is ended; what is being ended, sooner. */
  deleted(last: Observed<Pod>): void {
    this.#gone = true;
    this.#starting.abort();
    if (this.#endingBegun) {
      const grace = Math.max(1, last.metadata.deletionGracePeriodSeconds ?? 1);
      for (const { id, state } of this.#observation().containers)
        if (state === "running") this.#context.runtime.stopContainer(id, grace).catch(() => undefined);
    }
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
        this.#log.warn("a pod could not be brought to what it should be; trying again", {
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

  #observation() {
    return this.#context.observed.of(this.identity.uid);
  }

  #event(type: "Normal" | "Warning", reason: string, message: string, container?: string): void {
    const pod = this.pod;
    if (pod === undefined) return;
    const init = pod.spec.initContainers?.some(({ name }) => name === container) ?? false;
    const path = container === undefined ? undefined : `spec.${init ? "initContainers" : "containers"}{${container}}`;
    this.#context.events.report(pod, type, reason, message, path);
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
      this.#event("Normal", "DeadlineExceeded", this.#verdict.message);
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
      const spec = specOf(pod, name);
      this.#event("Normal", "Killing", message, name);
      await this.#stopContainer(pod, spec, id, spec?.livenessProbe?.terminationGracePeriodSeconds);
    }
    if (plan.finished) {
      await this.#stopEverything(pod, signal);
      await this.#look(signal);
      return undefined;
    }
    if (plan.stopSandboxes.length > 0) {
      this.#event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
      this.#prober.stop();
      await this.#stopSandboxes(plan.stopSandboxes);
    }
    for (const id of plan.discard) await this.#context.runtime.removeContainer(id);
    if (plan.createSandbox !== undefined || plan.start.length > 0) {
      const later = await this.#start(pod, plan, signal);
      againMs = soonest(againMs, later);
    }
    for (const id of plan.removeContainers) {
      await this.#context.runtime.removeContainer(id);
      this.#messages.delete(id);
    }
    for (const id of plan.removeSandboxes) await this.#context.runtime.removePodSandbox(id);
    await this.#look(signal, plan.kill.length + plan.start.length + plan.removeContainers.length > 0);
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
    const observation = this.#observation();
    await this.#readTerminationMessages(pod);
    const sandbox = runningSandbox(observation);
    const running = sandbox
      ? [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers].flatMap((spec) => {
          const [latest] = instancesOf(observation, spec.name);
          return latest?.state === "running" && latest.sandboxId === sandbox.id ? [{ spec, container: latest }] : [];
        })
      : [];
    for (const { spec } of running) this.#waiting.delete(spec.name);
    this.#prober.sync(running, this.#podIp(pod) ?? "");
    this.#publish(signal);
  }

  #podIp(pod: Observed<Pod>): string | undefined {
    if (pod.spec.hostNetwork) return this.#context.nodeIp;
    const address = runningSandbox(this.#observation())?.podAddress ?? undefined;
    // An ended pod keeps the address that it had.
    return address?.split("/")[0] ?? pod.status.podIP;
  }

  #probeState(container: ObservedContainer): ProbeState {
    const pod = this.pod;
    const spec = pod && specOf(pod, container.name);
    return spec ? this.#prober.state(container, spec) : { started: true, ready: true };
  }

  #plan(pod: Observed<Pod>): PodPlan {
    const nowMs = this.#context.clock.now();
    return planPod({
      pod,
      observed: this.#observation(),
      probes: (container) => this.#probeState(container),
      backOffMs: (name, finishedAtMs) => this.#backOff.waitMs(name, finishedAtMs, nowMs),
      nowMs,
    });
  }

  #reportBackOff(pod: Observed<Pod>, plan: PodPlan): void {
    const { name, namespace, uid } = this.identity;
    for (const container of plan.backingOff) {
      const where = `${container} in pod ${name}_${namespace}(${uid})`;
      this.#event("Warning", "BackOff", `Back-off restarting failed container ${where}`, container);
      this.#waiting.delete(container);
    }
    if (pod.spec.containers.length === 0) this.#log.warn("a pod has no containers");
  }

  #status(): PodStatus {
    const pod = this.pod;
    if (pod === undefined) throw new Error("a pod that the API does not have has no status");
    const podIp = this.#podIp(pod);
    return podStatus({
      pod,
      observed: this.#observation(),
      probes: (container) => this.#probeState(container),
      nowMs: this.#context.clock.now(),
      waiting: (name) => this.#waiting.get(name),
      crashLoopMs: (name) => (this.#backingOff.includes(name) ? this.#backOff.delayMs(name) : undefined),
      terminationMessage: (id) => this.#messages.get(id),
      podIp,
      nodeIp: this.#context.nodeIp,
      ending: pod.metadata.deletionTimestamp !== undefined || this.#verdict !== undefined,
      ...(this.#verdict ? { verdict: this.#verdict } : {}),
    });
  }

  #publish(signal: AbortSignal): void {
    if (!this.#gone) this.#writer?.write(() => this.#status(), signal);
  }

  // Starting

  #root(): string {
    return `${this.#context.podsDir}/${this.identity.uid}`;
  }

  /** Milliseconds after which to try again what could not be started. */
  async #start(pod: Observed<Pod>, plan: PodPlan, signal: AbortSignal): Promise<number | undefined> {
    const { runtime } = this.#context;
    const found = runningSandbox(this.#observation());
    let sandboxId = found?.id;
    let podIp = this.#podIp(pod);
    let ready: Promise<void> = Promise.resolve();
    if (plan.createSandbox !== undefined) {
      const made = await this.#makeSandbox(pod, plan.createSandbox);
      sandboxId = made.id;
      podIp = made.podIp;
      ready = made.ready;
      // Awaited below; a failure before that must not count as unhandled.
      ready.catch(() => undefined);
    } else if (found !== undefined && found.id !== this.#wired && plan.start.length > 0) {
      // An earlier life started it, and may have ended before it was wired.
      ready = this.#wire(found.id, found.pid ?? 0, found.podAddress);
      ready.catch(() => undefined);
    }
    if (sandboxId === undefined) return undefined;
    const inSandbox = sandboxId;
    const address = podIp ?? "";
    const outcomes = await Promise.all([
      ready,
      ...plan.start.map((start) => this.#prepare(pod, start, inSandbox, address)),
    ]).catch(async (error: unknown) => {
      // Half a pod is of no use; the next pass makes another sandbox.
      if (plan.createSandbox !== undefined) await runtime.stopPodSandbox(inSandbox).catch(() => undefined);
      throw error;
    });
    let againMs: number | undefined;
    for (const outcome of outcomes) {
      if (outcome === undefined) continue;
      if ("againMs" in outcome) againMs = soonest(againMs, outcome.againMs);
      else if (!signal.aborted && !this.#starting.signal.aborted) await this.#startContainer(pod, outcome, address);
    }
    return againMs;
  }

  async #makeSandbox(
    pod: Observed<Pod>,
    attempt: number,
  ): Promise<{ readonly id: string; readonly podIp: string; readonly ready: Promise<void> }> {
    const { runtime, addresses, nodeIp } = this.#context;
    const { uid } = this.identity;
    try {
      const hostPorts = pod.spec.containers.flatMap(({ ports = [] }) =>
        ports.flatMap(({ hostPort }) => hostPort ?? []),
      );
      if (hostPorts.length > 0 && !pod.spec.hostNetwork) {
        const text = `host ports are not supported yet: ${hostPorts.join(", ")} of the node will not lead to this pod`;
        this.#event("Warning", "HostPortNotSupported", text);
      }
      const address = pod.spec.hostNetwork ? undefined : addresses.take(uid);
      const podIp = address?.split("/")[0] ?? nodeIp;
      this.#volumes = undefined;
      const id = await runtime.createPodSandbox(sandboxConfig(pod, attempt, address));
      const ready = (async () => {
        try {
          const network = Promise.race([this.#context.networkReady(), this.#givenUp]);
          const [{ pid }] = await Promise.all([runtime.startPodSandbox(id), network]);
          await this.#wire(id, pid, address);
        } catch (error) {
          this.#event("Warning", "FailedCreatePodSandBox", `Failed to create pod sandbox: ${describeError(error)}`);
          throw error;
        }
      })();
      return { id, podIp, ready };
    } catch (error) {
      addresses.free(uid);
      this.#event("Warning", "FailedCreatePodSandBox", `Failed to create pod sandbox: ${describeError(error)}`);
      throw error;
    }
  }

  /** `address` undefined: the pod is on the node's own network. */
  async #wire(sandboxId: string, pid: number, address: string | undefined): Promise<void> {
    if (address !== undefined) {
      await Promise.race([this.#context.networkReady(), this.#givenUp]);
      await this.#context.podNetwork.attach(this.identity.uid, pid, address);
    }
    this.#wired = sandboxId;
  }

  /** Makes the pod's volumes and name files, once a sandbox. */
  #prepareVolumes(pod: Observed<Pod>, podIp: string): Promise<PreparedVolumes> {
    const making = this.#volumes ?? this.#makeVolumes(pod, podIp);
    this.#volumes = making;
    making.catch(() => {
      if (this.#volumes === making) this.#volumes = undefined;
    });
    return making;
  }

  async #makeVolumes(pod: Observed<Pod>, podIp: string): Promise<PreparedVolumes> {
    const { files, facts, dns } = this.#context;
    const root = this.#root();
    const sources = await readSources(this.#context, pod, podIp);
    const paths = new Map<string, string>();
    const hosts = hostsFile(pod, podIp, facts.hosts, dns.clusterDomain);
    await Promise.all([
      files.writeFile(`${root}/etc-hosts`, encoder.encode(hosts), 0o644),
      files.writeFile(`${root}/resolv.conf`, encoder.encode(resolvConf(pod, dns)), 0o644),
      ...(pod.spec.volumes ?? []).map(async (volume) => {
        paths.set(volume.name, await makeVolume(files, root, volume, sources));
      }),
    ]);
    return { paths, sources };
  }

  async #prepare(
    pod: Observed<Pod>,
    start: ContainerStart,
    sandboxId: string,
    podIp: string,
  ): Promise<Prepared | { readonly againMs: number } | undefined> {
    const { container, attempt } = start;
    const { client, puller, runtime, clock, facts } = this.#context;
    const { name } = container;
    const waitFor = (waiting: Waiting, againMs: number | undefined) => {
      this.#waiting.set(name, waiting);
      return againMs === undefined ? undefined : { againMs };
    };
    try {
      const volumes = this.#prepareVolumes(pod, podIp);
      const event = (type: "Normal" | "Warning", reason: string, message: string) =>
        this.#event(type, reason, message, name);
      const [outcome, { paths, sources: first }] = await Promise.all([
        puller.ensure(this.identity.uid, container, event, this.#starting.signal, (image) =>
          readLogin(client, pod, image),
        ),
        volumes,
      ]);
      if (!("image" in outcome)) return waitFor(outcome.waiting, outcome.againMs);
      // A restart, and a try after one that failed, see what the objects say now.
      const again = attempt > 0 || this.#waiting.has(name);
      const sources = again ? await readSources(this.#context, pod, podIp) : first;
      const env = environmentOf(container, sources);
      const mounts = await this.#mounts(pod, container, attempt, paths, env);
      const config = containerConfig({
        pod,
        container,
        attempt,
        env,
        mounts,
        nodeMemoryBytes: facts.memoryBytes,
        profileRoot: this.#context.profileRoot,
        imageUser: outcome.image.user,
      });
      if (start.afterEndMs !== undefined) this.#backOff.repeated(name, start.afterEndMs, clock.now());
      const id = await runtime.createContainer(sandboxId, config);
      this.#waiting.delete(name);
      this.#event("Normal", "Created", `Created container: ${name}`, name);
      return { start, id };
    } catch (error) {
      if (error instanceof VolumeError) {
        const text = `MountVolume.SetUp failed for volume "${error.volume}" : ${error.message}`;
        this.#event("Warning", "FailedMount", text);
        return { againMs: configRetryMs };
      }
      if (error instanceof ConfigError) {
        this.#event("Warning", "Failed", `Error: ${error.message}`, name);
        return waitFor({ reason: "CreateContainerConfigError", message: error.message }, configRetryMs);
      }
      if (error instanceof RuntimeError && error.code !== "Unavailable" && error.code !== "NotFound") {
        const message = `Error response from daemon: ${engineWords(error)}`;
        this.#event("Warning", "Failed", `Error: ${message}`, name);
        return waitFor({ reason: "CreateContainerError", message }, configRetryMs);
      }
      if (this.#starting.signal.aborted) return undefined;
      throw error;
    }
  }

  async #mounts(
    pod: Observed<Pod>,
    container: AnyContainer,
    attempt: number,
    paths: ReadonlyMap<string, string>,
    env: readonly { readonly name: string; readonly value: string }[],
  ): Promise<Mount[]> {
    const { files } = this.#context;
    const root = this.#root();
    const mounts = volumeMounts(pod, container, paths, env);
    for (const [index, { hostPath }] of mounts.entries()) {
      const name = container.volumeMounts?.[index]?.name;
      const volume = pod.spec.volumes?.find((one) => one.name === name);
      if (!volume || (!volume.emptyDir && !volume.hostPath)) continue;
      if ((await files.kindOf(hostPath)) !== undefined) continue;
      // A subPath that is not there yet is open to whom its volume is open to.
      const group = volume.emptyDir ? pod.spec.securityContext?.fsGroup : undefined;
      await files.makeDirectory(hostPath, volume.emptyDir ? (group === undefined ? 0o777 : 0o2777) : 0o755, group);
    }
    const taken = new Set(mounts.map(({ containerPath }) => containerPath));
    const own: readonly [string, string][] = [
      [`${root}/etc-hosts`, "/etc/hosts"],
      [`${root}/resolv.conf`, "/etc/resolv.conf"],
    ];
    for (const [hostPath, containerPath] of own)
      if (!taken.has(containerPath)) mounts.push({ hostPath, containerPath, readOnly: false });
    const messagePath = container.terminationMessagePath ?? "/dev/termination-log";
    if (messagePath !== "" && !taken.has(messagePath)) {
      const hostPath = this.#messageFile(container.name, attempt);
      await files.writeFile(hostPath, new Uint8Array(), 0o666);
      mounts.push({ hostPath, containerPath: messagePath, readOnly: false });
    }
    return mounts;
  }

  #messageFile(container: string, attempt: number): string {
    return `${this.#root()}/containers/${container}/termination-${attempt}`;
  }

  async #startContainer(pod: Observed<Pod>, { start, id }: Prepared, podIp: string): Promise<void> {
    const { container } = start;
    const { runtime } = this.#context;
    try {
      await runtime.startContainer(id);
    } catch (error) {
      // An end like any other: the engine keeps why, and the back-off comes next.
      if (error instanceof RuntimeError && error.code === "StartFailed") {
        const why = `failed to start container "${container.name}": Error response from daemon: ${engineWords(error)}`;
        this.#event("Warning", "Failed", `Error: ${why}`, container.name);
        return;
      }
      throw error;
    }
    this.#event("Normal", "Started", `Started container ${container.name}`, container.name);
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    const result = await this.#runHook(hook, container, id, podIp, hookLimitMs);
    if (result.ok) return;
    this.#event("Warning", "FailedPostStartHook", `PostStartHook failed: ${result.message}`, container.name);
    this.#event("Normal", "Killing", "FailedPostStartHook", container.name);
    await runtime.stopContainer(id, pod.spec.terminationGracePeriodSeconds ?? 30);
  }

  async #runHook(
    hook: NonNullable<NonNullable<AnyContainer["lifecycle"]>["postStart"]>,
    container: AnyContainer,
    containerId: string,
    podIp: string,
    limitMs: number,
  ): Promise<{ readonly ok: boolean; readonly message: string }> {
    if (hook.sleep) {
      await sleep(this.#context.clock, Math.min(hook.sleep.seconds * 1000, limitMs));
      return { ok: true, message: "" };
    }
    return tryHandler(this.#context.probeEffects, hook, { container, containerId, podIp }, limitMs);
  }

  async #readTerminationMessages(pod: Observed<Pod>): Promise<void> {
    const { files } = this.#context;
    for (const { id, name, attempt, state, exitCode } of this.#observation().containers) {
      if (state !== "exited" || this.#messages.has(id)) continue;
      const spec = specOf(pod, name);
      const bytes = await files.readFile(this.#messageFile(name, attempt), mostTerminationMessage);
      let text = bytes ? new TextDecoder().decode(bytes) : "";
      if (text === "" && spec?.terminationMessagePolicy === "FallbackToLogsOnError" && exitCode !== 0)
        text = await this.#lastLogLines(id);
      this.#messages.set(id, text);
    }
  }

  async #lastLogLines(containerId: string): Promise<string> {
    const options = { follow: false, timestamps: false, tailLines: 80, stdout: true, stderr: true };
    const decoder = new TextDecoder();
    let text = "";
    try {
      for await (const { bytes } of await this.#context.runtime.logs(
        containerId,
        options,
        new AbortController().signal,
      ))
        text += decoder.decode(bytes, { stream: true });
    } catch (error) {
      this.#log.debug("the logs of an ended container are not readable", { error: describeError(error) });
    }
    return text.slice(-2048);
  }

  // Ending

  async #stopContainer(
    pod: Observed<Pod> | undefined,
    spec: AnyContainer | undefined,
    id: string,
    graceSeconds?: number,
  ): Promise<void> {
    const { runtime, clock } = this.#context;
    const graceMs = 1000 * (graceSeconds ?? pod?.spec.terminationGracePeriodSeconds ?? 30);
    const startedMs = clock.monotonicMs();
    const hook = spec?.lifecycle?.preStop;
    if (hook && spec && graceMs > 0) {
      const { ok, message } = await this.#runHook(hook, spec, id, (pod && this.#podIp(pod)) ?? "", graceMs);
      if (!ok) this.#event("Warning", "FailedPreStopHook", `PreStopHook failed: ${message}`, spec.name);
    }
    // Kubernetes gives two seconds even after a hook that took all of the grace period.
    const leftMs = Math.max(graceMs - (clock.monotonicMs() - startedMs), hook ? 2000 : 0);
    await runtime.stopContainer(id, Math.ceil(leftMs / 1000));
  }

  async #stopSandboxes(ids: readonly string[]): Promise<void> {
    const { runtime, podNetwork, addresses } = this.#context;
    for (const id of ids) await runtime.stopPodSandbox(id);
    await podNetwork.detach(this.identity.uid);
    addresses.free(this.identity.uid);
  }

  /** Ends what runs, main containers before sidecars, then the sandbox. Ended containers stay for their logs. */
  async #stopEverything(pod: Observed<Pod> | undefined, signal: AbortSignal, graceSeconds?: number): Promise<void> {
    const observation = this.#observation();
    const sandboxes = observation.sandboxes.filter(({ state }) => state !== "exited");
    const running = observation.containers.filter(({ state }) => state === "running");
    const sidecars = new Set((pod?.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
    for (const group of [
      running.filter(({ name }) => !sidecars.has(name)),
      running.filter(({ name }) => sidecars.has(name)),
    ])
      await Promise.all(
        group.map(({ id, name, labels }) => {
          this.#event("Normal", "Killing", `Stopping container ${name}`, name);
          const kept = Number(labels[graceLabel] ?? 30);
          return this.#stopContainer(pod, pod && specOf(pod, name), id, graceSeconds ?? kept);
        }),
      );
    this.#prober.stop();
    if (sandboxes.length === 0) return;
    await this.#context.observed.refresh();
    if (pod) {
      await this.#readTerminationMessages(pod);
      this.#publish(signal);
    }
    await this.#stopSandboxes(sandboxes.map(({ id }) => id));
    await this.#context.observed.refresh();
  }

  async #end(signal: AbortSignal): Promise<void> {
    const { gate, runtime, files, podsDir, addresses, puller, observed, client } = this.#context;
    const { uid } = this.identity;
    const pod = this.pod;
    this.#starting.abort();
    const address = pod && !pod.spec.hostNetwork ? this.#podIp(pod) : undefined;
    const grace = pod?.metadata.deletionGracePeriodSeconds ?? pod?.spec.terminationGracePeriodSeconds;
    if (address !== undefined && this.#observation().containers.some(({ state }) => state === "running"))
      await this.#withdraw(gate, address, grace ?? 30, signal);
    if (signal.aborted) return;
    this.#endingBegun = true;
    // The API object may have gone meanwhile, or before: then nobody waits.
    const hurried =
      this.#gone && pod !== undefined ? Math.max(1, pod.metadata.deletionGracePeriodSeconds ?? grace ?? 30) : grace;
    await this.#stopEverything(pod, signal, hurried);
    const { sandboxes, containers } = this.#observation();
    if (pod !== undefined && !this.#gone) {
      await this.#look(signal, false);
      await this.#writer?.flushed();
      await this.#deleteObject(client, pod);
    }
    await Promise.all(containers.map(({ id }) => runtime.removeContainer(id)));
    await Promise.all(sandboxes.map(({ id }) => runtime.removePodSandbox(id)));
    await files.removeTree(`${podsDir}/${uid}`);
    addresses.free(uid);
    puller.forget(uid);
    await observed.refresh();
    this.#done = true;
  }

  /** No container gets SIGTERM while the proxy may still send it new connections; bounded, so that a pod can always end. */
  async #withdraw(gate: EndpointGate, address: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    const limit = new AbortController();
    const stop = () => limit.abort();
    signal.addEventListener("abort", stop, { once: true });
    const timer = this.#context.clock.schedule(Math.max(1, Math.min(graceSeconds, 10)) * 1000, stop);
    try {
      await gate.withdrawn(address, limit.signal, this.identity.uid);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  async #deleteObject(client: Client, pod: Observed<Pod>): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    try {
      await client.delete(podKind, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

/** What the engine said, without what was tried. */
function engineWords(error: RuntimeError): string {
  return error.message.replace(/^Cannot [^:]*: /, "");
}

/** Hooks have no time-out of their own; one that hangs must not hold its pod for ever. */
const hookLimitMs = 600_000;

function specOf(pod: Observed<Pod>, name: string): AnyContainer | undefined {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((container) => container.name === name);
}

function soonest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
