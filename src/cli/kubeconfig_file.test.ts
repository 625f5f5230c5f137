import { expect, test } from "bun:test";
import { clusterAccess } from "./kubeconfig_file.ts";

const content = {
  "current-context": "one",
  contexts: [
    { name: "one", context: { cluster: "c", user: "u", namespace: "harbour" } },
    { name: "two", context: { cluster: "gone", user: "u" } },
    { name: "files", context: { cluster: "f", user: "f" } },
  ],
  clusters: [
    { name: "c", cluster: { server: "https://boat:6443/", "certificate-authority-data": btoa("CA") } },
    { name: "f", cluster: { server: "https://boat", "certificate-authority": "ca.pem" } },
  ],
  users: [
    { name: "u", user: { token: "t" } },
    { name: "f", user: { "client-certificate": "me.crt", "client-key-data": btoa("KEY"), tokenFile: "token" } },
  ],
};
const readText = async (path: string) => `${path}'s text\n`;
const access = (context?: string) => clusterAccess({ path: "/k", content, context, readText });

test("the current context says server, authority, token and namespace", async () => {
  expect(await access()).toEqual({
    server: "https://boat:6443",
    tls: { caPem: "CA" },
    token: "t",
    namespace: "harbour",
    contextName: "one",
  });
});

test("certificates and tokens may stand in files", async () => {
  expect(await access("files")).toMatchObject({
    tls: { caPem: "ca.pem's text\n", certificatePem: "me.crt's text\n", privateKeyPem: "KEY" },
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
