import type { Clock } from "../env/clock.ts";
import type { CertificateFacts, CertificateRequest, KeyPair, Pki } from "../env/pki.ts";

const dayMs = 86_400_000;

/** Certificates that are only words about themselves: enough for who is issued what and when it is renewed. */
export class SimulatedPki implements Pki {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async createAuthority(commonName: string, validDays: number): Promise<KeyPair> {
    return this.#pair({ commonName, validDays, usages: [] });
  }

  async issue(_authority: KeyPair, request: CertificateRequest): Promise<KeyPair> {
    return this.#pair(request);
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
