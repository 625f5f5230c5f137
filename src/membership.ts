/**
 * Servers as members of one cluster: how one joins, and what the others do for it. The joining server proves itself by a token, the
 * cluster by the hash of its authority in that token; afterwards servers know each other by their peer keys.
 */

import { type Applicant, type ClusterDesk, type ClusterMembers, JoinGrant } from "./api/cluster_desk.ts";
import type { Client } from "./client/client.ts";
import type { Config } from "./config.ts";
import { rfc3339, sleep } from "./env/clock.ts";
import type { Disk } from "./env/disk.ts";
import type { Env } from "./env/env.ts";
import { describeError } from "./env/log.ts";
import type { KeyPair } from "./env/pki.ts";
import {
  authorityHash,
  bootstrapTokenName,
  bootstrapTokenNamespace,
  bootstrapTokenSecret,
  formatJoinToken,
  parseJoinToken,
  refuseJoin,
  tokenCharacters,
} from "./kinds/core/bootstrap_token.ts";
import { secretKind } from "./kinds/core/secret.ts";
import { isNotFound, StatusError } from "./kinds/status_error.ts";
import type { ClusterStore, Member, Place } from "./store/cluster.ts";
import { idText, memberText, readIdText, readMemberText } from "./store/members_file.ts";
import { snapshotPath } from "./store/snapshot.ts";
import { StoreError } from "./store/store.ts";

/** What a server says of itself to the others. */
export function selfOf(config: Config): Pick<Member, "name" | "peerAddresses" | "clientUrls"> {
  return {
    name: config.nodeName,
    peerAddresses: [`${config.nodeIp}:${config.peerPort}`],
    clientUrls: [`https://${config.nodeIp}:${config.httpsListenPort}`],
  };
}

function settingsOf(config: Config): JoinGrant["settings"] {
  const { clusterCidr, serviceCidr, nodePortRange, clusterDomain } = config;
  return { clusterCidr, serviceCidr, serviceNodePortRange: `${nodePortRange.from}-${nodePortRange.to}`, clusterDomain };
}

/** Raised when a server cannot join: the person who started it can do something about it. */
export class JoinError extends Error {
  override readonly name = "JoinError";
}

/**
 * Asks the server at `config.server` for a place in its cluster, and waits while it cannot be reached. Throws JoinError when it
 * refuses, when it is not the one that the token is of, and when this server's settings are not the cluster's.
 */
export async function requestPlace(
  config: Config & { readonly server: string },
  env: Pick<Env, "httpClient" | "clock" | "log">,
  publicKey: string,
  version: string,
  signal: AbortSignal,
): Promise<JoinGrant> {
  const { server } = config;
  const token = parseJoinToken(config.token ?? "");
  if (token === undefined)
    throw new JoinError(
      `Cannot join ${server}: --token is ${config.token === undefined ? "missing" : "not a join token"}. ` +
        "On a server of the cluster, wherry token create prints one",
    );
  const applicant: Applicant = { nodeName: config.nodeName, publicKey, version, ...addressesOf(config) };
  while (true) {
    let response: Response;
    try {
      const authority = await env.httpClient.fetch(`${server}/cacerts`, { tls: { insecureSkipVerify: true } });
      const caPem = await authority.text();
      if (!authority.ok || authorityHash(caPem) !== token.authoritySha256)
        throw new JoinError(
          `Cannot join ${server}: it is not the cluster that the token is of (its authority is another one). ` +
            "Check the address; if the cluster was made anew, make a new token there",
        );
      // Trusted from here on: only the holder of that authority's key can answer.
      response = await env.httpClient.fetch(`${server}/wherry/v1/join`, {
        method: "POST",
        headers: { authorization: `Bearer ${config.token}`, "content-type": "application/json" },
        body: JSON.stringify(applicant),
        tls: { caPem },
      });
      if (response.ok) return checkSettings(JoinGrant.parse(await response.json()), config);
    } catch (error) {
      if (error instanceof JoinError) throw error;
      env.log.warn("the cluster to join cannot be reached: it is tried again", { server, error: describeError(error) });
      await sleep(env.clock, 2000, signal);
      if (signal.aborted) throw new JoinError(`Joining ${server} was given up`);
      continue;
    }
    const text = messageOf(await response.text());
    // The cluster is busy electing, or another server joins just now.
    if (response.status === 503 || response.status === 429) {
      env.log.warn("the cluster cannot take this server yet: it is tried again", { server, error: text });
      await sleep(env.clock, 1000, signal);
      if (signal.aborted) throw new JoinError(`Joining ${server} was given up`);
      continue;
    }
    throw new JoinError(`Cannot join ${server}: ${text}`);
  }
}

