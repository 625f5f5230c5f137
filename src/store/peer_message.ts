import type { ConfState, Entry, Message, SnapshotMeta } from "../raft/types.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { Member } from "./cluster.ts";
import { readMember, writeMember } from "./members.ts";
import { StoreError, type StoreErrorCode } from "./store.ts";

/**
 * What members say to each other besides consensus. Calls go to the leader; an answer carries the call's number.
 *
 *   frame: u8 format version, u8 kind, then by kind
 */
export type PeerFrame =
  | { readonly kind: "raft"; readonly message: Message }
  /**
   * To the leader of `term`: append these if you lead in it. So they are in the log under this term or never, and their member can tell
   * what became of them. Only what was not taken is answered.
   */
  | {
      readonly kind: "proposals";
      readonly term: number;
      /** Of the member's run: numbers begin anew with each. */
      readonly session: bigint;
      readonly proposals: readonly ForwardedProposal[];
    }
  /** `error` absent: nobody leads in that term here. */
  | {
      readonly kind: "proposalRefused";
      readonly number: number;
      /** The one that it was sent for: by now it may have been given to another leader. */
      readonly term: number;
      readonly error: StoreError | undefined;
    }
  | { readonly kind: "call"; readonly number: number; readonly call: PeerCall }
  | { readonly kind: "answer"; readonly number: number; readonly answer: PeerAnswer }
  /** A snapshot is to be had: `length` bytes for the message that stands for it. */
  | { readonly kind: "snapshotOffer"; readonly snapshot: SnapshotMeta; readonly term: number; readonly length: number }
  /** `checksum`: CRC-32 of the bytes, seeded with the low 32 bits of the offset. */
  | {
      readonly kind: "snapshotChunk";
      readonly index: number;
      readonly offset: number;
      readonly checksum: number;
      readonly bytes: Uint8Array;
    }
  /** All before `offset` is here and durable; the next chunk is wanted from there. "refused": not wanted, or it was damaged. */
  | {
      readonly kind: "snapshotProgress";
      readonly index: number;
      readonly offset: number;
      readonly state: "more" | "done" | "refused";
    };

export interface ForwardedProposal {
  readonly number: number;
  /** It changes the members. */
  readonly change: boolean;
  readonly data: Uint8Array;
}

export type PeerCall =
  | { readonly type: "leaseKeepAlive" | "leaseTimeToLive"; readonly id: bigint }
  | { readonly type: "moveLeader"; readonly to: bigint }
  /** The caller, known by its key, has lost its data: it asks for a new place. */
  | { readonly type: "rejoin"; readonly member: Member };

export type PeerAnswer =
  | { readonly type: "done" }
  /** Nothing was done: there is another leader, or none, or it is handing over. */
  | { readonly type: "notLeader" }
  | { readonly type: "error"; readonly error: StoreError }
  | {
      readonly type: "lease";
      readonly grantedSeconds: number;
      readonly remainingSeconds: number;
      readonly keys: readonly Uint8Array[];
    }
  | {
      readonly type: "place";
      readonly clusterId: bigint;
      readonly memberId: bigint;
      readonly members: readonly Member[];
    };

export const peerFormatVersion = 1;
const frameKinds = [
  "raft",
  "proposals",
  "proposalRefused",
  "call",
  "answer",
  "snapshotOffer",
  "snapshotChunk",
  "snapshotProgress",
] as const;
const messageTypes = [
  "appendEntries",
  "appendEntriesResponse",
  "requestVote",
  "requestPreVote",
  "requestVoteResponse",
  "requestPreVoteResponse",
  "heartbeat",
  "heartbeatResponse",
  "installSnapshot",
  "timeoutNow",
  "propose",
  "readIndex",
  "readIndexResponse",
  "witnessAppend",
] as const;
const entryTypes = ["normal", "confChange"] as const;
const callTypes = ["leaseKeepAlive", "leaseTimeToLive", "moveLeader", "rejoin"] as const;
const answerTypes = ["done", "notLeader", "error", "lease", "place"] as const;
const progressStates = ["more", "done", "refused"] as const;
const errorCodes: readonly StoreErrorCode[] = [
  "Compacted",
  "FutureRevision",
  "NoSpace",
  "LeaseNotFound",
  "LeaseExists",
  "KeyNotFound",
  "DuplicateKey",
  "TooLarge",
  "Unavailable",
  "Corrupt",
  "InvalidArgument",
];

