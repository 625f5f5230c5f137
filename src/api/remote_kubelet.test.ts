import { expect, test } from "bun:test";
import type { WebSocketClientConnection } from "../env/http.ts";
import { StatusError } from "../kinds/status_error.ts";
import { remoteKubelet } from "./remote_kubelet.ts";

const pod = { namespace: "default", name: "web", uid: "u" };
const request = { pod, container: "c", stdin: true, stdout: true, stderr: true, tty: false, command: ["cat", "a b"] };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const frame = (channel: number, content: string) => Uint8Array.of(channel, ...new TextEncoder().encode(content));

/** A server of the pod's node that says `frames`, and remembers what it is told. */
function neighbour(frames: readonly Uint8Array[], answer: () => Response = () => new Response("")) {
  const sent: Uint8Array[] = [];
  const urls: string[] = [];
  const connection: WebSocketClientConnection = {
    protocol: "v5.channel.k8s.io",
    send: async (bytes) => void sent.push(bytes),
    messages: (async function* () {
      yield* frames;
    })(),
    close: () => undefined,
    closed: Promise.resolve({ code: 1000, reason: "" }),
  };
  const link = remoteKubelet({
    server: "https://192.0.2.8:6443",
    caPem: "CA",
    token: "T",
    httpClient: {
      fetch: async (url) => {
        urls.push(url);
        return answer();
      },
    },
    webSocketClient: {
      connect: async (url) => {
        urls.push(url);
        return connection;
      },
    },
    connect: () => Promise.reject(new Error("not tried here")),
  });
  return { link, sent, urls };
}

test("exec goes through the other server: both outputs, input with its end, and the exit code", async () => {
  const status = {
    status: "Failure",
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: "3" }] },
  };
  const { link, sent, urls } = neighbour([frame(1, "out"), frame(2, "err"), frame(3, JSON.stringify(status))]);
  const stream = await link.exec(request);
  await stream.writeStdin(new TextEncoder().encode("in"));
  stream.endStdin();
  await stream.resize(80, 24);
  const seen: string[] = [];
  for await (const { stream: name, bytes } of stream.output) seen.push(`${name} ${text(bytes)}`);
  expect(seen).toEqual(["stdout out", "stderr err"]);
  expect(await stream.exitCode).toBe(3);
  expect(sent.map((bytes) => [bytes[0], text(bytes.subarray(1))])).toEqual([
    [0, "in"],
    [255, "\u0000"],
    [4, '{"Width":80,"Height":24}\n'],
  ]);
  expect(urls[0]).toBe(
    "wss://192.0.2.8:6443/api/v1/namespaces/default/pods/web/exec?command=cat&command=a+b&container=c&stdin=true&stdout=true&stderr=true",
  );
});

test("a stream that breaks off is an error, not an end", async () => {
  const { link } = neighbour([frame(1, "half")]);
  const stream = await link.exec(request);
  const read = async () => {
    for await (const _ of stream.output);
  };
  expect(await read().catch((error: unknown) => String(error))).toContain("broke");
  expect(await stream.exitCode.catch((error: unknown) => String(error))).toContain("broke");
});

test("logs are passed on as they come, and a refusal keeps its code and reason", async () => {
  const { link, urls } = neighbour([], () => new Response("one\ntwo\n"));
  const log = { pod, container: "c", follow: false, previous: true, timestamps: false, tailLines: 2 };
  let all = "";
  for await (const chunk of await link.logs(log, new AbortController().signal)) all += text(chunk);
  expect(all).toBe("one\ntwo\n");
  expect(urls[0]).toEndWith("/pods/web/log?container=c&previous=true&tailLines=2");
  const body = JSON.stringify({ kind: "Status", reason: "BadRequest", message: "no such container", code: 400 });
  const refusing = neighbour([], () => new Response(body, { status: 400 }));
  const error = await refusing.link.logs(log, new AbortController().signal).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(StatusError);
  if (error instanceof StatusError)
    expect([error.code, error.reason, error.message]).toEqual([400, "BadRequest", "no such container"]);
});
