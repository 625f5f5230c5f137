/** The container runtime on a Docker Engine (20.10 to 29), by its API through dockerode. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Duplex, Readable } from "node:stream";
import Docker from "dockerode";
import type { z } from "zod";
import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import {
  type ContainerConfig,
  type ContainerRuntime,
  type LogChunk,
  type ObservedContainer,
  type ObservedImage,
  type ObservedSandbox,
  type RegistryLogin,
  RuntimeError,
  type RuntimeEvent,
  type RuntimeExecOptions,
  type RuntimeLogOptions,
  type RuntimeStream,
  type RuntimeVersion,
  type SandboxConfig,
} from "./container_runtime.ts";
import {
  Created,
  EngineEvent,
  ImageSummaries,
  Info,
  Inspected,
  InspectedExec,
  InspectedImage,
  isSandbox,
  observedContainer,
  observedImage,
  observedSandbox,
  Progress,
  Summaries,
  Version,
} from "./docker_answers.ts";
import { engineError, pullError, statusOf } from "./docker_errors.ts";
import { containerNameOf, labels, sandboxName } from "./docker_names.ts";
import { containerBody, type EngineLimits, type SandboxNamespaces, sandboxBody } from "./docker_requests.ts";
import { asStdout, demultiplex, jsonLines } from "./docker_streams.ts";
import { pauseArchive, pauseImage } from "./pause_image.ts";

export interface DockerOptions {
  /** "unix:///var/run/docker.sock" or "tcp://127.0.0.1:2375". */
  readonly dockerHost: string;
  readonly clusterUid: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * API 1.54 is the newest whose changes were read for this file; an older Engine is spoken to in its own. From 1.53 on an image
 * tells where it came from. Only there can an image that was built here be told from a pulled one where containerd keeps the
 * images (the default of Engine 29), which gives each a digest.
 */
const newestApiMinor = 54;
const shortMs = 30_000;
/** A create or start on a machine that is short of everything. */
const longMs = 180_000;

/** What a list waits for one container that is perhaps being started. */
const createdMs = 2000;

type Modem = Docker["modem"];

interface Call {
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly file?: Readable;
  readonly isStream?: boolean;
  readonly hijack?: boolean;
  readonly openStdin?: boolean;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly login?: RegistryLogin;
}

const accepted = { 101: true, 200: true, 201: true, 204: true, 304: true };

class DockerRuntime implements ContainerRuntime {
  readonly #options: DockerOptions;
  #modem: Promise<Modem> | undefined;
  #architecture = "";
  #limits: EngineLimits | undefined;
  /** A container's states follow each other once, so what was inspected in one state stays true. */
  readonly #inspected = new Map<string, Inspected>();
  readonly #namespaces = new Map<string, SandboxNamespaces>();

  constructor(options: DockerOptions) {
    this.#options = options;
  }

  #docker(version?: string): Docker {
    const at = new URL(this.#options.dockerHost);
    const where =
      at.protocol === "unix:"
        ? { socketPath: at.pathname }
        : { host: at.hostname, port: at.port || "2375", protocol: "http" as const };
    return new Docker(version === undefined ? where : { ...where, version });
  }

