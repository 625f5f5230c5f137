import type { Timer } from "../env/clock.ts";
import {
  maxFrameBytes,
  maxQueuedBytes,
  type PeerHandler,
  type PeerLinkOptions,
  type PeerNetwork,
  type PeerStatus,
  type PeerTarget,
} from "../env/peer_link.ts";
import type { CertificateFacts } from "../env/pki.ts";
import { type EndOwner, PeerEnd, type Place, type Wires } from "./peer_connection.ts";

/** What a connection attempt waits for an answer. */
const dialLimitMs = 1000;

/** The network, as the peers of one process see it. */
export interface PeerWires extends Wires {
  /** "192.0.2.7:2380" as it is seen from `from`; undefined: no such machine. */
  find(
    address: string,
    from: Place,
  ): { readonly place: Place; listener(): SimulatedPeerNetwork | undefined } | undefined;
}

interface Dial {
  timer: Timer | undefined;
  failures: number;
  nextAddress: number;
  /** What was noted last: a refusal is told once, not with each attempt. */
  refusal: string | undefined;
}

/** A process's peers: dials, connections, refusals, as the real link has them; TLS is a comparison of names. */
export class SimulatedPeerNetwork implements PeerNetwork, EndOwner {
  readonly place: Place;
  readonly port: number;
  readonly publicKey: string;
  readonly build: string | undefined;
  readonly #wires: PeerWires;
  readonly #options: PeerLinkOptions;
  readonly #handler: PeerHandler;
  readonly #onEnd: () => void;
  readonly #holdsKey: boolean;
  readonly #targets = new Map<string, PeerTarget>();
  readonly #dials = new Map<string, Dial>();
  readonly #ends = new Map<string, { readonly end: PeerEnd; readonly peer: SimulatedPeerNetwork; address: string }>();
  #isOver = false;

  constructor(
    wires: PeerWires,
    place: Place,
    port: number,
    options: PeerLinkOptions,
    handler: PeerHandler,
    onEnd: () => void,
  ) {
    const facts: CertificateFacts = JSON.parse(options.identity.certificatePem);
    this.publicKey = facts.publicKeySha256;
    this.#holdsKey = options.identity.privateKeyPem === this.publicKey;
    this.build = options.build;
    this.#wires = wires;
    this.place = place;
    this.port = port;
    this.#options = options;
    this.#handler = handler;
    this.#onEnd = onEnd;
  }

