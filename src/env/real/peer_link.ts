/**
 * Connections between members over TLS 1.3. Each side shows a self-signed certificate, and TLS proves that it holds the key in it
 * (RFC 8446, 4.4.3: CertificateVerify); that key's hash is all that is looked at. So `rejectUnauthorized` is off on both sides:
 * authorities, names and dates do not count here, and `admits` is asked before the first byte is said.
 */
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Clock, Timer } from "../clock.ts";
import { describeError, type Log } from "../log.ts";
import {
  maxFrameBytes,
  type PeerHandler,
  type PeerLink,
  type PeerLinkOptions,
  type PeerNetwork,
  type PeerStatus,
  type PeerTarget,
} from "../peer_link.ts";
import type { Random } from "../random.ts";
import { type ConnectionOwner, PeerConnection, tickMs } from "./peer_link_connection.ts";
import { Dialer } from "./peer_link_dialer.ts";
import { encodeMessage, type Hello, message, protocolVersion } from "./peer_link_frames.ts";
import { Pair } from "./peer_link_pair.ts";
import { publicKeySha256 } from "./pki.ts";

const handshakeLimitMs = 5000;
/** Strangers may open connections, but not hold more than these; the oldest goes. */
const maxHandshakes = 64;
/** How long `close` and a refusal wait for the last bytes to go out. */
const lingerMs = 1000;

