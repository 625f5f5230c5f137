/**
 * What can be called: etcd v3's services of rpc.proto (without Auth), v3lock.proto, v3election.proto and grpc.health.v1. For server
 * and client alike. `http` is where the JSON gateway has a call (google.api.http in the .proto files).
 */
import * as cluster from "./cluster_messages.ts";
import * as kv from "./kv_messages.ts";
import * as recipe from "./recipe_messages.ts";
import type { Message } from "./schema.ts";

export interface Method<Request extends Message = Message, Response extends Message = Message> {
  /** "/etcdserverpb.KV/Range" */
  readonly path: string;
  readonly request: Request;
  readonly response: Response;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** Paths of the JSON gateway, all by POST. */
  readonly http: readonly string[];
}

function unary<Request extends Message, Response extends Message>(
  path: string,
  request: Request,
  response: Response,
  ...http: readonly string[]
): Method<Request, Response> & { readonly requestStream: false; readonly responseStream: false } {
  return { path, request, response, requestStream: false, responseStream: false, http };
}

function serverStream<Request extends Message, Response extends Message>(
  path: string,
  request: Request,
  response: Response,
  ...http: readonly string[]
): Method<Request, Response> & { readonly requestStream: false; readonly responseStream: true } {
  return { path, request, response, requestStream: false, responseStream: true, http };
}

function bothStreams<Request extends Message, Response extends Message>(
  path: string,
  request: Request,
  response: Response,
  ...http: readonly string[]
): Method<Request, Response> & { readonly requestStream: true; readonly responseStream: true } {
  return { path, request, response, requestStream: true, responseStream: true, http };
}

export const methods = {
  range: unary("/etcdserverpb.KV/Range", kv.rangeRequest, kv.rangeResponse, "/v3/kv/range"),
  put: unary("/etcdserverpb.KV/Put", kv.putRequest, kv.putResponse, "/v3/kv/put"),
  deleteRange: unary(
    "/etcdserverpb.KV/DeleteRange",
    kv.deleteRangeRequest,
    kv.deleteRangeResponse,
    "/v3/kv/deleterange",
  ),
  txn: unary("/etcdserverpb.KV/Txn", kv.txnRequest, kv.txnResponse, "/v3/kv/txn"),
  compact: unary("/etcdserverpb.KV/Compact", kv.compactionRequest, kv.compactionResponse, "/v3/kv/compaction"),

  watch: bothStreams("/etcdserverpb.Watch/Watch", kv.watchRequest, kv.watchResponse, "/v3/watch"),

  leaseGrant: unary(
    "/etcdserverpb.Lease/LeaseGrant",
    cluster.leaseGrantRequest,
    cluster.leaseGrantResponse,
    "/v3/lease/grant",
  ),
  leaseRevoke: unary(
    "/etcdserverpb.Lease/LeaseRevoke",
    cluster.leaseRevokeRequest,
    cluster.leaseRevokeResponse,
    "/v3/lease/revoke",
    "/v3/kv/lease/revoke",
  ),
  leaseKeepAlive: bothStreams(
    "/etcdserverpb.Lease/LeaseKeepAlive",
    cluster.leaseKeepAliveRequest,
    cluster.leaseKeepAliveResponse,
    "/v3/lease/keepalive",
  ),
  leaseTimeToLive: unary(
    "/etcdserverpb.Lease/LeaseTimeToLive",
    cluster.leaseTimeToLiveRequest,
    cluster.leaseTimeToLiveResponse,
    "/v3/lease/timetolive",
    "/v3/kv/lease/timetolive",
  ),
  leaseLeases: unary(
    "/etcdserverpb.Lease/LeaseLeases",
    cluster.leaseLeasesRequest,
    cluster.leaseLeasesResponse,
    "/v3/lease/leases",
    "/v3/kv/lease/leases",
  ),

  memberAdd: unary(
    "/etcdserverpb.Cluster/MemberAdd",
    cluster.memberAddRequest,
    cluster.memberAddResponse,
    "/v3/cluster/member/add",
  ),
  memberRemove: unary(
    "/etcdserverpb.Cluster/MemberRemove",
    cluster.memberRemoveRequest,
    cluster.memberRemoveResponse,
    "/v3/cluster/member/remove",
  ),
  memberUpdate: unary(
    "/etcdserverpb.Cluster/MemberUpdate",
    cluster.memberUpdateRequest,
    cluster.memberUpdateResponse,
    "/v3/cluster/member/update",
  ),
  memberList: unary(
    "/etcdserverpb.Cluster/MemberList",
    cluster.memberListRequest,
    cluster.memberListResponse,
    "/v3/cluster/member/list",
  ),
  memberPromote: unary(
    "/etcdserverpb.Cluster/MemberPromote",
    cluster.memberPromoteRequest,
    cluster.memberPromoteResponse,
    "/v3/cluster/member/promote",
  ),

  alarm: unary("/etcdserverpb.Maintenance/Alarm", cluster.alarmRequest, cluster.alarmResponse, "/v3/maintenance/alarm"),
  status: unary(
    "/etcdserverpb.Maintenance/Status",
    cluster.statusRequest,
    cluster.statusResponse,
    "/v3/maintenance/status",
  ),
  defragment: unary(
    "/etcdserverpb.Maintenance/Defragment",
    cluster.defragmentRequest,
    cluster.defragmentResponse,
    "/v3/maintenance/defragment",
  ),
  // The .proto gives Hash and HashKV one path; the gateway answers the latter.
  hash: unary("/etcdserverpb.Maintenance/Hash", cluster.hashRequest, cluster.hashResponse),
  hashKv: unary(
    "/etcdserverpb.Maintenance/HashKV",
    cluster.hashKvRequest,
    cluster.hashKvResponse,
    "/v3/maintenance/hash",
  ),
  snapshot: serverStream(
    "/etcdserverpb.Maintenance/Snapshot",
    cluster.snapshotRequest,
    cluster.snapshotResponse,
    "/v3/maintenance/snapshot",
  ),
  moveLeader: unary(
    "/etcdserverpb.Maintenance/MoveLeader",
    cluster.moveLeaderRequest,
    cluster.moveLeaderResponse,
    "/v3/maintenance/transfer-leadership",
  ),

  lock: unary("/v3lockpb.Lock/Lock", recipe.lockRequest, recipe.lockResponse, "/v3/lock/lock"),
  unlock: unary("/v3lockpb.Lock/Unlock", recipe.unlockRequest, recipe.unlockResponse, "/v3/lock/unlock"),

  campaign: unary(
    "/v3electionpb.Election/Campaign",
    recipe.campaignRequest,
    recipe.campaignResponse,
    "/v3/election/campaign",
  ),
  proclaim: unary(
    "/v3electionpb.Election/Proclaim",
    recipe.proclaimRequest,
    recipe.proclaimResponse,
    "/v3/election/proclaim",
  ),
  leader: unary("/v3electionpb.Election/Leader", recipe.leaderRequest, recipe.leaderResponse, "/v3/election/leader"),
  observe: serverStream(
    "/v3electionpb.Election/Observe",
    recipe.leaderRequest,
    recipe.leaderResponse,
    "/v3/election/observe",
  ),
  resign: unary("/v3electionpb.Election/Resign", recipe.resignRequest, recipe.resignResponse, "/v3/election/resign"),

  healthCheck: unary("/grpc.health.v1.Health/Check", recipe.healthCheckRequest, recipe.healthCheckResponse),
  healthWatch: serverStream("/grpc.health.v1.Health/Watch", recipe.healthCheckRequest, recipe.healthCheckResponse),
} as const;
