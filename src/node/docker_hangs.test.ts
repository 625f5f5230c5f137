import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../env/log.ts";
import { realClock } from "../env/real/clock.ts";
import { createDockerRuntime } from "./docker.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** An Engine that says what a test wants it to say. */
let engine: Server;
let answer: (request: IncomingMessage) => unknown;
let offered: string;
let directory: string;
const asked: string[] = [];

beforeEach(async () => {
  asked.length = 0;
  offered = "1.47";
  directory = await mkdtemp(join(tmpdir(), "wherry-engine-"));
  engine = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = (request.url ?? "").split("?")[0]?.replace(/^\/v1\.\d+/, "") ?? "";
    asked.push(`${request.method} ${path}`);
    const body = path === "/version" ? { Version: "28", ApiVersion: offered, Arch: "amd64" } : answer(request);
    if (body === undefined) return;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  engine.on("upgrade", (_request, socket) => {
    socket.write(
      "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
  });
  await new Promise<void>((resolve) => engine.listen(join(directory, "engine.sock"), resolve));
});
afterEach(async () => {
  engine.closeAllConnections();
  engine.close();
  await rm(directory, { recursive: true, force: true });
});

const runtime = () =>
  createDockerRuntime({
    dockerHost: `unix://${join(directory, "engine.sock")}`,
    clusterUid: "cluster",
    clock: realClock,
    log: silent,
  });

const inspected = (id: string) => ({
  Id: id,
  Created: "2026-01-01T00:00:00Z",
  Image: "sha256:1",
  Name: `/${id}`,
  State: {
    Status: "running",
    Pid: 1,
    ExitCode: 0,
    StartedAt: "2026-01-01T00:00:00Z",
    FinishedAt: "0001-01-01T00:00:00Z",
  },
  Config: {
    Image: "nginx",
    Tty: false,
    Labels: { "io.kubernetes.pod.uid": id, "io.kubernetes.container.name": "web" },
  },
  HostConfig: {},
});

test("an exec that its client has left is not asked about for ever", async () => {
  let questions = 0;
  answer = ({ url = "" }) => {
    if (url.includes("/exec/e/json")) {
      questions++;
      return { Running: true, ExitCode: null, Pid: 1 };
    }
    return { Id: "e" };
  };
  const stream = await runtime().exec("c", { command: ["sleep", "infinity"], stdin: false, tty: false });
  stream.close();
  expect(await stream.exitCode).toBeUndefined();
  expect(questions).toBeLessThan(3);
});

test("a container whose start hangs does not keep the others from being listed", async () => {
  answer = ({ url = "" }) => {
    if (url.includes("/containers/json"))
      return [
        { Id: "good", State: "running" },
        { Id: "stuck", State: "created" },
      ];
    return url.includes("/containers/good/json") ? inspected("good") : undefined;
  };
  const { containers } = await runtime().list();
  expect(containers.map(({ id }) => id)).toEqual(["good"]);
});

test("an Engine that says where an image came from is asked so that it says it", async () => {
  const digest = { RepoTags: ["app:latest"], RepoDigests: ["app@sha256:2"], Id: "sha256:2", Size: 1 };
  // Answers as Engines do: what an older API did not have is left out. Fields that are not set are left out too since 1.52.
  const identity = (origin: object) => (request: IncomingMessage) =>
    Number(/^\/v1\.(\d+)\//.exec(request.url ?? "")?.[1]) >= 53 ? { ...digest, Config: {}, Identity: origin } : digest;
  offered = "1.55";
  answer = identity({ Build: [{ Ref: "b" }] });
  expect(await runtime().imageStatus("app")).toMatchObject({ hasRegistryDigest: false, user: "" });
  answer = identity({ Pull: [{ Repository: "docker.io/library/app" }] });
  expect(await runtime().imageStatus("app")).toMatchObject({ hasRegistryDigest: true });
  offered = "1.47";
  expect(await runtime().imageStatus("app")).toMatchObject({ hasRegistryDigest: true });
});
