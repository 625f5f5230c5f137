/** One try of a probe or of a lifecycle hook: what it did and what it says. */
import type { Clock } from "../env/clock.ts";
import type { HttpClient } from "../env/http.ts";
import { describeError } from "../env/log.ts";
import type { LifecycleHandler, Probe } from "../kinds/core/container.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import { type ContainerRuntime, RuntimeError } from "./container_runtime.ts";
import type { Dialer } from "./machine_link.ts";
import type { AnyContainer } from "./pod_environment.ts";

export type AnyProbe = DeepReadonly<Probe>;
export type AnyHandler = DeepReadonly<LifecycleHandler>;

export interface ProbeEffects {
  readonly runtime: ContainerRuntime;
  readonly http: HttpClient;
  readonly dialer: Dialer;
  readonly clock: Clock;
}

export interface ProbeTarget {
  readonly container: AnyContainer;
  readonly containerId: string;
  readonly podIp: string;
}

export interface ProbeResult {
  readonly ok: boolean;
  /** The words after "Readiness probe failed: ". */
  readonly message: string;
}

/** Output beyond this is not kept. */
const mostOutput = 10 * 1024;

export function portOf(container: AnyContainer, port: number | string): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  const number = named ?? Number(port);
  if (Number.isInteger(number) && number >= 1 && number <= 65535) return number;
  throw new Error(`invalid port: the container ${container.name} has no port named "${port}"`);
}

/** Never rejects: what cannot be tried has failed. */
export async function tryHandler(
  effects: ProbeEffects,
  handler: Pick<AnyProbe, "exec" | "httpGet" | "tcpSocket" | "grpc"> & Pick<AnyHandler, "sleep">,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  try {
    if (handler.exec) return await tryExec(effects, handler.exec.command ?? [], target, timeoutMs);
    if (handler.httpGet) return await tryHttp(effects, handler.httpGet, target, timeoutMs);
    if (handler.tcpSocket) {
      const { host, port } = handler.tcpSocket;
      return await tryTcp(effects, host || target.podIp, portOf(target.container, port), timeoutMs);
    }
    if (handler.grpc)
      return { ok: false, message: "gRPC probes are not supported yet: use exec, httpGet or tcpSocket" };
    return { ok: false, message: "missing probe handler" };
  } catch (error) {
    return { ok: false, message: describeError(error) };
  }
}

async function tryExec(
  { runtime }: ProbeEffects,
  command: readonly string[],
  { containerId }: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const stream = await runtime.exec(containerId, { command, stdin: false, tty: false, timeoutMs });
  const decoder = new TextDecoder();
  let output = "";
  const code = stream.exitCode.then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ value: undefined, error }),
  );
  for await (const { bytes } of stream.output)
    if (output.length < mostOutput) output += decoder.decode(bytes, { stream: true });
  const { value, error } = await code;
  if (error instanceof RuntimeError && error.code === "Timeout") {
    const shown = command.join(" ");
    return { ok: false, message: `command timed out: "${shown}" timed out after ${timeoutMs / 1000}s` };
  }
  if (error !== undefined) throw error;
  return { ok: value === 0, message: output.slice(0, mostOutput) };
}

async function tryHttp(
  { http, clock }: ProbeEffects,
  action: NonNullable<AnyProbe["httpGet"]>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  const host = action.host || target.podIp;
  const path = action.path ?? "/";
  const url = `${scheme}://${host}:${portOf(target.container, action.port)}${path.startsWith("/") ? "" : "/"}${path}`;
  const headers = new Headers({ "user-agent": "kube-probe/1.35", accept: "*/*", connection: "close" });
  for (const { name, value } of action.httpHeaders ?? []) headers.set(name, value);
  const abort = new AbortController();
  let late = false;
  const timer = clock.schedule(timeoutMs, () => {
    late = true;
    abort.abort();
  });
  try {
    const response = await http.fetch(url, {
      headers,
      redirect: "manual",
      signal: abort.signal,
      ...(scheme === "https" ? { tls: { insecureSkipVerify: true } } : {}),
    });
    await response.body?.cancel();
    const ok = response.status >= 200 && response.status < 400;
    return { ok, message: ok ? "" : `HTTP probe failed with statuscode: ${response.status}` };
  } catch (error) {
    const why = late
      ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
      : connectionFailure(error, host, portOf(target.container, action.port));
    return { ok: false, message: `Get "${url}": ${why}` };
  } finally {
    timer.cancel();
  }
}

function connectionFailure(error: unknown, host: string, port: number): string {
  const text = describeError(error);
  if (/ConnectionRefused|ECONNREFUSED|refused|Unable to connect/i.test(text))
    return `dial tcp ${host}:${port}: connect: connection refused`;
  return text;
}

async function tryTcp(
  { dialer, clock }: ProbeEffects,
  host: string,
  port: number,
  timeoutMs: number,
): Promise<ProbeResult> {
  const abort = new AbortController();
  let late = false;
  const timer = clock.schedule(timeoutMs, () => {
    late = true;
    abort.abort();
  });
  try {
    const connection = await dialer.connect(host, port, abort.signal);
    connection.close();
    return { ok: true, message: "" };
  } catch (error) {
    return { ok: false, message: late ? `dial tcp ${host}:${port}: i/o timeout` : describeError(error) };
  } finally {
    timer.cancel();
  }
}
