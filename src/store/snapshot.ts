import { type Disk, DiskError } from "../env/disk.ts";
import type { Version } from "./mvcc.ts";
import { encodeSnapshot, type LoadedSnapshot, SnapshotDecoder, type SnapshotState } from "./snapshot_format.ts";

export type { LoadedSnapshot, SnapshotState } from "./snapshot_format.ts";

/** How much of a file is read at a time. */
const readBytes = 256 * 1024;

export function snapshotPath(directory: string): string {
  return `${directory}/snapshot`;
}

/** The one before, for the case that the newest one rots: the log is kept from here on. */
export function previousSnapshotPath(directory: string): string {
  return `${directory}/snapshot.previous`;
}

/**
 * Puts a new snapshot in the place of the one there is, which becomes the previous one; `heads` are the keys' newest versions, in
 * order. Returns its size.
 */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  state: SnapshotState,
  heads: Iterable<Version>,
): Promise<number> {
  const path = snapshotPath(directory);
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  const file = await disk.open(temporary, { create: "new" });
  let offset = 0;
  try {
    for (const bytes of encodeSnapshot(state, heads)) {
      await file.write(offset, bytes);
      offset += bytes.length;
    }
    await file.sync();
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
  // Between the two the previous one is the newest: readSnapshot knows.
  if (await disk.exists(path)) await disk.rename(path, previousSnapshotPath(directory));
  await disk.rename(temporary, path);
  await disk.syncDirectory(directory);
  return offset;
}

/** The same bytes as a stream, for a backup. The state is frozen when the first are asked for, until the last or the end of the loop. */
export async function* streamSnapshot(
  freeze: () => { readonly state: SnapshotState; heads(): Iterable<Version>; release(): void },
): AsyncGenerator<Uint8Array, void> {
  const frozen = freeze();
  try {
    yield* encodeSnapshot(frozen.state, frozen.heads());
  } finally {
    frozen.release();
  }
}

/** The newest one. undefined: there is none. Throws Corrupt, with file and offset, when a byte of it is wrong. */
export async function readSnapshot(disk: Disk, directory: string): Promise<LoadedSnapshot | undefined> {
  const path = snapshotPath(directory);
  const newest = await readSnapshotFile(disk, path);
  if (newest !== undefined) return newest;
  const previous = await readSnapshotFile(disk, previousSnapshotPath(directory));
  if (previous === undefined) return undefined;
  // The power went when a new one was being put in place: the log has all that came after this one.
  await disk.rename(previousSnapshotPath(directory), path);
  await disk.syncDirectory(directory);
  return previous;
}

/** As `readSnapshot`, of any file. `versions: "check"` reads all of it and keeps no versions. */
export async function readSnapshotFile(
  disk: Disk,
  path: string,
  options?: { readonly versions: "keep" | "check" },
): Promise<LoadedSnapshot | undefined> {
  let file: Awaited<ReturnType<Disk["open"]>>;
  try {
    file = await disk.open(path);
  } catch (error) {
    if (error instanceof DiskError && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const decoder = new SnapshotDecoder(path, options);
    for (let offset = 0; ; offset += readBytes) {
      const bytes = await file.read(offset, readBytes);
      decoder.push(bytes);
      if (bytes.length < readBytes) return decoder.finish();
    }
  } finally {
    await file.close();
  }
}
