import { describe, expect, test } from "bun:test";
import type { WebSocketConnection } from "../../env/http.ts";
import { badRequest, notFound } from "../../kinds/status_error.ts";
import type { AttachRequest, ContainerStream, ExecRequest, KubeletLink, LogRequest } from "../kubelet_link.ts";
import { serveChannels } from "./channel_stream.ts";
import { pod, testServer } from "./http.test_support.ts";

const path = "/api/v1/namespaces/default/pods/web";
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (frame: Uint8Array) => new TextDecoder().decode(frame);
const framed = (channel: number, payload: string) => new Uint8Array([channel, ...bytes(payload)]);

/** A process that repeats its input until it ends, in upper case on stderr, and then exits with `code`. */
class EchoProcess implements ContainerStream {
  readonly output: AsyncIterable<{ stream: "stdout" | "stderr"; bytes: Uint8Array }>;
  readonly exitCode: Promise<number | undefined>;
  readonly sizes: [number, number][] = [];
  closed = false;
  #input: string[] = [];
  #ended = Promise.withResolvers<void>();

  constructor(code: number) {
    const [input, ended] = [this.#input, this.#ended.promise];
    this.output = (async function* () {
      await ended;
      yield { stream: "stdout" as const, bytes: bytes(input.join("")) };
      yield { stream: "stderr" as const, bytes: bytes(input.join("").toUpperCase()) };
    })();
    this.exitCode = ended.then(() => code);
  }
  async writeStdin(chunk: Uint8Array): Promise<void> {
    this.#input.push(text(chunk));
  }
  endStdin(): void {
    this.#ended.resolve();
  }
  async resize(columns: number, rows: number): Promise<void> {
    this.sizes.push([columns, rows]);
  }
  close(): void {
    this.closed = true;
    this.#ended.resolve();
  }
}

/** A client's end: sends `frames`, then keeps the connection open until the server closes it. */
function connectionOf(protocol: string, frames: readonly Uint8Array[], hangUp = false) {
  const sent: Uint8Array[] = [];
  const closing = Promise.withResolvers<number>();
  const connection: WebSocketConnection = {
    protocol,
    messages: (async function* () {
      yield* frames;
      if (!hangUp) await closing.promise;
    })(),
    async send(frame) {
      sent.push(frame);
    },
    close: (code) => closing.resolve(code),
  };
  return { connection, sent, closed: closing.promise };
}

describe("channels", () => {
  test("input goes in until its half-close, outputs come out on their channels, the exit code as a Status", async () => {
    const process = new EchoProcess(3);
    const frames = [framed(0, "a"), framed(4, '{"Width":80,"Height":24}\n'), framed(0, "b"), new Uint8Array([255, 0])];
    const { connection, sent, closed } = connectionOf("v5.channel.k8s.io", frames);
    await serveChannels(connection, process, { stdin: true, stdout: true, stderr: true });
    expect(sent.slice(0, 2).map((frame) => [frame[0], text(frame.subarray(1))])).toEqual([
      [1, "ab"],
      [2, "AB"],
    ]);
    expect(sent[2]?.[0]).toBe(3);
    expect(JSON.parse(text((sent[2] ?? new Uint8Array()).subarray(1)))).toMatchObject({
      status: "Failure",
      reason: "NonZeroExitCode",
      details: { causes: [{ reason: "ExitCode", message: "3" }] },
    });
    expect(await closed).toBe(1000);
    expect(process.sizes).toEqual([[80, 24]]);
  });

  test("success is a Status too, and a client that hangs up lets go of the process", async () => {
    const process = new EchoProcess(0);
    const { connection, sent } = connectionOf("v4.channel.k8s.io", [framed(0, "x")], true);
    await serveChannels(connection, process, { stdin: true, stdout: true, stderr: false });
    expect(process.closed).toBe(true);
    expect(sent.map((frame) => frame[0])).toEqual([1, 3]);
    expect(JSON.parse(text((sent[1] ?? new Uint8Array()).subarray(1)))).toEqual({ metadata: {}, status: "Success" });
  });
});

function podServer(link: Partial<KubeletLink>, extra: Record<string, unknown> = {}) {
  const unused = () => Promise.reject(new Error("not used here"));
  const kubelet: KubeletLink = { logs: unused, exec: unused, attach: unused, portForward: unused, ...link };
  const server = testServer({ kubelets: (node) => (node === "n1" ? kubelet : undefined) });
  server.core.answer = ({ name }) => {
    if (name !== "web") throw notFound({ group: "", plural: "pods" }, name ?? "");
    return { code: 200, object: pod("web", extra), warnings: [] };
  };
  return server;
}
const two = { spec: { nodeName: "n1", containers: [{ name: "a" }, { name: "b" }], initContainers: [{ name: "i" }] } };

describe("exec and attach", () => {
  test("the request reaches the pod's kubelet as it was written", async () => {
    const asked: (ExecRequest | AttachRequest)[] = [];
    const server = podServer({
      exec: async (request) => {
        asked.push(request);
        return new EchoProcess(0);
      },
    });
    const answer = await server.upgrade(
      `${path}/exec?command=sh&command=-c&command=ls+-l&stdin=true&stdout=1&stderr=true`,
    );
    expect(answer).toMatchObject({ protocol: "v5.channel.k8s.io" });
    expect(asked).toEqual([
      {
        pod: { namespace: "default", name: "web", uid: "uid-web" },
        container: "main",
        command: ["sh", "-c", "ls -l"],
        stdin: true,
        stdout: true,
        stderr: true,
        tty: false,
      },
    ]);
  });

  test.each([
    ["exec?command=ls&stdout=1&container=zz", {}, 400, "container zz is not valid for pod web"],
    ["exec?command=ls", {}, 400, "you must specify at least 1 of stdin, stdout, stderr"],
    ["exec?stdout=1", {}, 400, "you must specify a command to execute"],
    ["exec?command=ls&stdout=1", { upgrade: "SPDY/3.1" }, 400, "use a client that speaks WebSocket"],
    ["exec?command=ls&stdout=1", { "sec-websocket-protocol": "v1" }, 403, "are not served"],
    ["exec?command=ls&stdout=1", { authorization: "Bearer wrong" }, 401, "Unauthorized"],
  ])("%s with %p is refused with %d: %s", async (query, headers, code, message) => {
    const server = podServer({});
    const answer = await server.upgrade(`${path}/${query}`, headers);
    if (!(answer instanceof Response)) throw new Error("the upgrade was not refused");
    expect(answer.status).toBe(code);
    expect((await answer.json()).message).toContain(message);
  });

  test("what the kubelet refuses is said on the error channel, for kubectl prints no refused handshake", async () => {
    const refusing = podServer({ exec: () => Promise.reject(badRequest('container "main" is not running')) });
    const answer = await refusing.upgrade(`${path}/exec?command=ls&stdout=1`);
    if (answer instanceof Response) throw new Error("the upgrade was refused");
    const { connection, sent, closed } = connectionOf("v5.channel.k8s.io", []);
    await answer.serve(connection);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.[0]).toBe(3);
    expect(JSON.parse(text((sent[0] ?? new Uint8Array()).subarray(1)))).toMatchObject({
      status: "Failure",
      message: 'container "main" is not running',
      code: 400,
    });
    expect(await closed).toBe(1000);
  });

  test.each(["exec?command=ls&stdout=1", "portforward"])(
    "SPDY to %s of an unscheduled pod is told that",
    async (query) => {
      const unscheduled = podServer({}, { spec: { containers: [{ name: "main" }] } });
      const answer = await unscheduled.upgrade(`${path}/${query}`, { upgrade: "SPDY/3.1" });
      if (!(answer instanceof Response)) throw new Error("the upgrade was not refused");
      expect((await answer.json()).message).toBe("pod web does not have a host assigned");
    },
  );

  test("a pod that is not there, or has several containers, is a proper Status", async () => {
    const several = podServer({}, two);
    const answer = await several.upgrade(`${path}/exec?command=ls&stdout=1`);
    if (!(answer instanceof Response)) throw new Error("the upgrade was not refused");
    expect((await answer.json()).message).toBe(
      "a container name must be specified for pod web, choose one of: [i a b]",
    );
    const missing = await several.upgrade("/api/v1/namespaces/default/pods/none/attach?stdout=1");
    expect(missing instanceof Response && missing.status).toBe(404);
  });
});

