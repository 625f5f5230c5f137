import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { type Clock, sleep } from "../../env/clock.ts";
import { describeError, type Log } from "../../env/log.ts";
import type { ProxyLink, ProxyState } from "../state.ts";
import { type ControlConnection, connectControl } from "./control_client.ts";
import { protocolVersion } from "./control_protocol.ts";
import type { DataplaneStatus } from "./dataplane.ts";
import { ProxyDirectory } from "./directory.ts";
import { defaultPrivateAddress, removeFromHost } from "./host_network.ts";
import { type Command, inScope } from "./scope.ts";

export interface ConnectProxyOptions {
  /** The proxy's folder, below the data directory. Absolute. */
  readonly directory: string;
  /** What starts a proxy: `executable ...args --directory DIR`. */
  readonly executable: string;
  readonly args: readonly string[];
  /** Of the executable: a running proxy of another version is asked to give way to a new one. */
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Starts it in a systemd scope where it can. */
  readonly systemd?: boolean;
}

/** The control plane's end. Keeps a proxy running, and in the last state that was given, until `close`. */
export interface ProxyConnection extends ProxyLink {
  readonly pid: number;
  status(): Promise<DataplaneStatus>;
  /** Lets go of the proxy, which runs on. What waits for an acknowledgement is rejected. */
  close(): void;
}

const startTimeoutMs = 10_000;
const pollMs = 20;
const firstPauseMs = 50;
const longestPauseMs = 5000;
/** A whole table of thousands of Services takes a second. */
const answerLimitMs = 20_000;
const logLimitBytes = 4 * 1024 * 1024;

/**
 * Resolves when a proxy is connected: the one that runs, else a new one in a session of its own, with its output in
 * DIR/proxy.log and no pipe to this process. Rejects when none can be started within 10 s.
 */
export async function connectProxy(options: ConnectProxyOptions): Promise<ProxyConnection> {
  const link = new Link(options, new ProxyDirectory(options.directory));
  await link.start();
  return link;
}

interface Waiter {
  readonly generation: number;
  resolve(): void;
  reject(error: Error): void;
}

class Link implements ProxyConnection {
  readonly #options: ConnectProxyOptions;
  readonly #directory: ProxyDirectory;
  readonly #closing = new AbortController();
  #connection: ControlConnection | undefined;
  #desired: ProxyState | undefined;
  #waiters: Waiter[] = [];

  constructor(options: ConnectProxyOptions, directory: ProxyDirectory) {
    this.#options = options;
    this.#directory = directory;
  }

  get pid(): number {
    return this.#connection?.hello.pid ?? 0;
  }

  async start(): Promise<void> {
    this.#directory.create();
    const connection = await this.#ensure();
    this.#use(connection);
  }

  apply(state: ProxyState): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(new Error("Cannot apply a state: the link is closed"));
    this.#desired = state;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ generation: state.generation, resolve, reject });
    if (this.#connection !== undefined) this.#send(this.#connection, state);
    return promise;
  }

  async status(): Promise<DataplaneStatus> {
    const answer = await this.#connection?.request({ type: "status" });
    if (answer?.status === undefined) throw new Error("Cannot tell the proxy's status: it is not connected");
    return answer.status;
  }

  close(): void {
    this.#closing.abort();
    this.#connection?.close();
    this.#connection = undefined;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new Error("The link to the proxy was closed"));
  }

