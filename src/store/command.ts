import { type AlarmChange, alarmKinds } from "./alarms.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { type MemberChange, readMember, writeMember } from "./members.ts";
import type { Compare, KeyRange, Operation, RangeRequest, TxnRequest } from "./store.ts";

/**
 * What an entry of the log asks the state to do. `session` and `number` name the proposal, so that the member that made
 * it can tell its client; they play no part in what is done.
 *
 *   u8 format version, u8 kind, u64 session, varint number, then by kind
 */
export type Command =
  | { readonly type: "txn"; readonly request: TxnRequest }
  | { readonly type: "compact"; readonly revision: number }
  | { readonly type: "leaseGrant"; readonly id: bigint; readonly ttlSeconds: number }
  | { readonly type: "leaseRevoke"; readonly id: bigint }
  /** What is left of leases' time, so that a restart does not give them all of it anew. */
  | {
      readonly type: "leaseCheckpoint";
      readonly leases: readonly { readonly id: bigint; readonly remainingSeconds: number }[];
    }
  | MemberChange
  | AlarmChange;

export interface Proposal {
  readonly session: bigint;
  readonly number: number;
  readonly command: Command;
}

export const commandVersion = 1;
const kinds = [
  "txn",
  "compact",
  "leaseGrant",
  "leaseRevoke",
  "leaseCheckpoint",
  "memberAdd",
  "memberPromote",
  "memberRemove",
  "memberUpdate",
  "alarm",
  "memberReplace",
] as const;
const operations = ["range", "put", "deleteRange", "txn"] as const;
const targets = ["version", "create", "mod", "value", "lease"] as const;
const results = ["=", "!=", "<", ">"] as const;
const sortKeys = ["key", "version", "create", "mod", "value"] as const;

const scratch = new ByteWriter(4096);

export function encodeProposal(proposal: Proposal): Uint8Array {
  const writer = scratch;
  writer.reset();
  const { command } = proposal;
  writer.u8(commandVersion);
  writer.u8(kinds.indexOf(command.type));
  writer.u64(proposal.session);
  writer.varint(proposal.number);
  switch (command.type) {
    case "txn":
      writeTxn(writer, command.request);
      break;
    case "compact":
      writer.varint(command.revision);
      break;
    case "leaseGrant":
      writer.u64(command.id);
      writer.varint(command.ttlSeconds);
      break;
    case "leaseRevoke":
      writer.u64(command.id);
      break;
    case "leaseCheckpoint":
      writer.varint(command.leases.length);
      for (const { id, remainingSeconds } of command.leases) {
        writer.u64(id);
        writer.varint(remainingSeconds);
      }
      break;
    case "memberAdd":
      writeMember(writer, command.member);
      break;
    case "memberPromote":
    case "memberRemove":
      writer.u64(command.id);
      break;
    case "memberReplace":
      writer.u64(command.id);
      writeMember(writer, command.member);
      break;
    case "memberUpdate":
      // The role is not its to say: it stays as it is.
      writeMember(writer, { ...command.member, role: "learner" });
      break;
    case "alarm":
      writer.u8(command.raised ? 1 : 0);
      writer.u8(alarmKinds.indexOf(command.alarm));
      writer.u64(command.member);
      break;
  }
  return writer.take();
}

export function decodeProposal(bytes: Uint8Array): Proposal {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== commandVersion)
    throw new RangeError(`a command has format version ${version}, this program reads ${commandVersion}`);
  const type = pick(kinds, reader.u8());
  return { session: reader.u64(), number: reader.varint(), command: readCommand(reader, type) };
}

function readCommand(reader: ByteReader, type: (typeof kinds)[number]): Command {
  switch (type) {
    case "txn":
      return { type, request: readTxn(reader) };
    case "compact":
      return { type, revision: reader.varint() };
    case "leaseGrant":
      return { type, id: reader.i64(), ttlSeconds: reader.varint() };
    case "leaseRevoke":
      return { type, id: reader.i64() };
    case "leaseCheckpoint": {
      const leases = Array.from({ length: reader.varint() }, () => ({
        id: reader.i64(),
        remainingSeconds: reader.varint(),
      }));
      return { type, leases };
    }
    case "memberAdd":
    case "memberUpdate":
      return { type, member: readMember(reader) };
    case "memberPromote":
    case "memberRemove":
      return { type, id: reader.u64() };
    case "memberReplace":
      return { type, id: reader.u64(), member: readMember(reader) };
    case "alarm":
      return { type, raised: reader.u8() !== 0, alarm: pick(alarmKinds, reader.u8()), member: reader.u64() };
  }
}

function pick<T>(from: readonly T[], at: number): T {
  const value = from[at];
  if (value === undefined) throw new RangeError(`${at} is none of ${from.length} known kinds`);
  return value;
}

