/**
 * Kubernetes' protobuf request bodies, decoded into the JSON that the same object would have. Only decoding: answers may
 * stay JSON for every client. Field numbers come from the kinds' descriptors.
 */
import { type Field, fieldType, type Message, type Scalar, type Type } from "../../kinds/schema.ts";
import { scanJson } from "./json_scan.ts";
import { ProtobufError, ProtobufReader, type WireType } from "./protobuf_reader.ts";

const magic = [0x6b, 0x38, 0x73, 0x00];
const maxDepth = 100;
/** JSON values in one body: three megabytes of empty messages would otherwise become gigabytes of objects. */
const maxValues = 500_000;

export interface ProtobufEnvelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Uint8Array;
}

/** Reads `k8s\0` and runtime.Unknown. */
export function readEnvelope(body: Uint8Array): ProtobufEnvelope {
  if (magic.some((byte, index) => body[index] !== byte))
    throw new ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  const reader = new ProtobufReader(body.subarray(magic.length));
  let apiVersion = "";
  let kind = "";
  let raw: Uint8Array = new Uint8Array(0);
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number === 1 && wire === 2) {
      const typeMeta = new ProtobufReader(reader.bytes());
      while (!typeMeta.done) {
        const tag = typeMeta.tag();
        if (tag.number === 1 && tag.wire === 2) apiVersion = typeMeta.string();
        else if (tag.number === 2 && tag.wire === 2) kind = typeMeta.string();
        else typeMeta.skip(tag.wire);
      }
    } else if (number === 2 && wire === 2) raw = reader.bytes();
    else reader.skip(wire);
  }
  return { apiVersion, kind, raw };
}

export function decodeMessage(schema: Message, raw: Uint8Array): Record<string, unknown> {
  return new Decoder().message(planOf(schema), new ProtobufReader(raw), {}, 0);
}

/** A message's fields by number. Where Go inlines a struct, the nested message's fields land in the same JSON object. */
interface Plan {
  readonly schema: string;
  readonly entries: Map<number, { readonly name: string; readonly field: Field } | { readonly inlined: Plan }>;
}

const plans = new WeakMap<Message, Plan>();

function planOf(schema: Message): Plan {
  const known = plans.get(schema);
  if (known) return known;
  const plan: Plan = { schema: schema.name.slice(schema.name.lastIndexOf(".") + 1), entries: new Map() };
  plans.set(schema, plan);
  for (const [name, field] of Object.entries(schema.fields)) {
    let level = plan;
    for (const [index, number] of field.number.entries()) {
      if (index === field.number.length - 1) {
        level.entries.set(number, { name, field });
        continue;
      }
      const present = level.entries.get(number);
      const inlined: Plan =
        present && "inlined" in present ? present.inlined : { schema: plan.schema, entries: new Map() };
      level.entries.set(number, { inlined });
      level = inlined;
    }
  }
  return plan;
}

class Decoder {
  #values = 0;

  message(plan: Plan, reader: ProtobufReader, into: Record<string, unknown>, depth: number): Record<string, unknown> {
    if (depth > maxDepth) throw new ProtobufError(`messages are nested deeper than ${maxDepth}`);
    while (!reader.done) {
      const { number, wire } = reader.tag();
      const entry = plan.entries.get(number);
      if (!entry) reader.skip(wire);
      else if ("inlined" in entry) {
        expectWire(wire, 2, plan.schema);
        this.message(entry.inlined, new ProtobufReader(reader.bytes()), into, depth + 1);
      } else this.#field(plan, entry.name, entry.field, wire, reader, into, depth);
    }
    return into;
  }

