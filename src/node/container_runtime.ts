/**
 * What the kubelet needs of a container engine: CRI's verbs, with a sandbox per pod. Implemented by docker.ts and by
 * the simulated runtime in sim/; both pass container_runtime_contract.ts. All calls reject with RuntimeError.
 *
 * Guarantees:
 * - Only containers with this cluster's label are ever listed, stopped or removed.
 * - createContainer and createPodSandbox are idempotent by name: an existing one of the same name is returned, but one with
 *   another address, or in another sandbox, is replaced.
 * - A container that has been stopped or removed stays so; remove of an absent one is no error.
 */
export interface ContainerRuntime {
  /** Resolves when the engine answers. */
  version(signal?: AbortSignal): Promise<RuntimeVersion>;

  /** Creates the sandbox without starting it; its containers may be created before it is started. */
  createPodSandbox(config: SandboxConfig): Promise<string>;
  /** Starts it; afterwards its network namespace can be reached through `pid`. */
  startPodSandbox(sandboxId: string): Promise<{ readonly pid: number }>;
  /** Kills the sandbox and every container in it. */
  stopPodSandbox(sandboxId: string): Promise<void>;
  removePodSandbox(sandboxId: string): Promise<void>;

  createContainer(sandboxId: string, config: ContainerConfig): Promise<string>;
  startContainer(containerId: string): Promise<void>;
  /** SIGTERM (or the image's signal), then SIGKILL after `graceSeconds`. Resolves when it has ended. */
  stopContainer(containerId: string, graceSeconds: number): Promise<void>;
  removeContainer(containerId: string): Promise<void>;

  /** Sandboxes and containers of this cluster on this engine, running or not. */
  list(): Promise<{
    readonly sandboxes: readonly ObservedSandbox[];
    readonly containers: readonly ObservedContainer[];
  }>;
  /** Tells that something changed (started, died, was removed); the consumer lists again. Ends on `signal`. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>;

  imageStatus(image: string): Promise<ObservedImage | undefined>;
  pullImage(image: string, signal?: AbortSignal, login?: RegistryLogin): Promise<void>;
  listImages(): Promise<readonly ObservedImage[]>;

  logs(containerId: string, options: RuntimeLogOptions, signal: AbortSignal): Promise<AsyncIterable<LogChunk>>;
  exec(containerId: string, options: RuntimeExecOptions): Promise<RuntimeStream>;
  attach(containerId: string, options: { readonly stdin: boolean; readonly tty: boolean }): Promise<RuntimeStream>;
}

export interface RuntimeVersion {
  /** "docker". */
  readonly name: string;
  /** "20.10.24". */
  readonly version: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  /** Containers survive a restart of the engine. */
  readonly liveRestore: boolean;
  readonly cgroupDriver: "cgroupfs" | "systemd";
}

export interface SandboxConfig {
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly attempt: number;
  readonly hostname: string;
  /** "pod": a network of its own, wired by the kubelet; "host": the node's. */
  readonly network: "pod" | "host";
  readonly hostPid: boolean;
  readonly hostIpc: boolean;
  readonly shareProcessNamespace: boolean;
  /** "10.42.0.7/24": kept as a label, so that a restarted kubelet knows which addresses are taken. */
  readonly podAddress?: string;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerConfig {
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly name: string;
  /** How often this container of this pod has been started before. */
  readonly attempt: number;
  readonly image: string;
  /** The image's ENTRYPOINT and CMD are kept where these are absent. */
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly Mount[];
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly resources: ContainerResources;
  readonly security: ContainerSecurity;
  /** Kept as labels: restartCount, the hash of the container's spec, what a restarted kubelet must know. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
  readonly propagation?: "private" | "rslave" | "rshared";
}

export interface ContainerResources {
  readonly cpuShares?: number;
  /** Microseconds of processor time in each 100 ms. */
  readonly cpuQuotaMicros?: number;
  readonly memoryLimitBytes?: number;
  readonly oomScoreAdjust: number;
}

export interface ContainerSecurity {
  readonly privileged: boolean;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly supplementalGroups: readonly number[];
  readonly readOnlyRootFilesystem: boolean;
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly seccompProfile?: "unconfined" | "default" | { readonly localhost: string };
}

export interface ObservedSandbox {
  readonly id: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly attempt: number;
  readonly state: "created" | "running" | "exited";
  readonly pid?: number;
  readonly podAddress?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export interface ObservedContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly name: string;
  readonly attempt: number;
  readonly state: "created" | "running" | "exited";
  /** What the pod asked for, and what the engine resolved it to. */
  readonly image: string;
  readonly imageId: string;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  /** The engine's message when it could not start. */
  readonly error?: string;
  /** Nobody saw its end: it was removed while it ran. Never said by an engine (vanished_containers.ts). */
  readonly lost?: boolean;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RuntimeEvent {
  readonly type: "started" | "died" | "removed" | "other";
  readonly podUid: string;
  /** Which container or sandbox; absent where the event is about none. */
  readonly containerId?: string;
}

export interface ObservedImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly sizeBytes: number;
  /** True when it came from a registry; a local build or import has none, and cannot be pulled again. */
  readonly hasRegistryDigest: boolean;
  /** The image's USER: a number, a name, or "". */
  readonly user: string;
}

/** Who pulls, where a registry asks. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
  /** As the login names it: "https://index.docker.io/v1/". */
  readonly serverAddress: string;
}

export interface RuntimeLogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  /** Seconds since the epoch. */
  readonly since?: number;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface LogChunk {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
}

export interface RuntimeExecOptions {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly tty: boolean;
  /** For probes: the process is given up after this long, and `exitCode` rejects with Timeout. */
  readonly timeoutMs?: number;
}

export interface RuntimeStream {
  readonly output: AsyncIterable<LogChunk>;
  writeStdin(bytes: Uint8Array): Promise<void>;
  endStdin(): void;
  resize(columns: number, rows: number): Promise<void>;
  readonly exitCode: Promise<number | undefined>;
  close(): void;
}

export type RuntimeErrorCode =
  | "Unavailable"
  | "NotFound"
  | "ImageNotFound"
  | "RegistryUnavailable"
  | "InvalidArgument"
  | "StartFailed"
  | "Timeout"
  | "Unknown";

export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  readonly code: RuntimeErrorCode;

  constructor(code: RuntimeErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
