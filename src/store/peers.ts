import type { Clock, Timer } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import type { PeerLink, PeerLinkOptions, PeerNetwork } from "../env/peer_link.ts";
import type { Message } from "../raft/types.ts";
import type { Member, MemberConnection } from "./cluster.ts";
import { decodeFrame, encodeFrame, type PeerAnswer, type PeerCall, type PeerFrame } from "./peer_message.ts";
import { StoreError } from "./store.ts";

/** What the peers' frames are for. Every call is synchronous. */
export interface PeerInbox {
  raft(message: Message): void;
  frame(from: bigint, frame: Exclude<PeerFrame, { readonly kind: "raft" | "call" | "answer" }>): void;
  /** A call that this member is to carry out; `publicKey` says who asks, member or not any more. */
  call(publicKey: string, call: PeerCall): Promise<PeerAnswer>;
  /** The last connection to a member has gone. */
  lost(id: bigint): void;
  /** There is a connection to a member (again). */
  found(id: bigint): void;
}

interface Waiting {
  readonly to: bigint;
  readonly resolve: (answer: PeerAnswer) => void;
  readonly reject: (error: StoreError) => void;
  readonly timer: Timer;
}

const unreachable = (id: bigint) => new StoreError("Unavailable", `Member ${id} cannot be reached: try again`);

/**
 * The other members, by id. Who a peer is, its key says; which member has which key, the log does. A member that has not read
 * the log yet goes by what it was told when it joined, and by who calls.
 */
export class Peers {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inbox: PeerInbox;
  readonly #network: PeerNetwork;
  readonly #selfKey: string;
  readonly #keys = new Map<bigint, string>();
  readonly #ids = new Map<string, bigint>();
  readonly #waiting = new Map<number, Waiting>();
  #nextCall = 1;

  static async open(options: {
    readonly clock: Clock;
    readonly log: Log;
    readonly link: PeerLink;
    readonly network: PeerLinkOptions;
    readonly publicKey: string;
    readonly inbox: PeerInbox;
  }): Promise<Peers> {
    let peers: Peers | undefined;
    const network = await options.link.open(options.network, {
      admits: (key) => peers?.knows(key) ?? false,
      received: (from, frame) => peers?.received(from, frame),
      connected: (key) => peers?.connected(key),
      disconnected: (key) => peers?.disconnected(key),
    });
    peers = new Peers(options, network);
    return peers;
  }

  private constructor(
    options: {
      readonly clock: Clock;
      readonly log: Log;
      readonly publicKey: string;
      readonly inbox: PeerInbox;
    },
    network: PeerNetwork,
  ) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#inbox = options.inbox;
    this.#selfKey = options.publicKey;
    this.#network = network;
  }

  get port(): number {
    return this.#network.port;
  }

  /** These are the members now. */
  setMembers(members: readonly Member[]): void {
    const others = members.filter(({ publicKey }) => publicKey !== "" && publicKey !== this.#selfKey);
    this.#keys.clear();
    this.#ids.clear();
    for (const { id, publicKey } of others) {
      this.#keys.set(id, publicKey);
      this.#ids.set(publicKey, id);
    }
    this.#network.setPeers(others.map(({ publicKey, peerAddresses }) => ({ publicKey, addresses: peerAddresses })));
  }

  knows(publicKey: string): boolean {
    return this.#ids.has(publicKey);
  }

  send(message: Message): boolean {
    return this.sendFrame(message.to, { kind: "raft", message });
  }

  /** False: it is not connected, or too much waits for it; the frame is dropped. */
  sendFrame(to: bigint, frame: PeerFrame): boolean {
    const key = this.#keys.get(to);
    return key !== undefined && this.#network.send(key, encodeFrame(frame));
  }

  isConnected(id: bigint): boolean {
    return this.connections().some((connection) => connection.id === id && connection.connected);
  }

  connections(): MemberConnection[] {
    const status = this.#network.status();
    return [...this.#keys].map(([id, key]) => {
      const found = status.find(({ publicKey }) => publicKey === key);
      const { connected = false, address, roundTripMs } = found ?? {};
      return { id, connected, address, roundTripMs };
    });
  }

  /** Rejects with Unavailable when there is no answer in time: what became of the call is unknown then. */
  call(to: bigint, call: PeerCall, timeoutMs: number): Promise<PeerAnswer> {
    const number = this.#nextCall++;
    const { promise, resolve, reject } = Promise.withResolvers<PeerAnswer>();
    const timer = this.#clock.schedule(timeoutMs, () => {
      this.#waiting.delete(number);
      reject(new StoreError("Unavailable", `Member ${to} has not answered within ${timeoutMs} ms`));
    });
    this.#waiting.set(number, { to, resolve, reject, timer });
    if (!this.sendFrame(to, { kind: "call", number, call })) this.#end(number)?.reject(unreachable(to));
    return promise;
  }

  #end(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    waiting?.timer.cancel();
    return waiting;
  }

  received(from: string, bytes: Uint8Array): void {
    let frame: PeerFrame;
    try {
      frame = decodeFrame(bytes);
    } catch (error) {
      this.#log.warn("a peer sent what cannot be read: it is left aside", { peer: from, error: describeError(error) });
      return;
    }
    if (frame.kind === "call") {
      void this.#carryOut(from, frame.number, frame.call);
      return;
    }
    if (frame.kind === "raft" && !this.#isItself(from, frame.message.from)) return;
    const id = this.#ids.get(from);
    if (id === undefined) return;
    if (frame.kind === "answer") this.#end(frame.number)?.resolve(frame.answer);
    else if (frame.kind !== "raft") this.#inbox.frame(id, frame);
    else this.#inbox.raft(frame.message);
  }

  /**
   * Each member speaks for itself. One that is known by its key may have got another number, of which this member has not read yet;
   * but not one that is somebody else's.
   */
  #isItself(key: string, id: bigint): boolean {
    const known = this.#keys.get(id);
    if (known !== undefined && known !== key) return false;
    if (known === undefined) {
      if (!this.#ids.has(key)) return false;
      this.#keys.set(id, key);
    }
    this.#ids.set(key, id);
    return true;
  }

  async #carryOut(from: string, number: number, call: PeerCall): Promise<void> {
    let answer: PeerAnswer;
    try {
      answer = await this.#inbox.call(from, call);
    } catch (error) {
      const cause = error instanceof StoreError ? error : new StoreError("Unavailable", describeError(error));
      answer = { type: "error", error: cause };
    }
    this.#network.send(from, encodeFrame({ kind: "answer", number, answer }));
  }

  connected(publicKey: string): void {
    const id = this.#ids.get(publicKey);
    if (id !== undefined) this.#inbox.found(id);
  }

  disconnected(publicKey: string): void {
    const id = this.#ids.get(publicKey);
    if (id === undefined) return;
    for (const [number, { to }] of [...this.#waiting]) if (to === id) this.#end(number)?.reject(unreachable(id));
    this.#inbox.lost(id);
  }

  async close(): Promise<void> {
    for (const number of [...this.#waiting.keys()])
      this.#end(number)?.reject(new StoreError("Unavailable", "The store is closed"));
    await this.#network.close();
  }
}
