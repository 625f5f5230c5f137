import type { EndpointAddress } from "../state.ts";

export interface UdpSocket {
  readonly port: number;
  /** Best effort, as UDP is: false when the kernel took it not. `to` for a socket that is not connected. */
  send(datagram: Uint8Array, to?: EndpointAddress): boolean;
  close(): void;
}

export interface UdpEvents {
  message(datagram: Uint8Array, from: EndpointAddress): void;
  /** An ICMP error of something sent earlier, on a connected socket its peer's. */
  error(error: Error): void;
}

/** UDP as an effect; Bun's own sockets are half as fast again as node:dgram. */
export interface UdpSockets {
  bind(address: string, port: number, events: UdpEvents): Promise<UdpSocket>;
  connect(endpoint: EndpointAddress, events: UdpEvents): Promise<UdpSocket>;
}

export const bunUdp: UdpSockets = {
  async bind(address, port, events) {
    const socket = await Bun.udpSocket({
      hostname: address,
      port,
      socket: {
        data: (_socket, datagram, fromPort, fromAddress) =>
          events.message(datagram, { address: fromAddress, port: fromPort }),
        error: (_socket, error) => events.error(error),
      },
    });
    return {
      port: socket.port,
      send: (datagram, to) => to !== undefined && attempt(() => socket.send(datagram, to.port, to.address), events),
      close: () => socket.close(),
    };
  },

  async connect(endpoint, events) {
    const socket = await Bun.udpSocket({
      connect: { hostname: endpoint.address, port: endpoint.port },
      socket: {
        data: (_socket, datagram) => events.message(datagram, endpoint),
        error: (_socket, error) => events.error(error),
      },
    });
    return {
      port: socket.port,
      send: (datagram) => attempt(() => socket.send(datagram), events),
      close: () => socket.close(),
    };
  },
};

/** A pending ICMP error is thrown by the next send. */
function attempt(send: () => boolean, events: UdpEvents): boolean {
  try {
    return send();
  } catch (error) {
    events.error(error instanceof Error ? error : new Error(String(error)));
    return false;
  }
}

async function dgramSocket(events: UdpEvents) {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  socket.on("message", (datagram, { address, port }) => events.message(datagram, { address, port }));
  return socket;
}

export const nodeUdp: UdpSockets = {
  async bind(address, port, events) {
    const socket = await dgramSocket(events);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, address, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    socket.on("error", (error) => events.error(error));
    return {
      port: socket.address().port,
      send(datagram, to) {
        if (to === undefined) return false;
        socket.send(datagram, to.port, to.address, (error) => error && events.error(error));
        return true;
      },
      close: () => socket.close(),
    };
  },

  async connect(endpoint, events) {
    const socket = await dgramSocket(events);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(endpoint.port, endpoint.address, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    socket.on("error", (error) => events.error(error));
    return {
      port: socket.address().port,
      send(datagram) {
        socket.send(datagram, (error) => error && events.error(error));
        return true;
      },
      close: () => socket.close(),
    };
  },
};