const scratch = new ByteWriter(64 * 1024);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes are a copy: they may wait in a queue. */
export function encodeFrame(frame: PeerFrame): Uint8Array {
  const writer = scratch;
  writer.reset();
  writer.u8(peerFormatVersion);
  writer.u8(frameKinds.indexOf(frame.kind));
  switch (frame.kind) {
    case "raft":
      writeMessage(writer, frame.message);
      break;
    case "proposals":
      writer.varint(frame.term);
      writer.u64(frame.session);
      writer.varint(frame.proposals.length);
      for (const { number, change, data } of frame.proposals) {
        writer.varint(number);
        writer.u8(change ? 1 : 0);
        writer.bytes(data);
      }
      break;
    case "proposalRefused":
      writer.varint(frame.number);
      writer.varint(frame.term);
      writer.u8(frame.error === undefined ? 0 : 1);
      if (frame.error !== undefined) writeError(writer, frame.error);
      break;
    case "call":
      writer.varint(frame.number);
      writeCall(writer, frame.call);
      break;
    case "answer":
      writer.varint(frame.number);
      writeAnswer(writer, frame.answer);
      break;
    case "snapshotOffer":
      writeSnapshotMeta(writer, frame.snapshot);
      writer.varint(frame.term);
      writer.varint(frame.length);
      break;
    case "snapshotChunk":
      writer.varint(frame.index);
      writer.varint(frame.offset);
      writer.u32(frame.checksum);
      writer.bytes(frame.bytes);
      break;
    case "snapshotProgress":
      writer.varint(frame.index);
      writer.varint(frame.offset);
      writer.u8(progressStates.indexOf(frame.state));
      break;
  }
  return writer.take();
}

/** Throws RangeError on what is no frame of this version. */
export function decodeFrame(bytes: Uint8Array): PeerFrame {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== peerFormatVersion)
    throw new RangeError(`a peer speaks format version ${version}, this program ${peerFormatVersion}`);
  const kind = pick(frameKinds, reader.u8());
  switch (kind) {
    case "raft":
      return { kind, message: readMessage(reader) };
    case "proposals": {
      const [term, session] = [reader.varint(), reader.u64()];
      const proposals = Array.from({ length: reader.varint() }, () => ({
        number: reader.varint(),
        change: reader.u8() !== 0,
        data: reader.bytes(),
      }));
      return { kind, term, session, proposals };
    }
    case "proposalRefused": {
      const [number, term] = [reader.varint(), reader.varint()];
      return { kind, number, term, error: reader.u8() === 0 ? undefined : readError(reader) };
    }
    case "call":
      return { kind, number: reader.varint(), call: readCall(reader) };
    case "answer":
      return { kind, number: reader.varint(), answer: readAnswer(reader) };
    case "snapshotOffer":
      return { kind, snapshot: readSnapshotMeta(reader), term: reader.varint(), length: reader.varint() };
    case "snapshotChunk":
      return {
        kind,
        index: reader.varint(),
        offset: reader.varint(),
        checksum: reader.u32(),
        bytes: reader.bytes(),
      };
    case "snapshotProgress":
      return { kind, index: reader.varint(), offset: reader.varint(), state: pick(progressStates, reader.u8()) };
  }
}

function pick<T>(from: readonly T[], at: number): T {
  const value = from[at];
  if (value === undefined) throw new RangeError(`${at} is none of ${from.length} known kinds`);
  return value;
}

function writeIds(writer: ByteWriter, ids: readonly bigint[]): void {
  writer.varint(ids.length);
  for (const id of ids) writer.u64(id);
}

