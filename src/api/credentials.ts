/**
 * The cluster's own credentials under DATA-DIR/pki: the authority made at the first start, the server's certificate,
 * renewed before it ends, and the administrator's token. Private keys and tokens are files of mode 0600.
 */
import type { Disk } from "../env/disk.ts";
import type { KeyPair, PeerIdentity, Pki } from "../env/pki.ts";
import type { Random } from "../env/random.ts";

const authorityDays = 3650;
const serverDays = 365;
const dayMs = 86_400_000;
/** Before this program was written: a clock that says less is not set. */
const clockIsSetMs = Date.UTC(2025, 0, 1);
/** The wall clock may jump, as when it is set after a start: a certificate of the wrong time must not be served for long. */
const lookAgainMs = 10 * 60_000;
/** A certificate is renewed when less than this is left of it. */
const renewBeforeMs = 90 * dayMs;

export interface CredentialOptions {
  readonly disk: Disk;
  readonly random: Random;
  readonly dataDir: string;
}

export interface ServerNames {
  readonly nodeName: string;
  /** Addresses of this node by which clients reach it. */
  readonly nodeIps: readonly string[];
  /** The first of the service network: what `kubernetes.default` resolves to. */
  readonly serviceIp: string;
  /** "cluster.local". */
  readonly clusterDomain: string;
}

/** A damaged authority: clients trust it, so that no other may take its place unasked. */
export class AuthorityError extends Error {
  override readonly name = "AuthorityError";
}

/**
 * The authority, made at the first call. A key without a certificate, which a crash at the first start leaves, is made again:
 * nobody trusts it yet. Anything else that is not a whole pair is an AuthorityError.
 */
export async function loadAuthority(pki: Pki, options: CredentialOptions): Promise<KeyPair> {
  const present = await readPair(pki, options, "ca");
  if (typeof present === "object") return present;
  const { disk, dataDir } = options;
  const files = pathsOf(dataDir, "ca");
  // The server's certificate is issued after the authority is on disk: whoever has met this server trusts its authority.
  if ((await disk.exists(files.certificate)) || (await disk.exists(pathsOf(dataDir, "apiserver").certificate)))
    throw new AuthorityError(
      `Cannot use the cluster's certificate authority: ${files.certificate} ${present === "mismatch" ? `does not belong to ${files.key}` : `or ${files.key} is missing`}. ` +
        "Clients trust this authority, so no new one is made in its place: restore both files from a backup. " +
        `To begin with a new authority instead, move ca.* and apiserver.* out of ${dataDir}/pki and give every client the new kubeconfig.`,
    );
  const made = await pki.createAuthority("wherry-ca", authorityDays);
  const { notBefore } = await pki.inspect(made.certificatePem);
  // A machine without a battery starts in 1970: an authority of then has ended when the clock is set, and is never replaced.
  if (notBefore < clockIsSetMs)
    throw new AuthorityError(
      `Cannot make the cluster's certificate authority: this machine's clock says ${new Date(notBefore).toISOString().slice(0, 10)}. ` +
        "Set it, or wait until it is synchronised (timedatectl shows that), then start again.",
    );
  await writePair(options, "ca", made);
  return made;
}

/** Takes over the authority of the cluster that this server joins, before any other is made. */
export async function adoptCredentials(
  options: CredentialOptions,
  { authority, adminToken }: { readonly authority: KeyPair; readonly adminToken: string },
): Promise<void> {
  await writePair(options, "ca", authority);
  await writeToken(options, adminToken);
}

/** The key by which peers know this server, made at the first call and kept for ever: it is who the server is. */
export async function loadPeerIdentity(pki: Pki, nodeName: string, options: CredentialOptions): Promise<PeerIdentity> {
  const present = await readPair(pki, options, "peer");
  if (typeof present === "object") {
    const { publicKeySha256 } = await pki.inspect(present.certificatePem);
    return { ...present, publicKeySha256 };
  }
  const { certificate, key } = pathsOf(options.dataDir, "peer");
  // The certificate is written last: without it nobody knows the key yet.
  if (await options.disk.exists(certificate))
    throw new AuthorityError(
      `Cannot use this server's key for its peers: ${certificate} ${present === "mismatch" ? `does not belong to ${key}` : `is there, and ${key} is missing`}. ` +
        "Restore both files from a backup; or remove this server from the cluster (wherry member remove), empty its data directory, and let it join again.",
    );
  const made = await pki.createPeerIdentity(nodeName);
  await writePair(options, "peer", made);
  return made;
}