function addressesOf(config: Config): { peerAddresses: string[]; clientUrls: string[] } {
  const { peerAddresses, clientUrls } = selfOf(config);
  return { peerAddresses: [...peerAddresses], clientUrls: [...clientUrls] };
}

function messageOf(body: string): string {
  try {
    const status: unknown = JSON.parse(body);
    if (typeof status === "object" && status !== null && "message" in status) return String(status.message);
  } catch {
    // Not ours: shown as it is.
  }
  return body.slice(0, 500);
}

function checkSettings(grant: JoinGrant, config: Config): JoinGrant {
  const own = settingsOf(config);
  const flags = {
    clusterCidr: "--cluster-cidr",
    serviceCidr: "--service-cidr",
    serviceNodePortRange: "--service-node-port-range",
    clusterDomain: "--cluster-domain",
  };
  for (const key of ["clusterCidr", "serviceCidr", "serviceNodePortRange", "clusterDomain"] as const)
    if (grant.settings[key] !== own[key])
      throw new JoinError(
        `Cannot join ${config.server}: this server has ${flags[key]} ${own[key]}, the cluster ${grant.settings[key]}. ` +
          `Start it with ${flags[key]} ${grant.settings[key]}`,
      );
  return grant;
}

export interface DeskOptions {
  readonly store: ClusterStore;
  readonly config: Config;
  /** Reads the tokens. */
  readonly client: Client;
  readonly clock: Env["clock"];
  readonly random: Env["random"];
  readonly log: Env["log"];
  readonly authority: KeyPair;
  readonly adminToken: string;
}

/** What a server does for those who want to join, and for who looks after the members. */
export function createClusterDesk(options: DeskOptions): ClusterDesk {
  const { store, config, log, authority, adminToken } = options;
  return {
    authorityPem: authority.certificatePem,

    async admit(text, applicant) {
      await checkToken(options, text);
      const { nodeName: name, publicKey, peerAddresses, clientUrls } = applicant;
      const namesake = store.members().find((member) => member.name === name && member.publicKey !== publicKey);
      if (namesake !== undefined)
        throw new StatusError(
          409,
          "Conflict",
          `a server named "${name}" is in the cluster already, with another key: choose another --node-name, ` +
            `or, if that one is gone for good, remove it first: wherry member remove ${name}`,
          {},
        );
      const member = await asStatus(store.memberAdd({ name, publicKey, peerAddresses, clientUrls, role: "learner" }));
      log.info("a server joins", { member: name, id: idText(member.id) });
      return {
        clusterId: idText(store.status().clusterId),
        memberId: idText(member.id),
        members: store.members().map(memberText),
        authority,
        adminToken,
        settings: settingsOf(config),
      };
    },

    async createToken({ ttlSeconds, description }) {
      const { client, clock, random } = options;
      const characters = (length: number) => tokenCharacters(length, (count) => random.bytes(count));
      const [id, secret] = [characters(6), characters(16)];
      const expiresAt = rfc3339(clock.now() + ttlSeconds * 1000);
      await client.create(secretKind, bootstrapTokenSecret(id, secret, expiresAt, description));
      const authoritySha256 = authorityHash(authority.certificatePem);
      return { token: formatJoinToken({ authoritySha256, id, secret }), expiresAt };
    },

    async members(): Promise<ClusterMembers> {
      const { clusterId, memberId, leaderId } = store.status();
      const connections = store.connections();
      const members = store.members().map((member) => {
        const connection = connections.find(({ id }) => id === member.id);
        return {
          ...memberText(member),
          isLeader: member.id === leaderId,
          connected: member.id === memberId || connection?.connected === true,
          ...(connection?.address === undefined ? {} : { address: connection.address }),
          ...(connection?.roundTripMs === undefined ? {} : { roundTripMs: connection.roundTripMs }),
        };
      });
      const voting = members.filter(({ role }) => role !== "learner");
      const spare = voting.filter(({ connected }) => connected).length - (Math.floor(voting.length / 2) + 1);
      return { clusterId: idText(clusterId), members, tolerates: Math.max(0, spare), hasQuorum: spare >= 0 };
    },

    async remove(name) {
      const member = store.members().find((candidate) => candidate.name === name || idText(candidate.id) === name);
      if (member === undefined) throw new StatusError(404, "NotFound", `members "${name}" not found`, { name });
      await asStatus(store.memberRemove(member.id));
      log.info("a server was removed", { member: member.name, id: idText(member.id) });
    },
  };
}

