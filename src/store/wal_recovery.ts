import type { Disk } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Entry, HardState } from "../raft/types.ts";
import { StoreError } from "./store.ts";
import {
  type Batch,
  decodeBatch,
  decodeRecordHeader,
  decodeSegmentHeader,
  firstRecordOffset,
  isTorn,
  isZero,
  readPayload,
  recordAlignment,
  recordBytes,
  recordHeaderBytes,
  type SegmentHeader,
} from "./wal_format.ts";

export interface RecoveredSegment {
  readonly header: SegmentHeader;
  readonly size: number;
  readonly batches: readonly Batch[];
  /** Where the last record begins; `end` when there is none. */
  readonly lastRecord: number;
  /** Where the next record goes. */
  readonly end: number;
  /** undefined: it holds no record. */
  readonly lastSequence: number | undefined;
}

export function segmentPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(12, "0")}.wal`;
}

/** Damage that a power cut cannot explain. Nothing is changed on the disk. */
function corrupt(path: string, offset: number, what: string): StoreError {
  return new StoreError(
    "Corrupt",
    `${path} is damaged at byte ${offset}: ${what}. A power cut does not do this; the disk or a program has changed the file. ` +
      "Nothing was changed. Restore the data directory from a backup, or let this member join the others again with an empty one",
  );
}

/** The trace of a power cut in the last write, which nobody was told of. */
export interface TornTail {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Reads and checks every segment, and changes nothing. A torn tail is told of; any other damage is refused with the file, the
 * offset and what to do. `leftovers` are files to remove once the rest is known to be complete: unfinished ones, and segments before a
 * gap, which were being removed when the power went.
 */
export async function readSegments(
  disk: Disk,
  directory: string,
): Promise<{
  readonly segments: readonly RecoveredSegment[];
  readonly leftovers: readonly string[];
  readonly torn: TornTail | undefined;
}> {
  const leftovers: string[] = [];
  const numbers: number[] = [];
  for (const name of await disk.list(directory)) {
    if (name.endsWith(".tmp")) leftovers.push(`${directory}/${name}`);
    const match = /^(\d{12})\.wal$/.exec(name);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  let from = numbers.length - 1;
  while (from > 0 && numbers[from - 1] === (numbers[from] ?? 0) - 1) from--;
  for (const number of numbers.slice(0, Math.max(0, from))) leftovers.push(segmentPath(directory, number));

  const segments: RecoveredSegment[] = [];
  let sequence: number | undefined;
  /** Where the log seemed to end; a record in a later segment proves that it did not. */
  let ended: { readonly path: string; readonly offset: number; readonly rest: Uint8Array } | undefined;
  for (const number of numbers.slice(Math.max(0, from))) {
    const path = segmentPath(directory, number);
    const bytes = await disk.readFile(path);
    const header = decodeSegmentHeader(bytes);
    if (typeof header === "string") throw corrupt(path, 0, header);
    if (header.number !== number) throw corrupt(path, 16, `it says that it is segment ${header.number}`);
    if (bytes.length < header.size)
      throw corrupt(path, bytes.length, `it is cut short, ${header.size} bytes were allocated`);
    const first = segments[0]?.header;
    if (first !== undefined && (first.clusterId !== header.clusterId || first.memberId !== header.memberId))
      throw corrupt(path, 24, "it belongs to another member than the segments before it");
    const segment = readSegment(path, bytes, header, sequence);
    if (segment.lastSequence !== undefined) {
      if (ended !== undefined && !isZero(ended.rest))
        throw corrupt(ended.path, ended.offset, `a record is broken, and ${path} holds records that came later`);
      sequence = segment.lastSequence;
    }
    const rest = bytes.subarray(segment.end);
    if (segment.lastSequence !== undefined || ended === undefined || isZero(ended.rest))
      ended = { path, offset: segment.end, rest };
    else if (!isZero(rest)) throw corrupt(path, segment.end, "it should be empty");
    segments.push(segment);
  }
  // The first segment is the only one that is ever there without a record in it or before it.
  const [oldest] = segments;
  if (oldest !== undefined && oldest.header.number > 1 && sequence === undefined)
    throw new StoreError(
      "Corrupt",
      `The log in ${directory} holds no record, and its first segment is number ${oldest.header.number}: segments are missing. ` +
        "Nothing was changed. Restore the data directory from a backup, or let this member join the others again with an empty one",
    );
  return { segments, leftovers, torn: tornTail(ended) };
}

function tornTail(ended: { path: string; offset: number; rest: Uint8Array } | undefined): TornTail | undefined {
  if (ended === undefined || isZero(ended.rest)) return undefined;
  let bytes = ended.rest.length;
  while (bytes > 0 && ended.rest[bytes - 1] === 0) bytes--;
  return { path: ended.path, offset: ended.offset, bytes };
}

/** A torn record is zeroed, so that nothing of it can be taken for a part of a later one. */
export async function cutTail(disk: Disk, torn: TornTail, log: Log): Promise<void> {
  const { path, offset, bytes } = torn;
  log.warn("the last write to the log was not finished before the power went: cut off", { path, offset, bytes });
  const file = await disk.open(path);
  try {
    await file.write(offset, new Uint8Array(bytes));
    await file.sync();
  } finally {
    await file.close();
  }
}

function readSegment(
  path: string,
  bytes: Uint8Array,
  header: SegmentHeader,
  sequenceBefore: number | undefined,
): RecoveredSegment {
  const batches: Batch[] = [];
  let sequence = sequenceBefore;
  let at = firstRecordOffset;
  let lastRecord = at;
  while (at + recordHeaderBytes <= bytes.length) {
    if (isZero(bytes.subarray(at, at + recordHeaderBytes))) break;
    const record = decodeRecordHeader(bytes, at, header.salt);
    if (record === undefined) throw corrupt(path, at, "the header of a record has a wrong checksum");
    if (sequence !== undefined && record.sequence !== sequence + 1)
      throw corrupt(path, at, `record ${record.sequence} stands where ${sequence + 1} belongs`);
    const length = recordBytes(record.payloadLength);
    if (at + length > bytes.length)
      throw corrupt(path, at, `a record of ${length} bytes runs over the end of the file`);
    const payload = readPayload(bytes, at, record);
    if (payload === undefined) {
      if (!isTorn(bytes, at, length)) throw corrupt(path, at, "a record has a wrong checksum");
      break;
    }
    try {
      batches.push(decodeBatch(payload));
    } catch (error) {
      throw corrupt(path, at, `a record cannot be read (${error instanceof Error ? error.message : String(error)})`);
    }
    sequence = record.sequence;
    lastRecord = at;
    at += length;
  }
  // The record after an unfinished one is written only once that is finished: if there is one, this is no torn tail.
  for (let later = at + recordAlignment; later < bytes.length; later += recordAlignment) {
    const record = bytes[later + 5] === 0xa5 ? decodeRecordHeader(bytes, later, header.salt) : undefined;
    if (record !== undefined && record.sequence > (sequence ?? -1) + 1)
      throw corrupt(path, at, `a record is broken or missing, and byte ${later} begins a whole one that came later`);
  }
  const lastSequence = batches.length > 0 ? sequence : undefined;
  return { header, size: bytes.length, batches, lastRecord, end: at, lastSequence };
}

/**
 * Replays the records: a later entry of the same index replaces the earlier one and all after it (§3.5). A crash may have come
 * between a peer's snapshot and the batch that begins the log anew: where the log disagrees with the snapshot's last entry, all that
 * follows it is void too.
 */
export function joinBatches(
  segments: readonly RecoveredSegment[],
  snapshot: { readonly index: number; readonly term: number },
  directory: string,
): { hardState: HardState; entries: Entry[] } {
  let hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  let entries: Entry[] = [];
  let first = snapshot.index + 1;
  let agrees = true;
  for (const { batches } of segments) {
    for (const batch of batches) {
      hardState = batch.hardState;
      if (batch.restartAfter !== undefined) {
        entries = [];
        agrees = true;
        first = Math.max(batch.restartAfter, snapshot.index) + 1;
      }
      for (const entry of batch.entries) {
        if (entry.index <= snapshot.index) {
          agrees = entry.index < snapshot.index || entry.term === snapshot.term;
          entries.length = 0;
          continue;
        }
        const expected = first + entries.length;
        if (entry.index > expected)
          throw new StoreError(
            "Corrupt",
            `The log in ${directory} lacks entries ${expected} to ${entry.index - 1}, which the snapshot does not hold either: ` +
              "restore the data directory from a backup",
          );
        if (entry.index < expected) entries.length = entry.index - first;
        entries.push(entry);
      }
    }
  }
  if (first > snapshot.index + 1)
    throw new StoreError(
      "Corrupt",
      `The log in ${directory} begins after entry ${first - 1}, and the snapshot ends with ${snapshot.index}: ` +
        "restore the data directory from a backup",
    );
  return { hardState, entries: agrees ? entries : [] };
}
