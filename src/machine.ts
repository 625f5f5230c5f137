/** What only the real machine knows, read once at the start; and the lock on a data directory. Composition for up.ts. */
import { readFileSync } from "node:fs";
import { mkdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";

export function hostName(): string {
  return hostname();
}

/**
 * The IPv4 address of the interface that the default route leaves by; without one the first that is not loopback, else
 * 127.0.0.1.
 */
export function hostAddress(): string {
  const interfaces = networkInterfaces();
  const ipv4Of = (name: string) => interfaces[name]?.find(({ family }) => family === "IPv4")?.address;
  const rows = readFileSync("/proc/net/route", "utf8").split("\n").slice(1);
  for (const row of rows) {
    const [name = "", destination] = row.split("\t");
    const address = ipv4Of(name);
    if (destination === "00000000" && address !== undefined) return address;
  }
  for (const [name, addresses] of Object.entries(interfaces)) {
    const outside = addresses?.some(({ internal }) => !internal);
    const address = ipv4Of(name);
    if (outside && address !== undefined && !/^(docker|wherry|veth|br-)/.test(name)) return address;
  }
  return "127.0.0.1";
}

/** A data directory is in use by another process; the message says which. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

/** When a process started, in clock ticks since boot: with the pid it names a process for good. Undefined: none. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // Dead, and waited for by nobody yet: it holds nothing any more.
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    // No such process.
    return undefined;
  }
}

/**
 * Takes the data directory for this process. A lock left by a process that is gone (power cut, kill -9) is taken over.
 * Rejects with DataDirectoryInUse. The returned function gives it back.
 *
 * The lock is a symbolic link whose target names the holder: made in one step with what it says, so that nobody reads half a
 * lock, and without a block of its own, so that a node also starts on a full disk.
 */
export async function lockDataDirectory(dataDir: string): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "lock");
  const mine = `${process.pid} ${(await startOf(process.pid)) ?? ""}`;
  for (let tries = 0; tries < 10; tries++) {
    try {
      await symlink(mine, path);
      return () => rm(path, { force: true });
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    const holder = await holderOf(path);
    const [pid = "", start = ""] = holder.split(" ");
    const running = pid === "" ? undefined : await startOf(Number(pid));
    if (running !== undefined && running === start && pid !== String(process.pid)) {
      throw new DataDirectoryInUse(
        `Cannot use the data directory ${dataDir}: process ${pid} uses it; stop that one, or choose another with --data-dir`,
      );
    }
    await removeStale(path, holder);
  }
  throw new DataDirectoryInUse(`Cannot lock the data directory ${dataDir}: others keep taking it; try again`);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** What a lock says; "" when it is gone or says nothing. */
async function holderOf(path: string): Promise<string> {
  const said = await readlink(path).catch(() => readFile(path, "utf8").catch(() => ""));
  return said.trim();
}

/** Takes a lock away that says `holder`; another one, which somebody took meanwhile, is put back. */
async function removeStale(path: string, holder: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  if ((await holderOf(aside)) === holder) await rm(aside, { force: true });
  else await rename(aside, path);
}

/** The network namespace belongs to another node; the message says which. */
export class NetworkInUse extends Error {
  override readonly name = "NetworkInUse";
}

/** An abstract socket: it lives in the network namespace, and vanishes with the process that holds it. */
const networkLock = "\0wherry-node";

/**
 * Takes this network namespace for one node: its bridge and its rules are the namespace's, and two nodes would take them from
 * each other. Rejects with NetworkInUse. The returned function gives it back.
 */
export async function lockNetwork(dataDir: string, name = networkLock): Promise<() => Promise<void>> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.end(`process ${process.pid} with the data directory ${dataDir}`);
  });
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once("error", (error) => ("code" in error && error.code === "EADDRINUSE" ? resolve(true) : reject(error)));
    server.listen({ path: name }, () => resolve(false));
  });
  if (taken) {
    const holder = (await greetingOf(name)) || "another process";
    const advice = "stop that one, start this one in a network namespace of its own, or add --disable kubelet,proxy";
    throw new NetworkInUse(`Cannot run a second node in this network namespace: ${holder} is one; ${advice}`);
  }
  // It alone keeps no process alive.
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

/** What the holder of the lock says of itself; "" when it says nothing within a second. */
function greetingOf(name: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ path: name });
    socket.setTimeout(1000, () => socket.destroy());
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(text.slice(0, 500)));
  });
}
