import * as x509 from "@peculiar/x509";
import type { Clock } from "../clock.ts";
import type { CertificateRequest, KeyPair, Pki } from "../pki.ts";
import type { Random } from "../random.ts";

const dayMs = 86_400_000;
/** Certificates start a little in the past: clocks of nodes and clients are not equal. */
const skewMs = 5 * 60_000;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** RFC 5280, 4.1.2.5: 99991231235959Z stands for "no meaningful end". */
const always = { notBefore: new Date(0), notAfter: new Date("9999-12-31T23:59:59Z") };

type Made = Record<"createPeerIdentity", (commonName: string) => Promise<KeyPair>> &
  Pick<Pki, "createAuthority" | "issue">;

/** Makes certificates by WebCrypto, on Bun, Deno and Node. Loaded only when one is to be made: see pki.ts. */
export function certificateMaker(clock: Clock, random: Random): Made {
  const validity = (days: number) => ({
    notBefore: new Date(clock.now() - skewMs),
    notAfter: new Date(clock.now() + days * dayMs),
  });
  /** RFC 5280: positive, at most 20 octets. */
  const serialNumber = (): string => {
    const bytes = random.bytes(16);
    bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
    return Buffer.from(bytes).toString("hex");
  };

  return {
    async createAuthority(commonName, validDays): Promise<KeyPair> {
      const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        serialNumber: serialNumber(),
        name: distinguishedName(commonName, []),
        ...validity(validDays),
        signingAlgorithm: algorithm,
        keys,
        extensions: [
          new x509.BasicConstraintsExtension(true, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
          await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      return { certificatePem: pem(certificate), privateKeyPem: await exportKey(keys.privateKey) };
    },

    async createPeerIdentity(commonName): Promise<KeyPair> {
      const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        serialNumber: serialNumber(),
        name: distinguishedName(commonName, []),
        ...always,
        signingAlgorithm: algorithm,
        keys,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        ],
      });
      return { certificatePem: pem(certificate), privateKeyPem: await exportKey(keys.privateKey) };
    },

    async issue(authority: KeyPair, request: CertificateRequest): Promise<KeyPair> {
      const issuer = new x509.X509Certificate(authority.certificatePem);
      const signingKey = await importKey(authority.privateKeyPem);
      const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const names = [
        ...(request.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
        ...(request.ipAddresses ?? []).map((value) => ({ type: "ip" as const, value })),
      ];
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        subject: distinguishedName(request.commonName, request.organizations ?? []),
        issuer: issuer.subjectName,
        ...validity(request.validDays),
        signingAlgorithm: algorithm,
        publicKey: keys.publicKey,
        signingKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(
            request.usages.map((usage) =>
              usage === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
            ),
          ),
          await x509.AuthorityKeyIdentifierExtension.create(issuer),
          await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
          ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
        ],
      });
      return { certificatePem: pem(certificate), privateKeyPem: await exportKey(keys.privateKey) };
    },
  };
}

function distinguishedName(commonName: string, organizations: readonly string[]): x509.JsonName {
  return [...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }];
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

async function exportKey(key: CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

function importKey(privateKeyPem: string): Promise<CryptoKey> {
  const der = x509.PemConverter.decodeFirst(privateKeyPem);
  return crypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
}
