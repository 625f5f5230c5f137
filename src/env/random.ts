/** Randomness as an effect; the simulator's comes from its seed. */
export interface Random {
  /** `length` random bytes, fit for keys and tokens in the real environment. */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). For jitter, never for secrets. */
  fraction(): number;
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** A version 4 UUID (RFC 9562) drawn from `random`. */
export function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => hex[byte]).join("");
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    "-",
  );
}

/** Kubernetes' alphabet for generated names: no vowels, no characters that look alike. */
const nameAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** `length` characters of the alphabet that Kubernetes appends to `generateName`. */
export function nameSuffix(random: Random, length = 5): string {
  let suffix = "";
  for (const byte of random.bytes(length)) suffix += nameAlphabet[byte % nameAlphabet.length];
  return suffix;
}
