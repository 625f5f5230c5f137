import { expect, test } from "bun:test";
import { clusterAccess } from "./kubeconfig_file.ts";

const pem = (label: string, of: string) => `-----BEGIN ${label}-----\n${of}\n-----END ${label}-----\n`;
const ca = pem("CERTIFICATE", "CA");
const key = pem("PRIVATE KEY", "KEY");
const content = {
  "current-context": "one",
  contexts: [
    { name: "one", context: { cluster: "c", user: "u", namespace: "harbour" } },
    { name: "two", context: { cluster: "gone", user: "u" } },
    { name: "files", context: { cluster: "f", user: "f" } },
  ],
  clusters: [
    { name: "c", cluster: { server: "https://boat:6443/", "certificate-authority-data": btoa(ca) } },
    { name: "f", cluster: { server: "https://boat", "certificate-authority": "ca.pem" } },
  ],
  users: [
    { name: "u", user: { token: "t" } },
    { name: "f", user: { "client-certificate": "me.crt", "client-key-data": btoa(key), tokenFile: "token" } },
  ],
};
const readText = async (path: string) => (path === "token" ? "token's text\n" : pem("CERTIFICATE", path));
const access = (context?: string) => clusterAccess({ path: "/k", content, context, readText });

test("the current context says server, authority, token and namespace", async () => {
  expect(await access()).toEqual({
    server: "https://boat:6443",
    tls: { caPem: ca },
    token: "t",
    namespace: "harbour",
    contextName: "one",
  });
});

test("certificates and tokens may stand in files", async () => {
  expect(await access("files")).toMatchObject({
    tls: { caPem: pem("CERTIFICATE", "ca.pem"), certificatePem: pem("CERTIFICATE", "me.crt"), privateKeyPem: key },
    token: "token's text",
  });
});

test("a context that is absent, or that names a cluster that is absent, is told with what there is", async () => {
  expect(access("three")).rejects.toThrow('has no context "three"; it has "one", "two", "files"');
  expect(access("two")).rejects.toThrow('names a cluster "gone" that is not in it');
});

test("a file of another form is refused with the place", async () => {
  const broken = clusterAccess({ path: "/k", content: { clusters: [{ name: 1 }] }, context: undefined, readText });
  expect(broken).rejects.toThrow(/kubeconfig \/k cannot be read: .*expected string/s);
});
