/** The words of the Raft paper (Ongaro, "Consensus: Bridging Theory and Practice"); sections below are the thesis'. */

/** A member's number, unique for ever; never reused for a machine that lost its log. */
export type MemberId = bigint;
export const noMember: MemberId = 0n;

export type EntryType = "normal" | "confChange";

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  /** Opaque to consensus; empty for the entry that a new leader begins its term with. */
  readonly data: Uint8Array;
}

/** What must survive a crash besides the entries (§3.4); `commit` may lag, it is only a head start. */
export interface HardState {
  readonly term: number;
  readonly vote: MemberId;
  readonly commit: number;
}

/** The membership (§4). `votersOutgoing` is not empty while a joint configuration is in force (§4.3). */
export interface ConfState {
  readonly voters: readonly MemberId[];
  readonly votersOutgoing: readonly MemberId[];
  /** They receive everything and have no vote (§4.2.1). */
  readonly learners: readonly MemberId[];
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly MemberId[];
  /** Those of the voters, of either half, that hold no data (witness.ts). */
  readonly witnesses: readonly MemberId[];
  /** The leader leaves the joint configuration by itself. */
  readonly autoLeave: boolean;
}

/** Nobody: what a member that has not joined yet knows. */
export const noConf: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  witnesses: [],
  autoLeave: false,
};

/** Stands for every entry up to `index` (§5). The state itself is the store's affair: raft carries only this. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly conf: ConfState;
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** A read may be answered from the state once `index` is applied (§6.4). */
export interface ReadState {
  readonly index: number;
  readonly context: number;
}

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: number;
}

export type Message = Envelope &
  (
    | {
        readonly type: "appendEntries";
        readonly prevIndex: number;
        readonly prevTerm: number;
        readonly entries: readonly Entry[];
        readonly commit: number;
      }
    | {
        readonly type: "appendEntriesResponse";
        readonly reject: boolean;
        /** Accepted: the last index that matches. Rejected: the prevIndex that was refused; 0: only a snapshot is of use. */
        readonly index: number;
        /** Rejected: where the leader may look for agreement (§3.5, the hint by term). */
        readonly hintIndex: number;
        readonly hintTerm: number;
      }
    | {
        readonly type: "requestVote" | "requestPreVote";
        readonly lastIndex: number;
        readonly lastTerm: number;
        /** A leader has asked for this election: the voter's lease does not stand against it (§3.10). */
        readonly transfer: boolean;
        /** What the sender knows to be committed: who was left behind by a change of members can learn of it so. */
        readonly commit: number;
        readonly commitTerm: number;
      }
    | {
        readonly type: "requestVoteResponse" | "requestPreVoteResponse";
        readonly reject: boolean;
        readonly commit: number;
        readonly commitTerm: number;
      }
    | {
        readonly type: "heartbeat";
        /** Never above what its sender knows this member to hold. */
        readonly commit: number;
        /** The number of its round (§6.4), which the answer repeats. 0: it only tells the commit index, and is not answered. */
        readonly context: number;
      }
    | { readonly type: "heartbeatResponse"; readonly context: number }
    /** To a witness in place of appendEntries: the entry at `index` is of this very term. Answered by appendEntriesResponse. */
    | { readonly type: "witnessAppend"; readonly index: number }
    | { readonly type: "installSnapshot"; readonly snapshot: SnapshotMeta }
    | { readonly type: "timeoutNow" }
    | { readonly type: "propose"; readonly entries: readonly { readonly type: EntryType; readonly data: Uint8Array }[] }
    | { readonly type: "readIndex"; readonly context: number }
    | { readonly type: "readIndexResponse"; readonly context: number; readonly index: number }
  );

/**
 * What the driver must do now. Order matters:
 * - `snapshot`, then `entries` and `hardState`, are made durable; then `messagesAfterAppend` are sent and `advance()` is
 *   called. While that is going on further Readys carry none of the three, so one write serves what arrived meanwhile.
 * - `messages` may be sent at once, in parallel with the write (§10.2.1): they promise nothing about this member's disk.
 * - `committedEntries` are durable here already and are applied in order, once, at once.
 * - `readStates` are answered when their index is applied.
 */
export interface Ready {
  /** Given whenever something must be written: it is small, so that every write carries all that a restart needs. */
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly snapshot: SnapshotMeta | undefined;
  readonly messages: readonly Message[];
  readonly messagesAfterAppend: readonly Message[];
  readonly committedEntries: readonly Entry[];
  readonly readStates: readonly ReadState[];
}
