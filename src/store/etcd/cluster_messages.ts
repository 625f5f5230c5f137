/** etcd v3's messages of leases, members and maintenance: rpc.proto. Names and numbers are the published ones. */
import { responseHeader } from "./kv_messages.ts";
import {
  bigInt64,
  bigUint64,
  bool,
  bytes,
  enumeration,
  int64,
  list,
  message,
  nested,
  repeated,
  string,
  uint32,
  uint64,
} from "./schema.ts";

const onlyHeader = { header: nested(1, responseHeader) };

export const leaseGrantRequest = message("LeaseGrantRequest", { ttl: int64(1, "TTL"), id: bigInt64(2, "ID") });
export const leaseGrantResponse = message("LeaseGrantResponse", {
  ...onlyHeader,
  id: bigInt64(2, "ID"),
  ttl: int64(3, "TTL"),
  error: string(4),
});
export const leaseRevokeRequest = message("LeaseRevokeRequest", { id: bigInt64(1, "ID") });
export const leaseRevokeResponse = message("LeaseRevokeResponse", onlyHeader);
export const leaseKeepAliveRequest = message("LeaseKeepAliveRequest", { id: bigInt64(1, "ID") });
export const leaseKeepAliveResponse = message("LeaseKeepAliveResponse", {
  ...onlyHeader,
  id: bigInt64(2, "ID"),
  ttl: int64(3, "TTL"),
});
export const leaseTimeToLiveRequest = message("LeaseTimeToLiveRequest", { id: bigInt64(1, "ID"), keys: bool(2) });
export const leaseTimeToLiveResponse = message("LeaseTimeToLiveResponse", {
  ...onlyHeader,
  id: bigInt64(2, "ID"),
  ttl: int64(3, "TTL"),
  grantedTtl: int64(4, "grantedTTL"),
  keys: list(bytes(5)),
});
export const leaseLeasesRequest = message("LeaseLeasesRequest", {});
export const leaseStatus = message("LeaseStatus", { id: bigInt64(1, "ID") });
export const leaseLeasesResponse = message("LeaseLeasesResponse", { ...onlyHeader, leases: repeated(2, leaseStatus) });

export const member = message("Member", {
  id: bigUint64(1, "ID"),
  name: string(2),
  peerUrls: list(string(3, "peerURLs")),
  clientUrls: list(string(4, "clientURLs")),
  isLearner: bool(5, "isLearner"),
});
export const memberAddRequest = message("MemberAddRequest", {
  peerUrls: list(string(1, "peerURLs")),
  isLearner: bool(2, "isLearner"),
});
export const memberAddResponse = message("MemberAddResponse", {
  ...onlyHeader,
  member: nested(2, member),
  members: repeated(3, member),
});
const headerAndMembers = { ...onlyHeader, members: repeated(2, member) };
export const memberRemoveRequest = message("MemberRemoveRequest", { id: bigUint64(1, "ID") });
export const memberRemoveResponse = message("MemberRemoveResponse", headerAndMembers);
export const memberUpdateRequest = message("MemberUpdateRequest", {
  id: bigUint64(1, "ID"),
  peerUrls: list(string(2, "peerURLs")),
});
export const memberUpdateResponse = message("MemberUpdateResponse", headerAndMembers);
export const memberListRequest = message("MemberListRequest", { linearizable: bool(1) });
export const memberListResponse = message("MemberListResponse", headerAndMembers);
export const memberPromoteRequest = message("MemberPromoteRequest", { id: bigUint64(1, "ID") });
export const memberPromoteResponse = message("MemberPromoteResponse", headerAndMembers);

const alarmType = { name: "AlarmType", names: ["NONE", "NOSPACE", "CORRUPT"] } as const;

export const alarmRequest = message("AlarmRequest", {
  action: enumeration(1, { name: "AlarmAction", names: ["GET", "ACTIVATE", "DEACTIVATE"] }),
  memberId: bigUint64(2, "memberID"),
  alarm: enumeration(3, alarmType),
});
export const alarmMember = message("AlarmMember", {
  memberId: bigUint64(1, "memberID"),
  alarm: enumeration(2, alarmType),
});
export const alarmResponse = message("AlarmResponse", { ...onlyHeader, alarms: repeated(2, alarmMember) });

export const statusRequest = message("StatusRequest", {});
export const statusResponse = message("StatusResponse", {
  ...onlyHeader,
  version: string(2),
  dbSize: int64(3, "dbSize"),
  leader: bigUint64(4),
  raftIndex: uint64(5, "raftIndex"),
  raftTerm: uint64(6, "raftTerm"),
  raftAppliedIndex: uint64(7, "raftAppliedIndex"),
  errors: list(string(8)),
  dbSizeInUse: int64(9, "dbSizeInUse"),
  isLearner: bool(10, "isLearner"),
});

export const defragmentRequest = message("DefragmentRequest", {});
export const defragmentResponse = message("DefragmentResponse", onlyHeader);
export const hashRequest = message("HashRequest", {});
export const hashResponse = message("HashResponse", { ...onlyHeader, hash: uint32(2) });
export const hashKvRequest = message("HashKVRequest", { revision: int64(1) });
export const hashKvResponse = message("HashKVResponse", {
  ...onlyHeader,
  hash: uint32(2),
  compactRevision: int64(3),
});
export const snapshotRequest = message("SnapshotRequest", {});
export const snapshotResponse = message("SnapshotResponse", {
  ...onlyHeader,
  remainingBytes: uint64(2),
  blob: bytes(3),
});
export const moveLeaderRequest = message("MoveLeaderRequest", { targetId: bigUint64(1, "targetID") });
export const moveLeaderResponse = message("MoveLeaderResponse", onlyHeader);
