import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import Long from "long";
import protobuf from "protobufjs";
import * as cluster from "./cluster_messages.ts";
import * as kv from "./kv_messages.ts";
import * as recipe from "./recipe_messages.ts";
import { type Decoded, type FieldType, type Message, protoNameOf } from "./schema.ts";
import { methods } from "./services.ts";
import { MalformedMessage } from "./wire.ts";

const tables: readonly Message[] = [kv, cluster, recipe].flatMap((module): Message[] => Object.values(module));
const text = (value: string) => new TextEncoder().encode(value);

function scalarName(of: FieldType): string {
  if (of.type === "enum") return of.name;
  return of.type === "message" ? of.message().name : of.type;
}

/** Our tables as another implementation's types: what it writes we must read, and the reverse. */
const reference = new protobuf.Root();
{
  const enums = new Set<string>();
  for (const { name, fields } of tables) {
    const type = new protobuf.Type(name);
    for (const [member, field] of Object.entries(fields)) {
      if (field.of.type === "enum" && !enums.has(field.of.name)) {
        enums.add(field.of.name);
        reference.add(new protobuf.Enum(field.of.name, Object.fromEntries(field.of.names.map((n, at) => [n, at]))));
      }
      const rule = field.repeated ? "repeated" : undefined;
      const made = new protobuf.Field(member, field.number, scalarName(field.of), rule);
      type.add(made);
      if (field.inOneof) type.add(new protobuf.OneOf(`_${member}`, [member]));
    }
    reference.add(type);
  }
}

/** A message with every member set to something, two levels deep. */
function arbitraryOf(message: Message, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const entries = Object.entries(message.fields).flatMap(([member, field]) => {
    const value = arbitraryValue(field.of, depth);
    if (value === undefined) return [];
    return [[member, field.repeated ? fc.array(value, { maxLength: 3 }) : value] as const];
  });
  return fc.record(Object.fromEntries(entries), { requiredKeys: [] });
}

function arbitraryValue(of: FieldType, depth: number): fc.Arbitrary<unknown> | undefined {
  switch (of.type) {
    case "bytes":
      return fc.uint8Array({ maxLength: 40 });
    case "string":
      return fc.string({ unit: "binary" });
    case "bool":
      return fc.boolean();
    case "uint32":
      return fc.nat(0xffff_ffff);
    case "enum":
      return fc.constantFrom(...of.names);
    case "int64":
      return of.big ? fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) : fc.maxSafeInteger();
    case "uint64":
      return of.big ? fc.bigInt(0n, 2n ** 64n - 1n) : fc.maxSafeNat();
    case "message":
      return depth < 2 ? arbitraryOf(of.message(), depth + 1) : undefined;
  }
}

/** What a message means, whatever is left out: our form with text for everything that compares badly. */
function plain(message: Message, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const given = new Map(Object.entries(value));
  return Object.entries(message.fields).map(([member, { of, repeated, inOneof }]) => {
    const one = (item: unknown): unknown => {
      if (of.type === "message") return plain(of.message(), item);
      if (of.type === "bytes" && item instanceof Uint8Array) return `bytes ${Buffer.from(item).toString("hex")}`;
      if (of.type === "enum") return typeof item === "number" ? of.names[item] : item;
      return String(item);
    };
    const item = given.get(member);
    if (repeated) return [member, Array.isArray(item) ? item.map(one) : []];
    if (item !== undefined && item !== null) return [member, one(item)];
    if (of.type === "message" || inOneof) return [member, undefined];
    if (of.type === "enum") return [member, of.names[0]];
    return [member, of.type === "bytes" ? "bytes " : of.type === "string" ? "" : of.type === "bool" ? "false" : "0"];
  });
}

/** The reference's form of our values: 64 bits as Long, enums as numbers. */
function forReference(message: Message, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new TypeError("want a message");
  return Object.fromEntries(
    Object.entries(value).map(([member, item]) => {
      const of = message.fields[member]?.of;
      const one = (one: unknown): unknown => {
        if (of?.type === "message") return forReference(of.message(), one);
        if (of?.type === "enum") return of.names.indexOf(String(one));
        if (of?.type === "int64" || of?.type === "uint64") return Long.fromString(String(one), of.type === "uint64");
        return one;
      };
      return [member, Array.isArray(item) ? item.map(one) : one(item)];
    }),
  );
}

