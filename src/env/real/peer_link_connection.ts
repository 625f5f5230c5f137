import type { TLSSocket } from "node:tls";
import { maxQueuedBytes } from "../peer_link.ts";
import {
  decodeHello,
  encodeHello,
  encodeMessage,
  type Hello,
  MessageReader,
  message,
  ProtocolError,
  protocolVersion,
} from "./peer_link_frames.ts";

/** How often the network calls `tick` of each connection. */
export const tickMs = 500;
/** Ticks without a byte from the peer until we ask whether it is there, and until we give it up: 3 s. */
const askAfterTicks = 2;
const deadAfterTicks = 6;
/** A connection without a hello, or without a decision, is given up: 5 s. */
const unusedLimitTicks = 10;
/** How long the last bytes may take once the connection is over: 1 s. */
const lingerTicks = 2;
/** The round trip is measured this often: 10 s. */
const measureEveryTicks = 20;
/** What is handed to the socket at a time; the rest waits here, where it is counted. */
const windowBytes = 256 << 10;

const nothing = new Uint8Array(0);

export interface ConnectionOwner {
  readonly hello: Hello;
  monotonicMs(): number;
  /** The peer's hello came, in a version that we speak. */
  greeted(connection: PeerConnection): void;
  /** The peer, which decides, uses this connection. */
  chosen(connection: PeerConnection): void;
  received(connection: PeerConnection, frame: Uint8Array): void;
  /** The ping of `probe` was answered. */
  answered(connection: PeerConnection): void;
  /** It is over, for whatever reason but our own `end`. */
  gone(connection: PeerConnection, reason: string): void;
  /** Nothing is left of it. */
  closed(connection: PeerConnection): void;
}

type State = "greeting" | "waiting" | "up" | "over";

/** One connection, after TLS has proved that the peer holds `publicKey`: hello, frames, signs of life. */
export class PeerConnection {
  readonly publicKey: string;
  readonly address: string;
  readonly isDialled: boolean;
  readonly #socket: TLSSocket;
  readonly #owner: ConnectionOwner;
  readonly #reader = new MessageReader();
  #state: State = "greeting";
  #hello: Hello | undefined;
  /** Messages that the socket has not been given yet. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** What the socket has and the kernel has not. */
  #writingBytes = 0;
  /** The window was full: what the kernel takes from it now, it takes because the peer has made room. */
  #isBackedUp = false;
  #flushIsDue = false;
  #quietTicks = 0;
  #ticks = 0;
  #probe: number | undefined;
  #roundTripMs: number | undefined;

