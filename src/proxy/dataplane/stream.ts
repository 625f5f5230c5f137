import type { EndpointAddress } from "../state.ts";

/** One TCP connection as the relay sees it: the few verbs that Bun's sockets and node:net share. */
export interface Stream {
  /** Takes all of `chunk`, always. False: it is full, stop feeding it until `drained`. */
  write(chunk: Uint8Array): boolean;
  pause(): void;
  resume(): void;
  /** Sends FIN once everything taken is written. The other direction goes on. */
  finish(): void;
  /** Both sides have finished: lets go of it once everything taken is written. */
  close(): void;
  /** Lets the kernel ask a silent peer, after a minute, whether it is still there. */
  keepAlive(): void;
  /** Drops what is unwritten and sends RST. */
  reset(): void;
}

/** What a stream tells. After `closed` it tells nothing more. */
export interface StreamEvents {
  data(chunk: Uint8Array): void;
  drained(): void;
  /** The peer's FIN: no more data, but it may still read. */
  ended(): void;
  /** `error` for anything but an end in good order. */
  closed(error: Error | undefined): void;
}

export interface ConnectOutcome {
  /** What it tells goes to the events that are returned. */
  opened(stream: Stream): StreamEvents;
  failed(error: Error): void;
}

export interface Listening {
  readonly port: number;
  /** Accepts no more; what was accepted goes on. */
  stop(): void;
}

/** TCP as an effect: tcp_bun.ts is the fast one, tcp_node.ts runs everywhere. Both pass tcp_contract.ts. */
export interface TcpSockets {
  /** `accept` returns who listens to the stream; the client's address costs a system call. Port 0: the kernel's choice. */
  listen(
    address: string,
    port: number,
    accept: (stream: Stream, clientAddress: () => string) => StreamEvents,
  ): Promise<Listening>;
  /** Exactly one of `opened` and `failed` is called, never before connect returns; none after `cancel`. */
  connect(endpoint: EndpointAddress, outcome: ConnectOutcome): { cancel(): void };
}
