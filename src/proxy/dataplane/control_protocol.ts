/**
 * The control socket's messages: one JSON object a line. Checked by hand, because zod would cost the proxy process 8 MB
 * (a third of what it needs); the control plane and tests share this file.
 */
import type { EndpointAddress, Listener, ProxyState } from "../state.ts";
import type { DataplaneStatus } from "./dataplane.ts";

export const protocolVersion = 1;
export const maxLineBytes = 16 * 1024 * 1024;

/** What the proxy says first. */
export interface Hello {
  readonly protocol: number;
  /** Of the executable. */
  readonly version: string;
  readonly pid: number;
}

export type Request =
  | { readonly id: number; readonly type: "apply"; readonly state: ProxyState }
  | { readonly id: number; readonly type: "status" }
  | { readonly id: number; readonly type: "shutdown"; readonly drainMs: number; readonly removeRules: boolean }
  | { readonly id: number; readonly type: "retire" };

export type Reply =
  | { readonly id: number; readonly ok: true; readonly generation?: number; readonly status?: DataplaneStatus }
  | { readonly id: number; readonly ok: false; readonly error: string };

/** A message that is not what it should be: says where. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export function parseHello(line: string): Hello {
  const hello = object(parseJson(line), "hello");
  return {
    protocol: integer(hello.protocol, "protocol", 1),
    version: text(hello.version, "version"),
    pid: integer(hello.pid, "pid", 1),
  };
}

export function parseRequest(line: string): Request {
  const request = object(parseJson(line), "request");
  const id = integer(request.id, "id", 0);
  switch (request.type) {
    case "apply":
      return { id, type: "apply", state: checkState(request.state) };
    case "status":
    case "retire":
      return { id, type: request.type };
    case "shutdown":
      return {
        id,
        type: "shutdown",
        drainMs: integer(request.drainMs, "drainMs", 0),
        removeRules: request.removeRules === true,
      };
    default:
      throw new ProtocolError(
        `Unknown request type ${JSON.stringify(request.type)}: want apply, status, shutdown or retire`,
      );
  }
}

export function parseReply(line: string): Reply {
  const reply = object(parseJson(line), "reply");
  const id = integer(reply.id, "id", 0);
  if (reply.ok !== true) return { id, ok: false, error: text(reply.error, "error") };
  return {
    id,
    ok: true,
    ...(reply.generation === undefined ? {} : { generation: integer(reply.generation, "generation", 0) }),
    ...(reply.status === undefined ? {} : { status: checkStatus(reply.status) }),
  };
}

/** A state as the file or the socket gave it, checked; what it says goes into nft commands. */
export function checkState(value: unknown): ProxyState {
  const state = object(value, "state");
  if (state.version !== 1) throw new ProtocolError(`state.version is ${JSON.stringify(state.version)}, want 1`);
  const range = object(state.nodePortRange, "state.nodePortRange");
  return {
    version: 1,
    generation: integer(state.generation, "state.generation", 0),
    serviceCidr: cidr(state.serviceCidr, "state.serviceCidr"),
    clusterCidr: cidr(state.clusterCidr, "state.clusterCidr"),
    nodePortRange: { from: port(range.from, "nodePortRange.from"), to: port(range.to, "nodePortRange.to") },
    listeners: array(state.listeners, "state.listeners").map((item, n) => checkListener(item, `state.listeners[${n}]`)),
  };
}

function checkListener(value: unknown, at: string): Listener {
  const listener = object(value, at);
  const { protocol } = listener;
  if (protocol !== "TCP" && protocol !== "UDP")
    throw new ProtocolError(`${at}.protocol is ${JSON.stringify(protocol)}, want TCP or UDP`);
  const frontend = object(listener.frontend, `${at}.frontend`);
  const frontendPort = port(frontend.port, `${at}.frontend.port`);
  if (frontend.type !== "clusterIP" && frontend.type !== "nodePort")
    throw new ProtocolError(`${at}.frontend.type is ${JSON.stringify(frontend.type)}, want clusterIP or nodePort`);
  const affinity = listener.affinitySeconds;
  return {
    key: text(listener.key, `${at}.key`),
    protocol,
    frontend:
      frontend.type === "nodePort"
        ? { type: "nodePort", port: frontendPort }
        : { type: "clusterIP", address: ipv4(frontend.address, `${at}.frontend.address`), port: frontendPort },
    endpoints: array(listener.endpoints, `${at}.endpoints`).map((item, n) => endpoint(item, `${at}.endpoints[${n}]`)),
    ...(affinity === undefined ? {} : { affinitySeconds: integer(affinity, `${at}.affinitySeconds`, 1) }),
  };
}

function checkStatus(value: unknown): DataplaneStatus {
  const status = object(value, "status");
  const count = (name: string) => integer(status[name], `status.${name}`, 0);
  return {
    generation: count("generation"),
    listeners: count("listeners"),
    connections: count("connections"),
    refusedConnections: count("refusedConnections"),
    flows: count("flows"),
  };
}

function endpoint(value: unknown, at: string): EndpointAddress {
  const { address, port: number } = object(value, at);
  return { address: ipv4(address, `${at}.address`), port: port(number, `${at}.port`) };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new ProtocolError("Not a line of JSON", { cause });
  }
}

function object(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ProtocolError(`${at} is not an object`);
  // Sound: any object that is not null may be read by string keys, and each value is checked before use.
  return value as Readonly<Record<string, unknown>>;
}

function array(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ProtocolError(`${at} is not a list`);
  return value;
}

function text(value: unknown, at: string): string {
  if (typeof value !== "string") throw new ProtocolError(`${at} is not a string`);
  return value;
}

function integer(value: unknown, at: string, least: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least)
    throw new ProtocolError(`${at} is ${JSON.stringify(value)}, want a whole number of at least ${least}`);
  return value;
}

function port(value: unknown, at: string): number {
  const number = integer(value, at, 1);
  if (number > 65535) throw new ProtocolError(`${at} is ${number}, want a port of at most 65535`);
  return number;
}

function ipv4(value: unknown, at: string): string {
  const address = text(value, at);
  const octets = address.split(".");
  if (octets.length !== 4 || octets.some((octet) => !/^\d{1,3}$/.test(octet) || Number(octet) > 255))
    throw new ProtocolError(`${at} is ${JSON.stringify(address)}, want an IPv4 address`);
  return address;
}

function cidr(value: unknown, at: string): string {
  const network = text(value, at);
  const [address, prefix] = network.split("/");
  ipv4(address, at);
  if (prefix === undefined || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32)
    throw new ProtocolError(`${at} is ${JSON.stringify(network)}, want an IPv4 network`);
  return network;
}
