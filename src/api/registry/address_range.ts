/** Whole numbers from `first` to `last`. */
export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** The addresses of an IPv4 network that a Service may have: all but the first (the network) and the last (broadcast). */
export function serviceAddresses(cidr: string): NumberRange {
  const [address = "", length = "", ...more] = cidr.split("/");
  const bits = Number(length);
  const network = addressNumber(address);
  if (network === undefined || more.length > 0 || !/^\d+$/.test(length) || bits < 8 || bits > 30)
    throw new Error(
      `Cannot give Services addresses from ${JSON.stringify(cidr)}: an IPv4 network between /8 and /30 is needed, as in 10.43.0.0/16`,
    );
  const size = 2 ** (32 - bits);
  const base = network - (network % size);
  return { first: base + 1, last: base + size - 2 };
}

/** undefined: not an IPv4 address. */
export function addressNumber(text: string): number | undefined {
  const octets = text.split(".");
  if (octets.length !== 4) return undefined;
  let number = 0;
  for (const octet of octets) {
    if (!/^(0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255) return undefined;
    number = number * 256 + Number(octet);
  }
  return number;
}

export function addressText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/**
 * The part of a range that is chosen from by itself. The lower part is left to people, who like low numbers, as long as there
 * is room above: a sixteenth (or `divisor`th), at least 16 and at most `most`.
 */
export function upperBand(range: NumberRange, divisor: number, most: number): NumberRange {
  const size = range.last - range.first + 1;
  if (size <= 16) return range;
  const lower = Math.min(Math.max(16, Math.floor(size / divisor)), most);
  return lower >= size ? range : { first: range.first + lower, last: range.last };
}
