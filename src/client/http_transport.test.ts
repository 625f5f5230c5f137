import { afterAll, beforeAll, expect, test } from "bun:test";
import { GroupAuthorizer } from "../api/authorization.ts";
import { createHttpHandler } from "../api/http/app.ts";
import { createAuthenticator, knownToken } from "../api/http/authentication.ts";
import { createApiCore, type RunningApiCore } from "../api/registry/api_core.ts";
import { silentLog } from "../api/registry/cluster.test_support.ts";
import { createJsonBytes } from "../api/registry/json_bytes.ts";
import { MemoryStore } from "../api/registry/memory_store.test_support.ts";
import type { Listening } from "../env/http.ts";
import { realClock } from "../env/real/clock.ts";
import { realHttpClient } from "../env/real/http_client.ts";
import { realHttpServer } from "../env/real/http_server.ts";
import { realPki } from "../env/real/pki.ts";
import { realRandom } from "../env/real/random.ts";
import { allKinds } from "../kinds/all.ts";
import { KindRegistry } from "../kinds/registry.ts";
import { StatusError } from "../kinds/status_error.ts";
import { httpTransport } from "./http_transport.test_support.ts";
import type { Transport, TransportEvent } from "./transport.ts";

/** The whole way: transport, TLS, HTTP, registry and a store in memory. */
const token = "a-token-for-this-test";
const configMaps = { group: "", version: "v1", plural: "configmaps" };
const namespace = "default";
let core: RunningApiCore;
let listening: Listening;
let transport: Transport;
let stranger: Transport;

beforeAll(async () => {
  const pki = realPki(realClock, realRandom);
  const authority = await pki.createAuthority("test-ca", 1);
  const certificate = await pki.issue(authority, {
    commonName: "kube-apiserver",
    ipAddresses: ["127.0.0.1"],
    usages: ["server"],
    validDays: 1,
  });
  const kinds = new KindRegistry(allKinds);
  core = createApiCore({
    store: new MemoryStore(),
    kinds,
    clock: realClock,
    random: realRandom,
    log: silentLog,
    serviceCidr: "10.43.0.0/16",
    nodePortRange: { first: 30000, last: 32767 },
  });
  const identity = { name: "admin", groups: ["system:masters"] };
  const handler = createHttpHandler({
    core,
    kinds,
    authenticate: createAuthenticator(() => [knownToken(token, identity)]),
    authorizer: new GroupAuthorizer(),
    kubelets: () => undefined,
    clock: realClock,
    log: silentLog,
    build: { version: "0.1.0" },
    jsonBytes: createJsonBytes(),
  });
  const tls = { ...certificate, clientCaPem: authority.certificatePem };
  listening = await realHttpServer(silentLog).listen({ address: "127.0.0.1", port: 0, tls }, handler);
  const server = `https://127.0.0.1:${listening.port}`;
  const options = { http: realHttpClient, server, tls: { caPem: authority.certificatePem } };
  transport = httpTransport({ ...options, token });
  stranger = httpTransport({ ...options, token: "not-the-token" });
  await transport.send({
    verb: "create",
    resource: { group: "", version: "v1", plural: "namespaces" },
    body: { metadata: { name: namespace } },
  });
});
afterAll(async () => {
  core.close();
  await listening.close(0);
});

async function refusal(promise: Promise<unknown>): Promise<StatusError> {
  const error = await promise.then(
    () => new Error("it was not refused"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof StatusError)) throw error;
  return error;
}

test("an object is created, read, patched, listed and deleted over TLS", async () => {
  const named = { resource: configMaps, namespace, name: "a" };
  const body = { metadata: { name: "a" }, data: { x: "1" } };
  expect(await transport.send({ verb: "create", resource: configMaps, namespace, body })).toMatchObject({
    kind: "ConfigMap",
    metadata: { name: "a", namespace },
  });
  const patched = await transport.send({
    verb: "patch",
    ...named,
    patchType: "application/merge-patch+json",
    body: { data: { y: "2" } },
  });
  expect(patched).toMatchObject({ data: { x: "1", y: "2" } });
  expect(await transport.send({ verb: "get", ...named })).toEqual(patched);
  const query = { labelSelector: "none=such" };
  expect(await transport.send({ verb: "list", resource: configMaps, namespace, query })).toMatchObject({ items: [] });
  expect(await transport.send({ verb: "delete", ...named, body: { propagationPolicy: "Background" } })).toMatchObject({
    kind: "Status",
    status: "Success",
    details: { name: "a" },
  });
});

test("a refusal is the same StatusError that a client in the process gets", async () => {
  const error = await refusal(transport.send({ verb: "get", resource: configMaps, namespace, name: "none" }));
  expect(error).toMatchObject({
    code: 404,
    reason: "NotFound",
    message: 'configmaps "none" not found',
    details: { name: "none", kind: "configmaps" },
  });
  const body = { metadata: { name: "Not_A_Name" } };
  const invalid = await refusal(transport.send({ verb: "create", resource: configMaps, namespace, body }));
  expect(invalid.code).toBe(422);
  expect(invalid.details?.causes?.[0]?.field).toBe("metadata.name");
  expect((await refusal(stranger.send({ verb: "list", resource: configMaps }))).code).toBe(401);
  const nowhere = { group: "none", version: "v1", plural: "nothings" };
  expect((await refusal(transport.send({ verb: "list", resource: nowhere }))).reason).toBe("NotFound");
});

test("a server out of reach is a 503 that names it", async () => {
  const away = httpTransport({ http: realHttpClient, server: "https://127.0.0.1:1", token });
  const error = await refusal(away.send({ verb: "list", resource: configMaps }));
  expect(error.code).toBe(503);
  expect(error.message).toContain("https://127.0.0.1:1");
});

test("a watch yields events as they happen and ends when it is told to", async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const first = Promise.withResolvers<void>();
  const watching = (async () => {
    const call = { resource: configMaps, namespace, query: { resourceVersion: "0" } };
    for await (const event of transport.watch(call, stop.signal)) {
      seen.push(nameOf(event));
      if (seen.length === 1) first.resolve();
      if (seen.length === 3) stop.abort();
    }
  })();
  const create = (name: string) =>
    transport.send({ verb: "create", resource: configMaps, namespace, body: { metadata: { name } } });
  await create("w1");
  await first.promise;
  await create("w2");
  await transport.send({ verb: "delete", resource: configMaps, namespace, name: "w1" });
  await watching;
  expect(seen).toEqual(["ADDED w1", "ADDED w2", "DELETED w1"]);
});

test("a refused watch throws its StatusError", async () => {
  const call = { resource: configMaps, namespace, query: { fieldSelector: "spec.none=1" } };
  const watch = transport.watch(call, new AbortController().signal)[Symbol.asyncIterator]();
  expect((await refusal(Promise.resolve(watch.next()))).code).toBe(400);
});

function nameOf({ type, object }: TransportEvent): string {
  // Sound: the watch is on config maps, each of which has a name.
  const { metadata } = object as { metadata: { name: string } };
  return `${type} ${metadata.name}`;
}
