import { createHash, type Hash } from "node:crypto";
import { type ConfState, noConf } from "../raft/types.ts";
import { type Alarm, alarmKinds } from "./alarms.ts";
import { ByteReader, ByteWriter, compareBytes } from "./bytes.ts";
import { crc32 } from "./checksum.ts";
import type { Member } from "./cluster.ts";
import { readMember, unknownMember, writeMember } from "./members.ts";
import { chainOf, Version } from "./mvcc.ts";
import { StoreError } from "./store.ts";

/*
 *   0   8 x  "WHERRYSN"
 *   8   u32  format version
 *   12  u64  whose file it is; 0: nobody's, a backup
 *   20  u32  CRC-32 of bytes 0 to 20
 *   24  frames: u32 length, u32 CRC-32 of the length's bytes and the payload seeded with the frame's number, payload
 *
 * The first frame is the state but for the keys; then the versions, key by key, each key's oldest first; the last frame is the
 * number of versions and the SHA-256 of all frames before it. The file ends with the last frame.
 *
 * The frames are a function of the replicated state: members that make a snapshot at the same index make the same frames, so that
 * half a snapshot from one can be completed by another.
 */
export interface SnapshotState {
  readonly clusterId: bigint;
  /** Whose file it is; 0n: a backup. */
  readonly memberId: bigint;
  /** The last entry that is part of it. */
  readonly index: number;
  readonly term: number;
  readonly conf: ConfState;
  readonly members: readonly Member[];
  readonly revision: number;
  readonly compactRevision: number;
  readonly leases: readonly { readonly id: bigint; readonly ttlSeconds: number; readonly remainingSeconds: number }[];
  readonly alarms: readonly Alarm[];
}

/** A snapshot that was read and checked. */
export interface LoadedSnapshot {
  readonly state: SnapshotState;
  /** Key by key, each key's oldest first. */
  readonly versions: readonly Version[];
  /** Size of the file. */
  readonly bytes: number;
  /** SHA-256 of the frames, hex: what names the content. Empty for version 1, which had none. */
  readonly digest: string;
}

/** Version 2: members, witnesses, alarms, a checked header, the digest. Version 1 is still read. */
const formatVersion = 2;
const oldestFormatVersion = 1;
const magic = new Uint8Array([0x57, 0x48, 0x45, 0x52, 0x52, 0x59, 0x53, 0x4e]);
export const snapshotHeaderBytes = 24;
const oldHeaderBytes = 12;
const frameHeaderBytes = 8;
const frameBytes = 128 * 1024;
/** A frame is over `frameBytes` by one value at most; a longer one is damage, and must not fill the memory. */
const maxFrameBytes = 16 * 1024 * 1024;
const digestBytes = 32;

export function encodeSnapshotHeader(memberId: bigint): Uint8Array {
  const writer = new ByteWriter(snapshotHeaderBytes);
  writer.raw(magic);
  writer.u32(formatVersion);
  writer.u64(memberId);
  writer.u32(crc32(writer.view()));
  return writer.take();
}

/**
 * The bytes of a snapshot, piece by piece, each about 128 KiB, so that whoever sends or writes them can give way in between.
 * `heads` are the keys' newest versions, in the order of keys.
 */
export function* encodeSnapshot(state: SnapshotState, heads: Iterable<Version>): Generator<Uint8Array, void> {
  yield encodeSnapshotHeader(state.memberId);
  const writer = new ByteWriter(frameBytes + 4096);
  const hash = createHash("sha256");
  let frame = 0;
  const begin = () => {
    writer.reset();
    writer.fill(0, frameHeaderBytes);
  };
  const end = (): Uint8Array => {
    const bytes = writer.take();
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length - frameHeaderBytes, true);
    view.setUint32(4, frameChecksum(frame++, bytes), true);
    hash.update(bytes);
    return bytes;
  };
  begin();
  writeState(writer, state);
  yield end();
  let count = 0;
  begin();
  for (const head of heads) {
    let first = true;
    for (const version of chainOf(head, state.revision, state.compactRevision)) {
      writeVersion(writer, version, first);
      count++;
      // A frame begins with a key in full, so that each stands for itself.
      first = writer.length >= frameBytes;
      if (!first) continue;
      yield end();
      begin();
    }
  }
  if (writer.length > frameHeaderBytes) yield end();
  begin();
  writer.varint(count);
  writer.raw(hash.copy().digest());
  yield end();
}

