import { goFieldType, shortName, zeroValue } from "./go_type.ts";
import type { AnyKind, Kind, KubeObject } from "./kind.ts";
import { canonicalQuantity, QuantityError } from "./quantity.ts";
import { fieldType, type Infer, type Message, type Type } from "./schema.ts";
import { badRequest } from "./status_error.ts";
import { canonicalMicroTime, canonicalTime, durationMs, TimeError } from "./timestamp.ts";

/**
 * Untyped JSON against a descriptor. What Kubernetes' decoder does, this does:
 * - a value of the wrong type is refused, in the words of Go's decoder;
 * - an unknown field is reported and left out;
 * - null means absent (inside a list or map: the zero value);
 * - quantities and times come out in their canonical form, a number for a quantity becomes a string;
 * - an absent required field becomes its zero value, so that the result really has the descriptor's type; an absent spec
 *   becomes an empty one.
 *
 * The input is never changed. What needs no change is shared with the result, so a body that is right costs no copy.
 */
export interface Checked<T> {
  readonly object: T;
  /** `unknown field "spec.foo"`, for strict decoding and for warnings; at most 100, each once. */
  readonly problems: readonly string[];
}

export interface CheckOptions {
  /** false: absent required fields stay absent (an apply configuration says only what it owns). Default true. */
  readonly fillRequired?: boolean;
}

/** The value does not fit; `message` is what follows "cannot be handled as a Pod: ". */
export class TypeMismatch extends Error {
  override readonly name = "TypeMismatch";
}

/** Throws TypeMismatch. */
export function checkMessage<M extends Message>(schema: M, value: unknown, options?: CheckOptions): Checked<Infer<M>> {
  const run = new Run(options?.fillRequired ?? true);
  const object = planOf(schema).check(value, run, `v1.${shortName(schema)}`);
  // Sound because each field of the result was compared with the same descriptor that Infer turns into the type, and the
  // absent required ones were filled in (with fillRequired false the caller asked for less than the type).
  return { object: object as Infer<M>, problems: run.problems };
}

