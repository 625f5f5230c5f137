import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../env/log.ts";
import { realClock } from "../../env/real/clock.ts";
import type { EndpointAddress, Listener, ProxyState } from "../state.ts";
import { connectProxy, type ProxyConnection, stopProxy } from "./spawn.ts";
import { until } from "./tcp_contract.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const missing =
  process.getuid?.() !== 0
    ? "root"
    : ["ip", "nft"].find(
        (tool) => spawnSync("which", [tool], { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } }).status,
      );
const iptables = spawnSync("iptables", ["--version"]).status === 0;
const conntrack = spawnSync("conntrack", ["--version"]).status === 0;
if (missing !== undefined) console.log(`skipped: the proxy in network namespaces needs ${missing}`);

const tag = process.pid.toString(36);
const [host, pod, outside] = [`wpxh${tag}`, `wpxp${tag}`, `wpxo${tag}`];
const tool = join(import.meta.dirname, "testdata/net_tool.ts");
const proxyMain = join(import.meta.dirname, "testdata/proxy_main.ts");
const deno = join(import.meta.dirname, "../../../node_modules/@deno/linux-x64-glibc/deno");
const inside = (namespace: string) => ["netns", "exec", namespace, process.execPath];
const proxyCommand = ["ip", ...inside(host), proxyMain, "proxy"];

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}
function nft(namespace: string, ...args: string[]): string {
  return execFileSync("ip", ["netns", "exec", namespace, "nft", ...args], { encoding: "utf8" });
}

