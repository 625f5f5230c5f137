import { z } from "zod";
import { didYouMean } from "./cli/nearest.ts";

/** One setting of a node: a flag, an environment variable WHERRY_NAME and a key of the configuration file. */
interface Setting {
  readonly name: string;
  readonly value: string;
  readonly help: string;
}

/** In the order in which `wherry up --help` shows them. */
export const settings: readonly Setting[] = [
  { name: "data-dir", value: "DIR", help: "where the node keeps everything (/var/lib/wherry)" },
  { name: "config", value: "FILE", help: "YAML with the same keys as these flags" },
  { name: "node-name", value: "NAME", help: "the node's name (the host's name)" },
  { name: "bind-address", value: "IP", help: "where the API listens (0.0.0.0)" },
  { name: "https-listen-port", value: "PORT", help: "the API's port (6443)" },
  { name: "node-ip", value: "IP", help: "the node's address (that of the default route's interface)" },
  { name: "docker-host", value: "URL", help: "the Docker Engine (DOCKER_HOST, else unix:///var/run/docker.sock)" },
  { name: "cluster-cidr", value: "CIDR", help: "addresses of pods (10.42.0.0/16)" },
  { name: "service-cidr", value: "CIDR", help: "virtual addresses of Services (10.43.0.0/16)" },
  { name: "service-node-port-range", value: "A-B", help: "ports that NodePorts are taken from (30000-32767)" },
  { name: "cluster-domain", value: "NAME", help: "the cluster's DNS domain (cluster.local)" },
  {
    name: "write-kubeconfig",
    value: "FILE",
    help: "the administrator's kubeconfig (DATA-DIR/kubeconfig.yaml, mode 0600)",
  },
  {
    name: "server",
    value: "URL",
    help: "a server of the cluster to join, https://ADDRESS:6443; asked at the first start",
  },
  {
    name: "token",
    value: "TOKEN",
    help: "with --server: the token to join with; else the administrator's bearer token (made at the first start)",
  },
  { name: "peer-port", value: "PORT", help: "where servers of a cluster speak with each other (2380)" },
  {
    name: "disable",
    value: "NAMES",
    help: "parts to leave out, separated by commas: scheduler, controllers, kubelet, proxy",
  },
  { name: "log-level", value: "LEVEL", help: "debug, info, warn or error (info)" },
  { name: "log-format", value: "FORMAT", help: "text or json (text)" },
];

const parts = ["scheduler", "controllers", "kubelet", "proxy"] as const;
export type Part = (typeof parts)[number];

/** A mistake in a flag, a variable or the file; the command exits with 2. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const ipv4 = z.ipv4({ error: "must be an IPv4 address such as 192.0.2.7" });
const port = z.coerce
  .number({ error: "must be a port number" })
  .int("must be a whole number")
  .min(1, "must be at least 1")
  .max(65535, "must be at most 65535");
const dnsLabel = z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/, {
  error: "must be lower-case letters, digits, '-' or '.', at most 63 characters (RFC 1123)",
});

/** An IPv4 network whose host bits are zero. `bits` bounds the prefix length. */
function network(bits: { readonly from: number; readonly to: number }) {
  return z.string().refine(
    (text) => {
      const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text);
      if (!match) return false;
      const octets = match.slice(1, 5).map(Number);
      const prefix = Number(match[5]);
      if (octets.some((octet) => octet > 255) || prefix < bits.from || prefix > bits.to) return false;
      const address = octets.reduce((sum, octet) => sum * 256 + octet, 0);
      return address % 2 ** (32 - prefix) === 0;
    },
    { error: `must be an IPv4 network with zero host bits and a prefix of /${bits.from} to /${bits.to}` },
  );
}

