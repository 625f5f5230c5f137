import type { Store } from "./store.ts";

/** A member of the cluster that holds the store. Replicated: every member knows all of them. */
export interface Member {
  /** Unique for ever; a machine that lost its log comes back under another one. */
  readonly id: bigint;
  /** The node's name; empty until the member has started. */
  readonly name: string;
  /** "192.0.2.7:2380": where it listens for its peers; a hint, for a peer is known by its key. */
  readonly peerAddresses: readonly string[];
  /** "https://192.0.2.7:6443": its API. */
  readonly clientUrls: readonly string[];
  /** SHA-256 of the subject public key info, base64: who proves to hold the key is this member, wherever it is. */
  readonly publicKey: string;
  /** A learner receives everything and has no vote; a witness votes and holds no data. */
  readonly role: "voter" | "learner" | "witness";
}

export interface MemberConnection {
  readonly id: bigint;
  readonly connected: boolean;
  /** Of the other end. */
  readonly address: string | undefined;
  readonly roundTripMs: number | undefined;
}

/** A place among the members that the others have made for this one. */
export interface Place {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly members: readonly Member[];
}

/** What `memberAdd` needs; the leader chooses the id. */
export type NewMember = Omit<Member, "id" | "role"> & { readonly role: "learner" | "witness" };

/**
 * A Store that is itself the cluster: what etcd's Cluster and Maintenance services offer. Each change of members is one step
 * (§4.1); it resolves when it is committed and applied here. Any member takes the call and passes it on to the leader.
 * Rejected with Unavailable the outcome is unknown: look at `members()`.
 */
export interface ClusterStore extends Store {
  /** As this member has applied them. */
  members(): readonly Member[];
  /** How this member reaches the others, now. */
  connections(): readonly MemberConnection[];
  /**
   * Who asks with the key of a member has no data (any more), or it would not ask: that member goes in the same step, since it may
   * have promised what it has forgotten. So joining can be tried again.
   */
  memberAdd(member: NewMember): Promise<Member>;
  /** A learner that has caught up gets a vote. Refused with InvalidArgument when it lags or is none. */
  memberPromote(id: bigint): Promise<void>;
  /** Refused with InvalidArgument for the last voter, and when the rest could not commit. */
  memberRemove(id: bigint): Promise<void>;
  /** Replaces what a member says of itself. */
  memberUpdate(id: bigint, change: Partial<Pick<Member, "name" | "peerAddresses" | "clientUrls">>): Promise<void>;
  /** Resolves when `to` leads. */
  moveLeader(to: bigint): Promise<void>;
  /**
   * CRC-32 of all versions up to `revision` (0: the newest) that compaction has left: equal on all members that have
   * applied the same.
   */
  hashKv(revision: number): Promise<StateHash>;
  /** The whole state at one revision as a snapshot file with its checksums (snapshot.ts): what `restore` takes. */
  backup(): AsyncIterable<Uint8Array>;
}

export interface StateHash {
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
}
