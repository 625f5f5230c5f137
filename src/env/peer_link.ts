import type { KeyPair } from "./pki.ts";

/** Longest frame; a snapshot travels in chunks far below it. */
export const maxFrameBytes = 8 << 20;
/** What may wait for one peer; `send` refuses what would go beyond. */
export const maxQueuedBytes = 16 << 20;

/** Where to look for a peer; who proves to hold the key is the peer, wherever it answers or calls from. */
export interface PeerTarget {
  /** SHA-256 of the subject public key info, base64. */
  readonly publicKey: string;
  /** "192.0.2.7:2380", "[2001:db8::7]:2380"; tried in turn. Empty: it can only call us. */
  readonly addresses: readonly string[];
}

export interface PeerLinkOptions {
  /** Absent: only dials (behind NAT). Port 0 picks a free one. */
  readonly listen: { readonly address: string; readonly port: number } | undefined;
  /** The own key and its self-signed certificate: Pki.createPeerIdentity. */
  readonly identity: KeyPair;
  /**
   * Spoken in the hello, before anything else: a peer of another cluster is refused, with a line in the log. Undefined: knows none
   * yet (it joins), and talks to any.
   */
  readonly clusterId: () => bigint | undefined;
  /** Spoken in the hello and shown by the other side's status(): "0.1.0". */
  readonly build?: string;
}

/**
 * Called by the link, never from inside a call of PeerNetwork, and not any more once `close` has been called. Must not throw.
 * For each peer: connected, then frames, then disconnected, and so on.
 */
export interface PeerHandler {
  /** May whoever holds this key talk to us? Asked at each handshake and again after setPeers. */
  admits(publicKey: string): boolean;
  /** A frame came, in the order in which the peer sent it. It may be kept. */
  received(from: string, frame: Uint8Array): void;
  connected?(publicKey: string): void;
  /** What was on its way in either direction may be lost. */
  disconnected?(publicKey: string): void;
}

/**
 * Frames between the members of a cluster. Each member has a key pair of its own and is known by its public key alone: no
 * authority, no name, no date is asked for, so neither a new address nor a wrong clock locks anybody out.
 */
export interface PeerLink {
  /** Rejects when the port is taken or the identity cannot be read. */
  open(options: PeerLinkOptions, handler: PeerHandler): Promise<PeerNetwork>;
}

/**
 * At most one connection to each peer is in use, whoever dialled it. Every frame that `send` took arrives once, and in order, for
 * as long as the connection lives; when it ends, the last ones may be lost, none is ever doubled, and none arrives late: what
 * comes over a new connection was sent after all that came over the old one. A connection that is silent for 3 seconds is ended,
 * a lost one is dialled again within about a second. A slow peer holds up nobody else.
 */
export interface PeerNetwork {
  /** Where it listens; 0 when it only dials. */
  readonly port: number;
  /** Dials those; a connection whose key is no longer admitted is cut. The own key is passed over. */
  setPeers(peers: readonly PeerTarget[]): void;
  /**
   * Queues a copy of the frame. False: not connected, or more than maxQueuedBytes would wait, and the frame is dropped.
   * Throws RangeError above maxFrameBytes.
   */
  send(to: string, frame: Uint8Array): boolean;
  /** What waits for a peer before the kernel takes it; 0 when it is not connected. */
  queuedBytes(to: string): number;
  /** The peers that were set, and others that have called, sorted by key. */
  status(): readonly PeerStatus[];
  /** Ends the connections once what is queued is handed over, or after a second. */
  close(): Promise<void>;
}

export interface PeerStatus {
  readonly publicKey: string;
  readonly connected: boolean;
  /** Of the other end: where we reached it, or where it called from. */
  readonly address: string | undefined;
  readonly build: string | undefined;
  /** Newest measurement; undefined before the first. */
  readonly roundTripMs: number | undefined;
}
