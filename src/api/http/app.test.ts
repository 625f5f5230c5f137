import { describe, expect, test } from "bun:test";
import type { Log } from "../../env/log.ts";
import { badRequest, notFound, StatusError } from "../../kinds/status_error.ts";
import { silentLog } from "../registry/cluster.test_support.ts";
import { pod, testServer, token, until } from "./http.test_support.ts";

const pods = "/api/v1/namespaces/default/pods";
const json = { "content-type": "application/json" };
const table = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };

describe("who may ask", () => {
  test("anyone may ask for health and version, and nothing else", async () => {
    const server = testServer();
    for (const path of ["/livez", "/readyz", "/healthz", "/version"])
      expect((await server.fetchPlain(path)).status).toBe(200);
    for (const path of ["/api", "/apis", pods, "/metrics", "/openapi/v2", "/openapi/v3", "/nothing"]) {
      const response = await server.fetchPlain(path);
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ kind: "Status", reason: "Unauthorized", code: 401 });
    }
    expect(server.core.calls).toEqual([]);
  });

  test("a wrong token is refused even where none is needed", async () => {
    const server = testServer();
    for (const authorization of [`Bearer ${token}x`, "Bearer", "Basic abc"])
      expect((await server.fetchPlain("/livez", { headers: { authorization } })).status).toBe(401);
  });

  test("a client certificate names the user and its groups", async () => {
    const server = testServer();
    const peer = { address: "::1", certificate: { commonName: "ann", organizations: ["devs"] } };
    await server.handler.fetch(new Request(`https://localhost${pods}`), peer);
    expect(server.core.last.identity).toEqual({ name: "ann", groups: ["devs", "system:authenticated"] });
  });
});

describe("verbs", () => {
  test.each([
    ["GET", pods, "list", undefined],
    ["GET", `${pods}/a`, "get", undefined],
    ["POST", pods, "create", undefined],
    ["PUT", `${pods}/a`, "update", undefined],
    ["DELETE", `${pods}/a`, "delete", undefined],
    ["DELETE", pods, "deletecollection", undefined],
    ["GET", `${pods}/a/status`, "get", "status"],
    ["POST", `${pods}/a/binding`, "create", "binding"],
  ])("%s %s is %s", async (method, path, verb, subresource) => {
    const server = testServer();
    const init = method === "POST" || method === "PUT" ? { method, body: "{}", headers: json } : { method };
    expect((await server.fetch(path, init)).status).toBe(200);
    expect(server.core.last).toMatchObject({
      verb,
      subresource,
      namespace: "default",
      resource: { group: "", version: "v1", plural: "pods" },
    });
  });

  test("a patch carries its type, the query and the client's name", async () => {
    const server = testServer();
    await server.fetch(`${pods}/a?dryRun=All&fieldManager=me`, {
      method: "PATCH",
      body: '{"spec":null}',
      headers: { "content-type": "application/merge-patch+json", "user-agent": "kubectl/v1.35.2 (linux/amd64)" },
    });
    expect(server.core.last).toMatchObject({
      verb: "patch",
      patchType: "application/merge-patch+json",
      body: { spec: null },
      query: { dryRun: "All", fieldManager: "me" },
      userAgent: "kubectl",
    });
  });

  test("methods that a resource does not have get 405, unknown paths the plain 404", async () => {
    const server = testServer();
    expect((await server.fetch("/api/v1/namespaces/default/bindings")).status).toBe(405);
    expect((await server.fetch(`${pods}/a`, { method: "POST", body: "{}", headers: json })).status).toBe(405);
    for (const path of ["/api/v1/nothing", "/api/v2/pods", "/api/v1/pods/a", `${pods}/a/nothing`, "/else"]) {
      const response = await server.fetch(path);
      expect(response.status).toBe(404);
      expect(await response.text()).toBe("404 page not found\n");
    }
  });

  test("deletion takes its options from the body, else from the query", async () => {
    const server = testServer();
    await server.fetch(`${pods}/a?gracePeriodSeconds=0&propagationPolicy=Orphan`, { method: "DELETE" });
    expect(server.core.last.body).toEqual({ gracePeriodSeconds: 0, propagationPolicy: "Orphan" });
    await server.fetch(`${pods}/a?gracePeriodSeconds=5`, {
      method: "DELETE",
      headers: json,
      body: '{"propagationPolicy":"Background"}',
    });
    expect(server.core.last.body).toEqual({ propagationPolicy: "Background" });
  });
});

