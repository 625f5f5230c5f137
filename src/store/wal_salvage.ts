import { type Disk, DiskError } from "../env/disk.ts";
import type { Entry, HardState } from "../raft/types.ts";
import {
  type Batch,
  decodeBatch,
  decodeSegmentHeader,
  firstRecordOffset,
  readWholeRecord,
  recordAlignment,
  recordBytes,
  segmentSalt,
} from "./wal_format.ts";
import { segmentPath } from "./wal_recovery.ts";

/** What a damaged log still has. */
export interface Salvage {
  readonly clusterId: bigint | undefined;
  readonly memberId: bigint | undefined;
  /** The entries that follow the snapshot without a gap, up to the first damage that may have hidden others. */
  readonly entries: readonly Entry[];
  /** The newest that any whole record says: a term that was seen must not be used again. */
  readonly hardState: HardState;
  /** The highest entry in any whole record, or that one says to be committed; it may be one that is lost. */
  readonly lastSeen: number;
  /** Something was broken behind the last whole record: there may have been more, unseen. */
  readonly endIsBroken: boolean;
}

interface Found {
  readonly sequence: number;
  readonly batch: Batch;
}

/**
 * Reads every record that is whole, wherever it stands, and changes nothing. Only for a member that was alone: it has no entries that
 * a later leader has voided.
 */
export async function salvageLog(
  disk: Disk,
  directory: string,
  snapshot: { readonly index: number },
): Promise<Salvage> {
  const records: Found[] = [];
  let clusterId: bigint | undefined;
  let memberId: bigint | undefined;
  let endIsBroken = false;
  for (const number of await segmentNumbers(disk, directory)) {
    const bytes = await disk.readFile(segmentPath(directory, number));
    const header = decodeSegmentHeader(bytes);
    if (typeof header !== "string") {
      clusterId ??= header.clusterId;
      memberId ??= header.memberId;
    }
    const found = wholeRecords(bytes, segmentSalt(bytes));
    records.push(...found.records);
    // In an empty segment, the next one that was prepared, nothing can be lost.
    if (found.records.length > 0 || found.somethingElse) endIsBroken = found.somethingElse;
  }
  // A log has a record as soon as the member has done anything.
  if (records.length === 0) endIsBroken = true;
  return { clusterId, memberId, endIsBroken, ...join(records, snapshot.index) };
}

async function segmentNumbers(disk: Disk, directory: string): Promise<number[]> {
  let names: string[] = [];
  try {
    names = await disk.list(directory);
  } catch (error) {
    if (!(error instanceof DiskError && error.code === "ENOENT")) throw error;
  }
  return names.flatMap((name) => {
    const number = /^(\d{12})\.wal$/.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

/** `somethingElse`: behind the last whole record there is more than zeros. */
function wholeRecords(bytes: Uint8Array, salt: number): { records: Found[]; somethingElse: boolean } {
  const records: Found[] = [];
  let end = firstRecordOffset;
  for (let at = firstRecordOffset; at < bytes.length; ) {
    const record = readWholeRecord(bytes, at, salt);
    let batch: Batch | undefined;
    try {
      if (record !== undefined) batch = decodeBatch(record.payload);
    } catch {
      // A record that this program cannot read is as good as a broken one.
    }
    if (record === undefined || batch === undefined) {
      at += recordAlignment;
      continue;
    }
    records.push({ sequence: record.sequence, batch });
    at += recordBytes(record.payload.length);
    end = at;
  }
  return { records, somethingElse: bytes.subarray(end).some((byte) => byte !== 0) };
}

function join(records: readonly Found[], snapshotIndex: number): Pick<Salvage, "entries" | "hardState" | "lastSeen"> {
  const entries: Entry[] = [];
  let hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  let lastSeen = 0;
  let before: number | undefined;
  let broken = false;
  for (const { sequence, batch } of records) {
    if (batch.hardState.term >= hardState.term) hardState = batch.hardState;
    const first = batch.entries[0];
    const last = batch.entries[batch.entries.length - 1];
    lastSeen = Math.max(lastSeen, batch.hardState.commit, last?.index ?? 0);
    const follows = before === undefined || sequence === before + 1;
    before = sequence;
    // What a gap has swallowed does not matter as long as the snapshot has it.
    if (!follows && entries.length > 0) broken = true;
    if (broken || first === undefined) continue;
    if (first.index > snapshotIndex + entries.length + 1) {
      broken = true;
      continue;
    }
    for (const entry of batch.entries) {
      if (entry.index <= snapshotIndex) continue;
      entries.length = Math.min(entries.length, entry.index - snapshotIndex - 1);
      entries.push(entry);
    }
  }
  return { entries, hardState, lastSeen };
}
