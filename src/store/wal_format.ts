import type { Entry, HardState } from "../raft/types.ts";
import { ByteReader, type ByteWriter, compareBytes } from "./bytes.ts";
import { crc32 } from "./checksum.ts";

/*
 * A segment is a file of fixed size, zero where nothing was written yet:
 *
 *   0     header, 64 bytes, alone in the first 512
 *   512   records, each at a multiple of 32
 *
 * A record is one group commit: the hard state and the entries that one fdatasync made durable. The next one is written only
 * after that sync, so a damaged record with a whole one behind it is never the trace of a power cut.
 *
 *   0   u32  length of the payload
 *   4   u8   mask: every byte of the payload is stored xor this
 *   5   3 x  0xA5
 *   8   u64  sequence number of the record, without gap over all segments
 *   16  u32  CRC-32 of the payload, continued from the CRC of bytes 0 to 16
 *   20  8 x  0xA5
 *   28  u32  CRC-32 of bytes 0 to 28, seeded with the segment's salt and the offset
 *   32  payload, then 0xA5 up to a multiple of 32
 *
 * Torn or rotten? A device writes 512-byte sectors whole or not at all, and the file was zero before. So in a torn record
 * some sector's share is all zero. The mask is chosen such that no sector's share of a whole record has fewer than two bytes
 * other than zero: one flipped bit cannot make a whole record look torn.
 */
/** Version 2 knows batches that begin the log anew, and says how long the file is. */
export const formatVersion = 2;
const oldestFormatVersion = 1;
export const segmentHeaderBytes = 64;
export const firstRecordOffset = 512;
export const recordHeaderBytes = 32;
export const recordAlignment = 32;
const sectorBytes = 512;
const filler = 0xa5;
/** "WHERRYWL", little-endian. */
const magic = 0x4c57_5952_5245_4857n;

