import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BackOff } from "./back_off.ts";
import { RuntimeError } from "./container_runtime.ts";
import { engineError, pullError } from "./docker_errors.ts";
import { demultiplex, jsonLines } from "./docker_streams.ts";
import { imageNameProblem } from "./image_reference.ts";
import { pauseProgram } from "./pause_image.ts";
import { loginFor } from "./registry_login.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe("Docker's streams", () => {
  test("are taken apart the same however they are cut", async () => {
    const message = fc.record({
      stream: fc.constantFrom(1, 2),
      payload: fc.uint8Array({ minLength: 0, maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), async (messages, size) => {
        const framed = messages.flatMap(({ stream, payload }) => [
          stream,
          0,
          0,
          0,
          0,
          0,
          0,
          payload.length,
          ...payload,
        ]);
        const got: Record<string, number[]> = { stdout: [], stderr: [] };
        for await (const { stream, bytes } of demultiplex(inPieces(Uint8Array.from(framed), size)))
          got[stream]?.push(...bytes);
        const want = (stream: number) =>
          messages.filter((one) => one.stream === stream).flatMap(({ payload }) => [...payload]);
        expect(got).toEqual({ stdout: want(1), stderr: want(2) });
      }),
    );
  });

  test("of JSON are read a line at a time, also where a character is cut in two", async () => {
    const bytes = new TextEncoder().encode('{"a":"ä"}\n\n{"b":2}\n{"c":3}');
    const values: unknown[] = [];
    for await (const value of jsonLines(inPieces(bytes, 1))) values.push(value);
    expect(values).toEqual([{ a: "ä" }, { b: 2 }, { c: 3 }]);
  });
});

describe("an Engine's failure", () => {
  const failure = (statusCode: number | undefined, message: string) =>
    Object.assign(new Error(message), statusCode === undefined ? {} : { statusCode });
  const codeOf = (error: unknown) => (error instanceof RuntimeError ? error.code : "");

  test("is told apart by what the kubelet can do about it", () => {
    expect(codeOf(engineError("x", failure(undefined, "connect ENOENT /var/run/docker.sock")))).toBe("Unavailable");
    expect(codeOf(engineError("x", failure(404, "(HTTP code 404) no such container - No such container: a ")))).toBe(
      "NotFound",
    );
    expect(codeOf(engineError("x", failure(404, "(HTTP code 404) unexpected - No such image: a:latest ")))).toBe(
      "ImageNotFound",
    );
    expect(codeOf(engineError("x", failure(400, "OCI runtime create failed"), "start"))).toBe("StartFailed");
    expect(engineError("start it", failure(500, "(HTTP code 500) server error - no space left ")).message).toBe(
      "Cannot start it: no space left",
    );
  });

  test("to pull says whether the registry has no such image or does not answer", () => {
    const away = [
      'Get "https://registry.invalid/v2/": dial tcp: lookup registry.invalid: no such host',
      'Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout',
      'Get "https://r/v2/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    ];
    for (const text of away) expect(pullError("a", text).code).toBe("RegistryUnavailable");
    const absent = [
      "manifest for nginx:nope not found: manifest unknown: manifest unknown",
      "pull access denied for absent, repository does not exist or may require 'docker login'",
    ];
    for (const text of absent) expect(pullError("a", text).code).toBe("ImageNotFound");
  });
});

describe("an image's name", () => {
  test("is what the reference grammar allows", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    for (const name of [
      "nginx",
      "nginx:1.27",
      "a/b_c/d--e",
      "localhost:5000/x",
      `r.example.com/x:1@${digest}`,
      `x@${digest}`,
    ])
      expect([name, imageNameProblem(name)]).toEqual([name, undefined]);
    for (const name of ["", "a b", "nginx:", ":1", "a//b", "x@sha256:12", "-a", "nginx:latest:1"])
      expect([name, imageNameProblem(name)]).toEqual([
        name,
        `couldn't parse image name "${name}": invalid reference format`,
      ]);
    expect(imageNameProblem("Nginx")).toEndWith("repository name must be lowercase");
  });
});

describe("the login for a registry", () => {
  const secret = (content: unknown, key = ".dockerconfigjson") => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "s", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    data: { [key]: Buffer.from(typeof content === "string" ? content : JSON.stringify(content)).toString("base64") },
  });
  const hub = secret({ auths: { "https://index.docker.io/v1/": { auth: Buffer.from("me:a:b").toString("base64") } } });
  const own = secret({ "registry.example.com:5000": { username: "you", password: "c" } }, ".dockercfg");

  test("is the one whose host is the image's", () => {
    const secrets = [secret("no JSON"), hub, own];
    expect(loginFor("nginx", secrets)).toMatchObject({ username: "me", password: "a:b" });
    expect(loginFor("docker.io/library/nginx:1", secrets)).toMatchObject({ username: "me" });
    expect(loginFor("registry.example.com:5000/a/b:1", secrets)).toMatchObject({ username: "you", password: "c" });
    expect(loginFor("registry.example.com/a", secrets)).toBeUndefined();
    expect(loginFor("nginx", [])).toBeUndefined();
  });
});

describe("the back-off", () => {
  test("doubles from ten seconds to five minutes, and is forgotten after ten quiet ones", () => {
    const backOff = new BackOff();
    let nowMs = 0;
    const pauses: number[] = [];
    for (let n = 0; n < 8; n++) {
      const waitMs = backOff.waitMs("a", nowMs, nowMs);
      pauses.push(waitMs / 1000);
      const failedMs = nowMs;
      nowMs += waitMs;
      backOff.repeated("a", failedMs, nowMs);
      nowMs += 1000;
    }
    expect(pauses).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
    expect(backOff.waitMs("a", nowMs + 601_000, nowMs + 601_000)).toBe(0);
    expect(backOff.waitMs("b", 0, 0)).toBe(0);
  });
});

describe("the sandbox's program", () => {
  test("is a small static ELF file for both processors, and refuses others", () => {
    for (const [architecture, machine] of [
      ["amd64", 62],
      ["arm64", 183],
    ] as const) {
      const program = pauseProgram(architecture);
      expect(program.length).toBeLessThan(250);
      expect([...program.subarray(0, 4)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
      expect(new DataView(program.buffer).getUint16(18, true)).toBe(machine);
    }
    expect(() => pauseProgram("mips")).toThrow("mips");
  });
});
