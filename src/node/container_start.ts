/** Makes and starts the containers of one pod, and keeps why one waits. */
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import type { BackOff } from "./back_off.ts";
import { containerConfig } from "./container_config.ts";
import { RuntimeError } from "./container_runtime.ts";
import { hookLimitMs, runHook } from "./lifecycle_hook.ts";
import type { ContainerStart } from "./pod_actions.ts";
import { ConfigError, environmentOf } from "./pod_environment.ts";
import type { PodFolder } from "./pod_folder.ts";
import { readLogin, readSources } from "./pod_sources.ts";
import type { Waiting } from "./pod_status.ts";
import { VolumeError } from "./pod_volumes.ts";
import type { WorkedPod } from "./worked_pod.ts";

export interface PreparedContainer {
  readonly start: ContainerStart;
  readonly id: string;
}

const configRetryMs = 5000;

export class ContainerStarts {
  readonly #worked: WorkedPod;
  readonly #folder: PodFolder;
  readonly #backOff: BackOff;
  readonly #waiting = new Map<string, Waiting>();

  constructor(worked: WorkedPod, folder: PodFolder, backOff: BackOff) {
    this.#worked = worked;
    this.#folder = folder;
    this.#backOff = backOff;
  }

  /** Why the container could not be started, for its status. */
  waiting(container: string): Waiting | undefined {
    return this.#waiting.get(container);
  }

  waitsNoMore(container: string): void {
    this.#waiting.delete(container);
  }

  /** Creates the container; or says when to try again; or neither, when only a change of the pod can help. */
  async prepare(
    pod: Observed<Pod>,
    start: ContainerStart,
    sandboxId: string,
    podIp: string,
  ): Promise<PreparedContainer | { readonly againMs: number } | undefined> {
    const { name } = start.container;
    try {
      return await this.#create(pod, start, sandboxId, podIp);
    } catch (error) {
      if (error instanceof VolumeError) {
        const text = `MountVolume.SetUp failed for volume "${error.volume}" : ${error.message}`;
        this.#worked.event("Warning", "FailedMount", text);
        return { againMs: configRetryMs };
      }
      if (error instanceof ConfigError) {
        this.#worked.event("Warning", "Failed", `Error: ${error.message}`, name);
        return this.#waitFor(name, { reason: "CreateContainerConfigError", message: error.message }, configRetryMs);
      }
      if (error instanceof RuntimeError && error.code !== "Unavailable" && error.code !== "NotFound") {
        const message = `Error response from daemon: ${engineWords(error)}`;
        this.#worked.event("Warning", "Failed", `Error: ${message}`, name);
        return this.#waitFor(name, { reason: "CreateContainerError", message }, configRetryMs);
      }
      if (this.#worked.starting.aborted) return undefined;
      throw error;
    }
  }

  #waitFor(container: string, waiting: Waiting, againMs: number | undefined): { readonly againMs: number } | undefined {
    this.#waiting.set(container, waiting);
    return againMs === undefined ? undefined : { againMs };
  }

  async #create(
    pod: Observed<Pod>,
    start: ContainerStart,
    sandboxId: string,
    podIp: string,
  ): Promise<PreparedContainer | { readonly againMs: number } | undefined> {
    const { container, attempt } = start;
    const { context, identity, starting } = this.#worked;
    const { client, puller, runtime, clock, facts, profileRoot } = context;
    const { name } = container;
    const event = (type: "Normal" | "Warning", reason: string, message: string) =>
      this.#worked.event(type, reason, message, name);
    const volumes = this.#folder.prepare(pod, podIp);
    const [outcome, { paths, sources: first }] = await Promise.all([
      puller.ensure(identity.uid, container, event, starting, (image) => readLogin(client, pod, image)),
      volumes,
    ]);
    if (!("image" in outcome)) return this.#waitFor(name, outcome.waiting, outcome.againMs);
    // A restart, and a try after one that failed, see what the objects say now.
    const again = attempt > 0 || this.#waiting.has(name);
    const sources = again ? await readSources(context, pod, podIp) : first;
    const env = environmentOf(container, sources);
    const mounts = await this.#folder.mounts(pod, container, attempt, paths, env);
    const config = containerConfig({
      pod,
      container,
      attempt,
      env,
      mounts,
      nodeMemoryBytes: facts.memoryBytes,
      profileRoot,
      imageUser: outcome.image.user,
    });
    if (start.afterEndMs !== undefined) this.#backOff.repeated(name, start.afterEndMs, clock.now());
    const id = await runtime.createContainer(sandboxId, config);
    this.#waiting.delete(name);
    event("Normal", "Created", `Created container: ${name}`);
    return { start, id };
  }

  async start(pod: Observed<Pod>, { start, id }: PreparedContainer, podIp: string): Promise<void> {
    const { container } = start;
    const { runtime } = this.#worked.context;
    const event = (type: "Normal" | "Warning", reason: string, message: string) =>
      this.#worked.event(type, reason, message, container.name);
    try {
      await runtime.startContainer(id);
    } catch (error) {
      // An end like any other: the engine keeps why, and the back-off comes next.
      if (error instanceof RuntimeError && error.code === "StartFailed") {
        const why = `failed to start container "${container.name}": Error response from daemon: ${engineWords(error)}`;
        event("Warning", "Failed", `Error: ${why}`);
        return;
      }
      throw error;
    }
    event("Normal", "Started", `Started container ${container.name}`);
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    const result = await runHook(this.#worked, hook, container, id, podIp, hookLimitMs);
    if (result.ok) return;
    event("Warning", "FailedPostStartHook", `PostStartHook failed: ${result.message}`);
    event("Normal", "Killing", "FailedPostStartHook");
    await runtime.stopContainer(id, pod.spec.terminationGracePeriodSeconds ?? 30);
  }
}

/** What the engine said, without what was tried. */
function engineWords(error: RuntimeError): string {
  return error.message.replace(/^Cannot [^:]*: /, "");
}
