import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../env/log.ts";
import { realClock } from "../../env/real/clock.ts";
import { VirtualClock } from "../../sim/clock.ts";
import { connectControl } from "./control_client.ts";
import { checkState, type Request } from "./control_protocol.ts";
import { type ControlServer, serveControl } from "./control_socket.ts";
import { LineReader } from "./lines.ts";
import { until } from "./tcp_contract.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const status = { generation: 3, listeners: 2, connections: 1, refusedConnections: 0, flows: 0 };
const state = {
  version: 1,
  generation: 7,
  serviceCidr: "10.43.0.0/16",
  clusterCidr: "10.42.0.0/16",
  nodePortRange: { from: 30000, to: 32767 },
  listeners: [
    {
      key: "default/web:/TCP",
      protocol: "TCP",
      frontend: { type: "clusterIP", address: "10.43.0.5", port: 80 },
      endpoints: [{ address: "10.42.0.5", port: 8080 }],
      affinitySeconds: 60,
    },
  ],
};

describe("the control socket", () => {
  let directory = "";
  let path = "";
  let server: ControlServer;
  const requests: Request[] = [];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "wherry-control-"));
    path = join(directory, "control.sock");
    requests.length = 0;
    const hello = { protocol: 1, version: "1.2.3", pid: 42 };
    const handle = async (request: Request) => {
      requests.push(request);
      if (request.type === "retire") throw new Error("not now");
      return request.type === "status" ? { status } : { generation: 7 };
    };
    server = await serveControl({ path, hello, log: silent, handle });
  });
  afterEach(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Sends raw text; resolves with the lines that came back when `lines` have, or the end came. */
  function raw(text: string, lines: number): Promise<string[]> {
    const socket = net.connect({ path });
    const reader = new LineReader(1 << 20);
    const got: string[] = [];
    return new Promise((resolve) => {
      const finish = () => {
        socket.destroy();
        resolve(got);
      };
      socket.on("data", (chunk) => {
        got.push(...reader.push(chunk));
        if (got.length >= lines) finish();
      });
      socket.on("error", () => {});
      socket.on("close", finish);
      socket.write(text);
    });
  }

  test("says hello, answers each request with its own id, and tells failures in words", async () => {
    const connection = await connectControl(path, realClock);
    expect(connection.hello).toEqual({ protocol: 1, version: "1.2.3", pid: 42 });
    const answers = await Promise.all([
      connection.request({ type: "status" }),
      connection.request({ type: "apply", state: checkState(state) }),
    ]);
    expect(answers).toEqual([
      { id: 1, ok: true, status },
      { id: 2, ok: true, generation: 7 },
    ]);
    await expect(connection.request({ type: "retire" })).rejects.toThrow("The proxy answered: not now");
    expect(requests[1]).toEqual({ id: 2, type: "apply", state: checkState(state) });
    connection.close();
    await connection.closed;
  });

  test("is its owner's alone", () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("a state of 4 MB passes whole", async () => {
    const listeners = Array.from({ length: 20_000 }, (_, n) => ({ ...state.listeners[0], key: `default/s-${n}:/TCP` }));
    const connection = await connectControl(path, realClock);
    await connection.request({ type: "apply", state: checkState({ ...state, listeners }) });
    expect(requests[0]).toMatchObject({ type: "apply", state: { listeners } });
    connection.close();
  });

  test("what is no request is answered with what is wrong, and the connection goes on", async () => {
    const broken = { ...state, listeners: [{ ...state.listeners[0], protocol: "SCTP" }] };
    const lines = [
      "nonsense",
      "[]",
      '{"id":3,"type":"explode"}',
      JSON.stringify({ id: 4, type: "apply", state: broken }),
      '{"id":5,"type":"status"}',
    ];
    const [, ...answers] = (await raw(`${lines.join("\n")}\n`, 6)).map((line) => JSON.parse(line));
    expect(answers.map(({ id, ok }) => [id, ok])).toEqual([
      [0, false],
      [0, false],
      [3, false],
      [4, false],
      [5, true],
    ]);
    expect(answers[3].error).toBe('state.listeners[0].protocol is "SCTP", want TCP or UDP');
    expect(requests.map(({ type }) => type)).toEqual(["status"]);
  });

  test("a fifth client is turned away, and let in when there is room", async () => {
    const four = await Promise.all(Array.from({ length: 4 }, () => connectControl(path, realClock)));
    await expect(connectControl(path, realClock)).rejects.toThrow("closed its control socket");
    four[0]?.close();
    await four[0]?.closed;
    let fifth: Awaited<ReturnType<typeof connectControl>> | undefined;
    await until(() => {
      connectControl(path, realClock).then(
        (connection) => {
          fifth ??= connection;
          if (fifth !== connection) connection.close();
        },
        () => {},
      );
      return fifth !== undefined;
    });
    for (const connection of [...four, fifth]) connection?.close();
  });

  test("a server that says no hello is given up", async () => {
    const clock = new VirtualClock();
    const mute = net.createServer();
    const mutePath = join(directory, "mute.sock");
    await new Promise<void>((resolve) => mute.listen(mutePath, resolve));
    const outcome = connectControl(mutePath, clock).then(
      () => "connected",
      (error: Error) => error.message,
    );
    await clock.advance(3000);
    expect(await outcome).toBe(`The proxy behind ${mutePath} said nothing for 3 s`);
    mute.close();
  });

  test("a request that breaks off with the server is rejected", async () => {
    const connection = await connectControl(path, realClock);
    server.close();
    await connection.closed;
    await expect(connection.request({ type: "status" })).rejects.toThrow();
    await expect(connectControl(path, realClock)).rejects.toThrow();
  });
});

