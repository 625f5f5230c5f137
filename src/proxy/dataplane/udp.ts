import type { Clock, Timer } from "../../env/clock.ts";
import type { Balancer } from "../balancer.ts";
import type { EndpointAddress } from "../state.ts";
import type { UdpSocket, UdpSockets } from "./udp_sockets.ts";

/** How many flows the process may have, over all listeners; each costs one file descriptor. */
export interface FlowBudget {
  readonly limit: number;
  open: number;
}

export interface UdpListenerOptions {
  readonly sockets: UdpSockets;
  readonly clock: Clock;
  readonly address: string;
  /** 0: the kernel's choice. */
  readonly port: number;
  readonly balancer: Balancer;
  /** A flow ends when neither side has said anything for so long. */
  readonly idleMs?: number;
  readonly budget: FlowBudget;
  /** Clients served at a time; the one that was silent longest makes room. */
  readonly maxFlows?: number;
}

export interface UdpListener {
  readonly port: number;
  readonly flows: number;
  /** Ends flows to endpoints that the balancer no longer has: their clients' next datagram goes elsewhere. */
  endpointsChanged(): void;
  close(): void;
}

/** Datagrams of one client that wait while its socket is being made. */
const maxWaiting = 32;

/**
 * One client of a UDP listener: a connected socket of its own towards the endpoint, so that answers find their way back.
 * Answers leave by the listener's socket: the client sees them come from where it sent to.
 */
class Flow {
  readonly client: EndpointAddress;
  readonly endpoint: EndpointAddress;
  lastMs: number;
  socket: UdpSocket | undefined;
  waiting: Uint8Array[] = [];
  ended = false;

  constructor(client: EndpointAddress, endpoint: EndpointAddress, nowMs: number) {
    this.client = client;
    this.endpoint = endpoint;
    this.lastMs = nowMs;
  }
}

export async function listenUdp(options: UdpListenerOptions): Promise<UdpListener> {
  const { sockets, clock, balancer, budget } = options;
  const idleMs = options.idleMs ?? 60_000;
  const maxFlows = options.maxFlows ?? 4096;
  const flows = new Map<string, Flow>();
  let sweep: Timer | undefined;
  let closed = false;

  const end = (key: string, flow: Flow) => {
    if (flow.ended) return;
    flow.ended = true;
    budget.open--;
    flows.delete(key);
    flow.socket?.close();
  };

  const sweepLater = () => {
    if (closed || sweep !== undefined || flows.size === 0) return;
    sweep = clock.schedule(idleMs / 2, () => {
      sweep = undefined;
      const nowMs = clock.monotonicMs();
      for (const [key, flow] of flows) if (nowMs - flow.lastMs >= idleMs) end(key, flow);
      sweepLater();
    });
  };

  const start = (key: string, client: EndpointAddress): Flow | undefined => {
    const endpoint = balancer.pick(client.address);
    if (endpoint === undefined) return undefined;
    if (flows.size >= maxFlows || budget.open >= budget.limit) {
      let oldest: [string, Flow] | undefined;
      for (const entry of flows) if (oldest === undefined || entry[1].lastMs < oldest[1].lastMs) oldest = entry;
      // Others have all of the budget: the client tries again, as UDP clients do.
      if (oldest === undefined) return undefined;
      end(...oldest);
    }
    budget.open++;
    const flow = new Flow(client, endpoint, clock.monotonicMs());
    flows.set(key, flow);
    sweepLater();
    const lose = () => {
      balancer.failed(endpoint);
      end(key, flow);
    };
    sockets
      .connect(endpoint, {
        message: (datagram) => {
          flow.lastMs = clock.monotonicMs();
          listener.send(datagram, client);
        },
        // Port unreachable: nobody is there. The client's next datagram tries another endpoint.
        error: lose,
      })
      .then((socket) => {
        if (flow.ended) return socket.close();
        flow.socket = socket;
        for (const datagram of flow.waiting) socket.send(datagram);
        flow.waiting = [];
      }, lose);
    return flow;
  };

  const listener = await sockets.bind(options.address, options.port, {
    message: (datagram, from) => {
      const key = `${from.address}:${from.port}`;
      const flow = flows.get(key) ?? start(key, from);
      if (flow === undefined) return;
      flow.lastMs = clock.monotonicMs();
      if (flow.socket !== undefined) flow.socket.send(datagram);
      // Copied, because the runtime may use its buffer again.
      else if (flow.waiting.length < maxWaiting) flow.waiting.push(datagram.slice());
    },
    // A client went away before its answer came: nothing to do, its flow ends when it is idle.
    error: () => {},
  });

  return {
    port: listener.port,
    get flows() {
      return flows.size;
    },
    endpointsChanged() {
      for (const [key, flow] of flows) if (!balancer.has(flow.endpoint)) end(key, flow);
    },
    close() {
      if (closed) return;
      closed = true;
      sweep?.cancel();
      listener.close();
      for (const [key, flow] of flows) end(key, flow);
    },
  };
}
