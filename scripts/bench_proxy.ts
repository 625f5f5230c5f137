/**
 * `bun scripts/bench_proxy.ts [--seconds S] [--runs N] [--json]`: the proxy process against HAProxy (mode tcp, one thread) and
 * against no proxy at all, on the same back end, in a network namespace of its own, taking turns; medians of N runs. Wherry is
 * measured the way its users reach it, through a virtual IP, kernel rules included. Load generator, proxy and back end share
 * the machine's processors: read ratios, and the processor time a proxy took.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../src/env/real/clock.ts";
import { createLog } from "../src/env/real/log.ts";
import { runProxyProcess } from "../src/proxy/dataplane/process.ts";
import type { ProxyState } from "../src/proxy/state.ts";
import { type Figure, median, print, processorSeconds, proportionalSetSize } from "./bench_figures.ts";

const [role, ...words] = process.argv.slice(2);
const backendPorts = { reply: 18080, bulk: 18081, udp: 18082 };
const haproxyPorts = { reply: 18180, bulk: 18181 };
const virtualIp = "10.43.0.9";
const virtualPorts = { reply: 80, bulk: 81, udp: 53 };
const requestBytes = 128;
const replyBytes = 256;

/** Answers every 128 bytes with 256; on the other port sends without end; echoes datagrams. */
async function backend(): Promise<void> {
  const reply = new Uint8Array(replyBytes).fill(114);
  const block = new Uint8Array(256 * 1024).fill(98);
  type Sender = { write(chunk: Uint8Array): number };
  const pour = (socket: Sender) => {
    while (socket.write(block) === block.length);
  };
  Bun.listen<{ heard: number }>({
    hostname: "127.0.0.1",
    port: backendPorts.reply,
    socket: {
      open(socket) {
        socket.data = { heard: 0 };
      },
      data(socket, chunk) {
        socket.data.heard += chunk.length;
        for (; socket.data.heard >= requestBytes; socket.data.heard -= requestBytes) socket.write(reply);
      },
    },
  });
  Bun.listen({ hostname: "127.0.0.1", port: backendPorts.bulk, socket: { open: pour, drain: pour, data() {} } });
  const udp = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: backendPorts.udp,
    socket: { data: (_socket, datagram, port, address) => void udp.send(datagram, port, address), error() {} },
  });
  console.log("listening");
}

/** One measurement; prints how many of its units passed in a second. */
async function load(kind: string, address: string, port: number, streams: number, seconds: number): Promise<void> {
  const request = new Uint8Array(requestBytes).fill(113);
  let count = 0;
  let failures = 0;
  let ended = false;
  if (kind === "bulk") {
    for (let n = 0; n < streams; n++)
      await Bun.connect({
        hostname: address,
        port,
        socket: {
          data(_socket, chunk) {
            count += chunk.length / (1024 * 1024);
          },
        },
      });
  } else if (kind === "requests") {
    const heard = new Array<number>(streams).fill(0);
    for (let n = 0; n < streams; n++)
      await Bun.connect({
        hostname: address,
        port,
        socket: {
          open: (socket) => void socket.write(request),
          data(socket, chunk) {
            const total = (heard[n] ?? 0) + chunk.length;
            heard[n] = total % replyBytes;
            if (total < replyBytes) return;
            count++;
            socket.write(request);
          },
        },
      });
  } else if (kind === "connections") {
    const next = () => {
      if (ended) return;
      let heard = 0;
      Bun.connect({
        hostname: address,
        port,
        socket: {
          open: (socket) => void socket.write(request),
          data(socket, chunk) {
            heard += chunk.length;
            if (heard < replyBytes) return;
            count++;
            socket.end();
          },
          close() {
            if (heard < replyBytes && !ended) failures++;
            next();
          },
          connectError() {
            failures++;
          },
        },
      }).catch(next);
    };
    for (let n = 0; n < streams; n++) next();
  } else {
    for (let n = 0; n < streams; n++) {
      const socket = await Bun.udpSocket({
        connect: { hostname: address, port },
        socket: {
          data() {
            count++;
            socket.send("x".repeat(64));
          },
          error() {},
        },
      });
      socket.send("x".repeat(64));
    }
  }
  const settleMs = 200;
  await new Promise<void>((resolve) => realClock.schedule(settleMs, resolve));
  const before = count;
  const from = realClock.monotonicMs();
  await new Promise<void>((resolve) => realClock.schedule(seconds * 1000, resolve));
  const perSecond = ((count - before) * 1000) / (realClock.monotonicMs() - from);
  ended = true;
  if (failures > 0) console.error(`bench: ${failures} connections failed (${kind} to ${address}:${port})`);
  console.log(String(perSecond));
  process.exit(0);
}

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(name);
  return at >= 0 ? Number(process.argv[at + 1]) : fallback;
}

