import type { Clock, Timer } from "../env/clock.ts";
import { type Disk, DiskError, type DiskFile } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import type { Entry, HardState } from "../raft/types.ts";
import { ByteWriter } from "./bytes.ts";
import { StoreError } from "./store.ts";
import { SyncMeter } from "./sync_meter.ts";
import {
  type Batch,
  encodeBatch,
  encodeSegmentHeader,
  firstRecordOffset,
  recordBytes,
  recordHeaderBytes,
  type SegmentHeader,
  sealRecord,
} from "./wal_format.ts";
import { cutTail, joinBatches, type RecoveredSegment, readSegments, segmentPath } from "./wal_recovery.ts";

export interface WalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly directory: string;
  /** Size of a segment; a record must fit into half of one. */
  readonly segmentBytes: number;
  /** Who writes here, when the log is new; a log that exists says so itself. */
  readonly identity: () => { readonly clusterId: bigint; readonly memberId: bigint };
  /** What the loaded snapshot stands for; entries up to there are not needed. */
  readonly snapshot: { readonly index: number; readonly term: number };
  /** Counts the syncs; absent: the log makes its own. */
  readonly syncs?: SyncMeter;
}

export interface WalContents {
  readonly wal: Wal;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly hardState: HardState;
  /** Entries after the snapshot, without gap. */
  readonly entries: readonly Entry[];
}

interface Segment {
  readonly header: SegmentHeader;
  readonly file: DiskFile;
  readonly size: number;
  /** The highest entry in it; 0 when it holds none. */
  lastIndex: number;
  /** It holds a record that is durable. */
  holdsRecords: boolean;
}

/** How long a write that found the disk full waits before it is tried again. */
const fullDiskRetryMs = 500;
/** Kept free of client data, for what the member itself must be able to write (an election, a compaction). */
const reservedBytes = 4096;

/**
 * The write-ahead log: one record a group commit, one fdatasync a record (formats in wal_format.ts). The segment after the
 * current one is always prepared in advance, zeroed and durable, so that an append changes no metadata and a full disk is
 * noticed before a proposal is admitted (`admits`), not when half of it is on its way.
 *
 * A failed write is only tried again when the disk was full. A failed sync is never: `append` rejects, and so does every
 * later call, because nobody knows what of the written is on the medium.
 */
export class Wal {
  readonly syncs: SyncMeter;
  readonly #options: WalOptions;
  readonly #identity: { readonly clusterId: bigint; readonly memberId: bigint };
  readonly #writer = new ByteWriter(64 * 1024);
  /** All segments, oldest first, the current one last. */
  readonly #segments: Segment[];
  #current: Segment;
  #spare: Segment | undefined;
  #preparing: Promise<void> | undefined;
  #retry: Timer | undefined;
  #offset: number;
  #sequence: number;
  #full = false;
  #failure: Error | undefined;
  #closed = false;

  static async open(options: WalOptions): Promise<WalContents> {
    const { disk, directory } = options;
    await disk.makeDirectory(directory);
    const recovered = await readSegments(disk, directory);
    const first = recovered.segments[0];
    const identity = first?.header ?? options.identity();
    const { hardState, entries } = joinBatches(recovered.segments, options.snapshot, directory);
    if (recovered.torn !== undefined) await cutTail(disk, recovered.torn, options.log);
    for (const path of recovered.leftovers) await disk.remove(path);
    const wal = await Wal.#start(options, identity, recovered.segments);
    return { wal, clusterId: identity.clusterId, memberId: identity.memberId, hardState, entries };
  }

