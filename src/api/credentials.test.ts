import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { realClock } from "../env/real/clock.ts";
import { realDisk } from "../env/real/disk.ts";
import { realPki } from "../env/real/pki.ts";
import { realRandom } from "../env/real/random.ts";
import { kubeconfigYaml, loadAdminToken, loadAuthority, loadServerCertificate, renewalDelayMs } from "./credentials.ts";

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
  expect(await renewalDelayMs(pki, first.certificatePem, now)).toBeGreaterThan(0);

  const renewed = await at(now + 300 * dayMs);
  expect(renewed.certificatePem).not.toBe(first.certificatePem);
  const moved = await at(now, { ...names, nodeIps: ["192.0.2.8"] });
  expect((await pki.inspect(moved.certificatePem)).ipAddresses).toContain("192.0.2.8");
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