export interface SegmentHeader {
  readonly number: number;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly salt: number;
  /** Of the whole file; 0: version 1 did not say. */
  readonly size: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(segmentHeaderBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, magic, true);
  view.setUint32(8, formatVersion, true);
  view.setUint32(12, header.salt, true);
  view.setBigUint64(16, BigInt(header.number), true);
  view.setBigUint64(24, header.clusterId, true);
  view.setBigUint64(32, header.memberId, true);
  view.setBigUint64(40, BigInt(header.size), true);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/** A text says why it is not a header. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | string {
  if (bytes.length < segmentHeaderBytes) return `it has ${bytes.length} bytes, too few for a header`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = view.getUint32(60, true) === crc32(bytes.subarray(0, 60));
  if (view.getBigUint64(0, true) !== magic || !whole) return "its header has a wrong magic or checksum";
  const version = view.getUint32(8, true);
  if (version < oldestFormatVersion || version > formatVersion)
    return `its format is version ${version}, and this program reads up to ${formatVersion}: use the release that wrote it`;
  return {
    salt: view.getUint32(12, true),
    number: Number(view.getBigUint64(16, true)),
    clusterId: view.getBigUint64(24, true),
    memberId: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
  };
}

/** The salt as it stands there, whether the header is whole or not: a record that is whole proves that it is right. */
export function segmentSalt(bytes: Uint8Array): number {
  return bytes.length < 16 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
}

export function recordBytes(payloadLength: number): number {
  return recordHeaderBytes + Math.ceil(payloadLength / recordAlignment) * recordAlignment;
}

function headerChecksum(header: Uint8Array, salt: number, offset: number): number {
  return crc32(header.subarray(0, 28), (salt ^ offset) >>> 0);
}

/** Whether every sector's share of a record has two bytes other than zero. */
function survivesTearing(record: Uint8Array, offset: number): boolean {
  // The first share holds the header, which has its own checksum and never is a single byte.
  let at = sectorBytes - (offset % sectorBytes);
  while (at < record.length) {
    const end = Math.min(at + sectorBytes, record.length);
    let found = 0;
    for (let byte = at; byte < end && found < 2; byte++) if (record[byte] !== 0) found++;
    if (found < 2) return false;
    at = end;
  }
  return true;
}

/** Turns `[32 bytes of room][payload]` in `writer` into a record for `offset`. */
export function sealRecord(writer: ByteWriter, sequence: number, salt: number, offset: number): Uint8Array {
  const payloadLength = writer.length - recordHeaderBytes;
  writer.fill(filler, recordBytes(payloadLength) - writer.length);
  const record = writer.view();
  const payload = record.subarray(recordHeaderBytes, recordHeaderBytes + payloadLength);
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  record.fill(filler, 0, recordHeaderBytes);
  view.setUint32(0, payloadLength, true);
  view.setBigUint64(8, BigInt(sequence), true);
  let mask = 0;
  // A share that is (nearly) constant is undone by at most one mask. Only a value made for it could use up all of them.
  while (mask < 255 && !survivesTearing(record, offset)) {
    const next = mask + 1;
    for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ mask ^ next;
    mask = next;
  }
  view.setUint8(4, mask);
  view.setUint32(16, crc32(payload, crc32(record.subarray(0, 16))), true);
  view.setUint32(28, headerChecksum(record, salt, offset), true);
  return record;
}

export interface RecordHeader {
  readonly payloadLength: number;
  readonly mask: number;
  readonly sequence: number;
  readonly checksum: number;
  readonly seed: number;
}

/** undefined: these are not the bytes of a record's header at this place. */
export function decodeRecordHeader(segment: Uint8Array, offset: number, salt: number): RecordHeader | undefined {
  const bytes = segment.subarray(offset, offset + recordHeaderBytes);
  if (bytes.length < recordHeaderBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(28, true) !== headerChecksum(bytes, salt, offset)) return undefined;
  return {
    payloadLength: view.getUint32(0, true),
    mask: view.getUint8(4),
    sequence: Number(view.getBigUint64(8, true)),
    checksum: view.getUint32(16, true),
    seed: crc32(bytes.subarray(0, 16)),
  };
}

/** The stored payload, unmasked; undefined: it is not what the header's checksum stands for. */
export function readPayload(segment: Uint8Array, offset: number, record: RecordHeader): Uint8Array | undefined {
  const from = offset + recordHeaderBytes;
  const stored = segment.subarray(from, from + record.payloadLength);
  if (stored.length < record.payloadLength || crc32(stored, record.seed) !== record.checksum) return undefined;
  return record.mask === 0 ? stored : stored.map((byte) => byte ^ record.mask);
}

/** undefined: no whole record begins here. */
export function readWholeRecord(
  segment: Uint8Array,
  offset: number,
  salt: number,
): { readonly sequence: number; readonly payload: Uint8Array } | undefined {
  if (segment[offset + 5] !== filler) return undefined;
  const record = decodeRecordHeader(segment, offset, salt);
  const payload = record === undefined ? undefined : readPayload(segment, offset, record);
  return record === undefined || payload === undefined ? undefined : { sequence: record.sequence, payload };
}

const zeros = new Uint8Array(64 * 1024);

export function isZero(bytes: Uint8Array): boolean {
  // By the runtime's memcmp: whole segments are looked at when a member starts.
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const part = bytes.subarray(at, at + zeros.length);
    if (compareBytes(part, part.length === zeros.length ? zeros : zeros.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}

/** Whether a damaged record is what a power cut leaves: some sector's share was never written. */
export function isTorn(segment: Uint8Array, offset: number, length: number): boolean {
  let at = offset + sectorBytes - (offset % sectorBytes);
  while (at < offset + length) {
    const end = Math.min(at + sectorBytes, offset + length);
    if (isZero(segment.subarray(at, end))) return true;
    at = end;
  }
  return false;
}

export interface Batch {
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
  /** A snapshot up to here was installed from a peer: what the log held before is void. Such a batch has no entries. */
  readonly restartAfter?: number;
}

const entryTypes = ["normal", "confChange"] as const;

export function encodeBatch(writer: ByteWriter, batch: Batch): void {
  writer.varint(batch.hardState.term);
  writer.u64(batch.hardState.vote);
  writer.varint(batch.hardState.commit);
  writer.varint(batch.entries.length);
  writer.varint(batch.entries[0]?.index ?? (batch.restartAfter === undefined ? 0 : batch.restartAfter + 1));
  for (const entry of batch.entries) {
    writer.u8(entryTypes.indexOf(entry.type));
    writer.varint(entry.term);
    writer.bytes(entry.data);
  }
}

/** Throws RangeError on what is no batch. */
export function decodeBatch(payload: Uint8Array): Batch {
  const reader = new ByteReader(payload);
  const hardState = { term: reader.varint(), vote: reader.u64(), commit: reader.varint() };
  const count = reader.varint();
  const first = reader.varint();
  if (count === 0 && first > 0) return { hardState, entries: [], restartAfter: first - 1 };
  const entries: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const type = entryTypes[reader.u8()];
    if (type === undefined) throw new RangeError("an entry has a type that this program does not know");
    entries.push({ index: first + at, type, term: reader.varint(), data: reader.bytes() });
  }
  return { hardState, entries };
}
