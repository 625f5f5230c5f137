import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import type { Disk } from "../env/disk.ts";
import { realClock } from "../env/real/clock.ts";
import { realDisk } from "../env/real/disk.ts";
import { realPki } from "../env/real/pki.ts";
import { realRandom } from "../env/real/random.ts";
import {
  AuthorityError,
  kubeconfigYaml,
  loadAdminToken,
  loadAuthority,
  loadServerCertificate,
  renewalDelayMs,
} from "./credentials.ts";

const pki = realPki(realClock, realRandom);
const dayMs = 86_400_000;
const names = { nodeName: "n1", nodeIps: ["192.0.2.7"], serviceIp: "10.43.0.1", clusterDomain: "cluster.local" };
let dataDir: string;
const options = () => ({ disk: realDisk, random: realRandom, dataDir });

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "wherry-pki-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test("the authority is made once, and its key is readable to its owner only", async () => {
  const first = await loadAuthority(pki, options());
  expect(await loadAuthority(pki, options())).toEqual(first);
  expect(statSync(join(dataDir, "pki", "ca.key")).mode & 0o777).toBe(0o600);
});

test("no authority is made while the clock is not set, and one is once it is", async () => {
  const unset = realPki({ ...realClock, now: () => 86_400_000 }, realRandom);
  await expect(loadAuthority(unset, options())).rejects.toThrow("this machine's clock says 1970-01-01");
  await loadAuthority(pki, options());
});

test("the server's certificate stands for all its names and is kept until a name is missing or it ends soon", async () => {
  const authority = await loadAuthority(pki, options());
  const at = (nowMs: number, more = names) => loadServerCertificate(pki, authority, more, { ...options(), nowMs });
  const now = realClock.now();
  const first = await at(now);
  const facts = await pki.inspect(first.certificatePem);
  expect(facts.dnsNames).toEqual(
    expect.arrayContaining(["localhost", "n1", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]),
  );
  expect(facts.ipAddresses).toEqual(expect.arrayContaining(["127.0.0.1", "192.0.2.7", "10.43.0.1"]));
  expect(await at(now)).toEqual(first);
  // Soon, whatever the certificate says: the clock may be set meanwhile.
  expect(await renewalDelayMs(pki, first.certificatePem, now)).toBe(600_000);

  const renewed = await at(now + 300 * dayMs);
  expect(renewed.certificatePem).not.toBe(first.certificatePem);
  const moved = await at(now, { ...names, nodeIps: ["192.0.2.8"] });
  expect((await pki.inspect(moved.certificatePem)).ipAddresses).toContain("192.0.2.8");
});

/** A disk that fails when the named file is written, as a machine that loses its power there. */
function powerCutAt(name: string): Disk {
  return {
    ...realDisk,
    writeFileAtomic: (path, bytes, more) =>
      path.endsWith(name) ? Promise.reject(new Error("no power")) : realDisk.writeFileAtomic(path, bytes, more),
  };
}

test("a renewal that ends between key and certificate is done again at the next start", async () => {
  const authority = await loadAuthority(pki, options());
  const at = (nowMs: number, disk: Disk = realDisk) =>
    loadServerCertificate(pki, authority, names, { ...options(), disk, nowMs });
  const now = realClock.now();
  const first = await at(now);
  await expect(at(now + 300 * dayMs, powerCutAt("apiserver.crt"))).rejects.toThrow("no power");
  expect(readFileSync(join(dataDir, "pki", "apiserver.crt"), "utf8")).toBe(first.certificatePem);
  const second = await at(now);
  expect(await pki.matches(second)).toBe(true);
  expect(await at(now)).toEqual(second);
});

test("an authority whose making was cut short is made again, for nobody trusts it yet", async () => {
  await expect(loadAuthority(pki, { ...options(), disk: powerCutAt("ca.crt") })).rejects.toThrow("no power");
  expect(await pki.matches(await loadAuthority(pki, options()))).toBe(true);
});

test("an authority that clients trust is never replaced: what is damaged is named, and what to do", async () => {
  const file = (name: string) => join(dataDir, "pki", name);
  const authority = await loadAuthority(pki, options());
  await loadServerCertificate(pki, authority, names, { ...options(), nowMs: realClock.now() });
  const failure = async () => {
    const error = await loadAuthority(pki, options()).catch((thrown: unknown) => thrown);
    if (!(error instanceof AuthorityError)) throw new Error("no AuthorityError");
    return error.message;
  };

  writeFileSync(file("ca.key"), (await pki.createAuthority("another", 1)).privateKeyPem);
  expect(await failure()).toContain(`${file("ca.crt")} does not belong to ${file("ca.key")}`);
  rmSync(file("ca.key"));
  expect(await failure()).toContain("restore both files from a backup");
  rmSync(file("ca.crt"));
  expect(await failure()).toContain("is missing");

  writeFileSync(file("ca.crt"), authority.certificatePem);
  writeFileSync(file("ca.key"), authority.privateKeyPem);
  expect(await loadAuthority(pki, options())).toEqual(authority);
});

test("the administrator's token is made once, unless one is configured", async () => {
  const first = await loadAdminToken(options());
  expect(first.length).toBeGreaterThanOrEqual(64);
  expect(await loadAdminToken(options())).toBe(first);
  expect(statSync(join(dataDir, "pki", "admin.token")).mode & 0o777).toBe(0o600);
  expect(await loadAdminToken(options(), "configured-token-0123")).toBe("configured-token-0123");
});

test("a kubeconfig holds the server, its authority and the token", () => {
  const config = parse(kubeconfigYaml({ server: "https://192.0.2.7:6443", caPem: "PEM", token: "t" }));
  expect(config).toMatchObject({
    kind: "Config",
    "current-context": "wherry",
    clusters: [{ cluster: { server: "https://192.0.2.7:6443", "certificate-authority-data": btoa("PEM") } }],
    users: [{ user: { token: "t" } }],
  });
});
