import type { Clock, Timer } from "../../env/clock.ts";
import type { Balancer } from "../balancer.ts";
import { Relay } from "./relay.ts";
import type { TcpSockets } from "./stream.ts";

/** How many connections the process may hold; each costs two file descriptors. */
export interface ConnectionBudget {
  readonly limit: number;
  open: number;
  /** Connections that were reset because the limit was reached. */
  refused: number;
}

export interface TcpListenerOptions {
  readonly sockets: TcpSockets;
  readonly clock: Clock;
  readonly address: string;
  /** 0: the kernel's choice. */
  readonly port: number;
  readonly balancer: Balancer;
  readonly budget: ConnectionBudget;
  readonly connectTimeoutMs?: number;
  readonly maxAttempts?: number;
}

export interface TcpListener {
  readonly port: number;
  /** Proxied connections that live, also after `stop`. */
  readonly connections: number;
  /** Accepts no more; what lives goes on until it ends by itself. */
  stop(): void;
  /** Cuts what lives. */
  abort(): void;
}

/** A connection that lives so long is watched by the kernel's keep-alive. */
const keepAliveAfterMs = 30_000;

export async function listenTcp(options: TcpListenerOptions): Promise<TcpListener> {
  const { sockets, balancer, budget, clock } = options;
  const relays = new Set<Relay>();
  let sweep: Timer | undefined;
  const sweepLater = () => {
    sweep ??= clock.schedule(keepAliveAfterMs, () => {
      sweep = undefined;
      for (const relay of relays) relay.keepAlive();
      if (relays.size > 0) sweepLater();
    });
  };
  const listening = await sockets.listen(options.address, options.port, (stream, clientAddress) => {
    if (budget.open >= budget.limit) {
      budget.refused++;
      queueMicrotask(() => stream.reset());
      return ignored;
    }
    budget.open++;
    const relay: Relay = new Relay(stream, clientAddress, {
      sockets,
      balancer,
      clock,
      connectTimeoutMs: options.connectTimeoutMs ?? 2000,
      maxAttempts: options.maxAttempts ?? 8,
      finished: () => {
        budget.open--;
        relays.delete(relay);
      },
    });
    relays.add(relay);
    sweepLater();
    return relay.clientEvents;
  });
  return {
    port: listening.port,
    get connections() {
      return relays.size;
    },
    stop: () => listening.stop(),
    abort: () => {
      sweep?.cancel();
      for (const relay of [...relays]) relay.abort();
    },
  };
}

const ignored = { data() {}, drained() {}, ended() {}, closed() {} };
