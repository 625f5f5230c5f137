/** etcd v3's messages of keys: kv.proto, and KV, Watch of rpc.proto. Names and numbers are the published ones. */
import {
  bigInt64,
  bigUint64,
  bool,
  bytes,
  type Decoded,
  type Encodable,
  enumeration,
  int64,
  list,
  type Message,
  message,
  nested,
  oneof,
  repeated,
  string,
  uint64,
} from "./schema.ts";

export const responseHeader = message("ResponseHeader", {
  clusterId: bigUint64(1),
  memberId: bigUint64(2),
  revision: int64(3),
  raftTerm: uint64(4),
});

export const keyValue = message("KeyValue", {
  key: bytes(1),
  createRevision: int64(2),
  modRevision: int64(3),
  version: int64(4),
  value: bytes(5),
  lease: bigInt64(6),
});

export const event = message("Event", {
  type: enumeration(1, { name: "EventType", names: ["PUT", "DELETE"] }),
  kv: nested(2, keyValue),
  prevKv: nested(3, keyValue),
});

export const rangeRequest = message("RangeRequest", {
  key: bytes(1),
  rangeEnd: bytes(2),
  limit: int64(3),
  revision: int64(4),
  sortOrder: enumeration(5, { name: "SortOrder", names: ["NONE", "ASCEND", "DESCEND"] }),
  sortTarget: enumeration(6, { name: "SortTarget", names: ["KEY", "VERSION", "CREATE", "MOD", "VALUE"] }),
  serializable: bool(7),
  keysOnly: bool(8),
  countOnly: bool(9),
  minModRevision: int64(10),
  maxModRevision: int64(11),
  minCreateRevision: int64(12),
  maxCreateRevision: int64(13),
});

export const rangeResponse = message("RangeResponse", {
  header: nested(1, responseHeader),
  kvs: repeated(2, keyValue),
  more: bool(3),
  count: int64(4),
});

export const putRequest = message("PutRequest", {
  key: bytes(1),
  value: bytes(2),
  lease: bigInt64(3),
  prevKv: bool(4),
  ignoreValue: bool(5),
  ignoreLease: bool(6),
});

export const putResponse = message("PutResponse", { header: nested(1, responseHeader), prevKv: nested(2, keyValue) });

export const deleteRangeRequest = message("DeleteRangeRequest", {
  key: bytes(1),
  rangeEnd: bytes(2),
  prevKv: bool(3),
});

export const deleteRangeResponse = message("DeleteRangeResponse", {
  header: nested(1, responseHeader),
  deleted: int64(2),
  prevKvs: repeated(3, keyValue),
});

export const compare = message("Compare", {
  result: enumeration(1, { name: "CompareResult", names: ["EQUAL", "GREATER", "LESS", "NOT_EQUAL"] }),
  target: enumeration(2, { name: "CompareTarget", names: ["VERSION", "CREATE", "MOD", "VALUE", "LEASE"] }),
  key: bytes(3),
  version: oneof(int64(4)),
  createRevision: oneof(int64(5)),
  modRevision: oneof(int64(6)),
  value: oneof(bytes(7)),
  lease: oneof(bigInt64(8)),
  rangeEnd: bytes(64),
});

/** One member is set. A transaction may hold transactions: hence the types by hand. */
export interface RequestOp {
  readonly requestRange?: Decoded<typeof rangeRequest> | undefined;
  readonly requestPut?: Decoded<typeof putRequest> | undefined;
  readonly requestDeleteRange?: Decoded<typeof deleteRangeRequest> | undefined;
  readonly requestTxn?: TxnRequest | undefined;
}

export interface RequestOpInput {
  readonly requestRange?: Encodable<typeof rangeRequest> | undefined;
  readonly requestPut?: Encodable<typeof putRequest> | undefined;
  readonly requestDeleteRange?: Encodable<typeof deleteRangeRequest> | undefined;
  readonly requestTxn?: TxnRequestInput | undefined;
}