describe("logs", () => {
  test("options reach the kubelet and its bytes the client", async () => {
    const asked: LogRequest[] = [];
    const server = podServer({
      logs: async (request) => {
        asked.push(request);
        return (async function* () {
          yield bytes("one\n");
          yield bytes("two\n");
        })();
      },
    });
    const response = await server.fetch(
      `${path}/log?follow=true&tailLines=5&timestamps=true&sinceSeconds=60&limitBytes=9`,
    );
    expect(response.headers.get("content-type")).toStartWith("text/plain");
    expect(await response.text()).toBe("one\ntwo\n");
    expect(asked).toEqual([
      {
        pod: { namespace: "default", name: "web", uid: "uid-web" },
        container: "main",
        follow: true,
        previous: false,
        timestamps: true,
        tailLines: 5,
        limitBytes: 9,
        sinceSeconds: 60,
      },
    ]);
  });

  test.each([
    ["", two, 400, "a container name must be specified for pod web, choose one of: [i a b]"],
    ["?container=x", {}, 400, "container x is not valid for pod web"],
    ["?tailLines=-1", {}, 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"],
    ["?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", {}, 422, "at most one of `sinceTime` or `sinceSeconds`"],
    ["?sinceTime=yesterday", {}, 400, "not an RFC 3339 time"],
  ])("log%s of %p is refused with %d: %s", async (query, extra, code, message) => {
    const response = await podServer({}, extra).fetch(`${path}/log${query}`);
    expect(response.status).toBe(code);
    expect((await response.json()).message).toContain(message);
  });

  test("a container that has not started says why, from the pod's status", async () => {
    const waiting = (reason: string) => ({
      status: { containerStatuses: [{ name: "main", state: { waiting: { reason } } }] },
    });
    const link = { logs: () => Promise.reject(notFound({ group: "", plural: "containers" }, "main")) };
    const message = async (extra: Record<string, unknown>, query = "") =>
      (await (await podServer(link, extra).fetch(`${path}/log${query}`)).json()).message;
    expect(await message(waiting("ContainerCreating"))).toBe(
      'container "main" in pod "web" is waiting to start: ContainerCreating',
    );
    expect(await message(waiting("ImagePullBackOff"))).toBe(
      'container "main" in pod "web" is waiting to start: trying and failing to pull image',
    );
    expect(await message({}, "?previous=true")).toBe('previous terminated container "main" in pod "web" not found');
  });

  test("an unscheduled pod has an empty log; a node out of reach is a 503; the kubelet's refusal is passed on", async () => {
    const unscheduled = podServer({}, { spec: { containers: [{ name: "main" }] } });
    expect(await (await unscheduled.fetch(`${path}/log`)).text()).toBe("");
    const away = podServer({}, { spec: { nodeName: "n2", containers: [{ name: "main" }] } });
    expect((await away.fetch(`${path}/log`)).status).toBe(503);
    const refusing = podServer({ logs: () => Promise.reject(badRequest("not yet")) });
    expect((await refusing.fetch(`${path}/log`)).status).toBe(400);
  });

  test("a log that breaks off lets go of the kubelet, and so does a client that hangs up while it follows", async () => {
    const signals: AbortSignal[] = [];
    const server = podServer({
      logs: async ({ follow }, signal) => {
        signals.push(signal);
        return (async function* () {
          yield bytes("one\n");
          if (!follow) throw new Error("the engine is gone");
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
        })();
      },
    });
    await expect((await server.fetch(`${path}/log`)).text()).rejects.toThrow("the engine is gone");
    const reader = (await server.fetch(`${path}/log?follow=true`)).body?.getReader();
    await reader?.read();
    const waiting = reader?.read();
    await reader?.cancel();
    expect((await waiting)?.done).toBe(true);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});
