import { describe, expect, test } from "bun:test";
import { ByteReader, ByteWriter } from "./bytes.ts";
import {
  type Batch,
  decodeBatch,
  decodeRecordHeader,
  encodeBatch,
  isTorn,
  recordHeaderBytes,
  sealRecord,
} from "./wal_format.ts";

function seal(batch: Batch, offset: number): Uint8Array {
  const writer = new ByteWriter();
  writer.fill(0, recordHeaderBytes);
  encodeBatch(writer, batch);
  return sealRecord(writer, 7, 99, offset).slice();
}

const batchOf = (data: Uint8Array): Batch => ({
  hardState: { term: 3, vote: 0xfedc_ba98_7654_3210n, commit: 4 },
  entries: [{ index: 5, term: 3, type: "normal", data }],
});

describe("A record of the log", () => {
  test("never looks torn after one flipped bit, even when it is nearly all zeros", () => {
    const data = new Uint8Array(2000);
    data[1003] = 0x40;
    for (const offset of [512, 512 + 32 * 7]) {
      const record = seal(batchOf(data), offset);
      const segment = new Uint8Array(8192);
      segment.set(record, offset);
      for (let bit = 0; bit < record.length * 8; bit++) {
        const at = offset + (bit >> 3);
        segment[at] = (segment[at] ?? 0) ^ (1 << (bit & 7));
        expect(isTorn(segment, offset, record.length)).toBe(false);
        segment[at] = (segment[at] ?? 0) ^ (1 << (bit & 7));
      }
    }
  });

  test("looks torn when any of its sectors but the first was not written", () => {
    const record = seal(batchOf(new Uint8Array(2000)), 544);
    for (let sector = 1024; sector < 544 + record.length; sector += 512) {
      const segment = new Uint8Array(8192);
      segment.set(record, 544);
      segment.fill(0, sector, sector + 512);
      expect(isTorn(segment, 544, record.length)).toBe(true);
    }
  });

  test("is not taken for one at another place", () => {
    const record = seal(batchOf(new Uint8Array(10)), 512);
    const segment = new Uint8Array(4096);
    segment.set(record, 512);
    segment.set(record, 1024);
    expect(decodeRecordHeader(segment, 512, 99)?.sequence).toBe(7);
    expect(decodeRecordHeader(segment, 1024, 99)).toBeUndefined();
    expect(decodeRecordHeader(segment, 512, 98)).toBeUndefined();
  });

  test("has the batch that went in", () => {
    const batch: Batch = {
      hardState: { term: 2 ** 40, vote: 1n, commit: 2 ** 45 },
      entries: [
        { index: 2 ** 45, term: 1, type: "confChange", data: Uint8Array.of(1, 2, 3) },
        { index: 2 ** 45 + 1, term: 2 ** 40, type: "normal", data: new Uint8Array(0) },
      ],
    };
    const writer = new ByteWriter(1);
    encodeBatch(writer, batch);
    expect(decodeBatch(writer.take())).toEqual(batch);
  });
});

describe("Numbers in the store's formats", () => {
  test("survive over their whole range", () => {
    const numbers = [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 49, Number.MAX_SAFE_INTEGER];
    const writer = new ByteWriter(1);
    for (const number of numbers) writer.varint(number);
    const reader = new ByteReader(writer.take());
    expect(numbers.map(() => reader.varint())).toEqual(numbers);
    for (const wrong of [-1, 0.5, 2 ** 53]) expect(() => writer.varint(wrong)).toThrow(RangeError);
  });
});