  /** A state that is answered answers every older one too: each is whole. */
  #send(connection: ControlConnection, state: ProxyState): void {
    const settle = (settleOne: (waiter: Waiter) => void) => {
      const answered = this.#waiters.filter((waiter) => waiter.generation <= state.generation);
      this.#waiters = this.#waiters.filter((waiter) => waiter.generation > state.generation);
      for (const waiter of answered) settleOne(waiter);
    };
    const { clock, log } = this.#options;
    const limit = clock.schedule(answerLimitMs, () => {
      log.warn("The proxy does not answer; connecting anew", { pid: connection.hello.pid, waitedMs: answerLimitMs });
      connection.close();
    });
    connection.request({ type: "apply", state }).then(
      () => {
        limit.cancel();
        settle((waiter) => waiter.resolve());
      },
      (error: Error) => {
        limit.cancel();
        // A broken connection answers nothing: the state is sent again on the next one.
        if (connection.isOpen) settle((waiter) => waiter.reject(error));
      },
    );
  }

  #use(connection: ControlConnection): void {
    this.#connection = connection;
    connection.closed.then(() => {
      if (this.#closing.signal.aborted) return;
      this.#reconnect();
    });
    if (this.#desired !== undefined) this.#send(connection, this.#desired);
  }

  async #reconnect(): Promise<void> {
    const { log, clock } = this.#options;
    log.warn("The proxy's control socket closed; connecting again", { pid: this.pid });
    this.#connection = undefined;
    let pauseMs = firstPauseMs;
    while (!this.#closing.signal.aborted) {
      try {
        const connection = await this.#ensure();
        if (this.#closing.signal.aborted) return connection.close();
        log.info("Connected to the proxy", { pid: connection.hello.pid });
        this.#use(connection);
        return;
      } catch (error) {
        log.error("Cannot get a proxy to run", { error: describeError(error) });
      }
      await sleep(clock, pauseMs, this.#closing.signal);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }

  /** A connection to a proxy of our version, started if need be. */
  async #ensure(): Promise<ControlConnection> {
    const { clock, version, log } = this.#options;
    const running = await connectControl(this.#directory.socketPath, clock).catch(() => undefined);
    if (running !== undefined) {
      if (running.hello.protocol === protocolVersion && running.hello.version === version) return running;
      log.info("Replacing the proxy of another version", { running: running.hello.version, wanted: version });
      await this.#retire(running);
    }
    if (this.#options.systemd) {
      try {
        return await this.#start((command) => inScope(command, this.#newScopeId(), this.#directory.path));
      } catch (error) {
        // A proxy that ends with its unit is better than none.
        log.warn("The proxy cannot be started in a systemd scope; it will end with this unit", {
          error: describeError(error),
        });
      }
    }
    return this.#start((command) => command);
  }

  /** Unique on this machine until its next boot: a scope does not outlive that. */
  #newScopeId(): string {
    return `${process.pid}-${Math.round(this.#options.clock.now())}`;
  }

  async #start(around: (command: Command) => Command): Promise<ControlConnection> {
    const { clock } = this.#options;
    const started = this.#spawn(around);
    const giveUpMs = clock.monotonicMs() + startTimeoutMs;
    while (clock.monotonicMs() < giveUpMs && !this.#closing.signal.aborted) {
      await sleep(clock, pollMs, this.#closing.signal);
      const connection = await connectControl(this.#directory.socketPath, clock).catch(() => undefined);
      if (connection !== undefined) return connection;
      if (started.failure !== undefined) throw started.failure;
    }
    throw new Error(`The proxy did not answer within ${startTimeoutMs / 1000} s; see ${this.#directory.logPath}`);
  }

  /** Rejects when the proxy does not give way in time: a second one beside it would take its rules from it. */
  async #retire(running: ControlConnection): Promise<void> {
    const { clock } = this.#options;
    const { pid, version } = running.hello;
    const gone = new AbortController();
    const late = sleep(clock, startTimeoutMs, gone.signal).then(() => {
      if (gone.signal.aborted) return;
      running.close();
      throw new Error(
        `The proxy of version ${version} (process ${pid}) does not give way within ${startTimeoutMs / 1000} s: end it with kill -9 ${pid}, which cuts its connections`,
      );
    });
    try {
      await Promise.race([running.request({ type: "retire" }).then(() => running.closed), late]);
    } finally {
      gone.abort();
    }
  }

  #spawn(around: (command: Command) => Command): { failure: Error | undefined } {
    const { logPath, path } = this.#directory;
    const { executable, args: given } = this.#options;
    const { executable: program, args } = around({ executable, args: [...given, "--directory", path] });
    if (existsSync(logPath) && statSync(logPath).size > logLimitBytes) renameSync(logPath, `${logPath}.1`);
    const logFile = openSync(logPath, "a", 0o600);
    const outcome: { failure: Error | undefined } = { failure: undefined };
    try {
      const child = spawn(program, args, {
        detached: true,
        stdio: ["ignore", logFile, logFile],
        cwd: "/",
        // Not ours: it may hold the token, and the proxy has no use for it.
        env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" },
      });
      child.on("error", (cause) => {
        outcome.failure = new Error(`Cannot start the proxy (${program})`, { cause });
      });
      child.on("exit", (code, signal) => {
        const why = `ended with ${signal ?? `exit code ${code}`}: ${lastLine(logPath)}`;
        outcome.failure = new Error(`The proxy (${[program, ...args].join(" ")}) ${why}`);
      });
      child.unref();
    } finally {
      closeSync(logFile);
    }
    return outcome;
  }
}

export interface StopProxyOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** How long connections may go on. */
  readonly drainMs?: number;
}

/** For uninstall: ends the proxy of this folder, and removes its table, route and address, and the folder. */
export async function stopProxy(path: string, options: StopProxyOptions): Promise<void> {
  if (!existsSync(path)) return;
  const { clock, log, drainMs = 0 } = options;
  const directory = new ProxyDirectory(path);
  const last = directory.readState(log);
  const running = await connectControl(directory.socketPath, clock).catch(() => undefined);
  let removed = false;
  if (running !== undefined) {
    await running.request({ type: "shutdown", drainMs, removeRules: true }).then(
      () => {
        removed = true;
      },
      (error: Error) => log.warn("The proxy could not clean up by itself", { error: describeError(error) }),
    );
    await Promise.race([running.closed, sleep(clock, drainMs + 5000)]);
    running.close();
  }
  const giveUpMs = clock.monotonicMs() + 5000;
  while (directory.holder() !== undefined && clock.monotonicMs() < giveUpMs) await sleep(clock, pollMs);
  const holder = directory.holder();
  if (holder !== undefined) process.kill(holder, "SIGKILL");
  if (last !== undefined && !removed) await removeFromHost(last.serviceCidr, defaultPrivateAddress);
  directory.remove();
}

/** Why a process ended, in its own words, if its log is still there. */
function lastLine(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").at(-1)?.slice(0, 500) ?? "";
  } catch {
    return "its log is gone";
  }
}