function writeTxn(writer: ByteWriter, request: TxnRequest): void {
  writer.varint(request.term ?? 0);
  writer.varint(request.compare.length);
  for (const compare of request.compare) writeCompare(writer, compare);
  for (const branch of [request.success, request.failure]) {
    writer.varint(branch.length);
    for (const operation of branch) writeOperation(writer, operation);
  }
}

function readTxn(reader: ByteReader): TxnRequest {
  const term = reader.varint();
  const compare = list(reader, readCompare);
  const success = list(reader, readOperation);
  const failure = list(reader, readOperation);
  return { compare, success, failure, ...(term > 0 ? { term } : {}) };
}

function list<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const count = reader.varint();
  const items: T[] = [];
  for (let at = 0; at < count; at++) items.push(read(reader));
  return items;
}

function writeSpan(writer: ByteWriter, range: KeyRange): void {
  writer.bytes(range.key);
  writer.u8(range.end === undefined ? 0 : 1);
  if (range.end !== undefined) writer.bytes(range.end);
}

function readSpan(reader: ByteReader): KeyRange {
  const key = reader.bytes();
  return reader.u8() === 0 ? { key } : { key, end: reader.bytes() };
}

function writeCompare(writer: ByteWriter, compare: Compare): void {
  writer.u8(targets.indexOf(compare.target));
  writer.u8(results.indexOf(compare.result));
  writeSpan(writer, compare);
  if (compare.target === "value") writer.bytes(compare.operand);
  else if (compare.target === "lease") writer.u64(compare.operand);
  else writer.varint(compare.operand);
}

function readCompare(reader: ByteReader): Compare {
  const target = pick(targets, reader.u8());
  const result = pick(results, reader.u8());
  const span = readSpan(reader);
  if (target === "value") return { ...span, result, target, operand: reader.bytes() };
  if (target === "lease") return { ...span, result, target, operand: reader.i64() };
  return { ...span, result, target, operand: reader.varint() };
}

const flag = (value: boolean | undefined, bit: number) => (value === true ? bit : 0);

function writeOperation(writer: ByteWriter, operation: Operation): void {
  writer.u8(operations.indexOf(operation.type));
  switch (operation.type) {
    case "range":
      writeRange(writer, operation.request);
      break;
    case "put": {
      const lease = operation.lease ?? 0n;
      writer.u8(
        flag(operation.previous, 1) |
          flag(operation.ignoreValue, 2) |
          flag(operation.ignoreLease, 4) |
          flag(lease !== 0n, 8),
      );
      writer.bytes(operation.key);
      writer.bytes(operation.value);
      if (lease !== 0n) writer.u64(lease);
      break;
    }
    case "deleteRange":
      writer.u8(flag(operation.previous, 1));
      writeSpan(writer, operation);
      break;
    case "txn":
      writeTxn(writer, operation.request);
      break;
  }
}

function readOperation(reader: ByteReader): Operation {
  const type = pick(operations, reader.u8());
  switch (type) {
    case "range":
      return { type, request: readRange(reader) };
    case "put": {
      const flags = reader.u8();
      const key = reader.bytes();
      const value = reader.bytes();
      return {
        type,
        key,
        value,
        lease: flags & 8 ? reader.i64() : 0n,
        previous: (flags & 1) !== 0,
        ignoreValue: (flags & 2) !== 0,
        ignoreLease: (flags & 4) !== 0,
      };
    }
    case "deleteRange":
      return { type, previous: reader.u8() !== 0, ...readSpan(reader) };
    case "txn":
      return { type, request: readTxn(reader) };
  }
}

function writeRange(writer: ByteWriter, request: RangeRequest): void {
  writeSpan(writer, request);
  writer.u8(flag(request.keysOnly, 1) | flag(request.countOnly, 2) | flag(request.sort !== undefined, 4));
  writer.varint(request.revision ?? 0);
  writer.varint(request.limit ?? 0);
  writer.varint(request.minModRevision ?? 0);
  writer.varint(request.maxModRevision ?? 0);
  writer.varint(request.minCreateRevision ?? 0);
  writer.varint(request.maxCreateRevision ?? 0);
  if (request.sort === undefined) return;
  writer.u8(sortKeys.indexOf(request.sort.by));
  writer.u8(request.sort.order === "ascend" ? 0 : 1);
}

function readRange(reader: ByteReader): RangeRequest {
  const span = readSpan(reader);
  const flags = reader.u8();
  const request = {
    ...span,
    keysOnly: (flags & 1) !== 0,
    countOnly: (flags & 2) !== 0,
    revision: reader.varint(),
    limit: reader.varint(),
    minModRevision: reader.varint(),
    maxModRevision: reader.varint(),
    minCreateRevision: reader.varint(),
    maxCreateRevision: reader.varint(),
  };
  if ((flags & 4) === 0) return request;
  return { ...request, sort: { by: pick(sortKeys, reader.u8()), order: reader.u8() === 0 ? "ascend" : "descend" } };
}
