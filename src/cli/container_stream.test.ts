import { describe, expect, test } from "bun:test";
import type { WebSocketClientConnection } from "../env/http.ts";
import { type Answer, wherry } from "./cluster.test_support.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "default" },
  spec: { containers: [{ name: "nginx" }, { name: "side" }] },
  status: { phase: "Running" },
};
const answer: Answer = ({ path }) => (path.endsWith("/pods/web") ? pod : undefined);
const encode = (channel: number, text: string) => Uint8Array.of(channel, ...new TextEncoder().encode(text));

/** A container at the other end: writes `frames`, once it has heard `until` input frames. */
function container(frames: readonly Uint8Array[], until = 0) {
  const heard: Uint8Array[] = [];
  let url = "";
  let enough: () => void = () => undefined;
  const connection: WebSocketClientConnection = {
    protocol: "v5.channel.k8s.io",
    closed: Promise.resolve({ code: 1006, reason: "gone" }),
    async send(frame) {
      heard.push(frame);
      if (heard.length >= until) enough();
    },
    messages: (async function* () {
      if (until > 0)
        await new Promise<void>((resolve) => {
          enough = resolve;
          if (heard.length >= until) resolve();
        });
      yield* frames;
    })(),
    close: () => undefined,
  };
  return {
    heard,
    url: () => new URL(url),
    webSocket: (to: string) => {
      url = to;
      return connection;
    },
  };
}

const success = encode(3, '{"metadata":{},"status":"Success"}');
const exit = (code: number) =>
  encode(
    3,
    `{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"${code}"}]}}`,
  );

describe("exec", () => {
  test("passes both streams, and asks for the first container and the command as it was written", async () => {
    const end = container([encode(1, "out"), encode(2, "err"), success]);
    const { code, out, err } = await wherry(["exec", "web", "--", "ls", "-l", "a b"], {
      answer,
      webSocket: end.webSocket,
    });
    expect({ code, out }).toEqual({ code: 0, out: "out" });
    expect(err).toBe('Defaulted container "nginx" out of: nginx, side\nerr');
    expect(end.url().pathname).toBe("/api/v1/namespaces/default/pods/web/exec");
    expect([...end.url().searchParams]).toEqual([
      ["command", "ls"],
      ["command", "-l"],
      ["command", "a b"],
      ["container", "nginx"],
      ["stdout", "true"],
      ["stderr", "true"],
    ]);
  });

  test("ends with the process's own exit code", async () => {
    const { webSocket } = container([exit(3)]);
    const { code, err } = await wherry(["exec", "web", "-c", "side", "--", "false"], { answer, webSocket });
    expect({ code, err }).toEqual({ code: 3, err: "command terminated with exit code 3\n" });
  });

  test("-i passes standard input and then closes that half", async () => {
    const end = container([encode(1, "echo"), success], 2);
    const { out } = await wherry(["exec", "-i", "web", "-c", "side", "--", "cat"], {
      answer,
      webSocket: end.webSocket,
      input: "hello",
    });
    expect(out).toBe("echo");
    expect(end.heard).toEqual([encode(0, "hello"), Uint8Array.of(255, 0)]);
    expect(end.url().searchParams.get("stdin")).toBe("true");
  });

  test("-t tells the size of the terminal, and has no stream of errors", async () => {
    const end = container([success], 1);
    await wherry(["exec", "-t", "web", "-c", "side", "--", "sh"], { answer, webSocket: end.webSocket, terminal: true });
    expect(end.heard).toEqual([encode(4, '{"Width":120,"Height":40}\n')]);
    expect(end.url().searchParams.get("tty")).toBe("true");
    expect(end.url().searchParams.has("stderr")).toBe(false);
  });

  test("-t without a terminal goes on without one, and says so", async () => {
    const end = container([success]);
    const { err } = await wherry(["exec", "-t", "web", "-c", "side", "--", "sh"], { answer, webSocket: end.webSocket });
    expect(err).toBe("Unable to use a TTY - input is not a terminal or the right kind of file\n");
    expect(end.url().searchParams.has("tty")).toBe(false);
  });

  test("a connection that breaks is a failure, not an end", async () => {
    const { webSocket } = container([encode(1, "half")]);
    const { code, err } = await wherry(["exec", "web", "-c", "side", "--", "x"], { answer, webSocket });
    expect(code).toBe(1);
    expect(err).toBe("error: the connection to the container broke: code 1006, gone\n");
  });

  test("what the server could not do is told in its words", async () => {
    const { webSocket } = container([
      encode(3, '{"status":"Failure","reason":"InternalError","message":"no such container"}'),
    ]);
    const { code, err } = await wherry(["exec", "web", "-c", "side", "--", "x"], { answer, webSocket });
    expect({ code, err }).toEqual({ code: 1, err: "Error from server (InternalError): no such container\n" });
  });

  test("without -- it is wrong usage, and an unknown container names those that are there", async () => {
    expect((await wherry(["exec", "web", "ls"], { answer })).code).toBe(2);
    const { err } = await wherry(["exec", "web", "-c", "no", "--", "ls"], { answer });
    expect(err).toBe("error: container no not found in pod web; it has nginx, side\n");
  });
});
