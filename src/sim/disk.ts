import { type Clock, sleep } from "../env/clock.ts";
import { type Disk, DiskError, type DiskFile } from "../env/disk.ts";
import type { Random } from "../env/random.ts";

/** What a device writes whole or not at all. */
const sectorBytes = 512;

type Pending =
  | { readonly type: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: "size"; readonly length: number };

/** A file's bytes as readers see them, as they would be after a power cut, and what lies between the two. */
interface Content {
  visible: Uint8Array;
  durable: Uint8Array;
  pending: Pending[];
  mode: number;
}

interface NameChange {
  readonly directory: string;
  readonly changes: readonly (readonly [path: string, content: Content | undefined])[];
  /** A folder that was renamed: those that went and came with it. */
  readonly folders?: { readonly gone: readonly string[]; readonly come: readonly string[] };
}

export interface SimulatedDiskOptions {
  readonly random: Random;
  /** The sum of all files' sizes that fits; default: no limit. */
  readonly capacityBytes?: number;
  /** Needed where syncs shall take time. */
  readonly clock?: Clock;
}

const directoryOf = (path: string) => path.slice(0, Math.max(1, path.lastIndexOf("/")));

function apply(bytes: Uint8Array, change: Pending): Uint8Array {
  const length = change.type === "size" ? change.length : Math.max(bytes.length, change.offset + change.bytes.length);
  let result = bytes;
  if (length !== bytes.length) {
    result = new Uint8Array(length);
    result.set(bytes.subarray(0, length));
  }
  if (change.type === "write") result.set(change.bytes, change.offset);
  return result;
}

