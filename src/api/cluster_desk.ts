import { z } from "zod";
import { IdText, MemberText } from "../store/members_file.ts";

/** What the API does with the members of the cluster, by HTTP under /wherry/v1. Composed in membership.ts. */
export interface ClusterDesk {
  /** The cluster's authority, PEM: anybody may have it, and trusts it only when its hash is the one of a token. */
  readonly authorityPem: string;
  /** Makes room for a server that shows a valid token. Asked again with the same key, it gives the same answer. */
  admit(token: string, applicant: Applicant): Promise<JoinGrant>;
  /** A new token that lets servers join. */
  createToken(wish: TokenWish): Promise<GrantedToken>;
  members(): Promise<ClusterMembers>;
  /** By name, or by id in hexadecimal. StatusError NotFound, Conflict when the rest could not go on. */
  remove(member: string): Promise<void>;
}

/** A server that wants to join. */
export const Applicant = z.strictObject({
  nodeName: z.string().min(1).max(63),
  /** SHA-256 of the subject public key info of its peer key, base64. */
  publicKey: z.string().regex(/^[A-Za-z0-9+/]{43}=$/, "must be a SHA-256 in base64"),
  peerAddresses: z.array(z.string().max(255)).min(1).max(8),
  clientUrls: z.array(z.url()).min(1).max(8),
  /** "0.1.0" */
  version: z.string().max(64),
});
export type Applicant = z.infer<typeof Applicant>;

export const TokenWish = z.strictObject({
  /** A day if not given; at most a year. */
  ttlSeconds: z.int().min(60).max(31_536_000).default(86_400),
  description: z.string().max(256).default(""),
});
export type TokenWish = z.infer<typeof TokenWish>;

export const GrantedToken = z.object({ token: z.string(), expiresAt: z.string() });
export type GrantedToken = z.infer<typeof GrantedToken>;

/** All that a server needs to be one of the cluster; secret. */
export const JoinGrant = z.object({
  clusterId: IdText,
  memberId: IdText,
  members: z.array(MemberText),
  /** The pair that the servers' certificates are issued by. */
  authority: z.object({ certificatePem: z.string(), privateKeyPem: z.string() }),
  adminToken: z.string(),
  /** What all nodes must agree on. */
  settings: z.object({
    clusterCidr: z.string(),
    serviceCidr: z.string(),
    serviceNodePortRange: z.string(),
    clusterDomain: z.string(),
  }),
});
export type JoinGrant = z.infer<typeof JoinGrant>;

export const ClusterMembers = z.object({
  clusterId: IdText,
  members: z.array(
    MemberText.extend({
      isLeader: z.boolean(),
      /** As the server sees it that was asked; itself too. */
      connected: z.boolean(),
      address: z.string().optional(),
      roundTripMs: z.number().optional(),
    }),
  ),
  /** How many of those that vote may be lost now, from here, before nothing can be written any more. */
  tolerates: z.number(),
  hasQuorum: z.boolean(),
});
export type ClusterMembers = z.infer<typeof ClusterMembers>;
