/**
 * What else the kubelet needs of its machine: files that pods mount, connections into pods, facts. Real ones in env/real/,
 * simulated ones in sim/; declared here, by the consumer.
 */
export interface PodFiles {
  /** Replaces the file atomically; folders above are made (mode 0755). `group` owns it when given. */
  writeFile(path: string, content: Uint8Array, mode: number, group?: number): Promise<void>;
  /** Makes the folder and those above; the last one gets `mode` whatever the umask is, and `group` when given. */
  makeDirectory(path: string, mode: number, group?: number): Promise<void>;
  /** The first `limit` bytes; undefined when there is no such file. */
  readFile(path: string, limit: number): Promise<Uint8Array | undefined>;
  /** Names in a folder; none when it does not exist. */
  list(path: string): Promise<readonly string[]>;
  kindOf(path: string): Promise<"file" | "directory" | "socket" | "characterDevice" | "blockDevice" | undefined>;
  /** A file system in memory at `path`, at most `sizeBytes` large; no error when it is mounted already. */
  mountMemory(path: string, sizeBytes: number | undefined): Promise<void>;
  /** Unmounts what is mounted below, then removes everything; no error when it is absent. Does not follow links. */
  removeTree(path: string): Promise<void>;
}

/** A TCP connection. */
export interface Connection {
  readonly input: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close. */
  end(): void;
  close(): void;
}

export interface Dialer {
  /** Rejects with a text that says why: "dial tcp 10.42.0.7:80: connect: connection refused". */
  connect(address: string, port: number, signal: AbortSignal): Promise<Connection>;
}

/** Read once at the start. */
export interface HostFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of the file system that holds the data directory. */
  readonly storageBytes: number;
  /** Go's name: "amd64". */
  readonly architecture: string;
  /** "Debian GNU/Linux 12 (bookworm)" */
  readonly osImage: string;
  readonly kernelVersion: string;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly hostName: string;
  /** The node's resolv.conf whose servers a pod can reach (not a loopback stub). */
  readonly resolvConf: string;
  /** /etc/hosts, for pods on the node's network. */
  readonly hosts: string;
}
