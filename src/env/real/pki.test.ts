import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { realClock } from "./clock.ts";
import { realPki } from "./pki.ts";
import { realRandom } from "./random.ts";

const pki = realPki(realClock, realRandom);

test("what is asked of a certificate is read back from it, and its authority has signed it", async () => {
  const authority = await pki.createAuthority("wherry-ca", 10);
  const before = realClock.now();
  const issued = await pki.issue(authority, {
    commonName: "system:node:n1",
    organizations: ["system:nodes", "others"],
    dnsNames: ["localhost", "n1"],
    ipAddresses: ["127.0.0.1", "2001:db8::7"],
    usages: ["server", "client"],
    validDays: 5,
  });
  const facts = await pki.inspect(issued.certificatePem);
  expect(facts).toMatchObject({
    commonName: "system:node:n1",
    organizations: ["system:nodes", "others"],
    dnsNames: ["localhost", "n1"],
  });
  expect(facts.ipAddresses[0]).toBe("127.0.0.1");
  expect(new URL(`http://[${facts.ipAddresses[1]}]`).hostname).toBe("[2001:db8::7]");
  expect(facts.notBefore).toBeLessThan(before);
  expect(Math.round((facts.notAfter - before) / 86_400_000)).toBe(5);
  const [certificate, signer] = [issued, authority].map((pair) => new X509Certificate(pair.certificatePem));
  if (!certificate || !signer) throw new Error("no certificates");
  expect(certificate.verify(signer.publicKey)).toBe(true);
  expect(signer.ca).toBe(true);
  expect(certificate.ca).toBe(false);
});

test("a peer's identity signs itself, whatever the clock says, and names its key", async () => {
  const identity = await pki.createPeerIdentity("n1");
  const facts = await pki.inspect(identity.certificatePem);
  expect(facts).toMatchObject({ commonName: "n1", notBefore: 0, publicKeySha256: identity.publicKeySha256 });
  expect(new Date(facts.notAfter).toISOString()).toBe("9999-12-31T23:59:59.000Z");
  expect(identity.publicKeySha256).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  const certificate = new X509Certificate(identity.certificatePem);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(await pki.matches(identity)).toBe(true);
});

test("keys are told apart by their hash", async () => {
  const [one, two] = [await pki.createAuthority("a", 1), await pki.createAuthority("a", 1)];
  const hash = async (pem: string) => (await pki.inspect(pem)).publicKeySha256;
  expect(await hash(one.certificatePem)).toBe(await hash(one.certificatePem));
  expect(await hash(one.certificatePem)).not.toBe(await hash(two.certificatePem));
});

test("a key matches its own certificate, no other, and nothing that cannot be read", async () => {
  const [one, two] = [await pki.createAuthority("a", 1), await pki.createAuthority("a", 1)];
  expect(await pki.matches(one)).toBe(true);
  expect(await pki.matches({ ...one, privateKeyPem: two.privateKeyPem })).toBe(false);
  expect(await pki.matches({ ...one, privateKeyPem: "" })).toBe(false);
  expect(await pki.matches({ ...one, certificatePem: "torn" })).toBe(false);
});