describe("a state from outside", () => {
  const listener = state.listeners[0];
  const withFrontend = (frontend: unknown) => ({ ...state, listeners: [{ ...listener, frontend }] });
  const cases: [string, unknown, string][] = [
    ["another version", { ...state, version: 2 }, "state.version is 2, want 1"],
    ["no object", "x", "state is not an object"],
    ["a CIDR that is none", { ...state, serviceCidr: "10.43.0.0/16; flush ruleset" }, "want an IPv4 network"],
    [
      "an address that is none",
      withFrontend({ type: "clusterIP", address: "10.43.0.5 }", port: 80 }),
      "want an IPv4 address",
    ],
    ["a port too high", withFrontend({ type: "nodePort", port: 65536 }), "at most 65535"],
    ["a port of 0", withFrontend({ type: "nodePort", port: 0 }), "at least 1"],
    ["a frontend of another type", withFrontend({ type: "external", port: 1 }), "want clusterIP or nodePort"],
    ["endpoints that are no list", { ...state, listeners: [{ ...listener, endpoints: {} }] }, "is not a list"],
  ];
  for (const [what, value, message] of cases)
    test(`is refused with ${what}`, () => {
      expect(() => checkState(value)).toThrow(message);
    });

  test("passes unchanged when it is right, without what is unknown", () => {
    expect(checkState({ ...state, extra: 1 }) as unknown).toEqual(state);
  });
});

describe("LineReader", () => {
  test("gives the same lines however the bytes are cut", () => {
    const text = "eins\nzwölf\n\ndrei\n";
    const bytes = new TextEncoder().encode(text);
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new LineReader(100);
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; at += size) lines.push(...reader.push(bytes.slice(at, at + size)));
      expect(lines).toEqual(["eins", "zwölf", "", "drei"]);
    }
  });

  test("refuses a line that is too long before it is whole", () => {
    const reader = new LineReader(8);
    reader.push(new Uint8Array(8).fill(97));
    expect(() => reader.push(new Uint8Array([97]))).toThrow("longer than 8 bytes");
  });
});