describe("messages", () => {
  for (const message of tables) {
    test(`${message.name} is written and read as another implementation does`, () => {
      const type = reference.lookupType(message.name);
      fc.assert(
        fc.property(arbitraryOf(message), (value) => {
          const bytes = message.encode(value);
          expect(plain(message, message.decode(bytes))).toEqual(plain(message, value));
          expect(plain(message, type.decode(bytes))).toEqual(plain(message, value));
          const theirs = type.encode(forReference(message, value)).finish();
          expect(plain(message, message.decode(theirs))).toEqual(plain(message, value));
        }),
        { numRuns: 40 },
      );
    });

    test(`${message.name} cut off or disturbed is refused or read, and never runs over its end`, () => {
      fc.assert(
        fc.property(arbitraryOf(message), fc.nat(), fc.nat(255), (value, seed, change) => {
          const bytes = message.encode(value);
          if (bytes.length === 0) return;
          const changed = bytes.slice();
          changed[seed % bytes.length] = change;
          for (const bad of [bytes.subarray(0, seed % bytes.length), changed]) {
            try {
              message.decode(bad);
            } catch (error) {
              expect(error).toBeInstanceOf(MalformedMessage);
            }
          }
        }),
        { numRuns: 40 },
      );
    });
  }

  test("members that are absent have their defaults, and unknown fields are passed over", () => {
    const decoded: Decoded<typeof kv.rangeRequest> = kv.rangeRequest.decode(
      // Fields 100 (varint), 101 (8 bytes), 102 (bytes), 103 (4 bytes), and key.
      new Uint8Array([
        0xa0, 0x06, 0x96, 0x01, 0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xb2, 0x06, 2, 1, 2, 0xbd, 0x06, 1, 2, 3, 4, 0x0a,
        1, 0x61,
      ]),
    );
    expect(decoded).toEqual({
      key: text("a"),
      rangeEnd: new Uint8Array(),
      limit: 0,
      revision: 0,
      sortOrder: "NONE",
      sortTarget: "KEY",
      serializable: false,
      keysOnly: false,
      countOnly: false,
      minModRevision: 0,
      maxModRevision: 0,
      minCreateRevision: 0,
      maxCreateRevision: 0,
    });
  });

  test("a member of a oneof is sent even when it is the default, for what is unset means something else", () => {
    const bytes = kv.compare.encode({ target: "VALUE", key: text("a"), value: new Uint8Array() });
    expect([...bytes]).toEqual([0x10, 3, 0x1a, 1, 0x61, 0x3a, 0]);
    expect(kv.compare.decode(bytes).value).toEqual(new Uint8Array());
    expect(kv.compare.decode(bytes).version).toBeUndefined();
  });

  test("a negative int64 takes ten bytes, and one beyond 2^53 is read as the nearest number", () => {
    expect([...kv.watchCancelRequest.encode({ watchId: -1 })]).toEqual([8, ...Array(9).fill(0xff), 1]);
    expect(kv.watchCancelRequest.decode(kv.watchCancelRequest.encode({ watchId: -1 })).watchId).toBe(-1);
    const largest = new Uint8Array([8, ...Array(8).fill(0xff), 0x7f]);
    expect(kv.watchCancelRequest.decode(largest).watchId).toBe(2 ** 63);
    expect(() => kv.watchCancelRequest.encode({ watchId: 2 ** 53 })).toThrow(RangeError);
  });

  test("a failed encoding leaves nothing behind for the next", () => {
    expect(() => kv.rangeRequest.encode({ limit: 0.5, maxCreateRevision: 7 })).toThrow(RangeError);
    expect([...kv.putRequest.encode({ key: text("a") })]).toEqual([0x0a, 1, 0x61]);
  });

  test("a frame is a flag, the length and the message", () => {
    expect([...kv.putRequest.encodeFrame({ key: text("a") })]).toEqual([0, 0, 0, 0, 3, 0x0a, 1, 0x61]);
    const large = kv.putRequest.encodeFrame({ value: new Uint8Array(3_000_000).fill(7) });
    expect(new DataView(large.buffer, large.byteOffset).getUint32(1)).toBe(large.length - 5);
    expect(kv.putRequest.decode(large.subarray(5)).value).toEqual(new Uint8Array(3_000_000).fill(7));
  });

  test("transactions nested without end are refused", () => {
    let request: kv.TxnRequestInput = {};
    for (let depth = 0; depth < 60; depth++) request = { success: [{ requestTxn: request }] };
    expect(() => kv.txnRequest.decode(kv.txnRequest.encode(request))).toThrow(MalformedMessage);
  });
});

// The published files come with the npm package etcd3 (`npm pack etcd3`); its spelling of enum values is its own.
const protoDirectory =
  process.env.ETCD_PROTO_DIRECTORY ?? join(import.meta.dirname, "../../../node_modules/etcd3/proto");

describe.skipIf(!existsSync(join(protoDirectory, "rpc.proto")))("etcd's .proto files", () => {
  const root = new protobuf.Root();
  let http = "";
  for (const file of ["kv.proto", "auth.proto", "rpc.proto"]) {
    const source = existsSync(join(protoDirectory, file)) ? readFileSync(join(protoDirectory, file), "utf8") : "";
    protobuf.parse(source, root, { keepCase: true });
    http += source;
  }

  test("say the same of every message as our tables", () => {
    for (const message of [kv, cluster].flatMap((module) => Object.values(module))) {
      const type = root.lookupType(message.name);
      const published = type.fieldsArray.map(({ name, id, type: of, repeated }) => [
        name,
        id,
        of.split(".").at(-1) ?? "",
        repeated,
      ]);
      const ours = Object.entries(message.fields).map(([member, field]) => [
        protoNameOf(member, field),
        field.number,
        scalarName(field.of),
        field.repeated,
      ]);
      expect([message.name, ...ours]).toEqual([message.name, ...published]);
      for (const { of } of Object.values(message.fields)) {
        if (of.type !== "enum") continue;
        const values = Object.values(type.lookupEnum(of.name).values);
        expect(values).toEqual(of.names.map((_, at) => at));
      }
    }
  });

  test("say the same of every method and path as our table", () => {
    const services = ["KV", "Watch", "Lease", "Cluster", "Maintenance"];
    const published = services.flatMap((name) => root.lookupService(`etcdserverpb.${name}`).methodsArray);
    for (const method of published) {
      if (method.name === "Downgrade") continue;
      const path = `/etcdserverpb.${method.parent?.name}/${method.name}`;
      const ours = Object.values(methods).find((candidate) => candidate.path === path);
      expect(ours?.request.name).toBe(method.requestType);
      expect(ours?.response.name).toBe(method.responseType);
      expect(ours?.requestStream).toBe(method.requestStream === true);
      expect(ours?.responseStream).toBe(method.responseStream === true);
      for (const gateway of ours?.http ?? []) expect(http).toContain(`"${gateway}"`);
    }
  });
});