describe.skipIf(missing !== undefined)("the proxy in network namespaces", () => {
  const directory = mkdtempSync(join(tmpdir(), "wherry-proxy-"));
  const children: ChildProcess[] = [];
  /** Proxies that outlive whoever started them. */
  const pids: number[] = [];
  let link: ProxyConnection;
  let generation = 0;

  /** Starts a tool in a namespace and waits for its first line. */
  async function start(namespace: string, ...args: string[]): Promise<Running> {
    const running = new Running(spawn("ip", [...inside(namespace), tool, ...args], { stdio: "pipe" }));
    children.push(running.child);
    await running.line();
    return running;
  }

  function ask(namespace: string, protocol: "tcp" | "udp", address: string, port: number, timeoutMs = 5000): string {
    const args = [...inside(namespace), tool, "ask", protocol, address, String(port), "hello", String(timeoutMs)];
    return execFileSync("ip", args, { encoding: "utf8" }).trim();
  }

  /** A datagram that is rejected on its way out of the same machine fails in send, before an ICMP error can come. */
  const refusedUdp = (from: string) => (from === host ? "EPERM" : "ECONNREFUSED");
  const vip = (n: number, port: number, protocol: "TCP" | "UDP", endpoints: EndpointAddress[]): Listener => ({
    key: `default/svc-${n}:${port}/${protocol}`,
    protocol,
    frontend: { type: "clusterIP", address: `10.43.0.${n}`, port },
    endpoints,
  });
  const nodePort = (port: number, protocol: "TCP" | "UDP", endpoints: EndpointAddress[]): Listener => ({
    key: `default/node-${port}:/${protocol}/node`,
    protocol,
    frontend: { type: "nodePort", port },
    endpoints,
  });
  const stateOf = (listeners: Listener[]): ProxyState => ({
    version: 1,
    generation: ++generation,
    serviceCidr: "10.43.0.0/16",
    clusterCidr: "10.42.0.0/16",
    nodePortRange: { from: 30000, to: 32767 },
    listeners,
  });
  const apply = (...listeners: Listener[]) => link.apply(stateOf(listeners));
  const connect = (version = "0.0.0-test") =>
    connectProxy({
      directory,
      executable: "ip",
      args: proxyCommand.slice(1),
      version,
      clock: realClock,
      log: silent,
    });

  const web = { address: "10.42.0.5", port: 8080 };
  const echo = { address: "10.42.0.5", port: 5353 };
  const standard = [
    vip(9, 80, "TCP", [web]),
    vip(10, 53, "UDP", [echo]),
    nodePort(30080, "TCP", [web]),
    nodePort(30053, "UDP", [echo]),
  ];

  beforeAll(async () => {
    for (const namespace of [host, pod, outside]) {
      ip("netns", "add", namespace);
      ip("-n", namespace, "link", "set", "lo", "up");
    }
    const wire = (peer: string, hostAddress: string, peerAddress: string) => {
      ip("-n", host, "link", "add", `to-${peer}`, "type", "veth", "peer", "name", "eth0", "netns", peer);
      ip("-n", host, "address", "add", hostAddress, "dev", `to-${peer}`);
      ip("-n", host, "link", "set", `to-${peer}`, "up");
      ip("-n", peer, "address", "add", peerAddress, "dev", "eth0");
      ip("-n", peer, "link", "set", "eth0", "up");
      ip("-n", peer, "route", "add", "default", "via", hostAddress.split("/")[0] ?? "");
    };
    wire(pod, "10.42.0.1/24", "10.42.0.5/24");
    wire(outside, "198.51.100.1/24", "198.51.100.2/24");
    // The host's way out: what must never carry a packet for the service CIDR.
    ip("-n", host, "route", "add", "default", "via", "198.51.100.2");
    execFileSync("ip", ["netns", "exec", host, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    nft(outside, "add table ip leak");
    nft(outside, "add chain ip leak in { type filter hook prerouting priority raw; }");
    nft(outside, "add rule ip leak in ip daddr 10.43.0.0/16 counter");
    await start(pod, "listen", "tcp", "10.42.0.5", "8080", "web");
    await start(pod, "listen", "udp", "10.42.0.5", "5353", "echo");
    link = await connect();
    await apply(...standard);
  }, 30_000);

  afterAll(async () => {
    link?.close();
    const holder = readPid(directory);
    for (const child of children) child.kill("SIGKILL");
    for (const pid of [...pids, holder]) if (pid !== undefined && alive(pid)) process.kill(pid, "SIGKILL");
    for (const namespace of [host, pod, outside]) spawnSync("ip", ["netns", "del", namespace]);
    rmSync(directory, { recursive: true, force: true });
  });

  test("the virtual IP answers the host and pods, TCP and UDP", () => {
    for (const from of [host, pod]) {
      expect(ask(from, "tcp", "10.43.0.9", 80)).toBe("web hello");
      expect(ask(from, "udp", "10.43.0.10", 53)).toBe("echo hello");
    }
  }, 20_000);

  test("listeners on the same port on every address change nothing, whether they come before or after", async () => {
    for (const from of [host, pod]) {
      await start(from, "listen", "tcp", "0.0.0.0", "80", `wildcard-${from}`);
      await start(from, "listen", "udp", "0.0.0.0", "53", `wildcard-${from}`);
    }
    for (const from of [host, pod]) {
      expect(ask(from, "tcp", "10.43.0.9", 80)).toBe("web hello");
      expect(ask(from, "udp", "10.43.0.10", 53)).toBe("echo hello");
      expect(ask(from, "tcp", "127.0.0.1", 80)).toBe(`wildcard-${from} hello`);
      // A virtual IP of another Service, on the wildcard listener's port.
      expect(ask(from, "tcp", "10.43.0.10", 80)).toBe("ECONNREFUSED");
      expect(ask(from, "udp", "10.43.0.9", 53)).toBe(refusedUdp(from));
    }
    await apply(...standard, vip(11, 80, "TCP", [web]));
    for (const from of [host, pod]) expect(ask(from, "tcp", "10.43.0.11", 80)).toBe("web hello");
  }, 20_000);

  test("what no Service has is refused at once, and nothing for the service CIDR leaves", async () => {
    await apply(...standard, vip(12, 80, "TCP", []), nodePort(30099, "TCP", []));
    for (const from of [host, pod]) {
      const before = realClock.monotonicMs();
      expect(ask(from, "tcp", "10.43.0.9", 81)).toBe("ECONNREFUSED");
      expect(ask(from, "tcp", "10.43.77.7", 80)).toBe("ECONNREFUSED");
      expect(ask(from, "tcp", "10.43.0.12", 80)).toBe("ECONNREFUSED");
      expect(ask(from, "udp", "10.43.77.7", 53)).toBe(refusedUdp(from));
      expect(realClock.monotonicMs() - before).toBeLessThan(4000);
    }
    for (const from of [host, outside]) expect(ask(from, "tcp", "198.51.100.1", 30099)).toBe("ECONNREFUSED");
    expect(nft(outside, "list chain ip leak in")).toContain("counter packets 0 ");
  }, 20_000);

  test("node ports answer on every address of the host, to outside, pods and the host itself", () => {
    expect(ask(outside, "tcp", "198.51.100.1", 30080)).toBe("web hello");
    expect(ask(outside, "udp", "198.51.100.1", 30053)).toBe("echo hello");
    expect(ask(pod, "tcp", "10.42.0.1", 30080)).toBe("web hello");
    for (const address of ["127.0.0.1", "198.51.100.1", "10.42.0.1"]) {
      expect(ask(host, "tcp", address, 30080)).toBe("web hello");
      expect(ask(host, "udp", address, 30053)).toBe("echo hello");
    }
  }, 20_000);

  test("the private sockets cannot be reached from outside or from pods", () => {
    const map = nft(host, "list map ip wherry-proxy-10.43.0.0-16 cluster_ips");
    const port = Number(/tcp \. 10\.43\.0\.9 \. 80 : (\d+)/.exec(map)?.[1]);
    expect(port).toBeGreaterThan(0);
    expect(ask(host, "tcp", "169.254.43.1", port)).toBe("web hello");
    for (const from of [outside, pod]) expect(ask(from, "tcp", "169.254.43.1", port, 500)).toBe("TIMEOUT");
  }, 20_000);

  test("a changed endpoint needs no call of nft, and a kept connection stays where it was", async () => {
    await start(pod, "listen", "tcp", "10.42.0.5", "8081", "other");
    await apply(...standard);
    const kept = await start(pod, "keep", "10.43.0.9", "80");
    const table = nft(host, "list table ip wherry-proxy-10.43.0.0-16");
    await apply(vip(9, 80, "TCP", [{ ...web, port: 8081 }]), ...standard.slice(1));
    expect(ask(host, "tcp", "10.43.0.9", 80)).toBe("other hello");
    expect(await kept.say("still")).toBe("web still");
    expect(nft(host, "list table ip wherry-proxy-10.43.0.0-16")).toBe(table);
    await apply(...standard);
    kept.child.kill();
  }, 20_000);

  test("connections live through kill -9 of the control plane, whose successor finds the same proxy", async () => {
    const args = ["control", directory, "0.0.0-test"];
    const state = stateOf([...standard, vip(20, 80, "TCP", [web])]);
    link.close();
    const control = new Running(
      spawn(process.execPath, [tool, ...args, JSON.stringify(state), ...proxyCommand], { stdio: "pipe" }),
    );
    children.push(control.child);
    const pid = await control.line();
    const kept = await start(pod, "keep", "10.43.0.20", "80");
    expect(await kept.say("before")).toBe("web before");
    control.child.kill("SIGKILL");
    await until(() => control.child.signalCode === "SIGKILL");
    expect(await kept.say("between")).toBe("web between");
    expect(ask(host, "tcp", "10.43.0.20", 80)).toBe("web hello");
    link = await connect();
    expect(String(link.pid)).toBe(pid);
    await apply(...standard);
    expect(await kept.say("after")).toBe("web after");
    expect(ask(host, "tcp", "10.43.0.20", 80)).toBe("ECONNREFUSED");
    kept.child.kill();
  }, 20_000);

  test("a killed proxy is started again and serves the same state; a running UDP client goes on", async () => {
    const client = await start(pod, "keep-udp", "10.43.0.10", "53");
    expect(await client.say("before")).toBe("echo before");
    const before = link.pid;
    process.kill(before, "SIGKILL");
    await until(() => link.pid !== 0 && link.pid !== before);
    await until(() => ask(host, "tcp", "10.43.0.9", 80) === "web hello");
    expect(await client.say("after")).toBe("echo after");
    client.child.kill();
    expect((await link.status()).listeners).toBe(4);
  }, 20_000);

  test("a proxy that starts alone serves what it served last", async () => {
    await apply(...standard, vip(30, 80, "TCP", [web]));
    const before = link.pid;
    link.close();
    process.kill(before, "SIGKILL");
    const alone = spawn("ip", [...proxyCommand.slice(1), "--directory", directory], { stdio: "ignore" });
    children.push(alone);
    await until(() => readPid(directory) === alone.pid && existsSync(join(directory, "control.sock")));
    await until(() => ask(pod, "tcp", "10.43.0.30", 80) === "web hello");
    const second = spawnSync("ip", [...proxyCommand.slice(1), "--directory", directory], { encoding: "utf8" });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`process ${alone.pid} is one already`);
    link = await connect();
    expect(link.pid).toBe(alone.pid ?? 0);
  }, 20_000);

  test("a proxy of a newer version takes over; connections of the old one live on in it until they end", async () => {
    await apply(...standard);
    const old = link.pid;
    const client = await start(pod, "keep-udp", "10.43.0.10", "53");
    expect(await client.say("old")).toBe("echo old");
    const kept = await start(pod, "keep", "10.43.0.9", "80");
    link.close();
    link = await connectProxy({
      directory,
      executable: "ip",
      args: ["netns", "exec", host, "env", "PROXY_TEST_VERSION=0.0.1-test", process.execPath, proxyMain, "proxy"],
      version: "0.0.1-test",
      clock: realClock,
      log: silent,
    });
    expect(link.pid).not.toBe(old);
    pids.push(old);
    await apply(...standard);
    expect(ask(host, "tcp", "10.43.0.9", 80)).toBe("web hello");
    expect(await kept.say("old")).toBe("web old");
    expect(await client.say("new")).toBe("echo new");
    expect((await link.status()).connections).toBe(0);
    expect(alive(old)).toBe(true);
    kept.child.kill();
    await until(() => !alive(old));
    expect(ask(pod, "tcp", "10.43.0.9", 80)).toBe("web hello");
    if (conntrack) expect(await client.say("newer")).toBe("echo newer");
    client.child.kill();
  }, 30_000);

  test("files and socket are its owner's alone, and the process has a session of its own without our pipes", () => {
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of ["control.sock", "state.json", "proxy.pid", "proxy.log"])
      expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o600]);
    const { pid } = link;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const session = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3];
    expect(session).toBe(String(pid));
    const open = execFileSync("ls", ["-l", `/proc/${pid}/fd`], { encoding: "utf8" });
    expect(open).not.toContain("pipe:");
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("TOKEN");
  });

  test("rules and route that others removed come back with the next change", async () => {
    nft(host, "flush ruleset");
    await apply(...standard, vip(40, 80, "TCP", [web]));
    expect(ask(pod, "tcp", "10.43.0.40", 80)).toBe("web hello");
    expect(ask(host, "tcp", "10.43.0.9", 80)).toBe("web hello");
    expect(ask(host, "tcp", "10.43.0.9", 81)).toBe("ECONNREFUSED");
  }, 20_000);

  test("rules and route that others removed come back by themselves", async () => {
    nft(host, "delete table ip wherry-proxy-10.43.0.0-16");
    ip("-n", host, "route", "del", "10.43.0.0/16");
    ip("-n", host, "address", "del", "169.254.43.1/32", "dev", "lo");
    await until(() => ask(host, "tcp", "10.43.0.9", 80) === "web hello");
    expect(ask(pod, "tcp", "10.43.0.9", 80)).toBe("web hello");
    expect(readFileSync(join(directory, "proxy.log"), "utf8")).toMatch(/Restored .*nft table .*route/);
  }, 20_000);

  test.skipIf(!conntrack)(
    "a UDP client that sends to a node port before it is there is heard when it is, also again after it was gone",
    async () => {
      await apply(vip(10, 53, "UDP", [echo]));
      const [near, far] = await Promise.all([
        start(host, "keep-udp", "127.0.0.1", "30054"),
        start(outside, "keep-udp", "198.51.100.1", "30054"),
      ]);
      for (const round of ["1", "2"]) {
        expect(await near.say("early")).toBe("ECONNREFUSED");
        expect(await far.say("early")).toBe("ECONNREFUSED");
        await apply(nodePort(30054, "UDP", []));
        expect(await near.say("early")).toBe("ECONNREFUSED");
        await apply(nodePort(30054, "UDP", [echo]));
        expect(await near.say(round)).toBe(`echo ${round}`);
        expect(await far.say(round)).toBe(`echo ${round}`);
        await apply(vip(10, 53, "UDP", [echo]));
      }
      near.child.kill();
      far.child.kill();
      await apply(...standard);
    },
    20_000,
  );

  test.skipIf(!iptables)(
    "a firewall that closes INPUT lets Services through, and nothing more",
    async () => {
      const input = (...args: string[]) => ip("netns", "exec", host, "iptables", ...args);
      input("-A", "INPUT", "-i", "lo", "-j", "ACCEPT");
      input("-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT");
      input("-P", "INPUT", "DROP");
      expect(ask(pod, "tcp", "10.42.0.1", 80, 300)).toBe("TIMEOUT");
      await until(() => ask(pod, "tcp", "10.43.0.9", 80, 300) === "web hello");
      expect(ask(outside, "tcp", "198.51.100.1", 30080)).toBe("web hello");
      expect(ask(pod, "udp", "10.43.0.10", 53)).toBe("echo hello");
      expect(ask(pod, "tcp", "10.42.0.1", 80, 300)).toBe("TIMEOUT");
      // Once, however often it was looked after.
      expect(input("-S", "INPUT").match(/wherry-proxy/g)).toHaveLength(1);
    },
    20_000,
  );

  test("a UDP client that goes on is led to the endpoints of now, and is refused when there is none", async () => {
    await start(pod, "listen", "udp", "10.42.0.5", "5354", "other");
    const client = await start(pod, "keep-udp", "10.43.0.10", "53");
    expect(await client.say("1")).toBe("echo 1");
    await apply(vip(10, 53, "UDP", [{ ...echo, port: 5354 }]));
    expect(await client.say("2")).toBe("other 2");
    await apply(vip(10, 53, "UDP", []));
    expect(await client.say("3")).toBe("ECONNREFUSED");
    await apply(vip(10, 53, "UDP", [echo]));
    expect(await client.say("4")).toBe("echo 4");
    client.child.kill();
  }, 20_000);

  test("uninstall leaves nothing: no process, table, route, address or file", async () => {
    const { pid } = link;
    link.close();
    const complaints: string[] = [];
    const log = { ...silent, warn: (message: string) => void complaints.push(message) };
    await stopProxy(directory, { clock: realClock, log });
    await until(() => !alive(pid));
    expect(complaints).toEqual([]);
    const ruleset = nft(host, "list ruleset");
    expect(ruleset).not.toContain("wherry");
    expect(ruleset).not.toContain("169.254.43.1");
    expect(ip("-n", host, "route", "show", "table", "all")).not.toContain("10.43.0.0");
    expect(ip("-n", host, "address", "show", "dev", "lo")).not.toContain("169.254.43.1");
    expect(existsSync(directory)).toBe(false);
  }, 20_000);

  test.skipIf(!existsSync(deno))(
    "a proxy on Deno does the same",
    async () => {
      const elsewhere = mkdtempSync(join(tmpdir(), "wherry-proxy-"));
      const args = ["netns", "exec", host, deno, "run", "-A", "--no-check", proxyMain, "proxy"];
      const options = {
        directory: elsewhere,
        executable: "ip",
        args,
        version: "0.0.0-test",
        clock: realClock,
        log: silent,
      };
      const onDeno = await connectProxy(options);
      pids.push(onDeno.pid);
      await onDeno.apply(stateOf(standard));
      for (const from of [host, pod]) {
        expect(ask(from, "tcp", "10.43.0.9", 80)).toBe("web hello");
        expect(ask(from, "udp", "10.43.0.10", 53)).toBe("echo hello");
        expect(ask(from, "tcp", "10.43.0.9", 81)).toBe("ECONNREFUSED");
      }
      const { pid } = onDeno;
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toContain("deno");
      onDeno.close();
      await stopProxy(elsewhere, { clock: realClock, log: silent });
      await until(() => !alive(pid));
    },
    30_000,
  );
});

/** A child whose lines are read one at a time. */
class Running {
  readonly child: ChildProcess;
  readonly #lines: string[] = [];
  #complaint = "";

  constructor(child: ChildProcess) {
    this.child = child;
    let rest = "";
    child.stdout?.on("data", (chunk) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
    });
    child.stderr?.on("data", (chunk) => {
      this.#complaint += chunk;
    });
  }

  async line(): Promise<string> {
    await until(() => this.#lines.length > 0 || this.child.exitCode !== null);
    const line = this.#lines.shift();
    if (line === undefined) throw new Error(`ended with ${this.child.exitCode}: ${this.#complaint}`);
    return line;
  }

  say(text: string): Promise<string> {
    this.child.stdin?.write(`${text}\n`);
    return this.line();
  }
}

function readPid(directory: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(directory, "proxy.pid"), "utf8").split(" ")[0]);
    return alive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function alive(pid: number): boolean {
  try {
    // A zombie is not alive.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
