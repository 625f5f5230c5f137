/** What the tests of the real peer link stand on: raw peers, a wire that can be cut, time that runs faster. */
import { spawn, spawnSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import type { Clock } from "../clock.ts";
import type { PeerNetwork } from "../peer_link.ts";
import type { KeyPair, PeerIdentity } from "../pki.ts";
import { realClock } from "./clock.ts";
import { createLog } from "./log.ts";
import { realPeerLink } from "./peer_link.ts";
import { MessageReader } from "./peer_link_frames.ts";
import { realPki } from "./pki.ts";
import { realRandom } from "./random.ts";

export const pki = realPki(realClock, realRandom);

/** Polls in real time. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = realClock.monotonicMs() + 15_000;
  while (!condition()) {
    if (realClock.monotonicMs() > endMs) throw new Error(`Waited in vain for ${what}`);
    await new Promise<void>((resolve) => realClock.schedule(1, resolve));
  }
}

/** Time that runs `factor` times as fast: 3 s of silence are noticed in 3/factor s. */
export function fastClock(factor: number): Clock {
  return {
    now: () => realClock.now(),
    monotonicMs: () => realClock.monotonicMs() * factor,
    schedule: (delayMs, callback) => realClock.schedule(delayMs / factor, callback),
  };
}

/** Two identities, the lower key first: the first decides which connection is used. */
export async function twoIdentities(): Promise<[PeerIdentity, PeerIdentity]> {
  const [one, other] = [await pki.createPeerIdentity("one"), await pki.createPeerIdentity("other")];
  return one.publicKeySha256 < other.publicKeySha256 ? [one, other] : [other, one];
}

export interface Node {
  readonly key: string;
  readonly network: PeerNetwork;
  readonly events: string[];
  readonly frames: Uint8Array[];
  readonly log: string[];
}

/** A link that admits whom it is told to, and keeps what it hears. */
export async function openNode(
  identity: KeyPair & { publicKeySha256?: string },
  admitted: readonly string[],
  options: { clock?: Clock; listens?: boolean } = {},
): Promise<Node> {
  const { clock = realClock, listens = true } = options;
  const node = { events: [] as string[], frames: [] as Uint8Array[], log: [] as string[] };
  const log = createLog({ level: "debug", format: "text", clock, write: (line) => node.log.push(line) });
  const network = await realPeerLink({ clock, random: realRandom, log }).open(
    { listen: listens ? { address: "127.0.0.1", port: 0 } : undefined, identity, clusterId: () => 7n },
    {
      admits: (key) => admitted.includes(key),
      received: (_from, frame) => void node.frames.push(frame),
      connected: () => void node.events.push("connected"),
      disconnected: () => void node.events.push("disconnected"),
    },
  );
  const key = identity.publicKeySha256 ?? (await pki.inspect(identity.certificatePem)).publicKeySha256;
  return { ...node, key, network };
}

/** A client that speaks TLS, and beyond it what a test wants. */
export interface RawPeer {
  readonly messages: { readonly type: number; readonly payload: Uint8Array }[];
  readonly isClosed: boolean;
  write(bytes: Uint8Array): void;
  /** Reads no more. */
  pause(): void;
  /** Reads on. */
  resume(): void;
  close(): void;
}

export function rawPeer(port: number, identity: KeyPair | undefined): Promise<RawPeer> {
  const own = identity === undefined ? {} : { cert: identity.certificatePem, key: identity.privateKeyPem };
  const socket = tlsConnect({ host: "127.0.0.1", port, rejectUnauthorized: false, minVersion: "TLSv1.3", ...own });
  const reader = new MessageReader();
  const messages: { type: number; payload: Uint8Array }[] = [];
  let isClosed = false;
  socket.on("data", (chunk: Buffer) => reader.read(chunk, (type, payload) => messages.push({ type, payload }) > 0));
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  return new Promise((resolve) => {
    socket.once("secureConnect", () =>
      resolve({
        messages,
        get isClosed() {
          return isClosed;
        },
        write: (bytes) => void socket.write(bytes),
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
        close: () => void socket.destroy(),
      }),
    );
  });
}

/** A wire that leads to a port, and can be cut: nothing goes through any more, and nobody is told. */
export class Wire {
  readonly #server: Server;
  readonly #pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  #port = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<Wire> {
    const server = createServer();
    const wire = new Wire(server);
    server.on("connection", (near) => {
      const far = connect(port, "127.0.0.1");
      const pair = { near, far };
      wire.#pairs.add(pair);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("data", (chunk) => void to.write(chunk));
        from.on("error", () => undefined);
        from.on("close", () => wire.#pairs.has(pair) && to.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    wire.#port = typeof address === "object" && address !== null ? address.port : 0;
    return wire;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** For the connections that are there; new ones go through. */
  cut(): void {
    for (const pair of this.#pairs) {
      this.#pairs.delete(pair);
      for (const socket of [pair.near, pair.far]) {
        socket.removeAllListeners("data");
        socket.pause();
        this.#cut.add(socket);
      }
    }
  }

  readonly #cut = new Set<Socket>();

  /** The side that has dialled learns that its connection is gone; the other one does not. */
  resetNear(): void {
    const nears = [...this.#pairs].map(({ near }) => near);
    this.cut();
    for (const near of nears) near.destroy();
  }

  close(): void {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    for (const socket of this.#cut) socket.destroy();
    this.#server.close();
  }
}

/** OpenSSL, in Node, takes the public half of a key as it is written; Bun's TLS would notice. */
export const canForge = spawnSync("node", ["--version"]).status === 0;

const forger = `
  const tls = require("tls"), { cert, key, port } = JSON.parse(process.argv[1]);
  const server = tls.createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, () => console.log("believed"));
  server.on("tlsClientError", (error) => console.log("server: " + error.message));
  server.listen(0, "127.0.0.1", () => {
    console.log("port " + server.address().port);
    const client = tls.connect({ host: "127.0.0.1", port, cert, key, rejectUnauthorized: false });
    client.on("data", () => console.log("believed"));
    client.on("error", (error) => console.log("client: " + error.message));
  });`;

/**
 * Shows the victim's certificate and signs with another key, as a client of `port` and as a server at `address`. Says "client: ..."
 * and "server: ..." when it was refused, "believed" when it was not.
 */
export async function startForger(victim: KeyPair, port: number) {
  const forged = { cert: victim.certificatePem, key: forgedKey(victim.privateKeyPem), port };
  const child = spawn("node", ["-e", forger, JSON.stringify(forged)], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until(() => /port \d+/.test(said), "the forger");
  return {
    address: `127.0.0.1:${/port (\d+)/.exec(said)?.[1]}`,
    said: () => said,
    stop: () => void child.kill(),
  };
}

/** By TLS, because the signature was not that of the certificate's key. */
export function refused(side: "client" | "server", forger: { said(): string }): boolean {
  return new RegExp(`^${side}: .*decrypt error`, "m").test(forger.said());
}

/** A private key of nobody's, that names the public key of `privateKeyPem` as its own: RFC 5915, with the field `publicKey`. */
function forgedKey(privateKeyPem: string): string {
  const victim = createPrivateKey(privateKeyPem).export({ format: "jwk" });
  const forger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
  const number = (text = "") => Buffer.from(text, "base64url");
  const field = (tag: number, ...contents: Uint8Array[]) => {
    const content = Buffer.concat(contents);
    return Buffer.concat([Buffer.from([tag, content.length]), content]);
  };
  const curve = Buffer.from("06082a8648ce3d030107", "hex");
  const point = Buffer.concat([Buffer.from([0, 4]), number(victim.x), number(victim.y)]);
  const version = Buffer.from([2, 1, 1]);
  const key = field(0x30, version, field(4, number(forger.d)), field(0xa0, curve), field(0xa1, field(3, point)));
  return `-----BEGIN EC PRIVATE KEY-----\n${key.toString("base64")}\n-----END EC PRIVATE KEY-----\n`;
}