/** The server's certificate for all of its names, made again when a name is missing, it ends soon, or the CA changed. */
export async function loadServerCertificate(
  pki: Pki,
  authority: KeyPair,
  names: ServerNames,
  options: CredentialOptions & { readonly nowMs: number },
): Promise<KeyPair> {
  const dnsNames = serverDnsNames(names);
  const ipAddresses = [...new Set(["127.0.0.1", "::1", ...names.nodeIps, names.serviceIp])];
  const make = () =>
    pki.issue(authority, {
      commonName: "kube-apiserver",
      dnsNames,
      ipAddresses,
      usages: ["server"],
      validDays: serverDays,
    });
  const renew = async () => {
    const renewed = await make();
    await writePair(options, "apiserver", renewed);
    return renewed;
  };
  const present = await readPair(pki, options, "apiserver");
  // "mismatch": the last renewal wrote the key and not the certificate.
  if (typeof present !== "object") return renew();
  const [facts, issuer] = await Promise.all([
    pki.inspect(present.certificatePem),
    pki.inspect(authority.certificatePem),
  ]);
  const complete =
    dnsNames.every((name) => facts.dnsNames.includes(name)) &&
    ipAddresses.every((address) => facts.ipAddresses.map(canonicalIp).includes(canonicalIp(address)));
  const fresh = facts.notAfter - options.nowMs > renewBeforeMs && facts.notBefore <= options.nowMs;
  // A certificate older than its authority was signed by another one.
  if (complete && fresh && facts.notBefore >= issuer.notBefore) return present;
  return renew();
}

/** When to call loadServerCertificate again (and Listening.renew with its result): milliseconds from now. */
export async function renewalDelayMs(pki: Pki, certificatePem: string, nowMs: number): Promise<number> {
  const { notAfter } = await pki.inspect(certificatePem);
  return Math.min(Math.max(notAfter - renewBeforeMs - nowMs, 60_000), lookAgainMs);
}

export function serverDnsNames({ nodeName, clusterDomain }: ServerNames): string[] {
  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  return [...new Set(["localhost", nodeName, ...service, `kubernetes.default.svc.${clusterDomain}`])];
}

/** The administrator's bearer token: the configured one, else the one kept from the first start. */
export async function loadAdminToken(options: CredentialOptions, configured?: string): Promise<string> {
  const { disk, random, dataDir } = options;
  if (configured !== undefined) return configured;
  const path = tokenPath(dataDir);
  if (await disk.exists(path)) {
    const token = new TextDecoder().decode(await disk.readFile(path)).trim();
    if (token !== "") return token;
  }
  const token = Array.from(random.bytes(32), (byte) => byte.toString(16).padStart(2, "0")).join("");
  await writeToken({ disk, random, dataDir }, token);
  return token;
}

async function writeToken({ disk, dataDir }: CredentialOptions, token: string): Promise<void> {
  await disk.makeDirectory(`${dataDir}/pki`);
  await disk.writeFileAtomic(tokenPath(dataDir), new TextEncoder().encode(`${token}\n`), { mode: 0o600 });
}

function tokenPath(dataDir: string): string {
  return `${dataDir}/pki/admin.token`;
}

export interface KubeconfigOptions {
  /** https://ADDRESS:PORT */
  readonly server: string;
  /** Absent only for a server without TLS. */
  readonly caPem?: string;
  readonly token: string;
  readonly name?: string;
}

/** A kubeconfig with everything in it: the authority's certificate and a token. Keep it in a file of mode 0600. */
export function kubeconfigYaml({ server, caPem, token, name = "wherry" }: KubeconfigOptions): string {
  const ca = caPem === undefined ? "" : `    certificate-authority-data: ${btoa(caPem)}\n`;
  return `apiVersion: v1
kind: Config
clusters:
- name: ${name}
  cluster:
${ca}    server: ${JSON.stringify(server)}
users:
- name: ${name}
  user:
    token: ${JSON.stringify(token)}
contexts:
- name: ${name}
  context:
    cluster: ${name}
    user: ${name}
current-context: ${name}
preferences: {}
`;
}

function pathsOf(dataDir: string, name: string) {
  return { certificate: `${dataDir}/pki/${name}.crt`, key: `${dataDir}/pki/${name}.key` };
}

/** A certificate and its key; "absent": one or both are not there; "mismatch": they are not of one pair, or unreadable. */
async function readPair(
  pki: Pki,
  { disk, dataDir }: CredentialOptions,
  name: string,
): Promise<KeyPair | "absent" | "mismatch"> {
  const { certificate, key } = pathsOf(dataDir, name);
  if (!(await disk.exists(certificate)) || !(await disk.exists(key))) return "absent";
  const decoder = new TextDecoder();
  const pair = {
    certificatePem: decoder.decode(await disk.readFile(certificate)),
    privateKeyPem: decoder.decode(await disk.readFile(key)),
  };
  return (await pki.matches(pair)) ? pair : "mismatch";
}

/** The key first: a certificate on disk always has a key beside it, if perhaps, after a crash, that of its successor. */
async function writePair({ disk, dataDir }: CredentialOptions, name: string, pair: KeyPair): Promise<void> {
  const { certificate, key } = pathsOf(dataDir, name);
  const encoder = new TextEncoder();
  await disk.makeDirectory(`${dataDir}/pki`);
  await disk.writeFileAtomic(key, encoder.encode(pair.privateKeyPem), { mode: 0o600 });
  await disk.writeFileAtomic(certificate, encoder.encode(pair.certificatePem), { mode: 0o600 });
}

/** IPv6 has many spellings of one address; certificates carry the bytes. */
function canonicalIp(address: string): string {
  return address.includes(":") ? new URL(`http://[${address}]/`).hostname : address;
}
