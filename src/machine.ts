/** What only the real machine knows, read once at the start; and the lock on a data directory. Composition for up.ts. */
import { readFileSync } from "node:fs";
import { mkdir, open, readFile, rm } from "node:fs/promises";
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
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    // No such process.
    return undefined;
  }
}

/**
 * Takes the data directory for this process. A lock left by a process that is gone (power cut, kill -9) is taken over.
 * Rejects with DataDirectoryInUse. The returned function gives it back.
 */
export async function lockDataDirectory(dataDir: string): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "lock");
  const mine = `${process.pid} ${(await startOf(process.pid)) ?? ""}\n`;
  for (let tries = 0; tries < 3; tries++) {
    try {
      const file = await open(path, "wx", 0o600);
      await file.writeFile(mine);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const [pid = "", start = ""] = (await readFile(path, "utf8").catch(() => "")).trim().split(" ");
    const running = pid === "" ? undefined : await startOf(Number(pid));
    if (running !== undefined && running === start && pid !== String(process.pid)) {
      throw new DataDirectoryInUse(
        `Cannot use the data directory ${dataDir}: process ${pid} uses it; stop that one, or choose another with --data-dir`,
      );
    }
    await rm(path, { force: true });
  }
  throw new DataDirectoryInUse(`Cannot lock the data directory ${dataDir}: others keep taking it`);
}
