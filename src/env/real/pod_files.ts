/** Files that pods mount. Has the shape that node/machine_link.ts asks for. */
import { spawn } from "node:child_process";
import { chmod, chown, lstat, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

type FileKind = "file" | "directory" | "socket" | "characterDevice" | "blockDevice";

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function mount(command: "mount" | "umount", args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", (cause) => reject(new Error(`Cannot run ${command}`, { cause })));
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`Cannot ${command} ${args.join(" ")}: ${stderr.trim()}`)),
    );
  });
}

/** Mount points at `path` and below, the deepest first. */
async function mountsBelow(path: string): Promise<string[]> {
  const table = await readFile("/proc/self/mounts", "utf8");
  return table
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .reverse();
}

/** Makes the folder; those above get mode 0755 where they are new. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 });
}

export const realPodFiles = {
  async writeFile(path: string, content: Uint8Array, mode: number, group?: number): Promise<void> {
    const temporary = join(dirname(path), `.new.${process.pid}.${path.slice(path.lastIndexOf("/") + 1)}`);
    const write = async () => {
      await writeFile(temporary, content, { mode });
      // The umask may have taken bits away.
      await chmod(temporary, mode);
      if (group !== undefined) await chown(temporary, -1, group);
      await rename(temporary, path);
    };
    try {
      await write();
    } catch (error) {
      if (!isMissing(error)) throw error;
      await makeFolder(dirname(path));
      await write();
    }
  },

  async makeDirectory(path: string, mode: number, group?: number): Promise<void> {
    await makeFolder(path);
    if (group !== undefined) await chown(path, -1, group);
    await chmod(path, mode);
  },

  async readFile(path: string, limit: number): Promise<Uint8Array | undefined> {
    try {
      const file = await open(path, "r");
      try {
        const buffer = new Uint8Array(limit);
        const { bytesRead } = await file.read(buffer, 0, limit, 0);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },

  async list(path: string): Promise<readonly string[]> {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },

  async kindOf(path: string): Promise<FileKind | undefined> {
    try {
      const found = await stat(path);
      if (found.isDirectory()) return "directory";
      if (found.isSocket()) return "socket";
      if (found.isCharacterDevice()) return "characterDevice";
      if (found.isBlockDevice()) return "blockDevice";
      return "file";
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },

  async mountMemory(path: string, sizeBytes: number | undefined): Promise<void> {
    if ((await mountsBelow(path)).includes(path)) return;
    const { mode } = await stat(path);
    const size = sizeBytes === undefined ? "" : `,size=${sizeBytes}`;
    await mount("mount", ["-t", "tmpfs", "-o", `mode=${(mode & 0o7777).toString(8)}${size}`, "tmpfs", path]);
  },

  async removeTree(path: string): Promise<void> {
    try {
      await lstat(path);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    for (const point of await mountsBelow(path)) await mount("umount", [point]);
    await rm(path, { recursive: true, force: true });
  },
};
