import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeError, type Log } from "../../env/log.ts";
import type { ProxyState } from "../state.ts";
import { checkState } from "./control_protocol.ts";

/** The proxy's folder: control socket, last state, ports, pid, log. */
export class ProxyDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    const socket = this.socketPath;
    // sockaddr_un holds 108 bytes, with the zero at its end.
    if (Buffer.byteLength(socket) > 107)
      throw new Error(`Cannot use ${path} for the proxy: its socket path has ${socket.length} bytes, at most 107 fit`);
  }

  get socketPath(): string {
    return join(this.path, "control.sock");
  }

  get logPath(): string {
    return join(this.path, "proxy.log");
  }

  create(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    chmodSync(this.path, 0o700);
  }

  /** The state of last time; undefined, with a line in the log, when there is none that can be used. */
  readState(log: Log): ProxyState | undefined {
    const path = join(this.path, "state.json");
    if (!existsSync(path)) return undefined;
    try {
      return checkState(JSON.parse(readFileSync(path, "utf8")));
    } catch (error) {
      log.warn("The last state cannot be used; waiting for the control plane", { path, error: describeError(error) });
      return undefined;
    }
  }

  writeState(state: ProxyState): void {
    this.#replace("state.json", JSON.stringify(state));
  }

  readPorts(): [string, number][] {
    try {
      const entries: unknown = JSON.parse(readFileSync(join(this.path, "ports.json"), "utf8"));
      if (!Array.isArray(entries)) return [];
      return entries.filter(
        (entry): entry is [string, number] =>
          Array.isArray(entry) && typeof entry[0] === "string" && Number.isInteger(entry[1]) && entry[1] < 65536,
      );
    } catch {
      // Only a preference: without it flows of UDP clients that go on through a restart are slower to recover.
      return [];
    }
  }

  writePorts(entries: readonly (readonly [string, number])[]): void {
    this.#replace("ports.json", JSON.stringify(entries));
  }

  /**
   * Claims the folder for this process. Throws when a living proxy has it. A pid file that was left by a process that is
   * gone, or whose number now belongs to another, is replaced.
   */
  claim(pid: number): void {
    const path = join(this.path, "proxy.pid");
    const mine = `${pid} ${startTime(pid)}\n`;
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        writeFileSync(path, mine, { flag: "wx", mode: 0o600 });
        return;
      } catch (error) {
        if (!isCode(error, "EEXIST")) throw error;
      }
      const holder = this.holder();
      if (holder !== undefined)
        throw new Error(`Cannot start a proxy for ${this.path}: process ${holder} is one already`);
      rmSync(path, { force: true });
    }
    throw new Error(`Cannot claim ${path}: others claim it at the same time`);
  }

  /** Gives the folder up, if it is still this process's. */
  release(pid: number): void {
    if (this.holder() !== pid) return;
    rmSync(this.socketPath, { force: true });
    rmSync(join(this.path, "proxy.pid"), { force: true });
  }

  /** The process that has the folder. */
  holder(): number | undefined {
    try {
      const [pid, started] = readFileSync(join(this.path, "proxy.pid"), "utf8").trim().split(" ");
      return pid !== undefined && started !== undefined && startTime(Number(pid)) === started ? Number(pid) : undefined;
    } catch {
      return undefined;
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  /** Atomic for readers and for a crash of this process; not synced: after a power cut the control plane says it anew. */
  #replace(name: string, content: string): void {
    const path = join(this.path, name);
    writeFileSync(`${path}.new`, content, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/**
 * When a process started, in the kernel's ticks since boot: tells it from a later one with the same number. Throws when there is
 * none, or only its end, which nobody has waited for yet.
 */
function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field, the name in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") throw new Error(`the process ${pid} has ended`);
  return fields[19] ?? "";
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
