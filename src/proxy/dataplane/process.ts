import { readFileSync } from "node:fs";
import { type Clock, sleep } from "../../env/clock.ts";
import { describeError, type Log } from "../../env/log.ts";
import { type Hello, protocolVersion, type Request } from "./control_protocol.ts";
import { serveControl } from "./control_socket.ts";
import { Dataplane } from "./dataplane.ts";
import { ProxyDirectory } from "./directory.ts";
import { type HostNetwork, LinuxNetwork } from "./host_network.ts";
import { PortMemory } from "./port_memory.ts";
import { bunUdp, nodeUdp } from "./udp_sockets.ts";

export interface ProxyProcessOptions {
  /** Absolute. Made when it is not there. */
  readonly directory: string;
  /** Of the executable. */
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted by SIGTERM: ends at once and leaves the rules; the next proxy finds them and state.json. */
  readonly signal?: AbortSignal;
  /** For tests without root. */
  readonly network?: HostNetwork;
  readonly privateAddress?: string;
  /** How often rules and route that others removed are looked for; 30 s when absent. */
  readonly restoreEveryMs?: number;
}

/** After a successor took over: how long its first state may take to lead new connections there. */
const handoverMs = 5000;

/** The whole life of the proxy process. Resolves when it has nothing left to do. Rejects when it cannot start. */
export async function runProxyProcess(options: ProxyProcessOptions): Promise<void> {
  const { clock, log, version } = options;
  const directory = new ProxyDirectory(options.directory);
  directory.create();
  directory.claim(process.pid);
  const isBun = typeof Bun !== "undefined";
  const ports = new PortMemory(directory.readPorts());
  const dataplane = new Dataplane({
    tcp: isBun ? (await import("./tcp_bun.ts")).bunTcp : (await import("./tcp_node.ts")).nodeTcp,
    udp: isBun ? bunUdp : nodeUdp,
    network: options.network ?? new LinuxNetwork(),
    ports,
    clock,
    log,
    ...limits(),
    ...(options.privateAddress === undefined ? {} : { privateAddress: options.privateAddress }),
    ...(options.restoreEveryMs === undefined ? {} : { restoreEveryMs: options.restoreEveryMs }),
  });

  const last = directory.readState(log);
  if (last !== undefined)
    await dataplane.apply(last).catch((error: unknown) => {
      log.error("Cannot restore the whole last state", { error: describeError(error) });
    });

  const ended = Promise.withResolvers<void>();
  let ending = false;
  let retired = false;
  const finish = async (drainMs: number) => {
    const giveUpMs = clock.monotonicMs() + drainMs;
    while (dataplane.status.connections > 0 && clock.monotonicMs() < giveUpMs) await sleep(clock, 50, options.signal);
    dataplane.abort();
    ended.resolve();
  };

  const handle = async (request: Request) => {
    switch (request.type) {
      case "status":
        return { status: dataplane.status };
      case "apply": {
        let failure: unknown;
        await dataplane.apply(request.state).catch((error: unknown) => {
          failure = error;
        });
        // Also after a failure: what has left must not come back with the next start.
        directory.writeState(request.state);
        directory.writePorts(ports.entries());
        if (failure !== undefined) throw failure;
        log.debug("State applied", { generation: request.state.generation, listeners: request.state.listeners.length });
        return { generation: request.state.generation };
      }
      case "shutdown":
        if (ending) throw new Error("Cannot shut down: it is under way");
        ending = true;
        log.info("Shutting down", { drainMs: request.drainMs, removeRules: request.removeRules });
        await dataplane.stop({ removeRules: request.removeRules });
        // After the answer has gone out.
        clock.schedule(0, () => finish(request.drainMs));
        return {};
      case "retire":
        if (ending) throw new Error("Cannot retire: it is being shut down");
        ending = true;
        log.info("Giving way to another proxy", { connections: dataplane.status.connections });
        dataplane.disown();
        // After the answer, which still goes out by this socket.
        clock.schedule(0, () => {
          retired = true;
          control.close();
          directory.release(process.pid);
        });
        sleep(clock, handoverMs, options.signal)
          .then(() => dataplane.stop({ removeRules: false }))
          .then(() => finish(Number.POSITIVE_INFINITY));
        return {};
    }
  };
  const hello: Hello = { protocol: protocolVersion, version, pid: process.pid };
  const control = await serveControl({ path: directory.socketPath, hello, log, handle });
  log.info("Proxy serving", { ...hello, directory: options.directory, listeners: dataplane.status.listeners });

  options.signal?.addEventListener("abort", () => ended.resolve(), { once: true });
  if (options.signal?.aborted) ended.resolve();
  await ended.promise;
  if (!retired) {
    control.close();
    directory.release(process.pid);
  }
  await dataplane.stop({ removeRules: false });
  dataplane.abort();
  log.info("Proxy ended");
}

/** A connection holds two descriptors, a flow one; the rest is for listeners, files and tools. */
function limits(): { maxConnections: number; maxFlows: number } {
  let descriptors = 1024;
  try {
    descriptors = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 1024);
  } catch {
    // No Linux: what POSIX systems usually give.
  }
  const free = Math.max(descriptors - 256, 256);
  return { maxConnections: Math.floor(free * 0.35), maxFlows: Math.floor(free * 0.15) };
}
