/**
 * What a field is: its JSON type, its protobuf number and how patches merge it. Descriptors are compact on purpose
 * (735 definitions as zod objects were measured at 24 to 44 MB) and everything else is derived from them: validation
 * of types and unknown fields, protobuf decoding, strategic merge, field ownership, OpenAPI, TypeScript types.
 */
export type ScalarName =
  | "string"
  | "int32"
  | "int64"
  | "double"
  | "boolean"
  /** base64 in JSON. */
  | "bytes"
  /** resource.Quantity, a string in JSON. A number is accepted and turned into a string. */
  | "quantity"
  | "intOrString"
  /** metav1.Time, RFC 3339 in seconds. null is accepted and means absent. */
  | "time"
  | "microTime"
  /** metav1.Duration: "1m30s". */
  | "duration"
  /** metav1.FieldsV1: any JSON object. */
  | "fieldsV1"
  /** runtime.RawExtension or apiextensions JSON: any JSON value. */
  | "any";

export interface Scalar<Name extends ScalarName = ScalarName> {
  readonly type: Name;
}
export interface ListType<Item extends Type = Type> {
  readonly type: "list";
  readonly item: Item;
}
export interface MapType<Value extends Type = Type> {
  readonly type: "map";
  readonly value: Value;
}
export interface Message<Fields extends FieldMap = FieldMap> {
  readonly type: "message";
  /** The published definition's name, for example "io.k8s.api.core.v1.Container". */
  readonly name: string;
  readonly fields: Fields;
  /** Absent fields that a typed client may write under another spelling are not accepted: Kubernetes is case-sensitive. */
  readonly mapType?: "atomic";
}
export type Type = Scalar | ListType | MapType | Message;
export type FieldMap = Readonly<Record<string, Field>>;

export interface FieldOptions {
  /** Strategic merge: lists of this field are merged by this key of their items. "" merges a list of scalars as a set. */
  readonly patchMergeKey?: string;
  readonly patchStrategy?: "merge" | "replace" | "retainKeys" | "merge,retainKeys";
  /** Server-side apply: items are owned by these keys ("map"), by value ("set"), or the list is owned whole ("atomic"). */
  readonly listType?: "map" | "set" | "atomic";
  readonly listMapKeys?: readonly string[];
  readonly mapType?: "atomic" | "granular";
  /** The published default, only where the definitions name one. */
  readonly default?: unknown;
}

export interface Field<T extends Type = Type, Required extends boolean = boolean> {
  /** A thunk where a type refers to itself. */
  readonly of: T | (() => T);
  readonly required: Required;
  /** Protobuf field numbers from the enclosing message down; more than one where Go inlines a struct. */
  readonly number: readonly number[];
  readonly options: FieldOptions;
}

export const string: Scalar<"string"> = { type: "string" };
export const int32: Scalar<"int32"> = { type: "int32" };
export const int64: Scalar<"int64"> = { type: "int64" };
export const double: Scalar<"double"> = { type: "double" };
export const boolean: Scalar<"boolean"> = { type: "boolean" };
export const bytes: Scalar<"bytes"> = { type: "bytes" };
export const quantity: Scalar<"quantity"> = { type: "quantity" };
export const intOrString: Scalar<"intOrString"> = { type: "intOrString" };
export const time: Scalar<"time"> = { type: "time" };
export const microTime: Scalar<"microTime"> = { type: "microTime" };
export const duration: Scalar<"duration"> = { type: "duration" };
export const fieldsV1: Scalar<"fieldsV1"> = { type: "fieldsV1" };
export const any: Scalar<"any"> = { type: "any" };

export function list<Item extends Type>(item: Item): ListType<Item> {
  return { type: "list", item };
}

export function map<Value extends Type>(value: Value): MapType<Value> {
  return { type: "map", value };
}

export function message<Fields extends FieldMap>(
  name: string,
  fields: Fields,
  options?: { readonly mapType?: "atomic" },
): Message<Fields> {
  return { type: "message", name, fields, ...options };
}

const none: FieldOptions = {};

/** A field that the published definitions list as required. `number`: protobuf, a path where Go inlines a struct. */
export function required<T extends Type>(
  number: number | readonly number[],
  of: T | (() => T),
  options: FieldOptions = none,
): Field<T, true> {
  return { of, required: true, number: typeof number === "number" ? [number] : number, options };
}

export function optional<T extends Type>(
  number: number | readonly number[],
  of: T | (() => T),
  options: FieldOptions = none,
): Field<T, false> {
  return { of, required: false, number: typeof number === "number" ? [number] : number, options };
}

/** The type of a field, its thunk resolved. */
export function fieldType(field: Field): Type {
  return typeof field.of === "function" ? field.of() : field.of;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

interface ScalarTypes {
  string: string;
  int32: number;
  int64: number;
  double: number;
  boolean: boolean;
  bytes: string;
  quantity: string;
  intOrString: number | string;
  time: string;
  microTime: string;
  duration: string;
  fieldsV1: { [key: string]: Json };
  any: Json;
}

type FieldValue<F> = F extends Field<infer T, boolean> ? Infer<T> : never;
type RequiredKeys<Fields> = { [K in keyof Fields]: Fields[K] extends Field<Type, true> ? K : never }[keyof Fields];
type OptionalKeys<Fields> = Exclude<keyof Fields, RequiredKeys<Fields>>;

/** The TypeScript type of a descriptor's JSON. An optional field may be absent or undefined, which means the same. */
export type Infer<T> =
  T extends Message<infer Fields>
    ? { -readonly [K in RequiredKeys<Fields>]: FieldValue<Fields[K]> } & {
        -readonly [K in OptionalKeys<Fields>]?: FieldValue<Fields[K]> | undefined;
      }
    : T extends ListType<infer Item>
      ? Infer<Item>[]
      : T extends MapType<infer Value>
        ? { [key: string]: Infer<Value> }
        : T extends Scalar<infer Name>
          ? ScalarTypes[Name]
          : never;

/** An object out of a cache: shared, therefore not to be changed (frozen in tests). */
export type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;