function readIds(reader: ByteReader): bigint[] {
  return Array.from({ length: reader.varint() }, () => reader.u64());
}

function writeConf(writer: ByteWriter, conf: ConfState): void {
  for (const ids of [conf.voters, conf.votersOutgoing, conf.learners, conf.learnersNext, conf.witnesses])
    writeIds(writer, ids);
  writer.u8(conf.autoLeave ? 1 : 0);
}

function readConf(reader: ByteReader): ConfState {
  return {
    voters: readIds(reader),
    votersOutgoing: readIds(reader),
    learners: readIds(reader),
    learnersNext: readIds(reader),
    witnesses: readIds(reader),
    autoLeave: reader.u8() !== 0,
  };
}

function writeSnapshotMeta(writer: ByteWriter, snapshot: SnapshotMeta): void {
  writer.varint(snapshot.index);
  writer.varint(snapshot.term);
  writeConf(writer, snapshot.conf);
}

function readSnapshotMeta(reader: ByteReader): SnapshotMeta {
  return { index: reader.varint(), term: reader.varint(), conf: readConf(reader) };
}

/** Indexes follow from `first`. */
function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.varint(entries.length);
  for (const { term, type, data } of entries) {
    writer.varint(term);
    writer.u8(entryTypes.indexOf(type));
    writer.bytes(data);
  }
}

function readEntries(reader: ByteReader, first: number): Entry[] {
  const count = reader.varint();
  const entries: Entry[] = [];
  for (let at = 0; at < count; at++)
    entries.push({
      index: first + at,
      term: reader.varint(),
      type: pick(entryTypes, reader.u8()),
      data: reader.bytes(),
    });
  return entries;
}

function writeMessage(writer: ByteWriter, message: Message): void {
  writer.u8(messageTypes.indexOf(message.type));
  writer.u64(message.from);
  writer.u64(message.to);
  writer.varint(message.term);
  switch (message.type) {
    case "appendEntries":
      writer.varint(message.prevIndex);
      writer.varint(message.prevTerm);
      writer.varint(message.commit);
      writeEntries(writer, message.entries);
      break;
    case "appendEntriesResponse":
      writer.u8(message.reject ? 1 : 0);
      writer.varint(message.index);
      writer.varint(message.hintIndex);
      writer.varint(message.hintTerm);
      break;
    case "requestVote":
    case "requestPreVote":
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      writer.u8(message.transfer ? 1 : 0);
      writer.varint(message.commit);
      writer.varint(message.commitTerm);
      break;
    case "requestVoteResponse":
    case "requestPreVoteResponse":
      writer.u8(message.reject ? 1 : 0);
      writer.varint(message.commit);
      writer.varint(message.commitTerm);
      break;
    case "heartbeat":
      writer.varint(message.commit);
      writer.varint(message.context);
      break;
    case "heartbeatResponse":
    case "readIndex":
      writer.varint(message.context);
      break;
    case "installSnapshot":
      writeSnapshotMeta(writer, message.snapshot);
      break;
    case "timeoutNow":
      break;
    case "propose":
      writer.varint(message.entries.length);
      for (const { type, data } of message.entries) {
        writer.u8(entryTypes.indexOf(type));
        writer.bytes(data);
      }
      break;
    case "readIndexResponse":
      writer.varint(message.context);
      writer.varint(message.index);
      break;
    case "witnessAppend":
      writer.varint(message.index);
      break;
  }
}

