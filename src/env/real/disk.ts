import * as fs from "node:fs";
import { dirname } from "node:path";
import { type Disk, DiskError, type DiskFile } from "../disk.ts";

/**
 * Writes up to this size go to the page cache by a synchronous call: it takes a few microseconds, where a turn through the
 * thread pool takes a hundred. What waits for the device (fdatasync, large writes) always leaves the event loop.
 */
const smallWriteBytes = 64 * 1024;
const zeros = new Uint8Array(256 * 1024);

function fail(action: string, path: string, error: unknown): DiskError {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EUNKNOWN";
  return new DiskError(action, path, code, error);
}

/** One call of node:fs as a promise whose rejection is a DiskError. */
function call<T>(
  action: string,
  path: string,
  start: (done: (error: Error | null | undefined, value?: T) => void) => void,
) {
  return new Promise<T | undefined>((resolve, reject) => {
    start((error, value) => (error ? reject(fail(action, path, error)) : resolve(value)));
  });
}

class RealFile implements DiskFile {
  readonly #path: string;
  readonly #fd: number;
  #syncFailed = false;

  constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const got =
        (await call<number>("read", this.#path, (done) =>
          fs.read(this.#fd, bytes, filled, length - filled, offset + filled, done),
        )) ?? 0;
      if (got === 0) break;
      filled += got;
    }
    return filled === length ? bytes : bytes.slice(0, filled);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const from = written;
      if (bytes.length - written <= smallWriteBytes) {
        try {
          written += fs.writeSync(this.#fd, bytes, from, bytes.length - from, offset + from);
        } catch (error) {
          throw fail("write", this.#path, error);
        }
      } else {
        const got = await call<number>("write", this.#path, (done) =>
          fs.write(this.#fd, bytes, from, bytes.length - from, offset + from, done),
        );
        written += got ?? 0;
      }
    }
  }

  async sync(): Promise<void> {
    // Linux marks the pages clean when fsync fails: a second call would report success for what is lost.
    if (this.#syncFailed) throw new DiskError("sync", this.#path, "EIO", new Error("an earlier sync has failed"));
    try {
      await call<void>("sync", this.#path, (done) => fs.fdatasync(this.#fd, done));
    } catch (error) {
      this.#syncFailed = true;
      throw error;
    }
  }

  async truncate(length: number): Promise<void> {
    await call<void>("truncate", this.#path, (done) => fs.ftruncate(this.#fd, length, done));
  }

  /** node:fs has no fallocate, and blocks that are only reserved change metadata when first written: so zeros. */
  async allocate(length: number): Promise<void> {
    const before = await this.size();
    try {
      for (let at = before; at < length; at += zeros.length)
        await call<number>("allocate", this.#path, (done) =>
          fs.write(this.#fd, zeros, 0, Math.min(zeros.length, length - at), at, (error, written) => {
            if (error || written === Math.min(zeros.length, length - at)) return done(error, written);
            done(Object.assign(new Error(`only ${written} bytes were written`), { code: "ENOSPC" }));
          }),
        );
    } catch (error) {
      await this.truncate(before).catch(() => undefined);
      throw error;
    }
  }

  async size(): Promise<number> {
    const stats = await call<fs.Stats>("stat", this.#path, (done) => fs.fstat(this.#fd, done));
    return stats?.size ?? 0;
  }

  async close(): Promise<void> {
    await call<void>("close", this.#path, (done) => fs.close(this.#fd, done));
  }
}

async function openFile(path: string, flags: number, mode: number): Promise<RealFile> {
  const fd = await call<number>("open", path, (done) => fs.open(path, flags, mode, done));
  if (fd === undefined) throw new DiskError("open", path, "EUNKNOWN");
  return new RealFile(path, fd);
}

/** The machine's disk, through node:fs (Bun and Deno). */
export const realDisk: Disk = {
  open: (path, options) => {
    const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
    const create = options?.create ?? false;
    return openFile(path, O_RDWR | (create === false ? 0 : O_CREAT) | (create === "new" ? O_EXCL : 0), 0o600);
  },

  readFile: async (path) => {
    const bytes = await call<Buffer>("read", path, (done) => fs.readFile(path, done));
    if (bytes === undefined) throw new DiskError("read", path, "EUNKNOWN");
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  },

  writeFileAtomic: async (path, bytes, options) => {
    const temporary = `${path}.tmp`;
    const mode = options?.mode ?? 0o600;
    const { O_RDWR, O_CREAT, O_TRUNC } = fs.constants;
    const file = await openFile(temporary, O_RDWR | O_CREAT | O_TRUNC, 0o600);
    try {
      await file.write(0, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    // The mode of open() is masked by umask and ignored for a temporary file that was left behind.
    await call<void>("chmod", temporary, (done) => fs.chmod(temporary, mode, done));
    await realDisk.rename(temporary, path);
    await realDisk.syncDirectory(dirname(path));
  },

  list: async (directory) => {
    const names = await call<string[]>("list", directory, (done) => fs.readdir(directory, done));
    return (names ?? []).sort();
  },

  makeDirectory: async (path) => {
    await call<string>("create folder", path, (done) =>
      fs.mkdir(path, { recursive: true, mode: 0o700 }, (error) => done(error)),
    );
  },

  rename: async (from, to) => {
    await call<void>("rename", from, (done) => fs.rename(from, to, done));
  },

  remove: async (path) => {
    try {
      await call<void>("remove", path, (done) => fs.unlink(path, done));
    } catch (error) {
      if (!(error instanceof DiskError && error.code === "ENOENT")) throw error;
    }
  },

  syncDirectory: async (path) => {
    const fd = await call<number>("open folder", path, (done) => fs.open(path, fs.constants.O_RDONLY, done));
    if (fd === undefined) throw new DiskError("open folder", path, "EUNKNOWN");
    try {
      await call<void>("sync folder", path, (done) => fs.fsync(fd, done));
    } finally {
      await call<void>("close folder", path, (done) => fs.close(fd, done));
    }
  },

  exists: async (path) => {
    try {
      await call<fs.Stats>("stat", path, (done) => fs.stat(path, done));
      return true;
    } catch (error) {
      if (error instanceof DiskError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return false;
      throw error;
    }
  },
};
