import { type Disk, DiskError } from "../env/disk.ts";
import { type ConfState, noConf } from "../raft/types.ts";
import { ByteReader, ByteWriter, keyText } from "./bytes.ts";
import { crc32 } from "./checksum.ts";
import type { Member } from "./cluster.ts";
import { readMember, unknownMember, writeMember } from "./members.ts";
import { Version } from "./mvcc.ts";
import { StoreError } from "./store.ts";

/*
 *   0   8 x  "WHERRYSN"
 *   8   u32  format version
 *   12  frames: u32 length, u32 CRC-32 of the length's bytes and the payload seeded with the frame's number, payload
 *
 * The first frame is the state but for the keys, the last one is the number of versions; in between are the versions, key by
 * key, each key's oldest first. The file ends with the last frame.
 */
export interface SnapshotState {
  readonly clusterId: bigint;
  /** Who made it. */
  readonly memberId: bigint;
  /** The last entry that is part of it. */
  readonly index: number;
  readonly term: number;
  readonly conf: ConfState;
  readonly members: readonly Member[];
  readonly revision: number;
  readonly compactRevision: number;
  readonly leases: readonly { readonly id: bigint; readonly ttlSeconds: number; readonly remainingSeconds: number }[];
}

/** Version 2 has what is known of the members, witnesses, and how a joint configuration is left. */
const formatVersion = 2;
const oldestFormatVersion = 1;
const magic = new Uint8Array([0x57, 0x48, 0x45, 0x52, 0x52, 0x59, 0x53, 0x4e]);
const frameBytes = 128 * 1024;

export function snapshotPath(directory: string): string {
  return `${directory}/snapshot`;
}

/** Replaces the snapshot atomically; `heads` are the keys' newest versions. Returns its size. */
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
    const writer = new ByteWriter(frameBytes + 4096);
    let frame = 0;
    const begin = () => {
      writer.reset();
      if (frame === 0) {
        writer.raw(magic);
        writer.u32(formatVersion);
      }
      writer.fill(0, 8);
    };
    const end = async () => {
      const header = frame === 0 ? magic.length + 4 : 0;
      writer.setU32(header, writer.length - header - 8);
      const view = writer.view();
      writer.setU32(header + 4, frameChecksum(frame, view.subarray(header, header + 4), view.subarray(header + 8)));
      // A copy: the write may still be under way when the next frame is being made.
      await file.write(offset, writer.take());
      offset += writer.length;
      frame++;
    };
    begin();
    writeState(writer, state);
    await end();
    let count = 0;
    begin();
    for (const head of heads) {
      const versions: Version[] = [];
      for (let version: Version | undefined = head; version !== undefined; version = version.previous)
        versions.push(version);
      let first = true;
      for (const version of versions.reverse()) {
        writeVersion(writer, version, first);
        count++;
        // A frame begins with a key in full, so that each stands for itself.
        first = writer.length >= frameBytes;
        if (!first) continue;
        await end();
        begin();
      }
    }
    if (writer.length > 8) await end();
    begin();
    writer.varint(count);
    await end();
    await file.sync();
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
  await disk.rename(temporary, path);
  await disk.syncDirectory(directory);
  return offset;
}

export interface LoadedSnapshot {
  readonly state: SnapshotState;
  readonly versions: readonly Version[];
  /** Size of the file. */
  readonly bytes: number;
}

/** undefined: there is none. Throws Corrupt, with file and offset, when a byte of it is wrong. */
export function readSnapshot(disk: Disk, directory: string): Promise<LoadedSnapshot | undefined> {
  return readSnapshotFile(disk, snapshotPath(directory));
}

/** As `readSnapshot`, of any file. */
export async function readSnapshotFile(disk: Disk, path: string): Promise<LoadedSnapshot | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await disk.readFile(path);
  } catch (error) {
    if (error instanceof DiskError && error.code === "ENOENT") return undefined;
    throw error;
  }
  const corrupt = (offset: number, what: string) =>
    new StoreError(
      "Corrupt",
      `${path} is damaged at byte ${offset}: ${what}. Nothing was changed. Restore the data directory from a backup, ` +
        "or let this member join the others again with an empty one",
    );
  if (bytes.length < 12 || magic.some((byte, at) => bytes[at] !== byte))
    throw corrupt(0, "it does not begin as a snapshot");
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  if (version < oldestFormatVersion || version > formatVersion)
    throw corrupt(
      8,
      `its format is version ${version}, and this program reads up to ${formatVersion}: use the release that wrote it`,
    );

  const frames: Uint8Array[] = [];
  let offset = 12;
  while (offset < bytes.length) {
    if (bytes.length - offset < 8) throw corrupt(offset, "it is cut short");
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 8);
    const length = view.getUint32(0, true);
    if (length > bytes.length - offset - 8) throw corrupt(offset, "a frame runs over the end of the file");
    const payload = bytes.subarray(offset + 8, offset + 8 + length);
    if (frameChecksum(frames.length, bytes.subarray(offset, offset + 4), payload) !== view.getUint32(4, true))
      throw corrupt(offset, "a frame has a wrong checksum");
    frames.push(payload);
    offset += 8 + length;
  }
  const [first, ...rest] = frames;
  const last = rest.pop();
  if (first === undefined || last === undefined) throw corrupt(offset, "it is cut short");
  const versions: Version[] = [];
  for (const frame of rest) readVersions(frame, versions);
  const count = new ByteReader(last).varint();
  if (count !== versions.length) throw corrupt(offset, `it has ${versions.length} versions, ${count} were written`);
  return { state: readState(new ByteReader(first), version), versions, bytes: bytes.length };
}

