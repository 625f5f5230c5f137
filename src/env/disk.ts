/**
 * The disk as an effect. Paths are absolute. Every failure is a DiskError that keeps the operating system's code
 * (ENOENT, EEXIST, ENOSPC, EIO ...) and its cause. What is written is durable only after sync() of the file and, for a
 * name that is new, renamed or removed, syncDirectory() of its folder: the simulated disk loses or tears the rest.
 */
export interface Disk {
  /** Opens for reading and writing. `create: "new"` fails with EEXIST, `true` creates when absent (mode 0600). */
  open(path: string, options?: { readonly create?: boolean | "new" }): Promise<DiskFile>;
  /** The whole file. ENOENT when absent. */
  readFile(path: string): Promise<Uint8Array>;
  /** Replaces `path` atomically and durably: temporary file (mode 0600), sync, rename, sync of the folder. */
  writeFileAtomic(path: string, bytes: Uint8Array, options?: { readonly mode?: number }): Promise<void>;
  /** Names (not paths) in a folder, sorted. ENOENT when absent. */
  list(directory: string): Promise<string[]>;
  /** Creates the folder and its parents (mode 0700); no error when it exists. */
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; no error when it is absent. */
  remove(path: string): Promise<void>;
  /** fsync of a folder, so that names created, renamed or removed in it survive a power cut. */
  syncDirectory(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
}

export interface DiskFile {
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Writes all of `bytes` at `offset`. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** fdatasync. After it has failed once, nothing written before may be trusted, and it must not be retried. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Reserves space (and size) up to `length` bytes, so that later writes change no metadata. ENOSPC if it cannot. */
  allocate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export class DiskError extends Error {
  override readonly name = "DiskError";
  /** The operating system's code, for example "ENOSPC". */
  readonly code: string;
  readonly path: string;

  constructor(action: string, path: string, code: string, cause?: unknown) {
    super(`Cannot ${action} ${path}: ${code}`, { cause });
    this.code = code;
    this.path = path;
  }
}
