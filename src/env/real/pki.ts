import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { CertificateFacts, KeyPair, Pki } from "../pki.ts";
import type { Random } from "../random.ts";

/**
 * ECDSA P-256 certificates. What makes them is loaded when the first one is made: it costs 10 MB of memory, which a
 * node whose certificates are there does not need.
 */
export function realPki(clock: Clock, random: Random): Pki {
  const maker = async () => {
    // @peculiar/x509 wants it to be there before; a bundler does not keep the order of two static imports.
    await import("reflect-metadata");
    return (await import("./certificates.ts")).certificateMaker(clock, random);
  };
  return {
    createAuthority: async (commonName, validDays) => (await maker()).createAuthority(commonName, validDays),
    issue: async (authority, request) => (await maker()).issue(authority, request),
    async createPeerIdentity(commonName) {
      const pair = await (await maker()).createPeerIdentity(commonName);
      return { ...pair, publicKeySha256: publicKeySha256(new X509Certificate(pair.certificatePem)) };
    },
    inspect: async (certificatePem) => inspect(certificatePem),
    matches: async (pair) => matches(pair),
  };
}

function inspect(certificatePem: string): CertificateFacts {
  const certificate = new X509Certificate(certificatePem);
  const subject = (key: string) => entries(certificate.subject, /\n/, "=", key);
  const names = (key: string) => entries(certificate.subjectAltName ?? "", /, /, ":", key);
  return {
    commonName: subject("CN")[0] ?? "",
    organizations: subject("O"),
    dnsNames: names("DNS"),
    ipAddresses: names("IP Address"),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    publicKeySha256: publicKeySha256(certificate),
  };
}

/** SHA-256 of the subject public key info, base64. */
export function publicKeySha256(certificate: X509Certificate): string {
  const publicKey = certificate.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(publicKey).digest("base64");
}

function matches({ certificatePem, privateKeyPem }: KeyPair): boolean {
  try {
    const certified = new X509Certificate(certificatePem).publicKey.export({ type: "spki", format: "der" });
    return createPublicKey(privateKeyPem).export({ type: "spki", format: "der" }).equals(certified);
  } catch {
    return false;
  }
}

/** The values of `key` in a text such as "O=a\nCN=b" or "DNS:a, IP Address:192.0.2.1". */
function entries(text: string, separator: RegExp, equals: string, key: string): string[] {
  return text
    .split(separator)
    .filter((entry) => entry.startsWith(`${key}${equals}`))
    .map((entry) => entry.slice(key.length + equals.length));
}
