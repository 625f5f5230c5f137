import { ByteWriter } from "./bytes.ts";
import { crc32 } from "./checksum.ts";
import type { StateHash } from "./cluster.ts";
import { chainOf, type Frozen } from "./mvcc.ts";

/**
 * The hash of every version up to `revision` that compaction has left, in the order of keys, each key's oldest first. What a
 * member has not yet freed, or never had because it began from a snapshot, plays no part. Gives way every `keysAtOnce` keys.
 */
export function* hashFrozen(frozen: Frozen, revision: number, keysAtOnce: number): Generator<undefined, StateHash> {
  const { compactRevision } = frozen;
  const writer = new ByteWriter(64 * 1024);
  let hash = 0;
  let keys = 0;
  for (const head of frozen.heads()) {
    writer.reset();
    for (const version of chainOf(head, revision, compactRevision)) {
      writer.text(version.name);
      writer.varint(version.createRevision);
      writer.varint(version.modRevision);
      writer.varint(version.version);
      writer.u64(version.lease);
      writer.bytes(version.value);
    }
    hash = crc32(writer.view(), hash);
    if (++keys % keysAtOnce === 0) yield;
  }
  return { hash, revision, compactRevision };
}
