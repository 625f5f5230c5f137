import { MalformedMessage, WireReader, WireWriter, wireType } from "./wire.ts";

/**
 * What a protobuf message is: a table of its fields, from which its bytes, its JSON and its TypeScript type follow. Members that
 * are absent have proto3's default: decoded they are there, but for messages and for members of a oneof, which are undefined.
 */
export interface Message<T = unknown, Input = unknown> {
  readonly name: string;
  readonly fields: Readonly<Record<string, Field>>;
  /** Byte values are views of `bytes`: copy what is kept for long. Throws MalformedMessage. */
  decode(bytes: Uint8Array): T;
  encode(value: Input): Uint8Array;
  /** As gRPC frames it: not compressed (0), length (4 bytes, big-endian), message. */
  encodeFrame(value: Input): Uint8Array;
  /** For messages that hold this one. */
  readonly codec: Codec;
}

interface Codec {
  /** Reads up to `reader.end`. */
  read(reader: WireReader): unknown;
  write(writer: WireWriter, value: unknown): void;
}

export type FieldType =
  | { readonly type: "bytes" | "string" | "bool" | "uint32" }
  /** As a number where it counts something, as a bigint where it names something. */
  | { readonly type: "int64" | "uint64"; readonly big: boolean }
  | { readonly type: "enum"; readonly name: string; readonly names: readonly string[] }
  | { readonly type: "message"; readonly message: () => Message };

/** `Value` is what decoding gives, `Input` what encoding takes. */
export interface Field<Value = unknown, Input = unknown> {
  readonly number: number;
  /** As the .proto file spells it; absent: the member's name in snake_case. */
  readonly protoName?: string;
  readonly of: FieldType;
  readonly repeated: boolean;
  readonly inOneof: boolean;
  /** Never set: they carry types. */
  readonly value?: Value;
  readonly input?: Input;
}

type FieldsOf<F> = Readonly<Record<keyof F & string, Field>>;
type ValueOf<F> = F extends Field<infer Value, unknown> ? Value : never;
type InputOf<F> = F extends Field<unknown, infer Input> ? Input : never;

/** A message as it is decoded. */
export type Decoded<M> = M extends Message<infer T, never> ? T : never;
/** A message as it may be given to be encoded: what is absent has its default. */
export type Encodable<M> = M extends Message<unknown, infer Input> ? Input : never;

const plain = { repeated: false, inOneof: false };
const named = (number: number, protoName: string | undefined) =>
  protoName === undefined ? { number } : { number, protoName };

export function bytes(number: number): Field<Uint8Array, Uint8Array> {
  return { number, of: { type: "bytes" }, ...plain };
}
export function string(number: number, protoName?: string): Field<string, string> {
  return { ...named(number, protoName), of: { type: "string" }, ...plain };
}
export function bool(number: number, protoName?: string): Field<boolean, boolean> {
  return { ...named(number, protoName), of: { type: "bool" }, ...plain };
}
export function uint32(number: number): Field<number, number> {
  return { number, of: { type: "uint32" }, ...plain };
}
/** A count or a revision. */
export function int64(number: number, protoName?: string): Field<number, number> {
  return { ...named(number, protoName), of: { type: "int64", big: false }, ...plain };
}
export function uint64(number: number, protoName?: string): Field<number, number> {
  return { ...named(number, protoName), of: { type: "uint64", big: false }, ...plain };
}
/** The id of a lease. */
export function bigInt64(number: number, protoName?: string): Field<bigint, bigint> {
  return { ...named(number, protoName), of: { type: "int64", big: true }, ...plain };
}
/** The id of a member or of the cluster. */
export function bigUint64(number: number, protoName?: string): Field<bigint, bigint> {
  return { ...named(number, protoName), of: { type: "uint64", big: true }, ...plain };
}
/** `names` by number, from 0 on. */
export function enumeration<Name extends string>(
  number: number,
  { name, names }: { readonly name: string; readonly names: readonly Name[] },
): Field<Name, Name> {
  return { number, of: { type: "enum", name, names }, ...plain };
}
export function nested<T, Input>(
  number: number,
  message: Message<T, Input> | (() => Message<T, Input>),
): Field<T | undefined, Input | undefined> {
  const of = typeof message === "function" ? message : () => message;
  return { number, of: { type: "message", message: of }, ...plain };
}
export function repeated<T, Input>(
  number: number,
  message: Message<T, Input> | (() => Message<T, Input>),
): Field<readonly T[], readonly Input[]> {
  const of = typeof message === "function" ? message : () => message;
  return { number, of: { type: "message", message: of }, repeated: true, inOneof: false };
}
export function list<T>(field: Field<T, T>): Field<readonly T[], readonly T[]> {
  const { number, of, protoName } = field;
  return { ...named(number, protoName), of, repeated: true, inOneof: false };
}
/** A member of a oneof: undefined unless it is the one that is set. */
export function oneof<T, Input>(field: Field<T, Input>): Field<T | undefined, Input | undefined> {
  const { number, of, protoName } = field;
  return { ...named(number, protoName), of, repeated: false, inOneof: true };
}