export interface PeerLinkEffects {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export function realPeerLink(effects: PeerLinkEffects): PeerLink {
  return {
    async open(options, handler) {
      const network = new RealPeerNetwork(effects, options, handler);
      await network.listen();
      return network;
    },
  };
}

class RealPeerNetwork implements PeerNetwork, ConnectionOwner {
  readonly #effects: PeerLinkEffects;
  readonly #options: PeerLinkOptions;
  readonly #handler: PeerHandler;
  readonly #publicKey: string;
  readonly #instance: string;
  readonly #dialers = new Map<string, Dialer>();
  readonly #pairs = new Map<string, Pair<Linked>>();
  readonly #linked = new Map<PeerConnection, Linked>();
  /** What has not finished TLS yet, by the other end's address. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #refusals = new Map<string, string>();
  #server: Server | undefined;
  #port = 0;
  #ticker: Timer | undefined;
  #whenEmpty: (() => void) | undefined;
  #isClosed = false;

  constructor(effects: PeerLinkEffects, options: PeerLinkOptions, handler: PeerHandler) {
    this.#effects = effects;
    this.#options = options;
    this.#handler = handler;
    this.#publicKey = ownKey(options.identity.certificatePem, options.identity.privateKeyPem);
    this.#instance = Buffer.from(effects.random.bytes(16)).toString("base64");
  }

  async listen(): Promise<void> {
    const { listen, identity } = this.#options;
    if (listen === undefined) return;
    const server = createServer({
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      handshakeTimeout: handshakeLimitMs,
    });
    server.on("connection", (socket) => this.#began(socket));
    server.on("secureConnection", (socket) => this.#accepted(socket));
    server.on("tlsClientError", (error, socket) => {
      this.#effects.log.debug("a peer's TLS handshake failed", { error: error.message });
      socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) =>
        reject(new Error(`Cannot listen on ${listen.address}:${listen.port}: ${cause.message}`, { cause })),
      );
      server.listen(listen.port, listen.address, resolve);
    });
    const address = server.address();
    this.#port = typeof address === "object" && address !== null ? address.port : listen.port;
    this.#server = server;
  }

  get port(): number {
    return this.#port;
  }

  setPeers(peers: readonly PeerTarget[]): void {
    if (this.#isClosed) return;
    const targets = new Map(peers.map((peer) => [peer.publicKey, peer]));
    targets.delete(this.#publicKey);
    for (const [key, dialer] of this.#dialers) {
      if (targets.has(key)) continue;
      dialer.stop();
      this.#dialers.delete(key);
    }
    for (const [key, pair] of [...this.#pairs]) {
      if (this.#handler.admits(key)) continue;
      const wasInUse = pair.inUse !== undefined;
      for (const { connection } of pair.connections()) connection.end("no longer admitted");
      this.#pairs.delete(key);
      if (wasInUse) queueMicrotask(() => this.#tellLost(key, "no longer admitted"));
    }
    for (const [key, { addresses }] of targets) {
      const dialer = this.#dialers.get(key) ?? this.#newDialer(key);
      dialer.addresses = addresses;
      if (this.#isAlone(key)) dialer.seek();
    }
  }

  send(to: string, frame: Uint8Array): boolean {
    if (frame.length > maxFrameBytes)
      throw new RangeError(`Cannot send a frame of ${frame.length} bytes: at most ${maxFrameBytes} are allowed`);
    return this.#pairs.get(to)?.inUse?.connection.send(frame) ?? false;
  }

  queuedBytes(to: string): number {
    return this.#pairs.get(to)?.inUse?.connection.queuedBytes ?? 0;
  }

  status(): PeerStatus[] {
    const keys = new Set([...this.#dialers.keys(), ...this.#pairs.keys()]);
    return [...keys].sort().map((publicKey) => {
      const connection = this.#pairs.get(publicKey)?.inUse?.connection;
      return {
        publicKey,
        connected: connection !== undefined,
        address: connection?.address,
        build: connection?.hello?.build,
        roundTripMs: connection?.roundTripMs,
      };
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const dialer of this.#dialers.values()) dialer.stop();
    this.#ticker?.cancel();
    for (const socket of this.#handshakes.values()) socket.destroy();
    const stopped = new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
      if (this.#linked.size === 0) resolve();
    });
    const limit = this.#effects.clock.schedule(lingerMs, () => {
      for (const connection of this.#linked.keys()) connection.destroy();
    });
    for (const connection of this.#linked.keys()) connection.end("closing");
    this.#pairs.clear();
    await Promise.all([empty, stopped]);
    limit.cancel();
  }

  #isAlone(key: string): boolean {
    return !this.#isClosed && (this.#pairs.get(key)?.isAlone ?? true);
  }

  #newDialer(key: string): Dialer {
    const dialer = new Dialer([], {
      publicKey: key,
      identity: this.#options.identity,
      ...this.#effects,
      isWanted: () => this.#isAlone(key),
      connected: (socket, address) => {
        const found = keyOf(socket);
        if (found === key && this.#handler.admits(key)) {
          this.#meet(new PeerConnection(socket, key, address, true, this));
          return;
        }
        socket.on("error", () => undefined);
        socket.destroy();
        dialer.failed(address, found === key ? "it is not admitted here" : "another key answers there", true);
      },
    });
    this.#dialers.set(key, dialer);
    return dialer;
  }

  #began(socket: Socket): void {
    const from = remoteAddress(socket);
    this.#handshakes.set(from, socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      if (this.#handshakes.get(from) === socket) this.#handshakes.delete(from);
    });
    const [oldest] = this.#handshakes;
    if (this.#handshakes.size <= maxHandshakes || oldest === undefined) return;
    this.#handshakes.delete(oldest[0]);
    oldest[1].destroy();
  }

  #accepted(socket: TLSSocket): void {
    const from = remoteAddress(socket);
    this.#handshakes.delete(from);
    const key = keyOf(socket);
    // Our own key: an address of a peer's that leads back to us.
    if (key !== undefined && key !== this.#publicKey && this.#handler.admits(key) && !this.#isClosed) {
      this.#meet(new PeerConnection(socket, key, from, false, this));
      return;
    }
    if (key === undefined) this.#refused("", from, "it shows no certificate");
    else if (key !== this.#publicKey) this.#refused(key, from, "not admitted");
    socket.on("error", () => undefined);
    socket.resume();
    socket.end(encodeMessage(message.bye, Buffer.from("not admitted")));
    const limit = this.#effects.clock.schedule(lingerMs, () => socket.destroy());
    socket.once("close", () => limit.cancel());
  }

  #refused(key: string, address: string, reason: string): void {
    if (this.#refusals.get(key) === reason) return;
    if (this.#refusals.size >= 100) this.#refusals.clear();
    this.#refusals.set(key, reason);
    this.#effects.log.warn("refused a peer", { peer: key, address, reason });
  }

  #meet(connection: PeerConnection): void {
    this.#linked.set(connection, new Linked(connection));
    if (this.#ticker === undefined) this.#tick();
  }

  #tick(): void {
    this.#ticker = undefined;
    if (this.#isClosed || this.#linked.size === 0) return;
    this.#ticker = this.#effects.clock.schedule(tickMs, () => {
      for (const connection of [...this.#linked.keys()]) connection.tick();
      for (const pair of [...this.#pairs.values()]) pair.tick();
      this.#tick();
    });
  }

  // What a connection tells its owner.

  get hello(): Hello {
    return {
      version: protocolVersion,
      clusterId: this.#options.clusterId(),
      instance: this.#instance,
      build: this.#options.build ?? "",
    };
  }

  monotonicMs(): number {
    return this.#effects.clock.monotonicMs();
  }

  greeted(connection: PeerConnection): void {
    const linked = this.#linked.get(connection);
    if (this.#isClosed || linked === undefined) return;
    const { publicKey, address } = connection;
    const [ours, theirs] = [this.#options.clusterId(), connection.hello?.clusterId];
    if (ours !== undefined && theirs !== undefined && ours !== theirs) {
      const reason = `it is of cluster ${theirs}, this is ${ours}`;
      if (!connection.isDialled) this.#refused(publicKey, address, reason);
      connection.end(`this is cluster ${ours}, not ${theirs}`);
      this.gone(connection, reason);
      return;
    }
    this.#pair(publicKey).greeted(linked);
  }

  #pair(key: string): Pair<Linked> {
    const known = this.#pairs.get(key);
    if (known !== undefined) return known;
    const decides = this.#publicKey < key;
    const pair = new Pair<Linked>(decides, {
      use: ({ connection }) => {
        connection.use(decides);
        const { address, hello } = connection;
        this.#effects.log.info("a peer is connected", { peer: key, address, build: hello?.build });
        this.#refusals.delete(key);
        this.#dialers.get(key)?.succeeded();
        this.#handler.connected?.(key);
      },
      drop: ({ connection }, reason) => {
        const wasUp = connection.isUp;
        connection.end(reason);
        if (wasUp) this.#tellLost(key, reason);
      },
    });
    this.#pairs.set(key, pair);
    return pair;
  }

  chosen(connection: PeerConnection): void {
    const linked = this.#linked.get(connection);
    if (linked !== undefined) this.#pairs.get(connection.publicKey)?.chosen(linked);
  }

  received(connection: PeerConnection, frame: Uint8Array): void {
    this.#handler.received(connection.publicKey, frame);
  }

  answered(connection: PeerConnection): void {
    const linked = this.#linked.get(connection);
    if (linked !== undefined) this.#pairs.get(connection.publicKey)?.answered(linked);
  }

  gone(connection: PeerConnection, reason: string): void {
    const linked = this.#linked.get(connection);
    const { publicKey, address } = connection;
    const pair = this.#pairs.get(publicKey);
    if (this.#isClosed || linked === undefined) return;
    const wasInUse = pair?.inUse === linked;
    if (wasInUse) this.#tellLost(publicKey, reason);
    else if (!connection.isDialled && connection.hello === undefined) this.#refused(publicKey, address, reason);
    pair?.gone(linked);
    if (!this.#isAlone(publicKey)) return;
    this.#pairs.delete(publicKey);
    const dialer = this.#dialers.get(publicKey);
    if (connection.isDialled && !wasInUse) dialer?.failed(address, reason, true);
    else dialer?.seek();
  }

  #tellLost(key: string, reason: string): void {
    if (this.#isClosed) return;
    this.#effects.log.info("a peer is gone", { peer: key, reason });
    this.#handler.disconnected?.(key);
  }

  closed(connection: PeerConnection): void {
    this.#linked.delete(connection);
    if (this.#linked.size === 0) this.#whenEmpty?.();
  }
}

/** A connection as its pair sees it. */
class Linked {
  readonly connection: PeerConnection;

  constructor(connection: PeerConnection) {
    this.connection = connection;
  }

  get instance(): string {
    return this.connection.hello?.instance ?? "";
  }

  probe(): void {
    this.connection.probe();
  }
}

/** The hash of the key that the other end has proved to hold; undefined when it showed none. */
function keyOf(socket: TLSSocket): string | undefined {
  try {
    const { raw } = socket.getPeerCertificate();
    return raw === undefined ? undefined : publicKeySha256(new X509Certificate(raw));
  } catch {
    return undefined;
  }
}

function ownKey(certificatePem: string, privateKeyPem: string): string {
  try {
    const certificate = new X509Certificate(certificatePem);
    if (!certificate.publicKey.equals(createPublicKey(createPrivateKey(privateKeyPem))))
      throw new Error("the key is not the certificate's");
    return publicKeySha256(certificate);
  } catch (cause) {
    throw new Error(`Cannot use the own identity among peers: ${describeError(cause)}`, { cause });
  }
}

function remoteAddress(socket: Socket): string {
  const { remoteAddress = "", remotePort = 0, remoteFamily } = socket;
  return remoteFamily === "IPv6" ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
