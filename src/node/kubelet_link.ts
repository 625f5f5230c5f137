/**
 * Logs, exec, attach and port-forward of the pods on this node: what the API server asks a kubelet for. The shapes are those of
 * api/kubelet_link.ts, which this room may not import.
 */
import type { Clock } from "../env/clock.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { badRequest, notFound, StatusError } from "../kinds/status_error.ts";
import {
  type ContainerRuntime,
  type LogChunk,
  type ObservedContainer,
  RuntimeError,
  type RuntimeStream,
} from "./container_runtime.ts";
import type { PodIdentity } from "./docker_names.ts";
import type { Connection, Dialer } from "./machine_link.ts";
import type { ObservedPods } from "./observed_pods.ts";
import { instancesOf } from "./pod_actions.ts";

export interface LinkOptions {
  readonly runtime: ContainerRuntime;
  readonly observed: ObservedPods;
  readonly dialer: Dialer;
  readonly clock: Clock;
  /** A pod of this node by its uid. */
  pod(uid: string): Observed<Pod> | undefined;
}

export interface PodLogRequest {
  readonly pod: PodIdentity;
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceSeconds?: number;
  readonly sinceTime?: string;
  readonly stream?: "All" | "Stdout" | "Stderr";
}

export interface PodAttachRequest {
  readonly pod: PodIdentity;
  readonly container: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface PodExecRequest extends PodAttachRequest {
  readonly command: readonly string[];
}

const dialLimitMs = 10_000;

function asStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (!(error instanceof RuntimeError)) return new StatusError(500, "InternalError", String(error), undefined, error);
  if (error.code === "NotFound") return new StatusError(404, "NotFound", error.message, undefined, error);
  if (error.code === "Unavailable") return new StatusError(503, "ServiceUnavailable", error.message, undefined, error);
  if (error.code === "InvalidArgument") return badRequest(error.message, error);
  return new StatusError(500, "InternalError", error.message, undefined, error);
}

export class PodLink {
  readonly #options: LinkOptions;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Instances of the container, newest first. Throws StatusError when pod or container are not of this node. */
  #instances(pod: PodIdentity, container: string): ObservedContainer[] {
    const known = this.#options.pod(pod.uid);
    const instances = instancesOf(this.#options.observed.of(pod.uid), container);
    if (known === undefined && instances.length === 0) throw notFound({ group: "", plural: "pods" }, pod.name);
    const specs = known && [...known.spec.containers, ...(known.spec.initContainers ?? [])];
    if (specs && !specs.some(({ name }) => name === container))
      throw badRequest(`container ${container} is not valid for pod ${pod.name}`);
    return instances;
  }

  #running(pod: PodIdentity, container: string): ObservedContainer {
    const [latest] = this.#instances(pod, container);
    if (latest === undefined) throw this.#waits(pod, container);
    if (latest.state === "running") return latest;
    throw badRequest(`container "${container}" in pod "${pod.name}" is not running: its state is ${latest.state}`);
  }

  #waits(pod: PodIdentity, container: string): StatusError {
    const { status } = this.#options.pod(pod.uid) ?? {};
    const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
    const reason = statuses.find(({ name }) => name === container)?.state?.waiting?.reason ?? "ContainerCreating";
    const shown =
      reason === "ErrImagePull" || reason === "ImagePullBackOff"
        ? `trying and failing to pull image`
        : `waiting to start: ${reason}`;
    return badRequest(`container "${container}" in pod "${pod.name}" is ${shown}`);
  }

  async logs(request: PodLogRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { pod, container, previous } = request;
    const instances = this.#instances(pod, container).filter(({ state }) => state !== "created");
    const chosen = instances[previous ? 1 : 0];
    if (chosen === undefined) {
      if (previous) throw badRequest(`previous terminated container "${container}" in pod "${pod.name}" not found`);
      throw this.#waits(pod, container);
    }
    const since =
      request.sinceTime !== undefined
        ? Date.parse(request.sinceTime) / 1000
        : request.sinceSeconds !== undefined
          ? this.#options.clock.now() / 1000 - request.sinceSeconds
          : undefined;
    const stream = request.stream ?? "All";
    try {
      const chunks = await this.#options.runtime.logs(
        chosen.id,
        {
          follow: request.follow && chosen.state === "running",
          timestamps: request.timestamps,
          stdout: stream !== "Stderr",
          stderr: stream !== "Stdout",
          ...(request.tailLines === undefined ? {} : { tailLines: request.tailLines }),
          ...(since === undefined ? {} : { since }),
        },
        signal,
      );
      return upTo(chunks, request.limitBytes);
    } catch (error) {
      throw asStatusError(error);
    }
  }

  async exec(request: PodExecRequest): Promise<RuntimeStream> {
    const { id } = this.#running(request.pod, request.container);
    try {
      const { command, stdin, tty } = request;
      return await this.#options.runtime.exec(id, { command, stdin, tty });
    } catch (error) {
      throw asStatusError(error);
    }
  }

  async attach(request: PodAttachRequest): Promise<RuntimeStream> {
    const { id } = this.#running(request.pod, request.container);
    try {
      return await this.#options.runtime.attach(id, { stdin: request.stdin, tty: request.tty });
    } catch (error) {
      throw asStatusError(error);
    }
  }

  async portForward(pod: PodIdentity, port: number): Promise<Connection> {
    const known = this.#options.pod(pod.uid);
    if (known === undefined) throw notFound({ group: "", plural: "pods" }, pod.name);
    const { podIP } = known.status;
    if (!podIP) throw badRequest(`pod "${pod.name}" has no address yet: it is ${known.status.phase}`);
    const abort = new AbortController();
    const timer = this.#options.clock.schedule(dialLimitMs, () => abort.abort());
    try {
      return await this.#options.dialer.connect(podIP, port, abort.signal);
    } catch (error) {
      throw new StatusError(
        500,
        "InternalError",
        `cannot forward to port ${port} of pod "${pod.name}"`,
        undefined,
        error,
      );
    } finally {
      timer.cancel();
    }
  }
}

async function* upTo(chunks: AsyncIterable<LogChunk>, limitBytes: number | undefined): AsyncGenerator<Uint8Array> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const { bytes } of chunks) {
    if (left <= 0) return;
    yield bytes.length > left ? bytes.subarray(0, left) : bytes;
    left -= bytes.length;
  }
}