function frameChecksum(frame: number, length: Uint8Array, payload: Uint8Array): number {
  return crc32(payload, crc32(length, frame));
}

function writeMembers(writer: ByteWriter, members: readonly bigint[]): void {
  writer.varint(members.length);
  for (const member of members) writer.u64(member);
}

function readMembers(reader: ByteReader): bigint[] {
  return Array.from({ length: reader.varint() }, () => reader.u64());
}

function writeState(writer: ByteWriter, state: SnapshotState): void {
  writer.u64(state.clusterId);
  writer.u64(state.memberId);
  writer.varint(state.index);
  writer.varint(state.term);
  writeMembers(writer, state.conf.voters);
  writeMembers(writer, state.conf.votersOutgoing);
  writeMembers(writer, state.conf.learners);
  writeMembers(writer, state.conf.learnersNext);
  writeMembers(writer, state.conf.witnesses);
  writer.u8(state.conf.autoLeave ? 1 : 0);
  writer.varint(state.members.length);
  for (const member of state.members) writeMember(writer, member);
  writer.varint(state.revision);
  writer.varint(state.compactRevision);
  writer.varint(state.leases.length);
  for (const lease of state.leases) {
    writer.u64(lease.id);
    writer.varint(lease.ttlSeconds);
    writer.varint(lease.remainingSeconds);
  }
}

function readConf(reader: ByteReader, version: number): ConfState {
  const conf = { voters: readMembers(reader), votersOutgoing: readMembers(reader), learners: readMembers(reader) };
  if (version < 2) return { ...noConf, ...conf };
  return { ...conf, learnersNext: readMembers(reader), witnesses: readMembers(reader), autoLeave: reader.u8() === 1 };
}

function readState(reader: ByteReader, version: number): SnapshotState {
  const head = { clusterId: reader.u64(), memberId: reader.u64(), index: reader.varint(), term: reader.varint() };
  const conf = readConf(reader, version);
  const members =
    version < 2
      ? conf.voters.map((id) => unknownMember(id))
      : Array.from({ length: reader.varint() }, () => readMember(reader));
  return {
    ...head,
    conf,
    members,
    revision: reader.varint(),
    compactRevision: reader.varint(),
    leases: Array.from({ length: reader.varint() }, () => ({
      id: reader.i64(),
      ttlSeconds: reader.varint(),
      remainingSeconds: reader.varint(),
    })),
  };
}

function writeVersion(writer: ByteWriter, version: Version, withKey: boolean): void {
  writer.u8((withKey ? 1 : 0) | (version.lease !== 0n ? 2 : 0));
  if (withKey) writer.bytes(version.key);
  writer.varint(version.createRevision);
  writer.varint(version.modRevision);
  writer.varint(version.version);
  writer.varint(version.sub);
  if (version.lease !== 0n) writer.u64(version.lease);
  writer.bytes(version.value);
}

function readVersions(frame: Uint8Array, into: Version[]): void {
  const reader = new ByteReader(frame);
  while (reader.remaining > 0) {
    const flags = reader.u8();
    const before = into[into.length - 1];
    const given = flags & 1 ? reader.bytes() : before?.key;
    if (given === undefined) throw new RangeError("a version has no key");
    const name = flags & 1 ? keyText(given) : (before?.name ?? "");
    const previous = before?.name === name ? before : undefined;
    into.push(
      new Version({
        key: previous?.key ?? given,
        name: previous?.name ?? name,
        createRevision: reader.varint(),
        modRevision: reader.varint(),
        version: reader.varint(),
        sub: reader.varint(),
        lease: flags & 2 ? reader.i64() : 0n,
        value: reader.bytes(),
        previous,
      }),
    );
  }
}