  static async #start(
    options: WalOptions,
    identity: { readonly clusterId: bigint; readonly memberId: bigint },
    recovered: readonly RecoveredSegment[],
  ): Promise<Wal> {
    const segments: Segment[] = [];
    for (const { header, size, batches } of recovered) {
      const file = await options.disk.open(segmentPath(options.directory, header.number));
      segments.push({ header, file, size, lastIndex: lastIndexOf(batches), holdsRecords: batches.length > 0 });
    }
    // The last segment that holds something is the current one; an empty one behind it is the spare.
    let currentAt = 0;
    recovered.forEach((segment, at) => {
      if (segment.batches.length > 0) currentAt = at;
    });
    let current = segments[currentAt];
    if (current === undefined) {
      current = await createSegment(options, identity, 1);
      segments.push(current);
    }
    const last = recovered[currentAt];
    const spare = segments[currentAt + 1];
    const wal = new Wal(
      options,
      identity,
      segments.slice(0, currentAt + 1),
      current,
      spare,
      last?.end ?? firstRecordOffset,
      recovered.reduce((sequence, segment) => segment.lastSequence ?? sequence, 0),
    );
    // What was read may so far be in the page cache only; from here on it counts as durable. The last record is written again,
    // because the sync that it belongs to may have failed: then its pages count as clean, and another sync alone does nothing.
    if (last !== undefined) {
      const { lastRecord, end } = last;
      if (end > lastRecord) await current.file.write(lastRecord, await current.file.read(lastRecord, end - lastRecord));
    }
    await current.file.sync();
    await options.disk.syncDirectory(options.directory);
    if (spare === undefined) wal.#prepareSpare();
    return wal;
  }

  private constructor(
    options: WalOptions,
    identity: { readonly clusterId: bigint; readonly memberId: bigint },
    segments: Segment[],
    current: Segment,
    spare: Segment | undefined,
    offset: number,
    sequence: number,
  ) {
    this.syncs = options.syncs ?? new SyncMeter(options.clock);
    this.#options = options;
    this.#identity = identity;
    this.#segments = segments;
    this.#current = current;
    this.#spare = spare;
    this.#offset = offset;
    this.#sequence = sequence;
  }

  /** The disk had no room at the last try. */
  get isFull(): boolean {
    return this.#full;
  }

  get bytesOnDisk(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, this.#spare?.size ?? 0);
  }

  /** The most that one batch's entries may take, with their overhead. */
  get maxBatchBytes(): number {
    return Math.floor((this.#options.segmentBytes - firstRecordOffset) / 2) - recordHeaderBytes - 128;
  }

  /** The most that one entry may take, so that there can be room for it. */
  get maxEntryBytes(): number {
    return Math.min(this.maxBatchBytes, this.#options.segmentBytes - firstRecordOffset - reservedBytes);
  }

  /**
   * Whether entries of together `bytes` (everything that is admitted and not yet appended) have room for sure. "wait": a segment is
   * being prepared, ask again after `prepared()`.
   */
  admits(bytes: number): "yes" | "wait" | "full" {
    const room =
      this.#spare === undefined
        ? this.#current.size - this.#offset - reservedBytes
        : this.#spare.size - firstRecordOffset - reservedBytes;
    if (bytes <= room) return "yes";
    if (this.#preparing !== undefined) return "wait";
    if (this.#spare !== undefined) return "wait";
    return "full";
  }

  /** Resolves when the segment that is being prepared is there, or when there is no room for it. */
  async prepared(): Promise<void> {
    await this.#preparing;
  }

  /** Resolves when the batch is durable. One call at a time. Rejects for good after a failed sync or when closed. */
  async append(batch: Batch): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#encode(batch);
    const length = recordBytes(this.#writer.length - recordHeaderBytes);
    if (this.#offset + length > this.#current.size) await this.#roll(length);
    const record = sealRecord(this.#writer, this.#sequence + 1, this.#current.header.salt, this.#offset);
    await this.#write(record);
    await this.#sync(this.#current.file, record.length);
    this.#current.holdsRecords = true;
    this.#sequence++;
    this.#offset += record.length;
    const last = batch.entries[batch.entries.length - 1];
    if (last !== undefined) this.#current.lastIndex = Math.max(this.#current.lastIndex, last.index);
  }

  #encode(batch: Batch): void {
    this.#writer.reset();
    this.#writer.fill(0, recordHeaderBytes);
    encodeBatch(this.#writer, batch);
  }

  async #write(record: Uint8Array): Promise<void> {
    while (true) {
      try {
        await this.#current.file.write(this.#offset, record);
        return;
      } catch (error) {
        if (!(error instanceof DiskError && (error.code === "ENOSPC" || error.code === "EDQUOT"))) this.#fail(error);
        // A file system that copies on write needs room even for blocks that were reserved. Nothing is lost by waiting.
        this.#setFull(true, error);
        await this.#pause();
        if (this.#closed) throw new StoreError("Unavailable", "The log is closed");
      }
    }
  }

  async #sync(file: DiskFile, bytes: number): Promise<void> {
    this.syncs.started();
    try {
      await file.sync();
    } catch (error) {
      this.#fail(error);
    }
    this.syncs.ended(bytes);
  }

  #fail(error: unknown): never {
    this.#failure ??= new StoreError(
      "Unavailable",
      `Cannot write the log in ${this.#options.directory}: nobody knows what of the last write is on the disk, so this member stops. ` +
        "Check the disk, then start it again",
      { cause: error },
    );
    throw this.#failure;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.schedule(fullDiskRetryMs, resolve);
    });
  }

  async #roll(length: number): Promise<void> {
    if (length > this.#options.segmentBytes - firstRecordOffset)
      throw new StoreError("TooLarge", `A record of ${length} bytes does not fit into a segment of the log`);
    while (this.#spare === undefined) {
      if (this.#closed) throw new StoreError("Unavailable", "The log is closed");
      if (this.#preparing === undefined) this.#prepareSpare();
      await this.#preparing;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#spare === undefined) await this.#pause();
    }
    this.#current = this.#spare;
    this.#segments.push(this.#current);
    this.#spare = undefined;
    this.#offset = firstRecordOffset;
    this.#prepareSpare();
  }

  #prepareSpare(): void {
    if (this.#preparing !== undefined || this.#spare !== undefined || this.#closed) return;
    this.#retry?.cancel();
    this.#retry = undefined;
    const number = this.#current.header.number + 1;
    this.#preparing = createSegment(this.#options, this.#identity, number)
      .then(
        (segment) => {
          this.#spare = segment;
          this.#setFull(false);
        },
        (error: unknown) => {
          if (error instanceof DiskError && (error.code === "ENOSPC" || error.code === "EDQUOT")) {
            this.#setFull(true, error);
            this.#retry = this.#options.clock.schedule(fullDiskRetryMs, () => this.#prepareSpare());
          } else if (!this.#closed) {
            this.#failure ??= new StoreError(
              "Unavailable",
              `Cannot prepare the next segment of the log: this member stops`,
              {
                cause: error,
              },
            );
          }
        },
      )
      .finally(() => {
        this.#preparing = undefined;
      });
  }

  #setFull(full: boolean, error?: unknown): void {
    if (full !== this.#full) {
      if (full) this.#options.log.error("the disk is full: writes are refused until there is room", { error });
      else this.#options.log.info("the disk has room again: writes go on");
    }
    this.#full = full;
  }

  /**
   * Removes segments that hold nothing but entries up to `index`. One with the last durable record stays, for that has term and
   * vote: the current segment may have none yet.
   */
  async release(index: number): Promise<void> {
    let removed = 0;
    while (this.#segments.length > 1) {
      const oldest = this.#segments[0];
      const laterRecords = this.#segments.some((segment) => segment !== oldest && segment.holdsRecords);
      if (oldest === undefined || oldest.lastIndex > index || !laterRecords) break;
      this.#segments.shift();
      await oldest.file.close();
      await this.#options.disk.remove(segmentPath(this.#options.directory, oldest.header.number));
      removed++;
    }
    if (removed > 0) await this.#options.disk.syncDirectory(this.#options.directory);
  }

  /** The caller has awaited its last `append`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    await this.#preparing;
    const files = [...this.#segments, ...(this.#spare === undefined ? [] : [this.#spare])];
    for (const { file } of files) await file.close();
  }

  /** For a caller that gives up while an append waits for room: its wait ends with Unavailable. */
  abandon(): void {
    this.#closed = true;
  }
}

function lastIndexOf(batches: readonly Batch[]): number {
  let last = 0;
  for (const { entries } of batches) last = Math.max(last, entries[entries.length - 1]?.index ?? 0);
  return last;
}

/** A segment gets its name only when it is complete and durable. */
async function createSegment(
  options: WalOptions,
  identity: { readonly clusterId: bigint; readonly memberId: bigint },
  number: number,
): Promise<Segment> {
  const { disk, directory, segmentBytes } = options;
  const temporary = `${directory}/next.tmp`;
  const saltBytes = options.random.bytes(4);
  const header: SegmentHeader = {
    number,
    clusterId: identity.clusterId,
    memberId: identity.memberId,
    size: segmentBytes,
    salt: new DataView(saltBytes.buffer, saltBytes.byteOffset).getUint32(0),
  };
  await disk.remove(temporary);
  const file = await disk.open(temporary, { create: "new" });
  try {
    await file.allocate(segmentBytes);
    await file.write(0, encodeSegmentHeader(header));
    await file.sync();
    await disk.rename(temporary, segmentPath(directory, number));
    await disk.syncDirectory(directory);
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  return { header, file, size: segmentBytes, lastIndex: 0, holdsRecords: false };
}
