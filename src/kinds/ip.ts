/** IP addresses and networks as text. Octets with leading zeros are refused: programs disagree on what they mean. */
export type IpFamily = "IPv4" | "IPv6";

export function ipFamily(text: string): IpFamily | undefined {
  if (/^(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])(\.(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])){3}$/.test(text)) return "IPv4";
  return isIpv6(text) ? "IPv6" : undefined;
}

function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2 || !text.includes(":")) return false;
  let groups = 0;
  for (const [half, side] of halves.entries()) {
    if (side === "") continue;
    const parts = side.split(":");
    for (const [at, part] of parts.entries()) {
      const last = half === halves.length - 1 && at === parts.length - 1;
      if (last && part.includes(".")) {
        if (ipFamily(part) !== "IPv4") return false;
        groups += 2;
      } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups++;
      else return false;
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
}

export function ipProblems(text: string): string[] {
  return ipFamily(text) === undefined ? ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"] : [];
}

export function cidrFamily(text: string): IpFamily | undefined {
  const [address = "", length = "", ...more] = text.split("/");
  const family = ipFamily(address);
  if (family === undefined || more.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  return Number(length) <= (family === "IPv4" ? 32 : 128) ? family : undefined;
}

export function cidrProblems(text: string): string[] {
  return cidrFamily(text) === undefined ? ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"] : [];
}