/**
 * Reads a snapshot as its bytes come, holding no more of them than a frame. Damage throws Corrupt with `path` and the byte.
 * `versions: "check"` keeps none of the versions: to see how far a file is whole.
 */
export class SnapshotDecoder {
  readonly #path: string;
  readonly #keep: boolean;
  readonly #hash: Hash = createHash("sha256");
  /** What has come and is not a whole frame yet. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Where `#rest` begins. */
  #offset = 0;
  #version = 0;
  #memberId = 0n;
  #frames = 0;
  /** The last whole frame, undecided: the file's end would make it the trailer. */
  #last: Uint8Array | undefined;
  #state: SnapshotState | undefined;
  #count = 0;
  readonly #versions: Version[] = [];

  constructor(path: string, options: { readonly versions: "keep" | "check" } = { versions: "keep" }) {
    this.#path = path;
    this.#keep = options.versions === "keep";
  }

  /** Up to here every frame is whole. */
  get wholeBytes(): number {
    return this.#offset;
  }

  /** What the first frame says; undefined: it has not come. */
  get state(): SnapshotState | undefined {
    return this.#state;
  }

  #corrupt(offset: number, what: string): StoreError {
    return new StoreError(
      "Corrupt",
      `${this.#path} is damaged at byte ${offset}: ${what}. Nothing was changed. Restore the data directory from a backup, ` +
        "or let this member join the others again with an empty one",
    );
  }

  push(bytes: Uint8Array): void {
    let data = bytes;
    if (this.#rest.length > 0) {
      data = new Uint8Array(this.#rest.length + bytes.length);
      data.set(this.#rest);
      data.set(bytes, this.#rest.length);
    }
    let at = this.#readHeader(data);
    while (this.#version > 0 && data.length - at >= frameHeaderBytes) {
      const view = new DataView(data.buffer, data.byteOffset + at, frameHeaderBytes);
      const length = view.getUint32(0, true);
      if (length > maxFrameBytes) throw this.#corrupt(this.#offset, "a frame has an impossible length");
      if (data.length - at < frameHeaderBytes + length) break;
      const frame = data.subarray(at, at + frameHeaderBytes + length);
      if (frameChecksum(this.#frames, frame) !== view.getUint32(4, true))
        throw this.#corrupt(this.#offset, "a frame has a wrong checksum");
      if (this.#last !== undefined) this.#take(this.#last);
      this.#last = frame;
      this.#frames++;
      at += frame.length;
      this.#offset += frame.length;
    }
    // A copy, so that a caller may use its buffer again.
    this.#rest = data.slice(at);
    this.#last = this.#last?.slice();
  }

  #readHeader(data: Uint8Array): number {
    if (this.#version > 0 || data.length < oldHeaderBytes) return 0;
    if (magic.some((byte, at) => data[at] !== byte)) throw this.#corrupt(0, "it does not begin as a snapshot");
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const version = view.getUint32(8, true);
    if (version < oldestFormatVersion || version > formatVersion)
      throw this.#corrupt(
        8,
        `its format is version ${version}, and this program reads up to ${formatVersion}: use the release that wrote it`,
      );
    const length = version === 1 ? oldHeaderBytes : snapshotHeaderBytes;
    if (data.length < length) return 0;
    if (version > 1) {
      if (view.getUint32(20, true) !== crc32(data.subarray(0, 20)))
        throw this.#corrupt(0, "its header has a wrong checksum");
      this.#memberId = view.getBigUint64(12, true);
    }
    this.#version = version;
    this.#offset = length;
    return length;
  }

  /** A frame that is not the last one. */
  #take(frame: Uint8Array): void {
    this.#hash.update(frame);
    const reader = new ByteReader(frame, frameHeaderBytes);
    try {
      if (this.#state === undefined) this.#state = readState(reader, this.#version, this.#memberId);
      else if (this.#keep) readVersions(reader, this.#versions);
    } catch (error) {
      throw this.#corrupt(
        this.#offset - frame.length,
        `a frame cannot be read (${error instanceof Error ? error.message : String(error)})`,
      );
    }
  }

  /** All bytes have come. Throws Corrupt unless they are a whole snapshot. */
  finish(): LoadedSnapshot {
    const frame = this.#last;
    const state = this.#state;
    if (this.#rest.length > 0 || frame === undefined || state === undefined)
      throw this.#corrupt(this.#offset, "it is cut short, or a frame runs over its end");
    const trailer = this.#offset - frame.length;
    const reader = new ByteReader(frame, frameHeaderBytes);
    this.#count = reader.varint();
    const bytes = this.#offset;
    const digest = this.#hash.copy().digest();
    if (this.#version > 1) {
      const written = frame.subarray(frame.length - digestBytes);
      if (reader.remaining !== digestBytes || compareBytes(digest, written) !== 0)
        throw this.#corrupt(trailer, "its SHA-256 is not that of its frames: frames are missing or were exchanged");
    }
    if (this.#keep && this.#count !== this.#versions.length)
      throw this.#corrupt(trailer, `it has ${this.#versions.length} versions, ${this.#count} were written`);
    return { state, versions: this.#versions, bytes, digest: this.#version > 1 ? digest.toString("hex") : "" };
  }
}

function frameChecksum(number: number, frame: Uint8Array): number {
  return crc32(frame.subarray(frameHeaderBytes), crc32(frame.subarray(0, 4), number));
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
  writer.varint(state.alarms.length);
  for (const { alarm, member } of state.alarms) {
    writer.u8(alarmKinds.indexOf(alarm));
    writer.u64(member);
  }
}

function readConf(reader: ByteReader, version: number): ConfState {
  const conf = { voters: readMembers(reader), votersOutgoing: readMembers(reader), learners: readMembers(reader) };
  if (version < 2) return { ...noConf, ...conf };
  return { ...conf, learnersNext: readMembers(reader), witnesses: readMembers(reader), autoLeave: reader.u8() === 1 };
}

function readState(reader: ByteReader, version: number, headerMemberId: bigint): SnapshotState {
  const clusterId = reader.u64();
  const memberId = version < 2 ? reader.u64() : headerMemberId;
  const head = { clusterId, memberId, index: reader.varint(), term: reader.varint() };
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
    alarms: version < 2 ? [] : Array.from({ length: reader.varint() }, () => readAlarm(reader)),
  };
}

function readAlarm(reader: ByteReader): Alarm {
  const alarm = alarmKinds[reader.u8()];
  if (alarm === undefined) throw new RangeError("an alarm is of a kind that this program does not know");
  return { alarm, member: reader.u64() };
}

function writeVersion(writer: ByteWriter, version: Version, withKey: boolean): void {
  writer.u8((withKey ? 1 : 0) | (version.lease !== 0n ? 2 : 0));
  if (withKey) writer.text(version.name);
  writer.varint(version.createRevision);
  writer.varint(version.modRevision);
  writer.varint(version.version);
  writer.varint(version.sub);
  if (version.lease !== 0n) writer.u64(version.lease);
  writer.bytes(version.value);
}

function readVersions(reader: ByteReader, into: Version[]): void {
  while (reader.remaining > 0) {
    const flags = reader.u8();
    const before = into[into.length - 1];
    const name = flags & 1 ? reader.text() : before?.name;
    if (name === undefined) throw new RangeError("a version has no key");
    const previous = before?.name === name ? before : undefined;
    const createRevision = reader.varint();
    const modRevision = reader.varint();
    const version = reader.varint();
    const sub = reader.varint();
    const lease = flags & 2 ? reader.i64() : 0n;
    const value = reader.bytes();
    into.push(new Version(previous?.name ?? name, value, createRevision, modRevision, version, lease, sub, previous));
  }
}