export interface TxnRequest {
  readonly compare: readonly Decoded<typeof compare>[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export interface TxnRequestInput {
  readonly compare?: readonly Encodable<typeof compare>[] | undefined;
  readonly success?: readonly RequestOpInput[] | undefined;
  readonly failure?: readonly RequestOpInput[] | undefined;
}

export const requestOp: Message<RequestOp, RequestOpInput> = message("RequestOp", {
  requestRange: oneof(nested(1, rangeRequest)),
  requestPut: oneof(nested(2, putRequest)),
  requestDeleteRange: oneof(nested(3, deleteRangeRequest)),
  requestTxn: oneof(nested(4, (): Message<TxnRequest, TxnRequestInput> => txnRequest)),
});

export const txnRequest: Message<TxnRequest, TxnRequestInput> = message("TxnRequest", {
  compare: repeated(1, compare),
  success: repeated(2, requestOp),
  failure: repeated(3, requestOp),
});

export interface ResponseOp {
  readonly responseRange?: Decoded<typeof rangeResponse> | undefined;
  readonly responsePut?: Decoded<typeof putResponse> | undefined;
  readonly responseDeleteRange?: Decoded<typeof deleteRangeResponse> | undefined;
  readonly responseTxn?: TxnResponse | undefined;
}

export interface ResponseOpInput {
  readonly responseRange?: Encodable<typeof rangeResponse> | undefined;
  readonly responsePut?: Encodable<typeof putResponse> | undefined;
  readonly responseDeleteRange?: Encodable<typeof deleteRangeResponse> | undefined;
  readonly responseTxn?: TxnResponseInput | undefined;
}

export interface TxnResponse {
  readonly header: Decoded<typeof responseHeader> | undefined;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

export interface TxnResponseInput {
  readonly header?: Encodable<typeof responseHeader> | undefined;
  readonly succeeded?: boolean | undefined;
  readonly responses?: readonly ResponseOpInput[] | undefined;
}

export const responseOp: Message<ResponseOp, ResponseOpInput> = message("ResponseOp", {
  responseRange: oneof(nested(1, rangeResponse)),
  responsePut: oneof(nested(2, putResponse)),
  responseDeleteRange: oneof(nested(3, deleteRangeResponse)),
  responseTxn: oneof(nested(4, (): Message<TxnResponse, TxnResponseInput> => txnResponse)),
});

export const txnResponse: Message<TxnResponse, TxnResponseInput> = message("TxnResponse", {
  header: nested(1, responseHeader),
  succeeded: bool(2),
  responses: repeated(3, responseOp),
});

export const compactionRequest = message("CompactionRequest", { revision: int64(1), physical: bool(2) });
export const compactionResponse = message("CompactionResponse", { header: nested(1, responseHeader) });

export const watchCreateRequest = message("WatchCreateRequest", {
  key: bytes(1),
  rangeEnd: bytes(2),
  startRevision: int64(3),
  progressNotify: bool(4),
  filters: list(enumeration(5, { name: "FilterType", names: ["NOPUT", "NODELETE"] })),
  prevKv: bool(6),
  watchId: int64(7),
  fragment: bool(8),
});
export const watchCancelRequest = message("WatchCancelRequest", { watchId: int64(1) });
export const watchProgressRequest = message("WatchProgressRequest", {});

export const watchRequest = message("WatchRequest", {
  createRequest: oneof(nested(1, watchCreateRequest)),
  cancelRequest: oneof(nested(2, watchCancelRequest)),
  progressRequest: oneof(nested(3, watchProgressRequest)),
});

export const watchResponse = message("WatchResponse", {
  header: nested(1, responseHeader),
  watchId: int64(2),
  created: bool(3),
  canceled: bool(4),
  compactRevision: int64(5),
  cancelReason: string(6),
  fragment: bool(7),
  events: repeated(11, event),
});
