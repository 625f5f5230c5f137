import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../env/log.ts";
import { realClock } from "../../env/real/clock.ts";
import type { ProxyState } from "../state.ts";
import type { Request } from "./control_protocol.ts";
import { type ControlServer, serveControl } from "./control_socket.ts";
import { connectProxy, type ProxyConnection } from "./spawn.ts";
import { until } from "./tcp_contract.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const stateOf = (generation: number): ProxyState => ({
  version: 1,
  generation,
  serviceCidr: "10.43.0.0/16",
  clusterCidr: "10.42.0.0/16",
  nodePortRange: { from: 30000, to: 32767 },
  listeners: [],
});

/** The link against a control server of the test's own; network.test.ts has it against real proxies. */
describe("the link to the proxy", () => {
  let directory = "";
  let server: ControlServer | undefined;
  let link: ProxyConnection | undefined;
  let requests: Request[] = [];
  let answer: (request: Request) => Promise<object> = async () => ({});

  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), "wherry-link-")), "proxy");
    mkdirSync(directory);
    requests = [];
    answer = async () => ({});
  });
  afterEach(() => {
    link?.close();
    server?.close();
    rmSync(join(directory, ".."), { recursive: true, force: true });
  });

  async function serve(version = "1.0.0"): Promise<void> {
    const handle = (request: Request) => {
      requests.push(request);
      return answer(request);
    };
    const hello = { protocol: 1, version, pid: 42 };
    server = await serveControl({ path: join(directory, "control.sock"), hello, log: silent, handle });
  }
  /** `executable` is what it starts when nobody answers. */
  const connect = (executable = "/nonexistent/wherry", args: string[] = []) =>
    connectProxy({ directory, executable, args, version: "1.0.0", clock: realClock, log: silent });
  const generations = () => requests.flatMap((request) => (request.type === "apply" ? [request.state.generation] : []));

  test("uses the proxy that runs", async () => {
    await serve();
    link = await connect();
    expect(link.pid).toBe(42);
    await link.apply(stateOf(1));
    expect(generations()).toEqual([1]);
  });

  test("rejects a state with the proxy's words, and the next one may succeed", async () => {
    await serve();
    link = await connect();
    answer = () => Promise.reject(new Error("nft is not installed"));
    await expect(link.apply(stateOf(1))).rejects.toThrow("nft is not installed");
    answer = async () => ({});
    await link.apply(stateOf(2));
  });

  test("sends the last state again after a break, which answers all that waited", async () => {
    await serve();
    link = await connect();
    answer = () => new Promise(() => {});
    const waiting = [link.apply(stateOf(1)), link.apply(stateOf(2))];
    await until(() => generations().length === 1);
    server?.close();
    answer = async () => ({});
    await serve();
    await Promise.all(waiting);
    expect(generations()).toEqual([1, 2]);
  });

  test("asks a proxy of another version to give way, and starts one when it has", async () => {
    await serve("0.9.0");
    answer = async (request) => {
      if (request.type === "retire")
        realClock.schedule(20, () => {
          server?.close();
          rmSync(join(directory, "control.sock"), { force: true });
        });
      return {};
    };
    await expect(connect("/bin/sh", ["-c", "echo started >&2"])).rejects.toThrow("ended with exit code 0: started");
    expect(requests.map(({ type }) => type)).toEqual(["retire"]);
  });

  test("says why no proxy can be started", async () => {
    await expect(connect()).rejects.toThrow("Cannot start the proxy (/nonexistent/wherry)");
    await expect(connect("/bin/sh", ["-c", "echo out of order >&2; exit 3"])).rejects.toThrow(
      "ended with exit code 3: out of order",
    );
  });

  describe("where systemd runs", () => {
    const path = process.env.PATH;
    afterEach(() => {
      process.env.PATH = path;
    });
    /** Stands for systemd-run on the search path. */
    const standIn = (script: string) => {
      writeFileSync(join(directory, "..", "systemd-run"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      process.env.PATH = `${join(directory, "..")}:${path}`;
    };
    const started = () =>
      connectProxy({
        directory,
        executable: "/bin/sh",
        args: ["-c", "echo the proxy >&2; exit 3"],
        version: "1.0.0",
        clock: realClock,
        log: silent,
        systemd: true,
      });
    const log = () => readFileSync(join(directory, "proxy.log"), "utf8");

    test("starts the proxy in a scope", async () => {
      standIn('echo "in a scope: $1 $4" >&2; while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
      await expect(started()).rejects.toThrow("ended with exit code 3: the proxy");
      expect(log()).toMatch(/^in a scope: --scope --unit=wherry-proxy-\d+-\d+\.scope\nthe proxy\n/);
    });

    test("starts it without one where systemd gives none, or has no such tool", async () => {
      standIn("echo no bus >&2; exit 1");
      await expect(started()).rejects.toThrow("The proxy (/bin/sh -c echo the proxy >&2; exit 3");
      expect(log()).toBe("no bus\nthe proxy\n");
      process.env.PATH = "/nonexistent";
      await expect(started()).rejects.toThrow("ended with exit code 3: the proxy");
    });
  });

  test("does not accept a folder whose socket path does not fit", async () => {
    const tooLong = join(directory, "x".repeat(100));
    const options = { directory: tooLong, executable: "/nonexistent", args: [], version: "1.0.0" };
    await expect(connectProxy({ ...options, clock: realClock, log: silent })).rejects.toThrow("at most 107 fit");
  });

  test("rejects what waits when it is closed, and what comes later", async () => {
    await serve();
    link = await connect();
    answer = () => new Promise(() => {});
    const waiting = link.apply(stateOf(1));
    link.close();
    await expect(waiting).rejects.toThrow("closed");
    await expect(link.apply(stateOf(2))).rejects.toThrow("closed");
  });
});