const Settings = z.strictObject({
  "data-dir": z.string().startsWith("/", "must be an absolute path").default("/var/lib/wherry"),
  config: z.string().optional(),
  "node-name": dnsLabel.optional(),
  "bind-address": ipv4.default("0.0.0.0"),
  "https-listen-port": port.default(6443),
  "node-ip": ipv4.optional(),
  "docker-host": z
    .string()
    .regex(/^(unix:\/\/\/|tcp:\/\/|http:\/\/)/, "must start with unix:///, tcp:// or http://")
    .optional(),
  "cluster-cidr": network({ from: 8, to: 22 }).default("10.42.0.0/16"),
  "service-cidr": network({ from: 12, to: 24 }).default("10.43.0.0/16"),
  "service-node-port-range": z
    .string()
    .regex(/^\d+-\d+$/, "must be two ports, as in 30000-32767")
    .transform((text) => {
      const [from = 0, to = 0] = text.split("-").map(Number);
      return { from, to };
    })
    .refine(({ from, to }) => from >= 1 && to <= 65535 && from < to, "must grow, within 1 to 65535")
    .default({ from: 30000, to: 32767 }),
  "cluster-domain": dnsLabel.default("cluster.local"),
  "write-kubeconfig": z.string().startsWith("/", "must be an absolute path").optional(),
  server: z
    .url({ protocol: /^https$/, error: "must be a URL such as https://192.0.2.7:6443" })
    .transform((url) => url.replace(/\/+$/, ""))
    .optional(),
  "peer-port": port.default(2380),
  token: z.string().min(16, "must have at least 16 characters").optional(),
  disable: z
    .union([z.string().transform((text) => text.split(",").filter((part) => part !== "")), z.array(z.string())])
    .pipe(z.array(z.enum(parts, { error: `must be among ${parts.join(", ")}` })))
    .default([]),
  "log-level": z.enum(["debug", "info", "warn", "error"]).default("info"),
  "log-format": z.enum(["text", "json"]).default("text"),
});

/** A node's configuration, checked. What only the machine knows (its name, its address) is filled in by up.ts. */
export interface Config {
  readonly dataDir: string;
  readonly nodeName: string;
  readonly nodeIp: string;
  readonly bindAddress: string;
  readonly httpsListenPort: number;
  readonly dockerHost: string | undefined;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly nodePortRange: { readonly from: number; readonly to: number };
  readonly clusterDomain: string;
  readonly writeKubeconfig: string;
  /** A server of the cluster to join. */
  readonly server: string | undefined;
  readonly peerPort: number;
  /** With `server` the token to join with, else the administrator's. */
  readonly token: string | undefined;
  readonly disable: readonly Part[];
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "text" | "json";
}

export interface ConfigSources {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads and parses the YAML file. Throws when it cannot be read. */
  readonly readYaml: (path: string) => unknown;
  readonly hostName: () => string;
  readonly hostAddress: () => string;
}

/** Whether two networks (checked before) share an address. */
function overlap(a: string, b: string): boolean {
  const [one, other] = [a, b].map((cidr) => {
    const [address = "", prefix = ""] = cidr.split("/");
    const first = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
    return { first, last: first + 2 ** (32 - Number(prefix)) - 1 };
  });
  return one !== undefined && other !== undefined && one.first <= other.last && other.first <= one.last;
}

function variableOf(name: string): string {
  return `WHERRY_${name.toUpperCase().replaceAll("-", "_")}`;
}

function unknownSetting(given: string, shown: string): ConfigError {
  const names = settings.map(({ name }) => name);
  return new ConfigError(`unknown setting ${shown}${didYouMean(given, names)} (all of them: wherry up --help)`);
}

function fromFlags(argv: readonly string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const match = /^--([^=]+)(?:=([\s\S]*))?$/.exec(word);
    if (!match)
      throw new ConfigError(`unexpected argument "${word}": wherry up takes only flags; see wherry up --help`);
    const name = match[1] ?? "";
    if (!settings.some((setting) => setting.name === name)) throw unknownSetting(name, `--${name}`);
    const value = match[2] ?? argv[++at];
    if (value === undefined) throw new ConfigError(`--${name} needs a value; see wherry up --help`);
    // --disable may be given several times; of other flags the last one counts.
    values[name] = name === "disable" && typeof values[name] === "string" ? `${values[name]},${value}` : value;
  }
  return values;
}

function fromEnvironment(environment: ConfigSources["environment"]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { name } of settings) {
    const value = environment[variableOf(name)];
    if (value !== undefined && value !== "") values[name] = value;
  }
  return values;
}

