import { type Clock, sleep } from "../env/clock.ts";
import { describeError, type Log } from "../env/log.ts";
import type { Place } from "./cluster.ts";
import type { KnownMembers } from "./members_file.ts";
import { Peers } from "./peers.ts";
import type { ClusterOptions } from "./replica.ts";
import { StoreError } from "./store.ts";

const callLimitMs = 5000;
const tryAgainMs = 500;

/**
 * For a member whose data is damaged: asks the others, who know its key, for a place under a new number. It must not go on under the old
 * one, for it may have promised what it has forgotten. Waits until there is a leader to grant it; throws InvalidArgument when
 * the others do not know it any more.
 */
export async function askForPlace(
  known: KnownMembers,
  cluster: ClusterOptions,
  env: { readonly clock: Clock; readonly log: Log },
): Promise<Place> {
  const { clock, log } = env;
  const peers = await Peers.open({
    ...env,
    link: cluster.link,
    network: { listen: cluster.listen, identity: cluster.identity, clusterId: () => known.clusterId },
    publicKey: cluster.publicKey,
    inbox: {
      raft: () => undefined,
      frame: () => undefined,
      call: async () => ({ type: "notLeader" }),
      lost: () => undefined,
      found: () => undefined,
    },
  });
  try {
    peers.setMembers(known.members);
    const member = { ...cluster.self, id: 0n, publicKey: cluster.publicKey, role: "learner" as const };
    let told = false;
    while (true) {
      for (const { id, connected } of peers.connections()) {
        if (!connected) continue;
        try {
          const answer = await peers.call(id, { type: "rejoin", member }, callLimitMs);
          if (answer.type === "place") return answer;
          if (answer.type === "error") throw answer.error;
        } catch (error) {
          if (!(error instanceof StoreError) || error.code !== "Unavailable") throw error;
          log.debug("a member gives no place yet", { member: id.toString(16), error: describeError(error) });
        }
      }
      if (!told) log.warn("this member waits until the others can make room for it again");
      told = true;
      await sleep(clock, tryAgainMs);
    }
  } finally {
    await peers.close();
  }
}
