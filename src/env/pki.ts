/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Kubernetes reads organisations as groups. */
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly ("server" | "client")[];
  readonly validDays: number;
}

/** What a certificate says, read back. Times in milliseconds since the epoch. */
export interface CertificateFacts {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the subject public key info, base64: what peers are pinned by. */
  readonly publicKeySha256: string;
}

export interface PeerIdentity extends KeyPair {
  /** As in CertificateFacts. */
  readonly publicKeySha256: string;
}

/** Certificates as an effect: asynchronous, and never on a simulated path. ECDSA P-256. */
export interface Pki {
  createAuthority(commonName: string, validDays: number): Promise<KeyPair>;
  issue(authority: KeyPair, request: CertificateRequest): Promise<KeyPair>;
  /** What a member proves itself by to its peers: self-signed, valid from 1970 to 9999, so that no clock matters. */
  createPeerIdentity(commonName: string): Promise<PeerIdentity>;
  inspect(certificatePem: string): Promise<CertificateFacts>;
  /** Whether the key is the certificate's. Also false when one of them cannot be read. */
  matches(pair: KeyPair): Promise<boolean>;
}
