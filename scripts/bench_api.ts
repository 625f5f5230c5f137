/**
 * Requests a second of the API: `bun scripts/bench_api.ts [--rounds N] [--against CHECKOUT] [--json]`. A node without
 * kubelet and proxy (its store on the real disk) answers 64 kept connections over TLS from this process; beside it the same
 * handler and a store of its own are asked within one process, without a socket. With --against, another checkout of these
 * sources is measured in the same run, round by round in turn.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { anonymousMemory, type Figure, median, print, processorSeconds } from "./bench_figures.ts";
import { freePort } from "./e2e/node_under_test.ts";

const args = process.argv.slice(2);
const option = (name: string) => {
  const at = args.indexOf(name);
  return at >= 0 ? args[at + 1] : undefined;
};
const rounds = Number(option("--rounds") ?? 5);
const roundMs = 1000;
const quietMs = 15_000;
const clients = 64;
const own = join(import.meta.dirname, "..");
const configMaps = "/api/v1/namespaces/default/configmaps";
const configMap = (name: string) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, labels: { app: "bench" } },
    data: { k: "v" },
  });

interface Subject {
  get(): Promise<void>;
  create(name: string): Promise<void>;
}

/** How many were done with all clients asking at once, and a second. */
async function load(operation: () => Promise<void>): Promise<{ readonly done: number; readonly rate: number }> {
  const from = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() - from < roundMs) {
        await operation();
        done++;
      }
    }),
  );
  return { done, rate: (done / (performance.now() - from)) * 1000 };
}

let names = 0;
const operations = {
  get: (subject: Subject) => load(() => subject.get()),
  create: (subject: Subject) => load(() => subject.create(`made-${names++}`)),
};

/** One kept connection of HTTP/1.1: no more of it than counting needs. */
class Connection {
  readonly #socket: ReturnType<typeof connect>;
  #received: Buffer = Buffer.alloc(0);
  #answered: ((status: number) => void) | undefined;

  constructor(port: number, ca: string) {
    this.#socket = connect({ host: "127.0.0.1", port, ca, ALPNProtocols: ["http/1.1"] });
    this.#socket.on("data", (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      const end = this.#received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = this.#received.subarray(0, end).toString("latin1").toLowerCase();
      const length = Number(/\ncontent-length: (\d+)/.exec(head)?.[1]);
      if (this.#received.length < end + 4 + length) return;
      this.#received = Buffer.alloc(0);
      this.#answered?.(Number(head.slice(9, 12)));
    });
  }

  ask(request: string): Promise<number> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function startNode(checkout: string) {
  const directory = mkdtempSync(join(tmpdir(), "wherry-bench-api-"));
  const port = await freePort();
  const flags = ["--data-dir", directory, "--https-listen-port", String(port), "--bind-address", "127.0.0.1"];
  const alone = ["--node-ip", "192.0.2.7", "--log-level", "warn", "--disable", "kubelet,proxy,controllers,scheduler"];
  const child = spawn(process.execPath, [join(checkout, "src", "main.ts"), "up", ...flags, ...alone], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the node of ${checkout} ended with ${code}`)));
  });
  const ca = readFileSync(join(directory, "pki", "ca.crt"), "utf8");
  const token = readFileSync(join(directory, "pki", "admin.token"), "utf8").trim();
  const head = (method: string, path: string, more = "") =>
    `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\nuser-agent: bench/1\r\naccept: application/json\r\n${more}\r\n`;
  const connections = Array.from({ length: clients }, () => new Connection(port, ca));
  const free = [...connections];
  const ask = async (expected: number, request: string) => {
    const connection = free.pop();
    if (!connection) throw new Error("more clients than connections");
    const status = await connection.ask(request);
    if (status !== expected) throw new Error(`${request.split("\r\n")[0]} was answered with ${status}`);
    free.push(connection);
  };
  const subject: Subject = {
    get: () => ask(200, head("GET", `${configMaps}/one`)),
    create(name) {
      const body = configMap(name);
      const type = `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
      return ask(201, `${head("POST", configMaps, type)}${body}`);
    },
  };
  await subject.create("one");
  return {
    subject,
    async documents() {
      for (const path of ["/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1", "/openapi/v2"])
        await ask(200, head("GET", path));
    },
    processorSeconds: () => processorSeconds(child.pid ?? 0),
    memory: () => anonymousMemory(child.pid ?? 0) / 1e6,
    async stop() {
      for (const connection of connections) connection.close();
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await gone;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** In a process of its own: the handler with a core and a store, no socket. Prints its figures as JSON. */
async function inProcess(checkout: string): Promise<void> {
  const source = (path: string) => import(join(checkout, "src", path));
  const { realEnv } = await source("env/real/env.ts");
  const { openEmbeddedStore } = await source("store/embedded_store.ts");
  const { createApiCore } = await source("api/registry/api_core.ts");
  const { ensureSystemObjects } = await source("api/registry/system_objects.ts");
  const { createJsonBytes } = await source("api/registry/json_bytes.ts");
  const { createHttpHandler } = await source("api/http/app.ts");
  const { createAuthenticator, knownToken } = await source("api/http/authentication.ts");
  const { GroupAuthorizer } = await source("api/authorization.ts");
  const { KindRegistry } = await source("kinds/registry.ts");
  const { allKinds } = await source("kinds/all.ts");
  const env = realEnv({ logLevel: "warn", logFormat: "text" });
  const directory = mkdtempSync(join(tmpdir(), "wherry-bench-api-"));
  const store = await openEmbeddedStore({ ...env, directory: join(directory, "store"), onFailure: () => {} });
  const kinds = new KindRegistry(allKinds);
  const authorizer = new GroupAuthorizer();
  const serviceCidr = "10.43.0.0/16";
  const core = createApiCore({
    ...env,
    store,
    kinds,
    authorizer,
    serviceCidr,
    nodePortRange: { first: 30000, last: 32767 },
  });
  await ensureSystemObjects(core, { serviceCidr, addresses: ["192.0.2.7"], port: 6443 });
  const tokens = [knownToken("a-token-of-sixteen", { name: "admin", groups: ["system:masters"] })];
  const authenticate = createAuthenticator(() => tokens);
  const build = { version: "0.0.0" };
  const jsonBytes = createJsonBytes();
  const handler = createHttpHandler({
    ...env,
    core,
    kinds,
    authenticate,
    authorizer,
    kubelets: () => undefined,
    build,
    jsonBytes,
  });
  const headers = { authorization: "Bearer a-token-of-sixteen", "user-agent": "bench/1", accept: "application/json" };
  const peer = { address: "127.0.0.1" };
  const ask = async (expected: number, path: string, init: RequestInit) => {
    const response: Response = await handler.fetch(new Request(`https://localhost${path}`, init), peer);
    if (response.status !== expected) throw new Error(`${path} was answered with ${response.status}`);
    await response.arrayBuffer();
  };
  const subject: Subject = {
    get: () => ask(200, `${configMaps}/one`, { headers }),
    create: (name) =>
      ask(201, configMaps, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: configMap(name),
      }),
  };
  await subject.create("one");
  for (const operation of Object.values(operations)) await operation(subject);
  const figures: Record<string, number> = {};
  for (const [name, operation] of Object.entries(operations)) figures[name] = (await operation(subject)).rate;
  console.log(JSON.stringify(figures));
  await store.close();
  rmSync(directory, { recursive: true, force: true });
}

function inProcessFigures(checkout: string): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [import.meta.filename, "--in-process", checkout], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once("close", (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`in process, ${checkout} ended with ${code}`)),
    );
  });
}

