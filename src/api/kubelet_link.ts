/**
 * What the API server needs of a node's kubelet, for pods/log, pods/exec, pods/attach and pods/portforward. On the same
 * node it is the kubelet itself; of another node it will be a peer connection.
 */
export interface KubeletLink {
  /** Rejects with StatusError: NotFound for an unknown container, BadRequest for one that has not started. */
  logs(request: LogRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  exec(request: ExecRequest): Promise<ContainerStream>;
  attach(request: AttachRequest): Promise<ContainerStream>;
  /** A TCP connection to `port` in the pod's network. */
  portForward(pod: PodRef, port: number): Promise<ByteStream>;
}

/** The kubelet of a node by its name; undefined: unknown or not reachable from here. */
export type KubeletDirectory = (nodeName: string) => KubeletLink | undefined;

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface LogRequest {
  readonly pod: PodRef;
  readonly container: string;
  readonly follow: boolean;
  /** The instance before the last restart. */
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly stream?: "All" | "Stdout" | "Stderr";
}

export interface AttachRequest {
  readonly pod: PodRef;
  readonly container: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface ExecRequest extends AttachRequest {
  readonly command: readonly string[];
}

/** A process's standard streams. With a tty, everything comes out of stdout. */
export interface ContainerStream {
  /** In order as the process wrote; ends when the process has ended (exec) or the container has (attach). */
  readonly output: AsyncIterable<{ readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array }>;
  /** Resolves when the process can take more. */
  writeStdin(bytes: Uint8Array): Promise<void>;
  /** Half-close: the process reads end of file, its output goes on. */
  endStdin(): void;
  resize(columns: number, rows: number): Promise<void>;
  /** Exit code once `output` has ended; undefined when attached to a container that goes on. */
  readonly exitCode: Promise<number | undefined>;
  /** Lets go: the connection ends, the container goes on. */
  close(): void;
}

export interface ByteStream {
  readonly input: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close. */
  end(): void;
  close(): void;
}
