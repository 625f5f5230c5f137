import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { Clock } from "../env/clock.ts";
import type { CertificateFacts, CertificateRequest, KeyPair, PeerIdentity, Pki } from "../env/pki.ts";

const dayMs = 86_400_000;

/** Certificates that are only words about themselves: enough for who is issued what and when it is renewed. */
export class SimulatedPki implements Pki {
  readonly #clock: Clock;
  #identities = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async createAuthority(commonName: string, validDays: number): Promise<KeyPair> {
    return this.#pair({ commonName, validDays, usages: [] });
  }

  async issue(_authority: KeyPair, request: CertificateRequest): Promise<KeyPair> {
    return this.#pair(request);
  }

  async createPeerIdentity(commonName: string): Promise<PeerIdentity> {
    const name = `${commonName} ${this.#clock.now()} ${++this.#identities}`;
    const publicKeySha256 = Buffer.from(sha256(utf8ToBytes(name))).toString("base64");
    const facts: CertificateFacts = {
      commonName,
      organizations: [],
      dnsNames: [],
      ipAddresses: [],
      notBefore: 0,
      notAfter: Date.UTC(9999, 11, 31, 23, 59, 59),
      publicKeySha256,
    };
    return { certificatePem: JSON.stringify(facts), privateKeyPem: publicKeySha256, publicKeySha256 };
  }

  async inspect(certificatePem: string): Promise<CertificateFacts> {
    const facts: CertificateFacts = JSON.parse(certificatePem);
    return facts;
  }

  async matches({ certificatePem, privateKeyPem }: KeyPair): Promise<boolean> {
    return (await this.inspect(certificatePem)).publicKeySha256 === privateKeyPem;
  }

  #pair(request: CertificateRequest): KeyPair {
    const key = `${request.commonName} ${this.#clock.now()}`;
    const facts: CertificateFacts = {
      commonName: request.commonName,
      organizations: request.organizations ?? [],
      dnsNames: request.dnsNames ?? [],
      ipAddresses: request.ipAddresses ?? [],
      notBefore: this.#clock.now(),
      notAfter: this.#clock.now() + request.validDays * dayMs,
      publicKeySha256: key,
    };
    return { certificatePem: JSON.stringify(facts), privateKeyPem: key };
  }
}
