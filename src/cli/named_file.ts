import { type Disk, DiskError } from "../env/disk.ts";

/** A file that the user named. Rejects with its path and the reason in words. */
export async function readNamedFile(disk: Pick<Disk, "readFile">, path: string): Promise<Uint8Array> {
  try {
    return await disk.readFile(path);
  } catch (cause) {
    if (!(cause instanceof DiskError)) throw cause;
    const why: Readonly<Record<string, string>> = {
      ENOENT: "no such file or directory",
      EISDIR: "it is a directory",
      EACCES: "permission denied",
    };
    throw new Error(`error reading ${path}: ${why[cause.code] ?? cause.code}`);
  }
}