describe("bodies", () => {
  const post = (body: BodyInit, contentType = "application/json", query = "") =>
    [`${pods}${query}`, { method: "POST", body, headers: { "content-type": contentType } }] as const;

  test("malformed JSON, YAML and protobuf are refused in Kubernetes' words", async () => {
    const server = testServer();
    const message = async (...request: readonly [string, RequestInit]) => {
      const response = await server.fetch(...request);
      expect(response.status).toBe(400);
      return (await response.json()).message;
    };
    expect(await message(...post("{bad"))).toBe(
      "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: invalid character 'b' looking for beginning of object key string ({bad)",
    );
    expect(await message(...post("a: [b", "application/yaml"))).toContain(
      "error converting YAML to JSON: yaml: line 1",
    );
    expect(await message(...post("k8s", "application/vnd.kubernetes.protobuf"))).toContain("must be of type Pod");
    expect(server.core.calls).toEqual([]);
  });

  test("bodies nested so deep that walking them would exhaust the stack are refused", async () => {
    const server = testServer();
    const deep = "[".repeat(100_000);
    const closed = deep + "]".repeat(100_000);
    for (const request of [
      post(deep),
      post(closed, "application/json", "?fieldValidation=Ignore"),
      post(deep, "application/yaml"),
      post(closed, "application/yaml"),
    ])
      expect((await server.fetch(...request)).status).toBe(400);
    expect(server.core.calls).toEqual([]);
  });

  test("a body of 4 MB is refused with 413, whether or not it says its length", async () => {
    const server = testServer();
    const large = new Uint8Array(4_000_000);
    const [path, init] = post(large);
    const response = await server.fetch(path, init);
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ reason: "RequestEntityTooLarge" });
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(100_000));
      },
    });
    const chunked: RequestInit & { duplex: "half" } = { method: "POST", body: stream, headers: json, duplex: "half" };
    expect((await server.fetch(path, chunked)).status).toBe(413);
    expect(server.core.calls).toEqual([]);
  });

  test("an unknown media type gets 415 with the ones that are taken", async () => {
    const server = testServer();
    expect((await server.fetch(...post("x", "text/plain"))).status).toBe(415);
    const patch = { method: "PATCH", body: "{}", headers: { "content-type": "application/json" } };
    const response = await server.fetch(`${pods}/a`, patch);
    expect(response.status).toBe(415);
    expect((await response.json()).message).toContain("application/strategic-merge-patch+json");
  });

  test("YAML is read as Kubernetes reads it, repeated keys are handed on for strict validation", async () => {
    const server = testServer();
    await server.fetch(
      ...post("a: yes\nd: 2026-01-01\nm: &x {k: 1}\nw:\n  <<: *x\n  b: 1\n  b: 2\n", "application/yaml"),
    );
    expect(server.core.last.body).toEqual({ a: true, d: "2026-01-01", m: { k: 1 }, w: { k: 1, b: 2 } });
    expect(server.core.last.decodeProblems).toEqual(['duplicate field "w.b"']);
    await server.fetch(...post('{"a":{"b":1,"b":2}}'));
    expect(server.core.last.decodeProblems).toEqual(['duplicate field "a.b"']);
    await server.fetch(...post('{"a":{"b":1,"b":2}}', "application/json", "?fieldValidation=Ignore"));
    expect(server.core.last.decodeProblems).toEqual([]);
  });
});

describe("answers", () => {
  test("errors are Statuses with their code, details and Retry-After", async () => {
    const server = testServer();
    server.core.answer = () => {
      throw notFound({ group: "", plural: "pods" }, "a");
    };
    const response = await server.fetch(`${pods}/a`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'pods "a" not found',
      reason: "NotFound",
      details: { name: "a", group: "", kind: "pods" },
      code: 404,
    });
    server.core.answer = () => {
      throw new StatusError(429, "TooManyRequests", "later", { retryAfterSeconds: 3 });
    };
    expect((await server.fetch(`${pods}/a`)).headers.get("retry-after")).toBe("3");
  });

  test("a bug becomes a 500 that tells nothing of the inside", async () => {
    const server = testServer();
    server.core.answer = () => {
      throw new TypeError("undefined is not a secret");
    };
    const response = await server.fetch(`${pods}/a`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
  });

  test("the core's code and warnings are passed on", async () => {
    const server = testServer();
    server.core.answer = () => ({ code: 201, object: pod("a"), warnings: ['unknown field "x"', "second\nline"] });
    const response = await server.fetch(pods, { method: "POST", body: "{}", headers: json });
    expect(response.status).toBe(201);
    expect(response.headers.get("warning")).toBe('299 - "unknown field \\"x\\"", 299 - "second line"');
  });

  test("a table has the kind's columns, one row an object, and only metadata unless more is asked for", async () => {
    const server = testServer();
    const list = {
      kind: "PodList",
      apiVersion: "v1",
      metadata: { resourceVersion: "9", continue: "c" },
      items: [pod("a")],
    };
    server.core.answer = () => ({ code: 200, object: list, warnings: [] });
    const shown = await (await server.fetch(pods, { headers: table })).json();
    expect(shown).toMatchObject({
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata: { resourceVersion: "9", continue: "c" },
      rows: [{ object: { kind: "PartialObjectMetadata", metadata: { name: "a" } } }],
    });
    expect(shown.columnDefinitions[0]).toMatchObject({ name: "Name", format: "name", type: "string", priority: 0 });
    expect(shown.rows[0].cells).toHaveLength(shown.columnDefinitions.length);
    expect(shown.rows[0].object.spec).toBeUndefined();
    const whole = await (await server.fetch(`${pods}?includeObject=Object`, { headers: table })).json();
    expect(whole.rows[0].object.spec).toBeDefined();
    const bare = await (await server.fetch(`${pods}?includeObject=None`, { headers: table })).json();
    expect(bare.rows[0].object).toBeUndefined();
    expect((await server.fetch(`${pods}?includeObject=All`, { headers: table })).status).toBe(400);
  });

  test("partial objects and YAML are made when asked for", async () => {
    const server = testServer();
    server.core.answer = () => ({ code: 200, object: pod("yes"), warnings: [] });
    const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    const partial = await (await server.fetch(`${pods}/yes`, { headers: { accept } })).json();
    expect(Object.keys(partial)).toEqual(["kind", "apiVersion", "metadata"]);
    const yaml = await server.fetch(`${pods}/yes`, { headers: { accept: "application/yaml" } });
    expect(yaml.headers.get("content-type")).toBe("application/yaml");
    expect(await yaml.text()).toContain('name: "yes"');
  });
});