/** What a device does whole or not at all of a change. */
function partsOf(change: Pending): Pending[] {
  if (change.type === "size") return [change];
  const parts: Pending[] = [];
  const end = change.offset + change.bytes.length;
  for (let at = change.offset; at < end; ) {
    const next = Math.min(end, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
    parts.push({ type: "write", offset: at, bytes: change.bytes.subarray(at - change.offset, next - change.offset) });
    at = next;
  }
  return parts;
}

/**
 * A disk in memory that behaves as badly as a real one may. What was written and not synced is lost, kept, or torn at
 * sectors of 512 bytes when the power is cut; names that were created, renamed or removed without a sync of their folder
 * come and go at random. Folders themselves are durable at once. Everything random comes from the injected source.
 */
export class SimulatedDisk implements Disk {
  readonly #random: Random;
  readonly #names = new Map<string, Content>();
  readonly #durableNames = new Map<string, Content>();
  readonly #directories = new Set<string>(["/"]);
  #nameChanges: NameChange[] = [];
  /** Grows with each power cut: handles of an earlier life are dead. */
  #life = 0;
  #down = false;
  #syncFailures = 0;
  capacityBytes: number;
  /** Calls so far that change something; a power cut can be asked for at any of them. */
  operations = 0;
  /** Called before each such operation, when all before it are done. */
  beforeOperation: (() => void) | undefined;
  /** The power is cut while the operation of this number is under way. */
  cutPowerAt: number | undefined;
  /** Mutation of the test suite itself: every sync answers success and does nothing. */
  syncsAreLies = false;
  bytesWritten = 0;
  syncs = 0;
  /** How long a sync of a file takes, at least and at most; 0: no time. */
  syncMs: readonly [from: number, to: number] = [0, 0];
  readonly #clock: Clock | undefined;

  constructor(options: SimulatedDiskOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  /** The next `count` syncs of a file fail with EIO, and what they should have written may be lost. */
  failSyncs(count = 1): void {
    this.#syncFailures = count;
  }

  /** Bit rot: one bit, both in what readers see and on the medium. */
  flipBit(path: string, offset: number, bit: number): void {
    const content = this.#content("flip", path);
    for (const bytes of new Set([content.visible, content.durable])) {
      const before = bytes[offset];
      if (before !== undefined) bytes[offset] = before ^ (1 << bit);
    }
  }

  /** The same files on another disk, everything durable. */
  copy(random: Random): SimulatedDisk {
    const other = new SimulatedDisk({ random, capacityBytes: this.capacityBytes });
    for (const [path, { visible, mode }] of this.#names) {
      const content: Content = { visible: visible.slice(), durable: visible.slice(), pending: [], mode };
      other.#names.set(path, content);
      other.#durableNames.set(path, content);
    }
    for (const directory of this.#directories) other.#directories.add(directory);
    return other;
  }

  /**
   * How many things a power cut at this moment would decide: each change of a name that no sync of its folder covers, each sector
   * and each change of size that no sync of its file covers.
   */
  get undecided(): number {
    let count = this.#nameChanges.length;
    for (const content of this.#contents()) for (const change of content.pending) count += partsOf(change).length;
    return count;
  }

  /** The disk that a power cut at this moment leaves if just those things survive, numbered from 0. This one goes on. */
  imageAfterPowerCut(survives: (thing: number) => boolean, random: Random): SimulatedDisk {
    const image = new SimulatedDisk({ random, capacityBytes: this.capacityBytes });
    for (const directory of this.#directories) image.#directories.add(directory);
    const names = new Map(this.#durableNames);
    let thing = 0;
    for (const { changes, folders } of this.#nameChanges) {
      if (survives(thing++)) {
        for (const [path, content] of changes) {
          if (content === undefined) names.delete(path);
          else names.set(path, content);
        }
      } else {
        for (const folder of folders?.come ?? []) image.#directories.delete(folder);
        for (const folder of folders?.gone ?? []) image.#directories.add(folder);
      }
    }
    const settled = new Map<Content, Content>();
    for (const content of this.#contents()) {
      let durable: Uint8Array = content.durable.slice();
      for (const change of content.pending)
        for (const part of partsOf(change)) if (survives(thing++)) durable = apply(durable, part);
      settled.set(content, { visible: durable.slice(), durable, pending: [], mode: content.mode });
    }
    for (const [path, content] of names) {
      const after = settled.get(content);
      if (after === undefined) continue;
      image.#names.set(path, after);
      image.#durableNames.set(path, after);
    }
    return image;
  }

  /** Every file that a name leads to, now or after a power cut. */
  #contents(): Set<Content> {
    const contents = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    for (const { changes } of this.#nameChanges)
      for (const [, content] of changes) if (content !== undefined) contents.add(content);
    return contents;
  }

  usedBytes(): number {
    let used = 0;
    for (const content of new Set(this.#names.values())) used += content.visible.length;
    return used;
  }

  get isDown(): boolean {
    return this.#down;
  }

  /** From now on every call fails, until `restore`. */
  cutPower(): void {
    this.#down = true;
    this.#life++;
  }

  /** Power is back: decides what of the unsynced survived. */
  restore(): void {
    if (!this.#down) this.cutPower();
    for (const { changes, folders } of this.#nameChanges) {
      if (this.#random.fraction() < 0.5) {
        for (const folder of folders?.come ?? []) this.#directories.delete(folder);
        for (const folder of folders?.gone ?? []) this.#directories.add(folder);
        continue;
      }
      for (const [path, content] of changes) {
        if (content === undefined) this.#durableNames.delete(path);
        else this.#durableNames.set(path, content);
      }
    }
    this.#nameChanges = [];
    this.#names.clear();
    for (const [path, content] of this.#durableNames) this.#names.set(path, content);
    for (const content of new Set(this.#names.values())) this.#settle(content);
    this.cutPowerAt = undefined;
    this.#down = false;
  }

  /** A process that is killed loses nothing that it handed to the kernel; only its open files are gone. */
  killProcess(): void {
    this.#life++;
  }

  #settle(content: Content): void {
    let bytes = content.durable;
    // Whole writes lost, whole writes kept, or each sector for itself.
    const mood = this.#random.fraction();
    for (const change of content.pending) {
      if (mood < 0.25) continue;
      if (change.type === "size" || mood < 0.45) {
        if (change.type === "write" || this.#random.fraction() < 0.5) bytes = apply(bytes, change);
        continue;
      }
      for (const part of partsOf(change)) if (this.#random.fraction() < 0.5) bytes = apply(bytes, part);
    }
    content.durable = bytes;
    content.visible = bytes.slice();
    content.pending = [];
  }

  #check(action: string, path: string): void {
    if (this.#down) throw new DiskError(action, path, "EIO", new Error("the power is cut"));
  }

  /** Counts an operation that changes something; true: the power goes while it is under way. */
  #change(action: string, path: string): boolean {
    this.#check(action, path);
    this.beforeOperation?.();
    this.operations++;
    return this.operations === this.cutPowerAt;
  }

  #interrupted(action: string, path: string): never {
    this.cutPower();
    throw new DiskError(action, path, "EIO", new Error("the power is cut"));
  }

  #content(action: string, path: string): Content {
    const content = this.#names.get(path);
    if (content === undefined) throw new DiskError(action, path, "ENOENT");
    return content;
  }

  #setNames(changes: NameChange["changes"], path: string, folders?: NameChange["folders"]): void {
    for (const [name, content] of changes) {
      if (content === undefined) this.#names.delete(name);
      else this.#names.set(name, content);
    }
    this.#nameChanges.push({ directory: directoryOf(path), changes, ...(folders === undefined ? {} : { folders }) });
  }

  async open(path: string, options?: { readonly create?: boolean | "new" }): Promise<DiskFile> {
    this.#check("open", path);
    const create = options?.create ?? false;
    let content = this.#names.get(path);
    if (content !== undefined && create === "new") throw new DiskError("open", path, "EEXIST");
    if (content === undefined) {
      if (create === false || !this.#directories.has(directoryOf(path))) throw new DiskError("open", path, "ENOENT");
      const cut = this.#change("open", path);
      content = { visible: new Uint8Array(0), durable: new Uint8Array(0), pending: [], mode: 0o600 };
      this.#setNames([[path, content]], path);
      if (cut) this.#interrupted("open", path);
    }
    return this.#handle(path, content);
  }

  #handle(path: string, content: Content): DiskFile {
    const life = this.#life;
    const alive = (action: string) => {
      this.#check(action, path);
      if (life !== this.#life) throw new DiskError(action, path, "EBADF", new Error("opened before the restart"));
    };
    const change = (action: string) => {
      alive(action);
      return this.#change(action, path);
    };
    const add = (pending: Pending) => {
      content.visible = apply(content.visible, pending);
      content.pending.push(pending);
    };
    let syncFailed = false;
    return {
      read: async (offset, length) => {
        alive("read");
        return content.visible.slice(offset, offset + length);
      },
      write: async (offset, bytes) => {
        const cut = change("write");
        // What the file has already can always be overwritten.
        const growth = Math.max(0, this.capacityBytes - this.usedBytes());
        const room = content.visible.length - offset + growth;
        const fits = bytes.subarray(0, Math.max(0, Math.min(bytes.length, room))).slice();
        if (fits.length > 0 || bytes.length === 0) add({ type: "write", offset, bytes: fits });
        this.bytesWritten += fits.length;
        if (cut) this.#interrupted("write", path);
        if (fits.length < bytes.length) throw new DiskError("write", path, "ENOSPC");
      },
      sync: async () => {
        const cut = change("sync");
        this.syncs++;
        if (syncFailed) throw new DiskError("sync", path, "EIO", new Error("an earlier sync has failed"));
        if (cut) this.#interrupted("sync", path);
        // What is written from here on is not this sync's.
        const covered = new Set(content.pending);
        const [from, to] = this.syncMs;
        if (this.#clock !== undefined && to > 0) {
          await sleep(this.#clock, from + this.#random.fraction() * (to - from));
          alive("sync");
        }
        if (this.#syncFailures > 0) {
          this.#syncFailures--;
          syncFailed = true;
          // As Linux does: the pages are clean now, whether they reached the medium or not.
          if (this.#random.fraction() < 0.5) content.pending = [];
          throw new DiskError("sync", path, "EIO");
        }
        if (this.syncsAreLies) return;
        const left: Pending[] = [];
        for (const pending of content.pending) {
          if (covered.has(pending)) content.durable = apply(content.durable, pending);
          else left.push(pending);
        }
        content.pending = left;
      },
      truncate: async (length) => {
        const cut = change("truncate");
        add({ type: "size", length });
        if (cut) this.#interrupted("truncate", path);
      },
      allocate: async (length) => {
        const cut = change("allocate");
        const missing = length - content.visible.length;
        if (missing > 0) {
          if (this.usedBytes() + missing > this.capacityBytes) throw new DiskError("allocate", path, "ENOSPC");
          add({ type: "size", length });
          this.bytesWritten += missing;
        }
        if (cut) this.#interrupted("allocate", path);
      },
      size: async () => {
        alive("stat");
        return content.visible.length;
      },
      close: async () => undefined,
    };
  }

  async readFile(path: string): Promise<Uint8Array> {
    this.#check("read", path);
    return this.#content("read", path).visible.slice();
  }

  async writeFileAtomic(path: string, bytes: Uint8Array, options?: { readonly mode?: number }): Promise<void> {
    const temporary = `${path}.tmp`;
    await this.remove(temporary);
    const file = await this.open(temporary, { create: "new" });
    await file.write(0, bytes);
    await file.sync();
    await file.close();
    this.#content("chmod", temporary).mode = options?.mode ?? 0o600;
    await this.rename(temporary, path);
    await this.syncDirectory(directoryOf(path));
  }

  async list(directory: string): Promise<string[]> {
    this.#check("list", directory);
    if (!this.#directories.has(directory)) throw new DiskError("list", directory, "ENOENT");
    const prefix = directory === "/" ? "/" : `${directory}/`;
    const names = new Set<string>();
    for (const path of [...this.#names.keys(), ...this.#directories]) {
      const name = path.startsWith(prefix) ? path.slice(prefix.length) : "";
      if (name !== "") names.add(name.split("/")[0] ?? name);
    }
    return [...names].sort();
  }

  async makeDirectory(path: string): Promise<void> {
    this.#check("create folder", path);
    for (let at = path; at !== "/"; at = directoryOf(at)) this.#directories.add(at);
  }

  async rename(from: string, to: string): Promise<void> {
    const cut = this.#change("rename", from);
    if (this.#directories.has(from)) {
      this.#renameFolder(from, to);
      if (cut) this.#interrupted("rename", from);
      return;
    }
    const content = this.#content("rename", from);
    this.#setNames(
      [
        [from, undefined],
        [to, content],
      ],
      to,
    );
    if (cut) this.#interrupted("rename", from);
  }

  /** As rename(2): onto nothing, or onto an empty folder. */
  #renameFolder(from: string, to: string): void {
    const inside = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
    const taken = [...this.#names.keys(), ...this.#directories].some((path) => path.startsWith(`${to}/`));
    if (taken) throw new DiskError("rename", to, "ENOTEMPTY");
    const moved = (path: string) => `${to}${path.slice(from.length)}`;
    const changes: [string, Content | undefined][] = [];
    for (const [path, content] of [...this.#names])
      if (inside(path, from)) changes.push([path, undefined], [moved(path), content]);
    const gone = [...this.#directories].filter((path) => inside(path, from));
    const come = gone.map(moved).filter((path) => !this.#directories.has(path));
    for (const path of gone) this.#directories.delete(path);
    for (const path of come) this.#directories.add(path);
    this.#setNames(changes, to, { gone, come });
  }

  async remove(path: string): Promise<void> {
    this.#check("remove", path);
    if (!this.#names.has(path)) return;
    const cut = this.#change("remove", path);
    this.#setNames([[path, undefined]], path);
    if (cut) this.#interrupted("remove", path);
  }

  async syncDirectory(path: string): Promise<void> {
    const cut = this.#change("sync folder", path);
    if (!this.#directories.has(path)) throw new DiskError("sync folder", path, "ENOENT");
    if (cut) this.#interrupted("sync folder", path);
    if (this.syncsAreLies) return;
    const kept: NameChange[] = [];
    for (const change of this.#nameChanges) {
      if (change.directory !== path) {
        kept.push(change);
        continue;
      }
      for (const [name, content] of change.changes) {
        if (content === undefined) this.#durableNames.delete(name);
        else this.#durableNames.set(name, content);
      }
    }
    this.#nameChanges = kept;
  }

  async exists(path: string): Promise<boolean> {
    this.#check("stat", path);
    return this.#names.has(path) || this.#directories.has(path);
  }
}
