/**
 * resource.Quantity: an exact fixed-point number with the suffix its author chose. Nothing smaller than 1n exists (it is
 * rounded away from zero), and all arithmetic is on whole nano units, so nothing is lost.
 */
export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

export interface Quantity {
  /** The value times 10^9. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

/** The text is Kubernetes' own and reaches clients. */
export class QuantityError extends Error {
  override readonly name = "QuantityError";
}

const wrongForm = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const wrongNumber = "unable to parse numeric part of quantity";
const wrongSuffix = "unable to parse quantity's suffix";

const billion = 1_000_000_000n;
/** What a binary quantity is capped at: 2^63-1. */
const maxBinary = (2n ** 63n - 1n) * billion;
const decimalExponents: ReadonlyMap<string, number> = new Map([
  ["n", -9],
  ["u", -6],
  ["m", -3],
  ["", 0],
  ["k", 3],
  ["M", 6],
  ["G", 9],
  ["T", 12],
  ["P", 15],
  ["E", 18],
]);
const decimalSuffixes: ReadonlyMap<number, string> = new Map([...decimalExponents].map(([s, e]) => [e, s]));
const binarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/** Exponents beyond this would only make huge numbers, never a quantity of something. */
const maxExponent = 1000;

interface Scale {
  readonly numerator: bigint;
  readonly denominator: bigint;
  readonly format: QuantityFormat;
}

function scaleOf(suffix: string): Scale | undefined {
  const decimal = decimalExponents.get(suffix);
  if (decimal !== undefined) return powerOfTen(decimal, "DecimalSI");
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return { numerator: 1024n ** BigInt(binary), denominator: 1n, format: "BinarySI" };
  if (/^[eE][+-]?\d+$/.test(suffix)) {
    const exponent = Number(suffix.slice(1));
    return Math.abs(exponent) <= maxExponent ? powerOfTen(exponent, "DecimalExponent") : undefined;
  }
  return undefined;
}

function powerOfTen(exponent: number, format: QuantityFormat): Scale {
  const power = 10n ** BigInt(Math.abs(exponent));
  return exponent < 0 ? { numerator: 1n, denominator: power, format } : { numerator: power, denominator: 1n, format };
}

/** Parsed texts, because a cluster says the same few quantities over and over. Emptied when full. */
const parsed = new Map<string, Quantity>();
const parsedLimit = 2048;

/** Throws QuantityError. */
export function parseQuantity(text: string): Quantity {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const quantity = parseFresh(text);
  if (parsed.size >= parsedLimit) parsed.clear();
  parsed.set(text, quantity);
  return quantity;
}

function parseFresh(text: string): Quantity {
  const match = /^([+-]?)([0-9.]*)([eEinumkKMGTP]*[-+]?[0-9]*)$/.exec(text);
  if (match === null || text === "") throw new QuantityError(wrongForm);
  const [, sign = "", digits = "", suffix = ""] = match;
  if (digits.indexOf(".") !== digits.lastIndexOf(".")) throw new QuantityError(wrongForm);
  if (!/\d/.test(digits)) throw new QuantityError(wrongNumber);
  const scale = scaleOf(suffix);
  if (scale === undefined) throw new QuantityError(wrongSuffix);

  const [whole = "", fraction = ""] = digits.split(".");
  const mantissa = BigInt(`${whole}${fraction}`);
  const dividend = mantissa * scale.numerator * billion;
  const divisor = scale.denominator * 10n ** BigInt(fraction.length);
  let nanos = (dividend + divisor - 1n) / divisor;
  let { format } = scale;
  if (format === "BinarySI") {
    if (nanos > maxBinary) nanos = maxBinary;
    if (nanos > 0n && nanos < billion) format = "DecimalSI";
  }
  return { nanos: sign === "-" ? -nanos : nanos, format };
}

/** undefined where the text is no quantity. */
export function tryParseQuantity(text: string): Quantity | undefined {
  try {
    return parseQuantity(text);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

/** The canonical form: no fraction, the largest suffix that needs none. "0.5" is "500m", "1024Mi" is "1Gi". */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return "0";
  const negative = nanos < 0n;
  const magnitude = negative ? -nanos : nanos;
  const sign = negative ? "-" : "";
  if (format === "BinarySI" && magnitude >= 1024n * billion && magnitude % billion === 0n) {
    let value = magnitude / billion;
    let power = 0;
    while (power < binarySuffixes.length - 1 && value % 1024n === 0n) {
      value /= 1024n;
      power++;
    }
    return `${sign}${value}${binarySuffixes[power]}`;
  }
  let value = magnitude;
  let exponent = -9;
  while (value % 1000n === 0n) {
    value /= 1000n;
    exponent += 3;
  }
  const suffix = format === "DecimalExponent" ? undefined : decimalSuffixes.get(exponent);
  if (suffix !== undefined) return `${sign}${value}${suffix}`;
  return exponent === 0 ? `${sign}${value}` : `${sign}${value}e${exponent}`;
}

const surelyCanonical = /^(0|[1-9]\d{0,2}(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi)?)$/;

/** Throws QuantityError. Returns the same string where it is canonical already. */
export function canonicalQuantity(text: string): string {
  return surelyCanonical.test(text) ? text : formatQuantity(parseQuantity(text));
}

/** Negative, zero or positive, as `a` is less than, equal to or more than `b`. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/** The format is the first one's, as in Kubernetes, unless that one is zero. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

export function quantityOf(value: number, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nanos: BigInt(value) * billion, format };
}

/** Thousandths ("100m" of processor is 100), rounded away from zero; saturates at 2^53-1. */
export function milliValue(quantity: Quantity): number {
  return saturated(divideUp(quantity.nanos, 1_000_000n));
}

/** Whole units (bytes of memory), rounded away from zero; saturates at 2^53-1. */
export function integerValue(quantity: Quantity): number {
  return saturated(divideUp(quantity.nanos, billion));
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  const magnitude = dividend < 0n ? -dividend : dividend;
  const quotient = (magnitude + divisor - 1n) / divisor;
  return dividend < 0n ? -quotient : quotient;
}

function saturated(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}
