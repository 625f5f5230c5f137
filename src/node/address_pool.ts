/**
 * Addresses of pods in the node's share of the cluster network. Pure: which ones are taken is read from the labels of the
 * sandboxes that exist, so nothing is stored.
 */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

interface Network {
  readonly first: number;
  readonly size: number;
  readonly prefix: number;
}

function parseNetwork(cidr: string): Network {
  const [address = "", prefix = ""] = cidr.split("/");
  const first = parseAddress(address);
  const bits = Number(prefix);
  if (first === undefined || prefix === "" || !Number.isInteger(bits) || bits < 8 || bits > 30)
    throw new Error(`Cannot use "${cidr}" as a pod network: want an IPv4 network with a prefix of /8 to /30`);
  const size = 2 ** (32 - bits);
  return { first: Math.floor(first / size) * size, size, prefix: bits };
}

/** The bridge's address: the first one of the network. */
export function gatewayOf(podCidr: string): string {
  return formatAddress(parseNetwork(podCidr).first + 1);
}

/** "10.42.0.0/16" holds 10.42.3.7. */
export function contains(cidr: string, address: string): boolean {
  const { first, size } = parseNetwork(cidr);
  const value = parseAddress(address);
  return value !== undefined && value >= first && value < first + size;
}

/**
 * The next free address after `last` ("10.42.0.7/24", as a sandbox's label has it), going round; undefined when all are
 * taken. Network, gateway and broadcast addresses are never given.
 */
export function nextAddress(podCidr: string, taken: ReadonlySet<string>, last: string | undefined): string | undefined {
  const { first, size, prefix } = parseNetwork(podCidr);
  const lowest = first + 2;
  const usable = size - 3;
  const lastValue = last === undefined ? undefined : parseAddress(last.split("/")[0] ?? "");
  const start = lastValue !== undefined && lastValue >= lowest && lastValue < first + size - 1 ? lastValue + 1 : lowest;
  for (let step = 0; step < usable; step++) {
    const candidate = `${formatAddress(lowest + ((start - lowest + step) % usable))}/${prefix}`;
    if (!taken.has(candidate)) return candidate;
  }
  return undefined;
}

/** A locally administered MAC that follows from the address: whoever had it cached still has the right one. */
export function macOf(address: string): string {
  const value = parseAddress(address.split("/")[0] ?? "");
  if (value === undefined) throw new Error(`Cannot make a MAC address for "${address}": not an IPv4 address`);
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256);
  return ["0a", "58", ...octets.map((octet) => octet.toString(16).padStart(2, "0"))].join(":");
}