function fromFile(path: string, readYaml: ConfigSources["readYaml"]): Record<string, unknown> {
  let content: unknown;
  try {
    content = readYaml(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`cannot read the configuration file ${path}: ${why}`, { cause });
  }
  if (content === null || content === undefined) return {};
  const record = z.record(z.string(), z.unknown()).safeParse(content);
  if (!record.success) throw new ConfigError(`the configuration file ${path} must hold keys and values`);
  for (const name of Object.keys(record.data))
    if (!settings.some((setting) => setting.name === name)) throw unknownSetting(name, `"${name}" in ${path}`);
  return record.data;
}

/** Whether an EndpointSlice may carry the address: the one of the Service `kubernetes` carries the node's. */
function isReachable(ipv4: string): boolean {
  const [first = 0, second] = ipv4.split(".").map(Number);
  return first !== 0 && first !== 127 && first < 224 && !(first === 169 && second === 254);
}

/** A flag wins over a variable, a variable over the file, the file over the default. Throws ConfigError. */
export function readConfig(sources: ConfigSources): Config {
  const flags = fromFlags(sources.argv);
  const variables = fromEnvironment(sources.environment);
  const path = flags.config ?? variables.config;
  const file = typeof path === "string" ? fromFile(path, sources.readYaml) : {};
  const merged: Record<string, unknown> = { ...file, ...variables, ...flags };
  const sourceOf = (name: string) =>
    name in flags ? `--${name}` : name in variables ? variableOf(name) : `"${name}" in ${String(path)}`;
  const parsed = Settings.safeParse(merged);
  if (!parsed.success) {
    const texts = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0] ?? "");
      const shown = name === "token" ? "" : ` ${JSON.stringify(merged[name])}`;
      return `${sourceOf(name)}${shown} ${issue.message}`;
    });
    throw new ConfigError(texts.join("; "));
  }
  const values = parsed.data;
  const nodeIp = values["node-ip"] ?? sources.hostAddress();
  if (!isReachable(nodeIp)) {
    const where =
      values["node-ip"] !== undefined ? sourceOf("node-ip") : "node-ip is not given, and this machine's own address is";
    throw new ConfigError(
      `${where} ${nodeIp}: pods reach the API server at this address, so it cannot be loopback, link-local, multicast or 0.0.0.0; ` +
        "give an address of one of this machine's interfaces (ip -4 address lists them), as in --node-ip 192.0.2.7",
    );
  }
  if (overlap(values["cluster-cidr"], values["service-cidr"])) {
    const both = `cluster-cidr ${values["cluster-cidr"]} and service-cidr ${values["service-cidr"]}`;
    throw new ConfigError(`${both} overlap: a pod and a Service could have the same address; choose networks apart`);
  }
  return {
    dataDir: values["data-dir"],
    nodeName: values["node-name"] ?? sources.hostName().toLowerCase(),
    nodeIp,
    bindAddress: values["bind-address"],
    httpsListenPort: values["https-listen-port"],
    dockerHost: values["docker-host"] ?? (sources.environment.DOCKER_HOST || undefined),
    clusterCidr: values["cluster-cidr"],
    serviceCidr: values["service-cidr"],
    nodePortRange: values["service-node-port-range"],
    clusterDomain: values["cluster-domain"],
    writeKubeconfig: values["write-kubeconfig"] ?? `${values["data-dir"]}/kubeconfig.yaml`,
    server: values.server,
    peerPort: values["peer-port"],
    token: values.token,
    disable: values.disable,
    logLevel: values["log-level"],
    logFormat: values["log-format"],
  };
}

export function upHelp(): string {
  const width = Math.max(...settings.map(({ name, value }) => name.length + value.length)) + 5;
  const lines = settings.map(({ name, value, help }) => `  ${`--${name} ${value}`.padEnd(width)} ${help}`);
  return [
    "Usage: wherry up [FLAGS]",
    "",
    "Runs a node in the foreground. Prints one line on standard output when its API answers and its Node is Ready.",
    "",
    "Flags; each also an environment variable (WHERRY_DATA_DIR) and a key of the configuration file (data-dir):",
    ...lines,
    "",
    "Example: wherry up --data-dir /srv/wherry --node-name boat",
    "",
  ].join("\n");
}