describe("watches", () => {
  const lines = async (response: Response) =>
    (await response.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  test("events are JSON lines; an error in the middle is the last of them", async () => {
    const server = testServer();
    server.core.events = async function* () {
      yield { type: "ADDED", object: pod("a") };
      throw new StatusError(410, "Expired", "too old resource version: 1 (9)");
    };
    const response = await server.fetch(`${pods}?watch=true&resourceVersion=1`);
    expect(response.status).toBe(200);
    expect(await lines(response)).toMatchObject([
      { type: "ADDED", object: { metadata: { name: "a" } } },
      { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } },
    ]);
  });

  test("a bad request gets its own status, not an event", async () => {
    const server = testServer();
    // biome-ignore lint/correctness/useYield: this watch never gets as far.
    server.core.events = async function* () {
      throw badRequest("field label not supported: x");
    };
    expect((await server.fetch(`${pods}?watch=1&fieldSelector=x=y`)).status).toBe(400);
    server.core.events = () => {
      throw badRequest("at once");
    };
    expect((await server.fetch(`${pods}?watch=1`)).status).toBe(400);
  });

  test("headers come before the first event, and a client that goes away ends the core's watch", async () => {
    const server = testServer();
    let ended = false;
    server.core.events = async function* (signal) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      ended = true;
      yield* [];
    };
    const response = await server.fetch(`${pods}?watch=true`);
    expect(response.status).toBe(200);
    await response.body?.cancel();
    await until(() => ended, "the watch ends");
  });

  test("a client that goes away while it waits for an event is not worth a line in the log", async () => {
    const errors: string[] = [];
    const log: Log = { ...silentLog, error: (message) => void errors.push(message), with: () => log };
    const server = testServer({ log });
    let ended = false;
    server.core.events = async function* (signal) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      ended = true;
      yield* [];
    };
    const reader = (await server.fetch(`${pods}?watch=true`)).body?.getReader();
    const waiting = reader?.read();
    await reader?.cancel();
    expect((await waiting)?.done).toBe(true);
    await until(() => ended, "the watch ends");
    // What the watch does about its end is done within a few turns.
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    expect(errors).toEqual([]);
  });

  test("no more is taken from the core than the client reads", async () => {
    const server = testServer();
    let made = 0;
    server.core.events = async function* () {
      for (;;) {
        made++;
        yield { type: "ADDED" as const, object: pod(`p${made}`) };
      }
    };
    const response = await server.fetch(`${pods}?watch=true`);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.read();
    expect(made).toBeLessThanOrEqual(3);
    await reader?.cancel();
  });

  test("timeoutSeconds ends it", async () => {
    const server = testServer();
    server.core.events = async function* (signal) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      yield* [];
    };
    const response = await server.fetch(`${pods}?watch=true&timeoutSeconds=1`);
    expect(await response.text()).toBe("");
  });

  test("a table's columns stand in the first event only", async () => {
    const server = testServer();
    server.core.events = async function* () {
      yield { type: "ADDED", object: pod("a") };
      yield { type: "MODIFIED", object: pod("a") };
    };
    const [first, second] = await lines(await server.fetch(`${pods}?watch=true`, { headers: table }));
    expect(first.object.columnDefinitions.length).toBeGreaterThan(1);
    expect(second.object.columnDefinitions).toBeNull();
    expect(second.object.rows).toHaveLength(1);
  });

  test("the legacy path watches one object by its name", async () => {
    const server = testServer();
    await server.fetch("/api/v1/watch/namespaces/default/pods/a");
    expect(server.core.watches[0]?.request).toMatchObject({
      namespace: "default",
      query: { fieldSelector: "metadata.name=a" },
    });
  });
});
