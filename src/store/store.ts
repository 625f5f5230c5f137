/**
 * etcd's contract, in bytes and without any knowledge of Kubernetes. The embedded store and the one that talks to an
 * external etcd implement this interface and pass the same contract suite (store_contract.ts).
 *
 * Guarantees:
 * - Strictly serialisable: a txn or a range that starts after another ended sees its effect.
 * - A promise of `txn` resolves only after the change is durable (fdatasync done, by a quorum when there are several
 *   members) and applied. Rejected with `Unavailable` or a timeout the outcome is unknown; any other rejection
 *   means that nothing changed.
 * - A revision is a safe integer. It grows by one with each transaction that changed something; all changes of one
 *   transaction share it. A fresh store is at revision 1 (as etcd).
 * - A watcher sees every change of its range exactly once, in revision order, all changes of a revision in one batch.
 */
export interface Store {
  range(request: RangeRequest): Promise<RangeResponse>;
  txn(request: TxnRequest): Promise<TxnResponse>;
  /** Delivers changes from `startRevision` on (default: the next one) until cancelled. */
  watch(request: WatchRequest, listener: WatchListener): Watch;
  /** Forgets versions that were superseded at or before `revision`. */
  compact(revision: number): Promise<void>;
  /** `id` 0 or absent: the store chooses one. */
  leaseGrant(ttlSeconds: number, id?: bigint): Promise<{ readonly id: bigint; readonly ttlSeconds: number }>;
  /** Deletes the lease and every key attached to it, in one revision. */
  leaseRevoke(id: bigint): Promise<void>;
  leaseKeepAlive(id: bigint): Promise<{ readonly ttlSeconds: number }>;
  leaseTimeToLive(
    id: bigint,
  ): Promise<{ readonly grantedSeconds: number; readonly remainingSeconds: number; readonly keys: Uint8Array[] }>;
  /** Ids of the leases that exist, ascending. */
  leaseList(): Promise<bigint[]>;
  /**
   * Calls back at once and at each change: the term while this member leads and has applied what came before, else undefined.
   * Returns what ends that.
   */
  onLeadership(listener: (term: number | undefined) => void): () => void;
  status(): StoreStatus;
  /** Stops; what was acknowledged stays. Pending requests are rejected with Unavailable. */
  close(): Promise<void>;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** 1 at creation; grows with each change until the key is deleted. */
  readonly version: number;
  /** 0n: no lease. */
  readonly lease: bigint;
}

/**
 * The keys from `key` (inclusive) to `end` (exclusive). `end` absent: the one key. `end` = [0]: every key from `key` on.
 */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly end?: Uint8Array;
}

export interface RangeRequest extends KeyRange {
  /** 0 or absent: the newest. A compacted one is refused with Compacted, one ahead of the store with FutureRevision. */
  readonly revision?: number;
  /** 0 or absent: no limit. */
  readonly limit?: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  /** True: answer from this member's state without asking the quorum. */
  readonly serializable?: boolean;
  readonly sort?: { readonly by: "key" | "version" | "create" | "mod" | "value"; readonly order: "ascend" | "descend" };
  readonly minModRevision?: number;
  readonly maxModRevision?: number;
  readonly minCreateRevision?: number;
  readonly maxCreateRevision?: number;
}

export interface RangeResponse {
  /** The store's revision when it answered. */
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  /** Keys in the range, whatever the limit. */
  readonly count: number;
  readonly more: boolean;
}

export type Compare = KeyRange & { readonly result: "=" | "!=" | "<" | ">" } & (
    | { readonly target: "version" | "create" | "mod"; readonly operand: number }
    | { readonly target: "value"; readonly operand: Uint8Array }
    | { readonly target: "lease"; readonly operand: bigint }
  );

export type Operation =
  | { readonly type: "range"; readonly request: RangeRequest }
  | {
      readonly type: "put";
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly lease?: bigint;
      readonly previous?: boolean;
      /** Keep the present value or lease; the key must exist. */
      readonly ignoreValue?: boolean;
      readonly ignoreLease?: boolean;
    }
  | ({ readonly type: "deleteRange"; readonly previous?: boolean } & KeyRange)
  | { readonly type: "txn"; readonly request: TxnRequest };

/** All of `compare` hold: `success` is carried out, else `failure`. A key may be put at most once in a branch. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure: readonly Operation[];
  /** Refused with Unavailable unless this is the leader's present term: what a deposed leader writes is void. */
  readonly term?: number;
}

export type OperationResult =
  | ({ readonly type: "range" } & RangeResponse)
  | { readonly type: "put"; readonly previous?: KeyValue }
  | { readonly type: "deleteRange"; readonly deleted: number; readonly previous: readonly KeyValue[] }
  | ({ readonly type: "txn" } & TxnResponse);

export interface TxnResponse {
  readonly revision: number;
  readonly succeeded: boolean;
  readonly results: readonly OperationResult[];
}

export interface WatchRequest extends KeyRange {
  readonly startRevision?: number;
  readonly previous?: boolean;
  readonly filter?: { readonly noPut?: boolean; readonly noDelete?: boolean };
}

export interface WatchEvent {
  readonly type: "put" | "delete";
  /** For a delete: the key and its modRevision (the deletion's revision); the rest is empty. */
  readonly kv: KeyValue;
  readonly previous?: KeyValue;
}

export interface WatchListener {
  /** Called synchronously, in revision order; must not throw and must return quickly. */
  events(revision: number, events: readonly WatchEvent[]): void;
  /** Everything of the range up to and including `revision` was delivered: the answer to `requestProgress`. */
  progress?(revision: number): void;
  /** The watch is over: Compacted (start again from `compactRevision`) or the store closed. */
  ended(reason: StoreError): void;
}

export interface Watch {
  /** Asks for a call of the listener's `progress`, once this watch has been told of all that the store has now. */
  requestProgress(): void;
  cancel(): void;
}

export interface StoreStatus {
  readonly revision: number;
  readonly compactRevision: number;
  readonly term: number;
  /** This member holds the lead: controllers and scheduler may run here. */
  readonly isLeader: boolean;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** 0n: none is known. */
  readonly leaderId: bigint;
  readonly appliedIndex: number;
  readonly commitIndex: number;
  /** Bytes of keys and values held, and bytes of log and snapshots on the disk. */
  readonly bytesInUse: number;
  readonly bytesOnDisk: number;
  /** Set while writes are refused: "NOSPACE" (disk or quota full) or "CORRUPT". */
  readonly alarm?: "NOSPACE" | "CORRUPT";
}

export type StoreErrorCode =
  | "Compacted"
  | "FutureRevision"
  | "NoSpace"
  | "LeaseNotFound"
  | "LeaseExists"
  | "KeyNotFound"
  | "DuplicateKey"
  | "TooLarge"
  | "Unavailable"
  | "Corrupt"
  | "InvalidArgument";

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;
  /** Set for Compacted: the oldest revision that can still be read, and that a watch can start from (as etcd). */
  readonly compactRevision: number | undefined;

  constructor(code: StoreErrorCode, message: string, options?: { cause?: unknown; compactRevision?: number }) {
    super(message, { cause: options?.cause });
    this.code = code;
    this.compactRevision = options?.compactRevision;
  }
}