  #field(
    plan: Plan,
    name: string,
    field: Field,
    wire: WireType,
    reader: ProtobufReader,
    into: Record<string, unknown>,
    depth: number,
  ): void {
    const type = fieldType(field);
    const before = own(into, name);
    if (type.type === "list") {
      const items: unknown[] = Array.isArray(before) ? before : [];
      if (wire === 2 && isVarint(type.item)) {
        const packed = new ProtobufReader(reader.bytes());
        while (!packed.done) items.push(this.#value(type.item, 0, packed, depth));
      } else items.push(this.#value(type.item, wire, reader, depth));
      into[name] = items;
    } else if (type.type === "map") {
      expectWire(wire, 2, `${plan.schema}.${name}`);
      const entries = isRecord(before) ? before : {};
      this.#mapEntry(type.value, new ProtobufReader(reader.bytes()), entries, depth);
      into[name] = entries;
    } else {
      const value = this.#value(type, wire, reader, depth);
      if (value !== undefined && !(isZero(value) && droppedWhenZero(plan.schema, name, field, type)))
        define(into, name, value);
    }
  }

  #mapEntry(type: Type, reader: ProtobufReader, into: Record<string, unknown>, depth: number): void {
    let key = "";
    let value: unknown = zeroOf(type);
    while (!reader.done) {
      const { number, wire } = reader.tag();
      if (number === 1 && wire === 2) key = reader.string();
      else if (number === 2) value = this.#value(type, wire, reader, depth) ?? null;
      else reader.skip(wire);
    }
    define(into, key, value);
  }

  /** undefined: absent in JSON. */
  #value(type: Type, wire: WireType, reader: ProtobufReader, depth: number): unknown {
    if (++this.#values > maxValues) throw new ProtobufError(`more than ${maxValues} values`);
    if (type.type === "message") {
      expectWire(wire, 2, type.name);
      return this.message(planOf(type), new ProtobufReader(reader.bytes()), {}, depth + 1);
    }
    // A list inside a list or a map travels in a message of its own with field 1, "items".
    if (type.type === "list") {
      expectWire(wire, 2, "items");
      const inner = new ProtobufReader(reader.bytes());
      const items: unknown[] = [];
      while (!inner.done) {
        const tag = inner.tag();
        if (tag.number === 1) items.push(this.#value(type.item, tag.wire, inner, depth + 1));
        else inner.skip(tag.wire);
      }
      return items;
    }
    if (type.type === "map") throw new ProtobufError("a map cannot stand here");
    return scalar(type, wire, reader);
  }
}

function scalar(type: Scalar, wire: WireType, reader: ProtobufReader): unknown {
  const want = isVarint(type) ? 0 : type.type === "double" ? 1 : 2;
  expectWire(wire, want, type.type);
  switch (type.type) {
    case "string":
      return reader.string();
    case "int32":
      return reader.int32();
    case "int64":
      return reader.int64();
    case "boolean":
      return reader.varint() !== 0n;
    case "double":
      return reader.double();
    case "bytes":
      return base64(reader.bytes());
    case "quantity": {
      const text = stringField(reader.bytes(), 1);
      return text === "" ? "0" : text;
    }
    case "intOrString": {
      const bytes = reader.bytes();
      return numberField(bytes, 1) === 0 ? numberField(bytes, 2) : stringField(bytes, 3);
    }
    case "time":
    case "microTime":
      return timestamp(reader.bytes(), type.type === "microTime");
    case "duration":
      return goDuration(numberField(reader.bytes(), 1));
    case "fieldsV1":
    case "any":
      return embeddedJson(reader.bytes());
  }
}

function isVarint(type: Type): boolean {
  return type.type === "int32" || type.type === "int64" || type.type === "boolean";
}

function expectWire(wire: WireType, want: WireType, where: string): void {
  if (wire !== want) throw new ProtobufError(`wrong wireType = ${wire} for field ${where}`);
}

function numberField(bytes: Uint8Array, wanted: number): number {
  const reader = new ProtobufReader(bytes);
  let value = 0;
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number === wanted && wire === 0) value = reader.int64();
    else reader.skip(wire);
  }
  return value;
}

function stringField(bytes: Uint8Array, wanted: number): string {
  const reader = new ProtobufReader(bytes);
  let value = "";
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number === wanted && wire === 2) value = reader.string();
    else reader.skip(wire);
  }
  return value;
}

