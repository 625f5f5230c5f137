/** v3lock.proto, v3election.proto and grpc.health.v1's health.proto. Names and numbers are the published ones. */
import { keyValue, responseHeader } from "./kv_messages.ts";
import { bigInt64, bytes, enumeration, int64, message, nested, string } from "./schema.ts";

const onlyHeader = { header: nested(1, responseHeader) };

export const lockRequest = message("LockRequest", { name: bytes(1), lease: bigInt64(2) });
export const lockResponse = message("LockResponse", { ...onlyHeader, key: bytes(2) });
export const unlockRequest = message("UnlockRequest", { key: bytes(1) });
export const unlockResponse = message("UnlockResponse", onlyHeader);

export const leaderKey = message("LeaderKey", { name: bytes(1), key: bytes(2), rev: int64(3), lease: bigInt64(4) });
export const campaignRequest = message("CampaignRequest", { name: bytes(1), lease: bigInt64(2), value: bytes(3) });
export const campaignResponse = message("CampaignResponse", { ...onlyHeader, leader: nested(2, leaderKey) });
export const leaderRequest = message("LeaderRequest", { name: bytes(1) });
export const leaderResponse = message("LeaderResponse", { ...onlyHeader, kv: nested(2, keyValue) });
export const resignRequest = message("ResignRequest", { leader: nested(1, leaderKey) });
export const resignResponse = message("ResignResponse", onlyHeader);
export const proclaimRequest = message("ProclaimRequest", { leader: nested(1, leaderKey), value: bytes(2) });
export const proclaimResponse = message("ProclaimResponse", onlyHeader);

export const healthCheckRequest = message("HealthCheckRequest", { service: string(1) });
export const healthCheckResponse = message("HealthCheckResponse", {
  status: enumeration(1, {
    name: "ServingStatus",
    names: ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"],
  }),
});
