import type { Clock, Timer } from "../../env/clock.ts";
import type { Balancer } from "../balancer.ts";
import type { EndpointAddress } from "../state.ts";
import type { Stream, StreamEvents, TcpSockets } from "./stream.ts";

export interface RelayOptions {
  readonly sockets: TcpSockets;
  readonly balancer: Balancer;
  readonly clock: Clock;
  /** For each endpoint tried. */
  readonly connectTimeoutMs: number;
  readonly maxAttempts: number;
  /** Called once, when both streams are gone. */
  readonly finished: () => void;
}

/** What a client says before a back end has answered is kept up to here; then it is not read any more. */
const earlyLimitBytes = 64 * 1024;

/**
 * One proxied connection. What the client says before a back end has answered is kept, so that an attempt that fails costs
 * no byte; then what one side says is written to the other, a full side stops the reading of its peer, a FIN follows the last
 * byte, and whatever ends in disorder on one side is an RST on the other.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #client: Side;
  readonly #clientAddress: () => string;
  #backend: Side | undefined;
  #tried: Set<EndpointAddress> | undefined;
  #attempt: { cancel(): void } | undefined;
  #timer: Timer | undefined;
  #over = false;
  #keptAlive = false;

  constructor(client: Stream, clientAddress: () => string, options: RelayOptions) {
    this.#options = options;
    this.#clientAddress = clientAddress;
    this.#client = new Side(this);
    this.#client.stream = client;
    this.#connect();
  }

  get clientEvents(): StreamEvents {
    return this.#client;
  }

  /** For a connection that has lived for a while: the short ones are spared the system calls. */
  keepAlive(): void {
    if (this.#keptAlive || this.#backend === undefined) return;
    this.#keptAlive = true;
    for (const side of [this.#client, this.#backend]) if (!side.gone) side.stream?.keepAlive();
  }

  /** Cuts it, both ways. */
  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#attempt?.cancel();
    this.#client.reset();
    this.#backend?.reset();
    this.#options.finished();
  }

  /** A side is gone in good order: everything it said has been taken, its FIN has been passed on. */
  sideGone(): void {
    if (this.#over || !this.#client.gone || !this.#backend?.gone) return;
    this.#over = true;
    this.#options.finished();
  }

  #connect(): void {
    const { balancer, sockets, clock, connectTimeoutMs, maxAttempts } = this.#options;
    const client = balancer.isSticky ? this.#clientAddress() : "";
    const endpoint = (this.#tried?.size ?? 0) < maxAttempts ? balancer.pick(client, this.#tried) : undefined;
    if (endpoint === undefined) {
      // Later, because who accepted the client has not been given its events yet.
      queueMicrotask(() => this.abort());
      return;
    }
    const attempt = sockets.connect(endpoint, {
      opened: (stream) => {
        this.#timer?.cancel();
        this.#attempt = undefined;
        balancer.succeeded(endpoint);
        const backend = new Side(this);
        backend.stream = stream;
        backend.peer = this.#client;
        this.#backend = backend;
        this.#client.meet(backend);
        return backend;
      },
      failed: () => this.#failed(endpoint),
    });
    this.#attempt = attempt;
    this.#timer = clock.schedule(connectTimeoutMs, () => {
      attempt.cancel();
      this.#failed(endpoint);
    });
  }

  #failed(endpoint: EndpointAddress): void {
    this.#timer?.cancel();
    this.#attempt = undefined;
    if (this.#over) return;
    this.#options.balancer.failed(endpoint);
    this.#tried ??= new Set();
    this.#tried.add(endpoint);
    this.#connect();
  }
}

class Side implements StreamEvents {
  stream: Stream | undefined;
  peer: Side | undefined;
  gone = false;
  #ended = false;
  #early: Uint8Array[] | undefined;
  #earlyBytes = 0;
  readonly #relay: Relay;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  /** The other side is there: it gets what came early. */
  meet(peer: Side): void {
    this.peer = peer;
    let room = true;
    for (const chunk of this.#early ?? []) room = peer.stream?.write(chunk) !== false && room;
    if (this.#ended) peer.stream?.finish();
    else if (!room) this.stream?.pause();
    else if (this.#earlyBytes > earlyLimitBytes) this.stream?.resume();
    this.#early = undefined;
  }

  data(chunk: Uint8Array): void {
    if (this.gone) return;
    const peer = this.peer;
    if (peer === undefined) {
      this.#early ??= [];
      this.#early.push(chunk);
      this.#earlyBytes += chunk.length;
      if (this.#earlyBytes > earlyLimitBytes) this.stream?.pause();
    } else if (peer.stream === undefined || peer.gone) {
      // Without a reader: the peer has gone, but this side still talks.
      this.#relay.abort();
    } else if (!peer.stream.write(chunk)) this.stream?.pause();
  }

  drained(): void {
    if (this.peer && !this.peer.gone) this.peer.stream?.resume();
  }

  ended(): void {
    if (this.#ended) return;
    this.#ended = true;
    const peer = this.peer;
    if (peer === undefined) {
      // Told to the back end when it is there.
    } else if (peer.#ended) {
      if (!peer.gone) peer.stream?.close();
      if (!this.gone) this.stream?.close();
    } else if (!peer.gone) peer.stream?.finish();
  }

  closed(error: Error | undefined): void {
    if (this.gone) return;
    this.gone = true;
    if (error !== undefined || this.peer === undefined) {
      this.#relay.abort();
      return;
    }
    // Both FINs have passed: the peer's may not have been told apart from the closing.
    this.ended();
    this.#relay.sideGone();
  }

  reset(): void {
    if (this.gone) return;
    this.gone = true;
    this.stream?.reset();
  }
}