/** Empty is Go's zero time, which JSON writes as null: absent. */
function timestamp(bytes: Uint8Array, micro: boolean): string | undefined {
  if (bytes.length === 0) return undefined;
  const seconds = numberField(bytes, 1);
  // Years 1 to 9999, the range of google.protobuf.Timestamp.
  if (seconds < -62_135_596_800 || seconds > 253_402_300_799)
    throw new ProtobufError(`time ${seconds} is out of range`);
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (!micro) return `${whole}Z`;
  const micros = Math.floor(numberField(bytes, 2) / 1000);
  return `${whole}.${String(micros).padStart(6, "0")}Z`;
}

/** Nanoseconds as Go's time.Duration prints them for whole milliseconds and up: "1h0m0s", "1m30s", "1.5s". */
function goDuration(nanoseconds: number): string {
  const total = Math.abs(nanoseconds) / 1e9;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = Number((total % 60).toFixed(9));
  const text = hours > 0 ? `${hours}h${minutes}m${seconds}s` : minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
  return nanoseconds < 0 ? `-${text}` : text;
}

function embeddedJson(bytes: Uint8Array): unknown {
  const raw = bytesField(bytes, 1);
  if (raw.length === 0) return undefined;
  const text = new TextDecoder().decode(raw);
  const { error } = scanJson(text);
  if (error !== undefined) throw new ProtobufError(`an embedded object is not JSON: ${error}`);
  const value: unknown = JSON.parse(text);
  return value;
}

function bytesField(bytes: Uint8Array, wanted: number): Uint8Array {
  const reader = new ProtobufReader(bytes);
  let value: Uint8Array = new Uint8Array(0);
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number === wanted && wire === 2) value = reader.bytes();
    else reader.skip(wire);
  }
  return value;
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}

/** Pointers to strings, whose "" says something: "no storage class", "the unnamed port". */
const meaningfulEmpty = new Set(["PersistentVolumeClaimSpec.storageClassName", "EndpointPort.name"]);
/** Optional numbers and booleans that are no pointers in Go: typed clients always send them, and 0 means absent. */
const plainZero = new Set([
  "ContainerPort.hostPort",
  "ServicePort.nodePort",
  "ServiceSpec.healthCheckNodePort",
  "ServiceSpec.publishNotReadyAddresses",
  "ObjectMeta.generation",
  "Probe.initialDelaySeconds",
  "Probe.timeoutSeconds",
  "Probe.periodSeconds",
  "Probe.successThreshold",
  "Probe.failureThreshold",
  "PodSpec.hostNetwork",
  "PodSpec.hostPID",
  "PodSpec.hostIPC",
  "DeploymentSpec.minReadySeconds",
  "DeploymentSpec.paused",
  "ReplicaSetSpec.minReadySeconds",
  "StatefulSetSpec.minReadySeconds",
  "DaemonSetSpec.minReadySeconds",
  "Container.stdin",
  "Container.stdinOnce",
  "Container.tty",
  "EphemeralContainer.stdin",
  "EphemeralContainer.stdinOnce",
  "EphemeralContainer.tty",
  "NodeSpec.unschedulable",
  "PolicyRule.nonResourceURLs",
]);

/** Go's typed clients write every field that is no pointer; JSON leaves empty ones out (omitempty). */
function droppedWhenZero(message: string, name: string, field: Field, type: Type): boolean {
  if (field.required) return false;
  const path = `${message}.${name}`;
  if (type.type === "string") return !meaningfulEmpty.has(path);
  if (name === "readOnly" || message.endsWith("Status")) return true;
  return plainZero.has(path);
}

function isZero(value: unknown): boolean {
  return value === "" || value === 0 || value === false;
}

function zeroOf(type: Type): unknown {
  switch (type.type) {
    case "string":
    case "bytes":
      return "";
    case "int32":
    case "int64":
    case "double":
      return 0;
    case "boolean":
      return false;
    case "quantity":
      return "0";
    case "list":
      return [];
    case "map":
    case "message":
      return {};
    default:
      return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(record: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Also for a key called "__proto__", which plain assignment would take for something else. */
function define(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") Object.defineProperty(record, key, { value, enumerable: true, writable: true });
  else record[key] = value;
}