function readMessage(reader: ByteReader): Message {
  const type = pick(messageTypes, reader.u8());
  const envelope = { from: reader.u64(), to: reader.u64(), term: reader.varint() };
  switch (type) {
    case "appendEntries": {
      const prevIndex = reader.varint();
      const head = { prevIndex, prevTerm: reader.varint(), commit: reader.varint() };
      return { ...envelope, type, ...head, entries: readEntries(reader, prevIndex + 1) };
    }
    case "appendEntriesResponse":
      return {
        ...envelope,
        type,
        reject: reader.u8() !== 0,
        index: reader.varint(),
        hintIndex: reader.varint(),
        hintTerm: reader.varint(),
      };
    case "requestVote":
    case "requestPreVote":
      return {
        ...envelope,
        type,
        lastIndex: reader.varint(),
        lastTerm: reader.varint(),
        transfer: reader.u8() !== 0,
        commit: reader.varint(),
        commitTerm: reader.varint(),
      };
    case "requestVoteResponse":
    case "requestPreVoteResponse":
      return { ...envelope, type, reject: reader.u8() !== 0, commit: reader.varint(), commitTerm: reader.varint() };
    case "heartbeat":
      return { ...envelope, type, commit: reader.varint(), context: reader.varint() };
    case "heartbeatResponse":
    case "readIndex":
      return { ...envelope, type, context: reader.varint() };
    case "installSnapshot":
      return { ...envelope, type, snapshot: readSnapshotMeta(reader) };
    case "timeoutNow":
      return { ...envelope, type };
    case "propose": {
      const entries = Array.from({ length: reader.varint() }, () => ({
        type: pick(entryTypes, reader.u8()),
        data: reader.bytes(),
      }));
      return { ...envelope, type, entries };
    }
    case "readIndexResponse":
      return { ...envelope, type, context: reader.varint(), index: reader.varint() };
    case "witnessAppend":
      return { ...envelope, type, index: reader.varint() };
  }
}

function writeCall(writer: ByteWriter, call: PeerCall): void {
  writer.u8(callTypes.indexOf(call.type));
  switch (call.type) {
    case "leaseKeepAlive":
    case "leaseTimeToLive":
      writer.u64(call.id);
      break;
    case "moveLeader":
      writer.u64(call.to);
      break;
    case "rejoin":
      writeMember(writer, call.member);
      break;
  }
}

function readCall(reader: ByteReader): PeerCall {
  const type = pick(callTypes, reader.u8());
  switch (type) {
    case "leaseKeepAlive":
    case "leaseTimeToLive":
      return { type, id: reader.i64() };
    case "moveLeader":
      return { type, to: reader.u64() };
    case "rejoin":
      return { type, member: readMember(reader) };
  }
}

function writeError(writer: ByteWriter, error: StoreError): void {
  writer.u8(errorCodes.indexOf(error.code));
  writer.bytes(encoder.encode(error.message));
  writer.varint(error.compactRevision ?? 0);
}

function readError(reader: ByteReader): StoreError {
  const code = pick(errorCodes, reader.u8());
  const message = decoder.decode(reader.bytes());
  const compactRevision = reader.varint();
  return new StoreError(code, message, compactRevision > 0 ? { compactRevision } : {});
}

function writeAnswer(writer: ByteWriter, answer: PeerAnswer): void {
  writer.u8(answerTypes.indexOf(answer.type));
  switch (answer.type) {
    case "done":
    case "notLeader":
      break;
    case "error":
      writeError(writer, answer.error);
      break;
    case "lease":
      writer.varint(answer.grantedSeconds);
      writer.varint(answer.remainingSeconds);
      writer.varint(answer.keys.length);
      for (const key of answer.keys) writer.bytes(key);
      break;
    case "place":
      writer.u64(answer.clusterId);
      writer.u64(answer.memberId);
      writer.varint(answer.members.length);
      for (const member of answer.members) writeMember(writer, member);
      break;
  }
}

function readAnswer(reader: ByteReader): PeerAnswer {
  const type = pick(answerTypes, reader.u8());
  switch (type) {
    case "done":
    case "notLeader":
      return { type };
    case "error":
      return { type, error: readError(reader) };
    case "lease": {
      const head = { grantedSeconds: reader.varint(), remainingSeconds: reader.varint() };
      return { type, ...head, keys: Array.from({ length: reader.varint() }, () => reader.bytes()) };
    }
    case "place": {
      const head = { clusterId: reader.u64(), memberId: reader.u64() };
      return { type, ...head, members: Array.from({ length: reader.varint() }, () => readMember(reader)) };
    }
  }
}