  /** Agrees on an API version; again after a failure, because the Engine may have been replaced. */
  #connect(): Promise<Modem> {
    const connecting = this.#modem ?? this.#negotiate();
    this.#modem = connecting;
    return connecting;
  }

  async #negotiate(): Promise<Modem> {
    try {
      const answer = await this.#dial(this.#docker().modem, "GET", "/version", { timeoutMs: shortMs });
      const { ApiVersion: offered, Arch } = Version.parse(answer);
      this.#architecture = Arch;
      const minor = Math.min(Number(offered.split(".")[1] ?? 0), newestApiMinor);
      return this.#docker(`v1.${minor}`).modem;
    } catch (error) {
      this.#modem = undefined;
      throw error;
    }
  }

  #dial(modem: Modem, method: string, path: string, call: Call): Promise<unknown> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const abort = new AbortController();
      const timer =
        call.timeoutMs === undefined
          ? undefined
          : clock.schedule(call.timeoutMs, () => {
              abort.abort();
              reject(new Error(`no answer to ${method} ${path} within ${(call.timeoutMs ?? 0) / 1000} s`));
            });
      const stop = () => {
        abort.abort();
        reject(new Error("given up"));
      };
      call.signal?.addEventListener("abort", stop, { once: true });
      const release = () => {
        timer?.cancel();
        call.signal?.removeEventListener("abort", stop);
      };
      modem.dial(
        {
          method,
          path: `${path}?`,
          options: { _query: call.query ?? {}, _body: call.body ?? {} },
          statusCodes: accepted,
          abortSignal: abort.signal,
          ...(call.file ? { file: call.file } : {}),
          ...(call.isStream ? { isStream: true } : {}),
          ...(call.hijack ? { hijack: true } : {}),
          ...(call.openStdin ? { openStdin: true } : {}),
          ...(call.login ? { authconfig: authOf(call.login) } : {}),
        },
        (error, answer) => {
          release();
          if (error) reject(error);
          else resolve(answer);
        },
      );
    });
  }

  async #request(method: string, path: string, call: Call = {}): Promise<unknown> {
    const modem = await this.#connect();
    try {
      return await this.#dial(modem, method, path, { timeoutMs: shortMs, ...call });
    } catch (error) {
      if (statusOf(error) === undefined) this.#modem = undefined;
      throw error;
    }
  }

  async #stream(method: string, path: string, call: Call): Promise<Readable> {
    const answer = await this.#request(method, path, { ...call, isStream: true });
    if (!(answer instanceof Readable)) throw new Error(`${method} ${path} gave no stream`);
    const { signal } = call;
    const stop = () => answer.destroy();
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    answer.on("close", () => signal?.removeEventListener("abort", stop));
    // A stream that is cut while nobody reads must not end the process; the reader gets the error.
    answer.on("error", () => undefined);
    return answer;
  }

  async version(signal?: AbortSignal): Promise<RuntimeVersion> {
    try {
      const info = Info.parse(await this.#request("GET", "/info", signal ? { signal } : {}));
      return {
        name: "docker",
        version: info.ServerVersion.replace(/\+.*$/, ""),
        operatingSystem: info.OperatingSystem,
        kernelVersion: info.KernelVersion,
        liveRestore: info.LiveRestoreEnabled,
        cgroupDriver: info.CgroupDriver === "systemd" ? "systemd" : "cgroupfs",
      };
    } catch (error) {
      throw engineError(`reach the Docker Engine at ${this.#options.dockerHost}`, error);
    }
  }

  async createPodSandbox(config: SandboxConfig): Promise<string> {
    const name = containerNameOf(sandboxName, config.pod, config.attempt);
    const body = sandboxBody(config, this.#options.clusterUid, await this.#engineLimits());
    const create = () => this.#create(name, body, { [labels.podAddress]: config.podAddress });
    let id: string;
    try {
      id = await create();
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.code !== "ImageNotFound") throw error;
      await this.#loadPauseImage();
      id = await create();
    }
    this.#namespaces.set(id, {
      hostPid: config.hostPid,
      hostIpc: config.hostIpc,
      shareProcessNamespace: config.shareProcessNamespace,
    });
    return id;
  }

  /** Ours stand for the Engine's: it runs on this machine, as root, where such limits matter (in a container, a small VM). */
  async #engineLimits(): Promise<EngineLimits> {
    if (this.#limits) return this.#limits;
    let lowestOomScore = -1000;
    try {
      const status = await readFile("/proc/self/status", "utf8");
      const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
      const mayLower = (effective & (1n << 24n)) !== 0n; // CAP_SYS_RESOURCE
      if (!mayLower) lowestOomScore = Number((await readFile("/proc/self/oom_score_adj", "utf8")).trim());
    } catch (error) {
      this.#options.log.debug("own capabilities are not readable", { error: describeError(error) });
    }
    const hasIpv6 = existsSync("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    this.#limits = { lowestOomScore, hasIpv6 };
    return this.#limits;
  }

  async #loadPauseImage(): Promise<void> {
    try {
      await this.#connect();
      const file = Readable.from([Buffer.from(pauseArchive(this.#architecture))]);
      const answer = await this.#stream("POST", "/images/load", { file, query: { quiet: true }, timeoutMs: longMs });
      for await (const line of jsonLines(answer)) {
        const { error } = Progress.parse(line);
        if (error !== undefined) throw new Error(error);
      }
    } catch (error) {
      throw engineError(`load the image ${pauseImage}`, error);
    }
  }

  /**
   * `place`: labels that say where it stands. One of ours of that name that stands elsewhere is left over from a try that came to
   * nothing: it is replaced.
   */
  async #create(
    name: string,
    body: Record<string, unknown>,
    place: Readonly<Record<string, string | undefined>>,
  ): Promise<string> {
    const create = async () => {
      const call = { query: { name }, body, timeoutMs: longMs };
      return Created.parse(await this.#request("POST", "/containers/create", call)).Id;
    };
    try {
      return await create();
    } catch (error) {
      if (statusOf(error) !== 409) throw engineError(`create the container ${name}`, error);
      const existing = await this.#inspect(name);
      const own = existing?.Config.Labels ?? {};
      if (existing === undefined || own[labels.cluster] !== this.#options.clusterUid)
        throw engineError(`create the container ${name}, whose name another container holds that is not ours`, error);
      if (Object.entries(place).every(([label, value]) => own[label] === value)) return existing.Id;
      await this.removeContainer(existing.Id);
      return await create().catch((again: unknown) => {
        throw engineError(`create the container ${name} in place of an older one`, again);
      });
    }
  }

  async #inspect(idOrName: string): Promise<Inspected | undefined> {
    try {
      return Inspected.parse(await this.#request("GET", `/containers/${idOrName}/json`));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw engineError(`inspect the container ${idOrName}`, error);
    }
  }

  async startPodSandbox(sandboxId: string): Promise<{ readonly pid: number }> {
    await this.startContainer(sandboxId);
    const inspected = await this.#inspect(sandboxId);
    const pid = inspected?.State.Pid ?? 0;
    if (pid === 0)
      throw new RuntimeError(
        "StartFailed",
        `Cannot start the sandbox ${sandboxId}: it ended at once (${inspected?.State.Error || "no reason given"})`,
      );
    return { pid };
  }

  async stopPodSandbox(sandboxId: string): Promise<void> {
    const members = await this.#summaries([`${labels.sandbox}=${sandboxId}`]);
    const running = members.filter((member) => member.State === "running").map((member) => member.Id);
    await Promise.all(running.map((id) => this.#kill(id)));
    await this.#kill(sandboxId);
  }

  async #kill(id: string): Promise<void> {
    try {
      await this.#request("POST", `/containers/${id}/kill`, { query: { signal: "SIGKILL" } });
      // Killed is not yet ended: only after `wait` are its namespaces gone.
      await this.#request("POST", `/containers/${id}/wait`, { query: { condition: "not-running" }, timeoutMs: longMs });
    } catch (error) {
      const status = statusOf(error);
      // 409: it does not run; 404: it is gone.
      if (status !== 404 && status !== 409) throw engineError(`kill the container ${id}`, error);
    }
  }

  async removePodSandbox(sandboxId: string): Promise<void> {
    this.#namespaces.delete(sandboxId);
    await this.removeContainer(sandboxId);
  }

  async #namespacesOf(sandboxId: string): Promise<SandboxNamespaces> {
    const known = this.#namespaces.get(sandboxId);
    if (known) return known;
    const inspected = await this.#inspect(sandboxId);
    if (!inspected) throw new RuntimeError("NotFound", `Cannot find the sandbox ${sandboxId}: it was removed`);
    const found: SandboxNamespaces = {
      hostPid: inspected.HostConfig.PidMode === "host",
      hostIpc: inspected.HostConfig.IpcMode === "host",
      shareProcessNamespace: inspected.Config.Labels[labels.shareProcesses] === "true",
    };
    this.#namespaces.set(sandboxId, found);
    return found;
  }

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    const namespaces = await this.#namespacesOf(sandboxId);
    const profile = config.security.seccompProfile;
    const seccomp =
      profile === undefined || profile === "default"
        ? undefined
        : profile === "unconfined"
          ? profile
          : await this.#seccompFile(profile.localhost);
    const body = containerBody(
      sandboxId,
      namespaces,
      config,
      this.#options.clusterUid,
      await this.#engineLimits(),
      seccomp,
    );
    const name = containerNameOf(config.name, config.pod, config.attempt);
    return this.#create(name, body, { [labels.sandbox]: sandboxId });
  }

  async #seccompFile(path: string): Promise<string> {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      throw new RuntimeError(
        "InvalidArgument",
        `Cannot read the seccomp profile ${path}: ${describeError(error)}`,
        error,
      );
    }
  }

  async startContainer(containerId: string): Promise<void> {
    try {
      await this.#request("POST", `/containers/${containerId}/start`, { timeoutMs: longMs });
    } catch (error) {
      if (statusOf(error) === 404 && /no such container/i.test(describeError(error)))
        throw engineError(`start the container ${containerId}`, error);
      throw engineError(`start the container ${containerId}`, error, "start");
    }
  }

  async stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    try {
      await this.#request("POST", `/containers/${containerId}/stop`, {
        query: { t: graceSeconds },
        timeoutMs: graceSeconds * 1000 + longMs,
      });
    } catch (error) {
      if (statusOf(error) !== 404) throw engineError(`stop the container ${containerId}`, error);
    }
  }

  async removeContainer(containerId: string): Promise<void> {
    try {
      await this.#request("DELETE", `/containers/${containerId}`, {
        query: { force: true, v: true },
        timeoutMs: longMs,
      });
    } catch (error) {
      const status = statusOf(error);
      // 409: its removal is under way.
      if (status !== 404 && status !== 409) throw engineError(`remove the container ${containerId}`, error);
    }
    for (const state of ["created", "running", "exited"]) this.#inspected.delete(`${containerId} ${state}`);
  }

  async #summaries(filter: readonly string[]): Promise<z.infer<typeof Summaries>> {
    try {
      const label = [`${labels.cluster}=${this.#options.clusterUid}`, ...filter];
      return Summaries.parse(
        await this.#request("GET", "/containers/json", { query: { all: true, filters: { label } } }),
      );
    } catch (error) {
      throw engineError("list the containers", error);
    }
  }

  async list(): Promise<{ sandboxes: readonly ObservedSandbox[]; containers: readonly ObservedContainer[] }> {
    const summaries = await this.#summaries([]);
    const inspected = await Promise.all(
      summaries.map(async ({ Id: id, State: state, Labels: own }) => {
        const known = this.#inspected.get(`${id} ${state}`);
        if (known) return known;
        // A sandbox holds an address, which only it tells: it is never left out.
        const mayHang = state === "created" && own[labels.containerName] !== sandboxName;
        const fresh = mayHang ? await this.#inspectCreated(id) : await this.#inspect(id);
        if (fresh && fresh.State.Status === state && state !== "created") this.#inspected.set(`${id} ${state}`, fresh);
        return fresh;
      }),
    );
    const living = new Set(summaries.map(({ Id: id, State: state }) => `${id} ${state}`));
    for (const key of this.#inspected.keys()) if (!living.has(key)) this.#inspected.delete(key);
    const present = inspected.filter((one) => one !== undefined);
    return {
      sandboxes: present.filter(isSandbox).map(observedSandbox),
      containers: present.filter((one) => !isSandbox(one)).map(observedContainer),
    };
  }

  /**
   * The Engine says nothing of a container while it starts it, and a start can hang (a mount of a server that is away). One
   * that keeps us waiting is left out of the list: without that no other pod's list would come. Its name stays taken, so that
   * nothing is made a second time.
   */
  async #inspectCreated(id: string): Promise<Inspected | undefined> {
    const { clock, log } = this.#options;
    const answered = new AbortController();
    const asked = this.#inspect(id).finally(() => answered.abort());
    asked.catch(() => undefined);
    const late = sleep(clock, createdMs, answered.signal).then(() => undefined);
    const first = await Promise.race([asked, late]);
    if (first === undefined && !answered.signal.aborted)
      log.warn("the engine does not tell of a container that it is starting; going on without it", { id });
    return first;
  }

  async *events(signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
    const { clock, log, clusterUid } = this.#options;
    const types: Readonly<Record<string, RuntimeEvent["type"]>> = { start: "started", die: "died", destroy: "removed" };
    let delayMs = 100;
    while (!signal.aborted) {
      try {
        const filters = { type: ["container"], label: [`${labels.cluster}=${clusterUid}`] };
        const stream = await this.#stream("GET", "/events", { query: { filters }, signal });
        // Whatever happened while nobody listened: the consumer lists.
        yield { type: "other", podUid: "" };
        delayMs = 100;
        for await (const value of jsonLines(stream)) {
          const event = EngineEvent.parse(value);
          const type = types[event.Action ?? event.status ?? ""];
          // Of an exec or an oom nothing follows for the kubelet: `die` comes too.
          if (type !== undefined) {
            const { ID: containerId, Attributes } = event.Actor ?? {};
            yield { type, podUid: Attributes?.[labels.podUid] ?? "", ...(containerId ? { containerId } : {}) };
          }
        }
      } catch (error) {
        if (!signal.aborted) log.debug("the stream of the engine's events broke", { error: describeError(error) });
      }
      await sleep(clock, delayMs, signal);
      delayMs = Math.min(delayMs * 2, 5000);
    }
  }

  async imageStatus(image: string): Promise<ObservedImage | undefined> {
    try {
      return observedImage(InspectedImage.parse(await this.#request("GET", `/images/${image}/json`)));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw engineError(`inspect the image ${image}`, error);
    }
  }

  async pullImage(image: string, signal?: AbortSignal, login?: RegistryLogin): Promise<void> {
    // Without a tag the Engine would pull every tag.
    const digest = image.indexOf("@");
    const colon = image.lastIndexOf(":");
    const tagged = digest < 0 && colon > image.lastIndexOf("/");
    const query =
      digest >= 0
        ? { fromImage: image }
        : { fromImage: tagged ? image.slice(0, colon) : image, tag: tagged ? image.slice(colon + 1) : "latest" };
    try {
      const stream = await this.#stream("POST", "/images/create", {
        query,
        timeoutMs: longMs,
        ...(signal ? { signal } : {}),
        ...(login ? { login } : {}),
      });
      for await (const line of jsonLines(stream)) {
        const { error } = Progress.parse(line);
        if (error !== undefined) throw pullError(image, error);
      }
    } catch (error) {
      if (error instanceof RuntimeError) throw error;
      if (statusOf(error) === undefined) throw engineError(`pull the image "${image}"`, error);
      throw pullError(image, engineError("", error).message.replace(/^Cannot : /, ""), error);
    }
  }

  async listImages(): Promise<readonly ObservedImage[]> {
    try {
      const images = ImageSummaries.parse(await this.#request("GET", "/images/json"));
      return images.map((image) => observedImage(image));
    } catch (error) {
      throw engineError("list the images", error);
    }
  }

  async logs(containerId: string, options: RuntimeLogOptions, signal: AbortSignal): Promise<AsyncIterable<LogChunk>> {
    const inspected = await this.#inspect(containerId);
    if (!inspected) throw new RuntimeError("NotFound", `Cannot read the logs of ${containerId}: it was removed`);
    try {
      const stream = await this.#stream("GET", `/containers/${containerId}/logs`, {
        query: {
          follow: options.follow,
          stdout: options.stdout,
          stderr: options.stderr,
          timestamps: options.timestamps,
          ...(options.tailLines === undefined ? {} : { tail: options.tailLines }),
          ...(options.since === undefined ? {} : { since: options.since }),
        },
        signal,
      });
      const bytes = untilAborted(stream, signal);
      return inspected.Config.Tty ? asStdout(bytes) : demultiplex(bytes);
    } catch (error) {
      throw engineError(`read the logs of the container ${containerId}`, error);
    }
  }

  async exec(containerId: string, options: RuntimeExecOptions): Promise<RuntimeStream> {
    const action = `run ${JSON.stringify(options.command)} in the container ${containerId}`;
    try {
      const created = await this.#request("POST", `/containers/${containerId}/exec`, {
        body: {
          Cmd: options.command,
          AttachStdin: options.stdin,
          AttachStdout: true,
          AttachStderr: true,
          Tty: options.tty,
        },
      });
      const { Id: id } = Created.parse(created);
      const socket = await this.#hijack(`/exec/${id}/start`, { Detach: false, Tty: options.tty }, {});
      const left = new AbortController();
      const exitCode = this.#exitOfExec(id, socket, options, action, left.signal);
      // Whoever reads only the output must not end the process by an unhandled rejection.
      exitCode.catch(() => undefined);
      const resize = (columns: number, rows: number) => this.#resize(`/exec/${id}/resize`, columns, rows);
      const stream = this.#processStream(socket, options.tty, exitCode, resize);
      const close = () => {
        left.abort();
        stream.close();
      };
      return { ...stream, close };
    } catch (error) {
      throw engineError(action, error);
    }
  }

  async #exitOfExec(
    id: string,
    socket: Duplex,
    options: RuntimeExecOptions,
    action: string,
    /** Whoever wanted it has gone: the process may run on for ever (the Engine cannot end it), and nobody asks any more. */
    left: AbortSignal,
  ): Promise<number | undefined> {
    const { clock } = this.#options;
    const closed = new Promise<"ended">((resolve) => {
      socket.once("close", () => resolve("ended"));
      socket.once("end", () => resolve("ended"));
    });
    const stopTimer = new AbortController();
    const timeoutMs = options.timeoutMs;
    const late = timeoutMs === undefined ? [] : [sleep(clock, timeoutMs, stopTimer.signal).then((): "late" => "late")];
    const first = await Promise.race([closed, ...late]);
    stopTimer.abort();
    if (first === "late") {
      const { Pid: pid } = InspectedExec.parse(await this.#request("GET", `/exec/${id}/json`));
      // The Engine cannot end an exec; its process can be ended where the Engine is this machine's.
      if (pid && this.#options.dockerHost.startsWith("unix:")) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has just ended by itself.
        }
      }
      socket.destroy();
      throw new RuntimeError("Timeout", `Cannot ${action}: command timed out after ${(timeoutMs ?? 0) / 1000} s`);
    }
    for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 200)) {
      const state = InspectedExec.parse(await this.#request("GET", `/exec/${id}/json`));
      if (!state.Running) return state.ExitCode ?? undefined;
      if (left.aborted) return undefined;
      await sleep(clock, waitMs, left);
    }
  }

  async attach(
    containerId: string,
    options: { readonly stdin: boolean; readonly tty: boolean },
  ): Promise<RuntimeStream> {
    try {
      const query = { stream: true, stdin: options.stdin, stdout: true, stderr: true };
      // A body, which the Engine does not read: without one the request's head is not sent before its first byte of input.
      const socket = await this.#hijack(`/containers/${containerId}/attach`, { stream: true }, query);
      const closed = once(socket, "close").then(
        () => undefined,
        () => undefined,
      );
      const exitCode = closed.then(async () => {
        const inspected = await this.#inspect(containerId);
        return inspected && inspected.State.Status === "exited" ? inspected.State.ExitCode : undefined;
      });
      exitCode.catch(() => undefined);
      return this.#processStream(socket, options.tty, exitCode, (columns, rows) =>
        this.#resize(`/containers/${containerId}/resize`, columns, rows),
      );
    } catch (error) {
      throw engineError(`attach to the container ${containerId}`, error);
    }
  }

  async #hijack(path: string, body: unknown, query: Readonly<Record<string, unknown>>): Promise<Duplex> {
    const answer = await this.#request("POST", path, { body, query, isStream: true, hijack: true, openStdin: true });
    if (!(answer instanceof Duplex)) throw new Error(`POST ${path} gave no two-way stream`);
    answer.on("error", () => undefined);
    return answer;
  }

  async #resize(path: string, columns: number, rows: number): Promise<void> {
    try {
      await this.#request("POST", path, { query: { w: columns, h: rows } });
    } catch (error) {
      throw engineError("resize the terminal", error);
    }
  }

  #processStream(
    socket: Duplex,
    tty: boolean,
    exitCode: Promise<number | undefined>,
    resize: (columns: number, rows: number) => Promise<void>,
  ): RuntimeStream {
    return {
      output: tty ? asStdout(untilAborted(socket)) : demultiplex(untilAborted(socket)),
      writeStdin: (bytes) =>
        new Promise((resolve, reject) => {
          socket.write(bytes, (error) => {
            if (error) reject(engineError("write to the process's standard input", error));
            else resolve();
          });
        }),
      endStdin: () => {
        socket.end();
      },
      resize,
      exitCode,
      close: () => {
        socket.destroy();
      },
    };
  }
}

function authOf({ username, password, serverAddress }: RegistryLogin): Record<string, string> {
  return { username, password, serveraddress: serverAddress };
}

/** The stream's bytes; a cut connection after the consumer let go is the end, not an error. */
async function* untilAborted(stream: Readable, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk;
  } catch (error) {
    if (signal?.aborted || stream.destroyed) return;
    throw error;
  } finally {
    stream.destroy();
  }
}

export function createDockerRuntime(options: DockerOptions): ContainerRuntime {
  return new DockerRuntime(options);
}