  setPeers(peers: readonly PeerTarget[]): void {
    if (this.#isOver) return;
    this.#targets.clear();
    for (const peer of peers) if (peer.publicKey !== this.publicKey) this.#targets.set(peer.publicKey, peer);
    for (const [key, { end }] of [...this.#ends]) {
      if (this.#handler.admits(key)) continue;
      end.close("reset");
      this.lost(end, "no longer admitted");
    }
    for (const [key, dial] of [...this.#dials]) {
      if (this.#targets.has(key)) continue;
      dial.timer?.cancel();
      this.#dials.delete(key);
    }
    for (const key of this.#targets.keys()) this.#seek(key);
  }

  send(to: string, frame: Uint8Array): boolean {
    if (frame.length > maxFrameBytes)
      throw new RangeError(`Cannot send a frame of ${frame.length} bytes: at most ${maxFrameBytes} are allowed`);
    const end = this.#ends.get(to)?.end;
    if (end === undefined || end.queuedBytes + frame.length > maxQueuedBytes) return false;
    end.send(frame.slice());
    return true;
  }

  queuedBytes(to: string): number {
    return this.#ends.get(to)?.end.queuedBytes ?? 0;
  }

  status(): PeerStatus[] {
    const keys = new Set([...this.#targets.keys(), ...this.#ends.keys()]);
    return [...keys].sort().map((publicKey) => {
      const connection = this.#ends.get(publicKey);
      return {
        publicKey,
        connected: connection !== undefined,
        address: connection?.address,
        build: connection?.peer.build,
        roundTripMs: connection === undefined ? undefined : 1,
      };
    });
  }

  async close(): Promise<void> {
    this.end("flush");
  }

  /** The process is no more: closed, killed or without power. Nothing is reported any more. */
  end(how: "flush" | "reset" | "silence"): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const dial of this.#dials.values()) dial.timer?.cancel();
    this.#dials.clear();
    for (const { end } of this.#ends.values()) end.close(how);
    this.#ends.clear();
    this.#onEnd();
  }

  /** The network has changed. */
  review(): void {
    for (const { end } of [...this.#ends.values()]) end.review();
  }

  deliver(from: string, frame: Uint8Array): void {
    if (!this.#isOver && this.#handler.admits(from)) this.#handler.received(from, frame);
  }

  lost(end: PeerEnd, reason: string): void {
    for (const [key, connection] of this.#ends) {
      if (connection.end !== end) continue;
      this.#ends.delete(key);
      this.#wires.note(`${this.place.name} has lost ${connection.peer.place.name}: ${reason}`);
      this.#report(() => this.#handler.disconnected?.(key));
      this.#seek(key);
      return;
    }
  }

  /** Later, and only while somebody listens. */
  #report(call: () => void): void {
    this.#wires.clock.schedule(0, () => {
      if (!this.#isOver) call();
    });
  }

  #seek(key: string): void {
    if (this.#dials.has(key) || this.#ends.has(key) || !this.#targets.get(key)?.addresses.length) return;
    const dial: Dial = { timer: undefined, failures: 0, nextAddress: 0, refusal: undefined };
    this.#dials.set(key, dial);
    this.#later(dial, 50 * this.#wires.random.fraction(), () => this.#dial(key, dial));
  }

  #later(dial: Dial, delayMs: number, call: () => void): void {
    dial.timer = this.#wires.clock.schedule(delayMs, call);
  }

  #dial(key: string, dial: Dial): void {
    const addresses = this.#targets.get(key)?.addresses ?? [];
    const address = addresses[dial.nextAddress++ % addresses.length];
    if (address === undefined || this.#ends.has(key)) {
      this.#dials.delete(key);
      return;
    }
    const wires = this.#wires;
    const failed = (reason: string) => {
      if (dial.refusal !== reason) wires.note(`${this.place.name} cannot connect to ${address}: ${reason}`);
      dial.refusal = reason;
      const waitMs = Math.min(1000, 100 * 2 ** dial.failures++) * (0.5 + 0.5 * wires.random.fraction());
      this.#later(dial, waitMs, () => this.#dial(key, dial));
    };
    const there = wires.find(address, this.place);
    const reaches = () =>
      there !== undefined && wires.carries(this.place, there.place) && wires.carries(there.place, this.place);
    const noAnswer = () => this.#later(dial, dialLimitMs, () => failed("no answer"));
    if (there === undefined || !reaches()) {
      noAnswer();
      return;
    }
    // TCP's handshake, then that of TLS.
    const handshakeMs = 2 * (wires.delayMs(this.place, there.place) + wires.delayMs(there.place, this.place));
    this.#later(dial, handshakeMs, () => {
      if (!reaches()) return noAnswer();
      const peer = there.listener();
      if (peer === undefined) return failed("connection refused");
      const refusal = peer.publicKey === key ? this.#refusal(peer) : "another key answers there";
      if (refusal !== undefined) return failed(refusal);
      this.#dials.delete(key);
      if (this.#ends.get(key)?.end.other.isOpen !== true) this.#connect(peer, address);
    });
  }

  #refusal(peer: SimulatedPeerNetwork): string | undefined {
    if (!peer.#holdsKey || !this.#holdsKey) return "the key is not proved";
    if (!this.#handler.admits(peer.publicKey) || !peer.#handler.admits(this.publicKey)) return "not admitted";
    const [ours, theirs] = [this.#options.clusterId(), peer.#options.clusterId()];
    if (ours !== undefined && theirs !== undefined && ours !== theirs) return `it is of cluster ${theirs}, not ${ours}`;
    return undefined;
  }

  #connect(peer: SimulatedPeerNetwork, address: string): void {
    // An end that has not yet noticed that the other one is gone.
    for (const [network, key] of [[this, peer.publicKey] as const, [peer, this.publicKey] as const]) {
      const stale = network.#ends.get(key)?.end;
      stale?.close("silence");
      if (stale !== undefined) network.lost(stale, "the peer has connected anew");
    }
    const [ours, theirs] = PeerEnd.pair(this.#wires, this, peer);
    this.#ends.set(peer.publicKey, { end: ours, peer, address });
    peer.#ends.set(this.publicKey, { end: theirs, peer: this, address: `${this.place.name}:0` });
    this.#wires.note(`${this.place.name} is connected to ${peer.place.name}`);
    this.#report(() => this.#handler.connected?.(peer.publicKey));
    peer.#report(() => peer.#handler.connected?.(this.publicKey));
    ours.review();
    theirs.review();
  }
}
