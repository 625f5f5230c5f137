import { connect, type TLSSocket } from "node:tls";
import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../log.ts";
import type { KeyPair } from "../pki.ts";
import type { Random } from "../random.ts";

/** Until TCP has connected: a lost SYN is sent anew by the next attempt, sooner than the kernel would. */
const connectLimitMs = 1000;
/** Until TLS has. */
const handshakeLimitMs = 5000;
const firstWaitMs = 100;
const longestWaitMs = 1000;

export interface DialerOptions {
  readonly publicKey: string;
  readonly identity: KeyPair;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether a connection is missing. */
  isWanted(): boolean;
  /** TLS is done; who is there remains to be seen. The socket is the receiver's. */
  connected(socket: TLSSocket, address: string): void;
}

/** Looks for one peer at its addresses in turn, for as long as it is wanted; waits up to a second between attempts. */
export class Dialer {
  readonly #options: DialerOptions;
  #addresses: readonly string[];
  #attempts = 0;
  #failures = 0;
  #timer: Timer | undefined;
  #stopAttempt: (() => void) | undefined;
  /** By address: what was told of it is told once, not with each attempt. */
  readonly #told = new Map<string, string>();

  constructor(addresses: readonly string[], options: DialerOptions) {
    this.#addresses = addresses;
    this.#options = options;
  }

  set addresses(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  /** The peer is missing. */
  seek(): void {
    if (this.#timer !== undefined || this.#stopAttempt !== undefined || this.#addresses.length === 0) return;
    const { random } = this.#options;
    const waitMs = this.#failures === 0 ? 50 * random.fraction() : this.#waitMs() * (0.5 + 0.5 * random.fraction());
    this.#timer = this.#options.clock.schedule(waitMs, () => {
      this.#timer = undefined;
      this.#attempt();
    });
  }

  /** The last attempt has led to nothing; a refusal is for a person to look at, a peer that is away is not. */
  failed(address: string, reason: string, isRefusal: boolean): void {
    this.#failures++;
    const { log, publicKey } = this.#options;
    if (this.#told.get(address) !== reason) {
      const fields = { peer: publicKey, address, reason };
      if (isRefusal) log.warn("cannot talk to a peer", fields);
      else log.info("cannot reach a peer", fields);
    }
    this.#told.set(address, reason);
    this.seek();
  }

  succeeded(): void {
    this.#failures = 0;
    this.#told.clear();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopAttempt?.();
  }

  #waitMs(): number {
    return Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(10, this.#failures - 1));
  }

  #attempt(): void {
    const { clock, identity } = this.#options;
    const address = this.#addresses[this.#attempts++ % this.#addresses.length];
    if (address === undefined || !this.#options.isWanted()) return;
    const colon = address.lastIndexOf(":");
    const socket = connect({
      host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
      port: Number(address.slice(colon + 1)),
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      // The peer is known by its key: whoever signed the certificate, and until when, says nothing. See peer_link.ts.
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
    });
    const ended = (error?: Error) => fail(error?.message ?? "closed in the TLS handshake");
    const reached = () => {
      limit.cancel();
      limit = clock.schedule(handshakeLimitMs, () => fail("no TLS handshake"));
    };
    const secured = () => {
      over();
      this.#options.connected(socket, address);
    };
    const over = () => {
      limit.cancel();
      this.#stopAttempt = undefined;
      socket.off("connect", reached).off("secureConnect", secured).off("error", ended).off("close", closed);
    };
    const closed = () => ended();
    const drop = () => {
      over();
      // Without a listener, a late error would end the process.
      socket.on("error", () => undefined);
      socket.destroy();
    };
    const fail = (reason: string) => {
      drop();
      this.failed(address, reason, false);
    };
    let limit = clock.schedule(connectLimitMs, () => fail("no answer"));
    this.#stopAttempt = drop;
    socket.on("connect", reached).on("secureConnect", secured).on("error", ended).on("close", closed);
  }
}