/** Throws StatusError 400. apiVersion and kind are filled in where they are absent. */
export function checkObject<T extends KubeObject>(kind: Kind<T>, value: unknown, options?: CheckOptions): Checked<T> {
  const cannot = (detail: string) => {
    const said = isObject(value) && typeof value.kind === "string" && value.kind !== "" ? value.kind : kind.kind;
    return badRequest(`${said} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${detail}`);
  };
  let checked: Checked<unknown>;
  try {
    checked = checkMessage(kind.schema, options?.fillRequired === false ? value : withSpec(kind, value), options);
  } catch (error) {
    if (error instanceof TypeMismatch) throw cannot(error.message);
    throw error;
  }
  // Sound for the reason given in checkMessage: `T` is what Infer makes of `kind.schema` (defineKind ties them).
  let object = checked.object as T;
  const { apiVersion, kind: said } = object;
  if (apiVersion !== undefined && apiVersion !== "" && apiVersion !== kind.apiVersion)
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${kind.apiVersion})`,
    );
  if (said !== undefined && said !== "" && said !== kind.kind)
    throw cannot(`the kind in the data is ${said}, the request is for ${kind.plural}`);
  if (apiVersion !== kind.apiVersion || said !== kind.kind)
    object = { ...object, apiVersion: kind.apiVersion, kind: kind.kind };
  return { object, problems: checked.problems };
}

/** A spec is a struct in Go: always there, and defaults may count on it. */
function withSpec(kind: Pick<AnyKind, "schema">, value: unknown): unknown {
  const missing = isObject(value) && (value.spec === undefined || value.spec === null);
  return missing && kind.schema.fields.spec !== undefined ? { ...value, spec: {} } : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const problemLimit = 100;

/** Where the check is: field names, list indexes, and map keys (marked, because Go leaves them out of type errors). */
class Run {
  readonly problems: string[] = [];
  readonly path: (string | number | { readonly key: string })[] = [];
  readonly fillRequired: boolean;
  /** The innermost message. */
  struct = "";

  constructor(fillRequired: boolean) {
    this.fillRequired = fillRequired;
  }

  unknownField(name: string): void {
    let text = "";
    for (const step of this.path) {
      if (typeof step === "number") text += `[${step}]`;
      else text += `${text === "" ? "" : "."}${typeof step === "string" ? step : step.key}`;
    }
    const problem = `unknown field ${JSON.stringify(text === "" ? name : `${text}.${name}`)}`;
    if (this.problems.length < problemLimit && !this.problems.includes(problem)) this.problems.push(problem);
  }

  mismatch(value: unknown, goType: string, shown = jsonTypeOf(value)): TypeMismatch {
    const fields = this.path.filter((step) => typeof step === "string").join(".");
    const where = fields === "" ? "Go value" : `Go struct field ${this.struct}.${fields}`;
    return new TypeMismatch(`json: cannot unmarshal ${shown} into ${where} of type ${goType}`);
  }
}

function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value;
}

/** Returns what the value becomes: itself, or a changed copy. `goType` names the expected type in errors. */
type Check = (value: unknown, run: Run, goType: string) => unknown;

interface FieldPlan {
  readonly check: Check;
  readonly goType: string;
}
interface Plan {
  readonly check: Check;
}

/** Checks are made once per message, when the first object of its kind comes. */
const plans = new WeakMap<Message, Plan>();

function planOf(message: Message): Plan {
  const known = plans.get(message);
  if (known !== undefined) return known;
  const fields = new Map<string, FieldPlan>();
  const required: { readonly name: string; readonly zero: () => unknown; readonly plan: FieldPlan }[] = [];
  const struct = shortName(message);
  const plan: Plan = { check: (value, run, goType) => checkFields(value, run, goType, struct, fields, required) };
  // Before the fields, because a message may hold itself.
  plans.set(message, plan);
  for (const [name, field] of Object.entries(message.fields)) {
    const type = fieldType(field);
    const fieldPlan: FieldPlan = { check: checkOf(type), goType: goFieldType(message, name, type) };
    fields.set(name, fieldPlan);
    const zero = zeroValue(message, name, field, type);
    if (zero !== undefined) required.push({ name, zero, plan: fieldPlan });
  }
  return plan;
}

function checkFields(
  value: unknown,
  run: Run,
  goType: string,
  struct: string,
  fields: ReadonlyMap<string, FieldPlan>,
  required: readonly { readonly name: string; readonly zero: () => unknown; readonly plan: FieldPlan }[],
): unknown {
  if (!isObject(value)) throw run.mismatch(value, goType);
  const outer = run.struct;
  run.struct = struct;
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(value)) {
    const before = value[name];
    const field = fields.get(name);
    if (field === undefined || before === null || before === undefined) {
      if (field === undefined && before !== undefined) run.unknownField(name);
      copy ??= { ...value };
      delete copy[name];
      continue;
    }
    run.path.push(name);
    const after = field.check(before, run, field.goType);
    run.path.pop();
    if (after !== before) {
      copy ??= { ...value };
      copy[name] = after;
    }
  }
  if (run.fillRequired) {
    for (const { name, zero, plan } of required) {
      if (Object.hasOwn(value, name) && value[name] !== null && value[name] !== undefined) continue;
      copy ??= { ...value };
      copy[name] = plan.check(zero(), run, plan.goType);
    }
  }
  run.struct = outer;
  return copy ?? value;
}

function checkOf(type: Type): Check {
  switch (type.type) {
    case "message":
      return planOf(type).check;
    case "list":
      return checkList(type.item);
    case "map":
      return checkMap(type.value);
    default:
      return scalarChecks[type.type];
  }
}

/** What null becomes inside a list or a map, where it cannot be left out. */
function zeroOf(type: Type): unknown {
  switch (type.type) {
    case "message":
    case "map":
      return {};
    case "list":
      return [];
    case "string":
    case "bytes":
      return "";
    case "boolean":
      return false;
    case "quantity":
      return "0";
    case "any":
      return null;
    default:
      return 0;
  }
}

function checkList(item: Type): Check {
  const check = checkOf(item);
  return (value, run, goType) => {
    if (!Array.isArray(value)) throw run.mismatch(value, goType);
    const itemType = goType.startsWith("[]") ? goType.slice(2) : goType;
    let copy: unknown[] | undefined;
    for (let index = 0; index < value.length; index++) {
      const before: unknown = value[index];
      run.path.push(index);
      const after = check(before === null || before === undefined ? zeroOf(item) : before, run, itemType);
      run.path.pop();
      if (after !== before) {
        copy ??= [...value];
        copy[index] = after;
      }
    }
    return copy ?? value;
  };
}

function checkMap(valueType: Type): Check {
  const check = checkOf(valueType);
  return (value, run, goType) => {
    if (!isObject(value)) throw run.mismatch(value, goType);
    const itemType = goType.startsWith("map[string]")
      ? goType.slice("map[string]".length)
      : goType.endsWith("ResourceList")
        ? "resource.Quantity"
        : goType;
    let copy: Record<string, unknown> | undefined;
    for (const key of Object.keys(value)) {
      const before = value[key];
      run.path.push({ key });
      const after = check(before === null || before === undefined ? zeroOf(valueType) : before, run, itemType);
      run.path.pop();
      if (after !== before) {
        copy ??= { ...value };
        // Not an assignment: a key may be "__proto__".
        Object.defineProperty(copy, key, { value: after, enumerable: true, configurable: true, writable: true });
      }
    }
    return copy ?? value;
  };
}

function checkInteger(minimum: number, maximum: number): Check {
  return (value, run, goType) => {
    if (typeof value !== "number") throw run.mismatch(value, goType);
    if (!Number.isInteger(value) || value < minimum || value > maximum)
      throw run.mismatch(value, goType, `number ${JSON.stringify(value)}`);
    return value;
  };
}

const checkInt32 = checkInteger(-(2 ** 31), 2 ** 31 - 1);

/** `canonical` throws its own kind of error, whose text is the whole of Kubernetes' answer. */
function checkText(canonical: (text: string) => string): Check {
  return (value, run, goType) => {
    if (typeof value !== "string") throw run.mismatch(value, goType);
    try {
      return canonical(value);
    } catch (error) {
      if (error instanceof TimeError || error instanceof QuantityError) throw new TypeMismatch(error.message);
      throw error;
    }
  };
}

const checkQuantityText = checkText((text) => canonicalQuantity(text.trim()));

const scalarChecks: Readonly<Record<Exclude<Type["type"], "message" | "list" | "map">, Check>> = {
  string(value, run, goType) {
    if (typeof value !== "string") throw run.mismatch(value, goType);
    return value;
  },
  boolean(value, run, goType) {
    if (typeof value !== "boolean") throw run.mismatch(value, goType);
    return value;
  },
  int32: checkInt32,
  int64: checkInteger(-(2 ** 63), 2 ** 63),
  double(value, run, goType) {
    if (typeof value !== "number") throw run.mismatch(value, goType);
    return value;
  },
  bytes(value, run, goType) {
    if (typeof value !== "string") throw run.mismatch(value, goType);
    return canonicalBase64(value);
  },
  quantity(value, run, goType) {
    // Go's decoder reads the raw text of whatever stands there.
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return checkQuantityText(text, run, goType);
  },
  intOrString(value, run) {
    return typeof value === "string" ? value : checkInt32(value, run, "int32");
  },
  time: checkText(canonicalTime),
  microTime: checkText(canonicalMicroTime),
  duration(value, run, goType) {
    if (typeof value !== "string") throw run.mismatch(value, goType);
    if (durationMs(value) === undefined) throw new TypeMismatch(`time: invalid duration ${JSON.stringify(value)}`);
    return value;
  },
  fieldsV1(value, run, goType) {
    if (!isObject(value)) throw run.mismatch(value, goType);
    return value;
  },
  any: (value) => value,
};

const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Line ends are allowed and left out, as Go's decoder does. */
function canonicalBase64(value: string): string {
  const text = value.includes("\n") || value.includes("\r") ? value.replace(/[\r\n]/g, "") : value;
  if (text.length % 4 === 0 && base64.test(text)) return text;
  const stray = /[^A-Za-z0-9+/]/.exec(text.replace(/={1,2}$/, ""));
  throw new TypeMismatch(`illegal base64 data at input byte ${stray?.index ?? text.length - (text.length % 4)}`);
}