const noBytes = new Uint8Array(0);
const noItems: readonly unknown[] = Object.freeze([]);
/** Transactions nest; protobuf's own limit. */
const maxDepth = 100;

/** Encoding is synchronous and never calls back: one writer does for all. */
const shared = new WireWriter();

export function message<F extends FieldsOf<F>>(
  name: string,
  fields: F,
): Message<{ readonly [K in keyof F]: ValueOf<F[K]> }, { readonly [K in keyof F]?: InputOf<F[K]> | undefined }>;
export function message(name: string, fields: Readonly<Record<string, Field>>): Message {
  const codec = tableCodec(name, fields);
  const finish = (frame: boolean, value: unknown): Uint8Array => {
    try {
      codec.write(shared, value);
    } catch (error) {
      shared.reset();
      throw error;
    }
    if (frame) {
      shared.u32BigEndian(shared.length);
      shared.u8(0);
    }
    return shared.take();
  };
  return {
    name,
    fields,
    codec,
    decode: (bytes) => codec.read(new WireReader(bytes)),
    encode: (value) => finish(false, value),
    encodeFrame: (value) => finish(true, value),
  };
}

/** How one kind of value is read and written; `write` leaves out the tag. */
interface ValueCodec {
  readonly wire: number;
  read(reader: WireReader): unknown;
  write(writer: WireWriter, value: unknown): void;
  isDefault(value: unknown): boolean;
  readonly absent: unknown;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function mismatch(want: string, value: unknown): TypeError {
  return new TypeError(`Cannot encode ${typeof value} ${String(value)} as ${want}`);
}

function codecOf(of: FieldType): ValueCodec {
  switch (of.type) {
    case "bytes":
      return {
        wire: wireType.lengthDelimited,
        absent: noBytes,
        read: (reader) => reader.lengthDelimited(),
        isDefault: (value) => value instanceof Uint8Array && value.length === 0,
        write(writer, value) {
          if (!(value instanceof Uint8Array)) throw mismatch("bytes", value);
          writer.raw(value);
          writer.varint(value.length);
        },
      };
    case "string":
      return {
        wire: wireType.lengthDelimited,
        absent: "",
        read: (reader) => reader.text(),
        isDefault: (value) => value === "",
        write(writer, value) {
          if (typeof value !== "string") throw mismatch("string", value);
          const before = writer.length;
          writer.text(value);
          writer.varint(writer.length - before);
        },
      };
    case "bool":
      return {
        wire: wireType.varint,
        absent: false,
        read: (reader) => reader.uint64() !== 0,
        isDefault: (value) => value === false,
        write(writer, value) {
          if (typeof value !== "boolean") throw mismatch("bool", value);
          writer.u8(value ? 1 : 0);
        },
      };
    case "enum":
      return enumCodec(of.name, of.names);
    case "message":
      return messageCodec(of.message);
    case "uint32":
      return numberCodec("uint32", (reader) => reader.uint64() % 0x1_0000_0000);
    case "int64":
      if (of.big) return bigCodec("int64", (reader) => reader.bigInt64());
      return numberCodec("int64", (reader) => reader.int64());
    case "uint64":
      if (of.big) return bigCodec("uint64", (reader) => reader.bigUint64());
      return numberCodec("uint64", (reader) => reader.uint64());
  }
}

function numberCodec(type: string, read: (reader: WireReader) => number): ValueCodec {
  return {
    wire: wireType.varint,
    absent: 0,
    read,
    isDefault: (value) => value === 0,
    write(writer, value) {
      if (typeof value !== "number") throw mismatch(type, value);
      writer.varint(value);
    },
  };
}

function bigCodec(type: string, read: (reader: WireReader) => bigint): ValueCodec {
  // Cluster and member are in every header: arithmetic on bigints costs more than all the rest of it.
  let last = 0n;
  let lastBytes: Uint8Array = noBytes;
  return {
    wire: wireType.varint,
    absent: 0n,
    read,
    isDefault: (value) => value === 0n,
    write(writer, value) {
      if (typeof value !== "bigint") throw mismatch(type, value);
      if (value === last && lastBytes.length > 0) {
        writer.raw(lastBytes);
        return;
      }
      const before = writer.length;
      writer.bigVarint(value);
      last = value;
      lastBytes = writer.bytes.slice(writer.at, writer.at + writer.length - before);
    },
  };
}

function enumCodec(name: string, names: readonly string[]): ValueCodec {
  return {
    wire: wireType.varint,
    absent: names[0],
    read(reader) {
      const number = reader.int64();
      const value = names[number];
      if (value === undefined) throw new MalformedMessage(`${name} ${number} is not known`);
      return value;
    },
    isDefault: (value) => value === names[0],
    write(writer, value) {
      const number = typeof value === "string" ? names.indexOf(value) : -1;
      if (number < 0) throw mismatch(name, value);
      writer.varint(number);
    },
  };
}

function messageCodec(message: () => Message): ValueCodec {
  return {
    wire: wireType.lengthDelimited,
    absent: undefined,
    read(reader) {
      const { end } = reader;
      reader.end = reader.lengthDelimitedEnd();
      if (++reader.depth > maxDepth) throw new MalformedMessage(`A message is nested deeper than ${maxDepth}`);
      const value = message().codec.read(reader);
      reader.depth--;
      reader.end = end;
      return value;
    },
    isDefault: () => false,
    write(writer, value) {
      const before = writer.length;
      message().codec.write(writer, value);
      writer.varint(writer.length - before);
    },
  };
}

function tableCodec(name: string, fields: Readonly<Record<string, Field>>): Codec {
  const entries = Object.entries(fields)
    .map(([member, field]) => {
      const value = codecOf(field.of);
      return { member, field, value, tag: field.number * 8 + value.wire };
    })
    .sort((a, b) => a.field.number - b.field.number);
  const defaults: Record<string, unknown> = {};
  for (const { member, field, value } of entries)
    defaults[member] = field.repeated ? noItems : field.inOneof ? undefined : value.absent;
  const byNumber: ((typeof entries)[number] | undefined)[] = [];
  for (const entry of entries) byNumber[entry.field.number] = entry;
  const lastFirst = [...entries].reverse();

  return {
    read(reader) {
      const object: Record<string, unknown> = { ...defaults };
      while (reader.at < reader.end) {
        const tag = reader.uint64();
        const number = Math.floor(tag / 8);
        const wire = tag % 8;
        const entry = byNumber[number];
        if (entry === undefined) {
          if (number === 0) throw new MalformedMessage(`${name} has a field 0 at byte ${reader.at}`);
          reader.skip(wire);
        } else if (!entry.field.repeated) {
          if (wire !== entry.value.wire) throw wrongWire(name, entry.member, wire);
          object[entry.member] = entry.value.read(reader);
        } else {
          const before = object[entry.member];
          const items: unknown[] = Array.isArray(before) && before !== noItems ? before : [];
          object[entry.member] = items;
          if (wire === entry.value.wire) items.push(entry.value.read(reader));
          else if (wire === wireType.lengthDelimited) {
            // Numbers come packed.
            const end = reader.lengthDelimitedEnd();
            while (reader.at < end) items.push(entry.value.read(reader));
          } else throw wrongWire(name, entry.member, wire);
        }
      }
      return object;
    },
    write(writer, value) {
      if (!isObject(value)) throw mismatch(name, value);
      for (const { member, field, value: codec, tag } of lastFirst) {
        const given = value[member];
        if (given === undefined) continue;
        if (field.repeated) writeItems(writer, given, codec, tag, field.number);
        else if (field.inOneof || !codec.isDefault(given)) {
          codec.write(writer, given);
          writer.varint(tag);
        }
      }
    },
  };
}

function writeItems(writer: WireWriter, given: unknown, codec: ValueCodec, tag: number, number: number): void {
  if (!Array.isArray(given)) throw mismatch("repeated field", given);
  if (given.length === 0) return;
  const packed = codec.wire === wireType.varint;
  const before = writer.length;
  for (let at = given.length - 1; at >= 0; at--) {
    codec.write(writer, given[at]);
    if (!packed) writer.varint(tag);
  }
  if (!packed) return;
  writer.varint(writer.length - before);
  writer.varint(number * 8 + wireType.lengthDelimited);
}

function wrongWire(name: string, member: string, wire: number): MalformedMessage {
  return new MalformedMessage(`${name}.${member} comes with the wrong wire type ${wire}`);
}

/** A field's name in the .proto file and in JSON. */
export function protoNameOf(member: string, field: Field): string {
  return field.protoName ?? member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