async function main(): Promise<void> {
  const seconds = option("--seconds", 2);
  const runs = option("--runs", 5);
  const json = process.argv.includes("--json");
  if (process.getuid?.() !== 0) {
    console.log("bench proxy: skipped, because network namespaces need root");
    return;
  }
  const hasHaproxy = spawnSync("haproxy", ["-v"]).status === 0;
  if (!hasHaproxy) console.log("bench proxy: no HAProxy here (apt-get install haproxy): its figures are left out");

  const namespace = `wbench${process.pid.toString(36)}`;
  const directory = mkdtempSync(join(tmpdir(), "wherry-bench-"));
  const children: ChildProcess[] = [];
  const inside = ["netns", "exec", namespace];
  const ip = (...args: string[]) => {
    const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
  };
  const started = (command: readonly string[], ready: RegExp): Promise<ChildProcess> => {
    const child = spawn("ip", [...inside, ...command], { stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    return new Promise((resolve, reject) => {
      let text = "";
      const read = (chunk: unknown) => {
        text += chunk;
        if (ready.test(text)) resolve(child);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.on("exit", (code) => reject(new Error(`${command.join(" ")} ended with ${code}: ${text}`)));
    });
  };

  try {
    ip("netns", "add", namespace);
    ip("-n", namespace, "link", "set", "lo", "up");
    // A client port is free again soon: the bench opens more connections than there are ports.
    ip(...inside, "sysctl", "-qw", "net.ipv4.ip_local_port_range=20000 65000", "net.ipv4.tcp_max_tw_buckets=1000");
    const self = [process.execPath, import.meta.filename];
    await started([...self, "backend"], /listening/);
    writeFileSync(join(directory, "state.json"), JSON.stringify(benchState()));
    const wherry = await started([...self, "proxy", "--directory", directory], /Proxy serving/);
    let haproxy: ChildProcess | undefined;
    if (hasHaproxy) {
      writeFileSync(join(directory, "haproxy.cfg"), haproxyConfig());
      haproxy = await started(["haproxy", "-f", join(directory, "haproxy.cfg"), "-db", "-V"], /Available polling/);
      // It says nothing when it listens.
      await new Promise<void>((resolve) => realClock.schedule(500, resolve));
    }

    const targets = [
      ...(haproxy ? [{ name: "HAProxy", address: "127.0.0.1", ports: haproxyPorts, pid: haproxy.pid ?? 0 }] : []),
      { name: "Wherry", address: virtualIp, ports: virtualPorts, pid: wherry.pid ?? 0 },
      { name: "no proxy", address: "127.0.0.1", ports: backendPorts, pid: 0 },
    ];
    const kinds = [
      { kind: "bulk", name: "one bulk stream", port: "bulk", streams: 1, unit: "MiB/s" },
      { kind: "bulk", name: "8 bulk streams", port: "bulk", streams: 8, unit: "MiB/s" },
      { kind: "requests", name: "requests on 64 kept connections", port: "reply", streams: 64, unit: "/s" },
      { kind: "connections", name: "new connections, 64 at a time", port: "reply", streams: 64, unit: "/s" },
      { kind: "udp", name: "UDP echo, 16 clients", port: "udp", streams: 16, unit: "/s" },
    ] as const;
    const figures: Figure[] = [];
    for (const { kind, name, port, streams, unit } of kinds) {
      const results = new Map<string, number[]>();
      const costs = new Map<string, number[]>();
      for (let round = 0; round < runs; round++) {
        for (const target of targets) {
          const targetPort = "udp" in target.ports || port !== "udp" ? portOf(target.ports, port) : undefined;
          if (targetPort === undefined) continue;
          const before = target.pid > 0 ? processorSeconds(target.pid) : 0;
          const args = ["load", kind, target.address, String(targetPort), String(streams), String(seconds)];
          const outcome = spawnSync("ip", [...inside, ...self, ...args], { encoding: "utf8" });
          if (outcome.status !== 0) throw new Error(`load ${kind} on ${target.name}: ${outcome.stderr}`);
          if (outcome.stderr !== "") process.stderr.write(outcome.stderr);
          push(results, target.name, Number(outcome.stdout));
          const used = target.pid > 0 ? processorSeconds(target.pid) - before : 0;
          push(costs, target.name, (used / (Number(outcome.stdout) * (seconds + 0.2))) * 1e6);
        }
      }
      const peer = results.has("HAProxy") ? "HAProxy" : "no proxy";
      for (const [target, values] of results) {
        const ratio = median(values) / median(results.get(peer) ?? []);
        const cost =
          target === "no proxy" ? "" : `, ${median(costs.get(target) ?? []).toFixed(1)} µs of processor each`;
        const against = `${target === peer ? "" : `${ratio.toFixed(2)} × ${peer}`}${cost}`.replace(/^, /, "");
        figures.push({ name: `${name}: ${target}`, value: median(values), unit, ...(against ? { against } : {}) });
      }
    }
    const megabyte = 1024 * 1024;
    figures.push({
      name: "memory after all that (PSS): Wherry",
      value: proportionalSetSize(wherry.pid ?? 0) / megabyte,
      unit: "MiB",
    });
    if (haproxy)
      figures.push({
        name: "memory after all that (PSS): HAProxy",
        value: proportionalSetSize(haproxy.pid ?? 0) / megabyte,
        unit: "MiB",
      });
    print(`proxy (medians of ${runs} runs of ${seconds} s)`, figures, json);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    spawnSync("ip", ["netns", "del", namespace]);
    rmSync(directory, { recursive: true, force: true });
  }
}

function push(into: Map<string, number[]>, name: string, value: number): void {
  const values = into.get(name);
  if (values) values.push(value);
  else into.set(name, [value]);
}

function portOf(ports: Readonly<Record<string, number>>, name: string): number | undefined {
  return ports[name];
}

function benchState(): ProxyState {
  const listener = (port: "reply" | "bulk" | "udp", protocol: "TCP" | "UDP") => ({
    key: `default/${port}:/${protocol}`,
    protocol,
    frontend: { type: "clusterIP" as const, address: virtualIp, port: virtualPorts[port] },
    endpoints: [{ address: "127.0.0.1", port: backendPorts[port] }],
  });
  return {
    version: 1,
    generation: 1,
    serviceCidr: "10.43.0.0/16",
    clusterCidr: "10.42.0.0/16",
    nodePortRange: { from: 30000, to: 32767 },
    listeners: [listener("bulk", "TCP"), listener("reply", "TCP"), listener("udp", "UDP")],
  };
}

function haproxyConfig(): string {
  const section = (name: "reply" | "bulk") => `
listen ${name}
  bind 127.0.0.1:${haproxyPorts[name]}
  server one 127.0.0.1:${backendPorts[name]}
`;
  return `global
  nbthread 1
  maxconn 8000
defaults
  mode tcp
  timeout connect 2s
  timeout client 1m
  timeout server 1m
${section("reply")}${section("bulk")}`;
}

if (role === "backend") await backend();
else if (role === "load") {
  const [kind = "", address = "", port, streams, seconds] = words;
  await load(kind, address, Number(port), Number(streams), Number(seconds));
} else if (role === "proxy") {
  const log = createLog({ level: "info", format: "text", clock: realClock, write: (line) => console.error(line) });
  await runProxyProcess({ directory: words[1] ?? "", version: "bench", clock: realClock, log });
} else await main();
