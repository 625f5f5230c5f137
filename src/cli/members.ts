import { z } from "zod";
import type { ApiConnection } from "./api_connection.ts";

const Members = z.object({
  members: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      role: z.string(),
      peerAddresses: z.array(z.string()),
      isLeader: z.boolean(),
      connected: z.boolean(),
      roundTripMs: z.number().optional(),
    }),
  ),
  tolerates: z.number(),
  hasQuorum: z.boolean(),
});
export type Members = z.infer<typeof Members>;

/** The servers of the cluster, as the one that is asked sees them. */
export async function readMembers(api: ApiConnection): Promise<Members> {
  return Members.parse(await api.json({ method: "GET", path: "/wherry/v1/members" }));
}

/** What the cluster stands, in words. */
export function toleranceOf({ members, tolerates, hasQuorum }: Members): string {
  const voting = members.filter(({ role }) => role !== "learner");
  const connected = voting.filter((member) => member.connected).length;
  const servers = `${connected} of ${voting.length} ${voting.length === 1 ? "server" : "servers"} with a vote`;
  if (!hasQuorum) return `${servers}: no quorum, nothing can be changed until another one is back`;
  return tolerates === 0
    ? `${servers}: the loss of one stops changes; what runs goes on`
    : `${servers}: tolerates the loss of ${tolerates} more`;
}