async function main(): Promise<void> {
  const against = option("--against");
  const checkouts = against === undefined ? [own] : [own, against];
  const measured = checkouts.map(() => new Map<string, number[]>());
  const note = (index: number, name: string, value: number) => {
    const values = measured[index]?.get(name) ?? [];
    measured[index]?.set(name, [...values, value]);
  };
  for (let round = 0; round < rounds; round++)
    for (const [index, checkout] of checkouts.entries())
      for (const [name, value] of Object.entries(await inProcessFigures(checkout)))
        note(index, `${name} a second, in process`, value);

  const nodes: Awaited<ReturnType<typeof startNode>>[] = [];
  for (const [index, checkout] of checkouts.entries()) {
    const node = await startNode(checkout);
    nodes.push(node);
    note(index, "memory (anonymous) after the start", node.memory());
    for (let at = 0; at < 1000; at++) await node.subject.create(`kept-${at}`);
    await node.documents();
    note(index, "memory with 1,000 objects more, right after OpenAPI", node.memory());
    // Bun gives pages back when it has had nothing to do for some seconds.
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    note(index, `memory ${quietMs / 1000} s later`, node.memory());
    for (const operation of Object.values(operations)) await operation(node.subject);
  }
  for (let round = 0; round < rounds; round++)
    for (const [index, node] of nodes.entries())
      for (const [name, operation] of Object.entries(operations)) {
        const before = node.processorSeconds();
        const { done, rate } = await operation(node.subject);
        note(index, `${name} a second, ${clients} connections over TLS`, rate);
        note(index, `processor time of one ${name} over TLS`, ((node.processorSeconds() - before) / done) * 1e6);
      }
  for (const node of nodes) await node.stop();

  const [mine = new Map<string, number[]>(), peer] = measured;
  const figures: Figure[] = [...mine].map(([name, values]) => ({
    name,
    value: median(values),
    unit: unitOf(name),
    ...(peer ? { against: `${against}: ${median(peer.get(name) ?? []).toFixed(0)}` } : {}),
  }));
  print("api", figures, args.includes("--json"));
}

function unitOf(name: string): string {
  if (name.startsWith("memory")) return "MB";
  return name.startsWith("processor") ? "µs" : "/s";
}

const inside = option("--in-process");
await (inside === undefined ? main() : inProcess(inside));
process.exit(0);