  constructor(socket: TLSSocket, publicKey: string, address: string, isDialled: boolean, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.publicKey = publicKey;
    this.address = address;
    this.isDialled = isDialled;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", (error) => this.#lose(error.message));
    socket.on("end", () => this.#lose("closed by the peer"));
    socket.on("close", () => {
      this.#lose("closed");
      owner.closed(this);
    });
    this.#say(message.hello, encodeHello(owner.hello));
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Of the peer; there once it has greeted. */
  get hello(): Hello | undefined {
    return this.#hello;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get queuedBytes(): number {
    return this.#waitingBytes + this.#writingBytes;
  }

  send(frame: Uint8Array): boolean {
    if (this.#state !== "up" || this.queuedBytes + frame.length > maxQueuedBytes) return false;
    this.#say(message.data, frame);
    return true;
  }

  /** From now on frames go over it; `tellPeer` on the side that decides. */
  use(tellPeer: boolean): void {
    this.#state = "up";
    if (tellPeer) this.#say(message.use, nothing);
    this.#ping();
  }

  /** Asks for a sign of life: `answered` tells. */
  probe(): void {
    this.#probe = this.#ping();
  }

  /** Nothing is reported any more but `closed`; what was sent still goes out, if the peer takes it within a second. */
  end(reason: string): void {
    if (this.#state === "over") return;
    this.#say(message.bye, Buffer.from(reason));
    this.#state = "over";
    this.#ticks = 0;
    this.#flush();
    if (this.#waiting.length === 0) this.#socket.end();
  }

  /** At once, with whatever was still to be sent. */
  destroy(): void {
    this.#state = "over";
    this.#socket.destroy();
  }

  /** Every tickMs. Ticks are counted, not milliseconds: a stall of our own process is no silence of the peer's. */
  tick(): void {
    this.#ticks++;
    if (this.#state === "over") {
      if (this.#ticks >= lingerTicks) this.#socket.destroy();
      return;
    }
    if (this.#state !== "up") {
      if (this.#ticks >= unusedLimitTicks) this.#abandon(this.#hello === undefined ? "no hello" : "no decision");
      return;
    }
    this.#quietTicks++;
    if (this.#quietTicks >= deadAfterTicks) this.#abandon("silent");
    else if (this.#quietTicks === askAfterTicks || this.#ticks % measureEveryTicks === 0) this.#ping();
  }

  #ping(): number {
    const payload = Buffer.alloc(8);
    const token = this.#owner.monotonicMs();
    payload.writeDoubleBE(token);
    this.#say(message.ping, payload);
    return token;
  }

  #say(type: number, payload: Uint8Array): void {
    const bytes = encodeMessage(type, payload);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    // What is sent in one turn goes out in one write, and one TLS record.
    queueMicrotask(() => {
      this.#flushIsDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#writingBytes < windowBytes && !this.#socket.destroyed) {
      let count = 0;
      let bytes = 0;
      while (count < this.#waiting.length && (count === 0 || bytes < windowBytes))
        bytes += this.#waiting[count++]?.length ?? 0;
      const messages = this.#waiting.splice(0, count);
      this.#waitingBytes -= bytes;
      this.#writingBytes += bytes;
      const [only] = messages;
      this.#socket.write(messages.length === 1 && only ? only : Buffer.concat(messages, bytes), () => {
        this.#writingBytes -= bytes;
        // A sign of life, though the peer may see our ping late. Small frames are none: the kernel takes them in any case.
        if (this.#isBackedUp) this.#quietTicks = 0;
        if (this.#waiting.length > 0) this.#flush();
        else if (this.#state === "over") this.#socket.end();
      });
    }
    this.#isBackedUp = this.#waiting.length > 0;
  }

  #read(chunk: Uint8Array): void {
    this.#quietTicks = 0;
    if (this.#state === "over") return;
    try {
      this.#reader.read(chunk, (type, payload) => {
        this.#take(type, payload);
        return this.#state !== "over";
      });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#abandon(error.message);
    }
  }

  #take(type: number, payload: Uint8Array): void {
    if (type === message.data) {
      if (this.#state !== "up") throw new ProtocolError("a frame over a connection that is not in use");
      this.#owner.received(this, payload);
    } else if (type === message.ping) {
      if (payload.length !== 8) throw new ProtocolError("a ping that is none");
      this.#say(message.pong, payload);
    } else if (type === message.pong) this.#ponged(payload);
    else if (type === message.hello) this.#greeted(payload);
    else if (type === message.use) {
      if (this.#state !== "waiting") throw new ProtocolError("a decision that was not awaited");
      this.#owner.chosen(this);
    } else if (type === message.bye) this.#lose(Buffer.from(payload).toString("utf8", 0, 200));
    else throw new ProtocolError(`a message of the unknown type ${type}`);
  }

  #greeted(payload: Uint8Array): void {
    const hello = decodeHello(payload);
    if (this.#state !== "greeting" || hello === undefined) throw new ProtocolError("a hello that is none");
    if (hello.version !== protocolVersion) {
      this.#abandon(`it speaks version ${hello.version} of the peers' protocol, not ${protocolVersion}`);
      return;
    }
    this.#hello = hello;
    this.#state = "waiting";
    this.#ticks = 0;
    this.#owner.greeted(this);
  }

  #ponged(payload: Uint8Array): void {
    if (payload.length !== 8) throw new ProtocolError("a pong that is none");
    const token = Buffer.from(payload).readDoubleBE(0);
    this.#roundTripMs = this.#owner.monotonicMs() - token;
    if (token !== this.#probe) return;
    this.#probe = undefined;
    this.#owner.answered(this);
  }

  /** Ends it from our side, and reports it. */
  #abandon(reason: string): void {
    this.end(reason);
    this.#owner.gone(this, reason);
  }

  #lose(reason: string): void {
    if (this.#state === "over") return;
    this.destroy();
    this.#owner.gone(this, reason);
  }
}