async function checkToken({ client, clock }: DeskOptions, text: string): Promise<void> {
  const token = parseJoinToken(text);
  const refused = (why: string) => new StatusError(401, "Unauthorized", why);
  if (token === undefined) throw refused("this is not a join token: wherry token create prints one");
  const key = { namespace: bootstrapTokenNamespace, name: bootstrapTokenName(token.id) };
  const stored = await client.get(secretKind, key).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  const why = refuseJoin(stored, token.secret, clock.now());
  if (why !== undefined) throw refused(`${why}: wherry token create prints a new one`);
}

async function asStatus<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code === "InvalidArgument") throw new StatusError(409, "Conflict", error.message, {}, error);
    throw new StatusError(503, "ServiceUnavailable", error.message, { retryAfterSeconds: 1 }, error);
  }
}

/** Keeps what the cluster knows of this server true, and gives it its vote once it has caught up. Resolves when both are done. */
export async function takePlace(
  store: ClusterStore,
  config: Config,
  env: Pick<Env, "clock" | "log">,
  signal: AbortSignal,
): Promise<void> {
  const self = selfOf(config);
  while (!signal.aborted) {
    const { memberId } = store.status();
    const known = store.members().find(({ id }) => id === memberId);
    try {
      if (known === undefined) return;
      if (!same(known, self)) await store.memberUpdate(memberId, self);
      else if (known.role !== "learner") return;
      else await store.memberPromote(memberId);
    } catch (error) {
      env.log.debug("this server's place is not settled yet: it is tried again", { error: describeError(error) });
      await sleep(env.clock, 500, signal);
    }
  }
}

function same(member: Member, self: ReturnType<typeof selfOf>): boolean {
  return (
    member.name === self.name &&
    member.peerAddresses.join() === self.peerAddresses.join() &&
    member.clientUrls.join() === self.clientUrls.join()
  );
}

/** Whether there is a store already: then this server has joined before, or founded a cluster. */
export function holdsStore(disk: Disk, directory: string): Promise<boolean> {
  return disk.exists(snapshotPath(directory));
}

export function placeOf({ clusterId, memberId, members }: JoinGrant): Place {
  return {
    clusterId: readIdText(clusterId),
    memberId: readIdText(memberId),
    members: members.map(readMemberText),
  };
}

/** Whether a node that is a server of the cluster is connected to this one, which it is to itself; undefined: it is none. */
export function reachability(store: ClusterStore, nodeName: string): boolean | undefined {
  const member = store.members().find(({ name }) => name === nodeName);
  if (member === undefined) return undefined;
  return (
    member.id === store.status().memberId ||
    store.connections().some(({ id, connected }) => id === member.id && connected)
  );
}

/** Where the cluster's API answers: of its servers those that are not known to be away, sorted. */
export function apiAddresses(store: ClusterStore, own: string): string[] {
  const { memberId } = store.status();
  const lost = new Set(store.connections().flatMap(({ id, connected }) => (connected ? [] : [id])));
  const hosts = store
    .members()
    .filter(({ id, role }) => role !== "witness" && id !== memberId && !lost.has(id))
    .flatMap(({ clientUrls }) => clientUrls.map((url) => new URL(url).hostname));
  return [...new Set([own, ...hosts])].sort();
}

/** As the leader: calls `write` whenever the cluster's API answers elsewhere than before, until `signal` is aborted. */
export async function keepApiAddresses(
  store: ClusterStore,
  own: string,
  env: Pick<Env, "clock" | "log">,
  write: (addresses: readonly string[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let written = "";
  while (!signal.aborted) {
    const addresses = apiAddresses(store, own);
    if (addresses.join() !== written)
      try {
        await write(addresses);
        written = addresses.join();
      } catch (error) {
        env.log.debug("the API's endpoints could not be written: trying again", { error: describeError(error) });
      }
    await sleep(env.clock, lookForServersEveryMs, signal);
  }
}

/** Beyond the three seconds that a silent connection takes to be noticed. */
const lookForServersEveryMs = 2000;
