/** The rest of a simulated machine: pods' files in memory, connections that tests decide about, facts. */
import type { Connection, Dialer, HostFacts, PodFiles } from "../node/machine_link.ts";

type Kind = "file" | "directory" | "socket" | "characterDevice" | "blockDevice";

export class SimPodFiles implements PodFiles {
  readonly files = new Map<string, { readonly content: Uint8Array; readonly mode: number }>();
  readonly directories = new Map<string, number>([["/", 0o755]]);

  #makeParents(path: string): void {
    const parts = path.split("/");
    for (let depth = parts.length - 1; depth > 1; depth--) {
      const parent = parts.slice(0, depth).join("/");
      if (!this.directories.has(parent)) this.directories.set(parent, 0o755);
    }
  }

  async writeFile(path: string, content: Uint8Array, mode: number): Promise<void> {
    this.#makeParents(path);
    this.files.set(path, { content: content.slice(), mode });
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    this.#makeParents(path);
    this.directories.set(path, mode);
  }

  async readFile(path: string, limit: number): Promise<Uint8Array | undefined> {
    return this.files.get(path)?.content.slice(0, limit);
  }

  async list(path: string): Promise<readonly string[]> {
    const names = new Set<string>();
    for (const known of [...this.files.keys(), ...this.directories.keys()])
      if (known.startsWith(`${path}/`)) names.add(known.slice(path.length + 1).split("/")[0] ?? "");
    return [...names].sort();
  }

  async kindOf(path: string): Promise<Kind | undefined> {
    if (this.files.has(path)) return "file";
    return this.directories.has(path) ? "directory" : undefined;
  }

  async mountMemory(): Promise<void> {}

  async removeTree(path: string): Promise<void> {
    for (const map of [this.files, this.directories])
      for (const known of [...map.keys()]) if (known === path || known.startsWith(`${path}/`)) map.delete(known);
  }

  /** A file's text, for tests. */
  text(path: string): string | undefined {
    const file = this.files.get(path);
    return file && new TextDecoder().decode(file.content);
  }
}

/** Connects to "address:port" where `open` or the machine says so; what is written comes back. */
export class SimDialer implements Dialer {
  readonly open = new Set<string>();
  readonly #accepts: (address: string, port: number) => boolean;

  constructor(accepts: (address: string, port: number) => boolean = () => false) {
    this.#accepts = accepts;
  }

  async connect(address: string, port: number): Promise<Connection> {
    const where = `${address}:${port}`;
    if (!this.open.has(where) && !this.#accepts(address, port))
      throw new Error(`dial tcp ${where}: connect: connection refused`);
    const queue: Uint8Array[] = [];
    let wake: () => void = () => undefined;
    let over = false;
    const end = () => {
      over = true;
      wake();
    };
    return {
      input: (async function* () {
        while (true) {
          const bytes = queue.shift();
          if (bytes !== undefined) yield bytes;
          else if (over) return;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      })(),
      async write(bytes) {
        queue.push(bytes);
        wake();
      },
      end,
      close: end,
    };
  }
}

export const simHostFacts: HostFacts = {
  cpus: 4,
  memoryBytes: 8 * 2 ** 30,
  storageBytes: 100 * 2 ** 30,
  architecture: "amd64",
  osImage: "Simulated",
  kernelVersion: "0.0.0",
  machineId: "0123456789abcdef0123456789abcdef",
  systemUuid: "01234567-89ab-cdef-0123-456789abcdef",
  bootId: "fedcba98-7654-3210-fedc-ba9876543210",
  hostName: "boat",
  resolvConf: "nameserver 192.0.2.53\nsearch example.com\n",
  hosts: "127.0.0.1\tlocalhost\n",
};
