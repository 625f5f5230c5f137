import type { ConfState, MemberId } from "./types.ts";

/** The sets of which each needs a majority: one, or both of a joint configuration (§4.3). */
function halves(conf: ConfState): readonly (readonly MemberId[])[] {
  return conf.votersOutgoing.length === 0 ? [conf.voters] : [conf.voters, conf.votersOutgoing];
}

export function votersOf(conf: ConfState): MemberId[] {
  return [...new Set([...conf.voters, ...conf.votersOutgoing])];
}

export function membersOf(conf: ConfState): MemberId[] {
  return [...new Set([...votersOf(conf), ...conf.learners])];
}

/** §3.5, §3.6.2: the highest index that a majority (of both halves) is known to hold. */
export function quorumIndex(conf: ConfState, matchOf: (id: MemberId) => number): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const voters of halves(conf)) {
    const matches = voters.map(matchOf).sort((a, b) => b - a);
    lowest = Math.min(lowest, matches[Math.floor(voters.length / 2)] ?? 0);
  }
  return lowest === Number.POSITIVE_INFINITY ? 0 : lowest;
}

/** §3.4: what the votes so far amount to. `voteOf` is undefined for who has not answered. */
export function voteResult(conf: ConfState, voteOf: (id: MemberId) => boolean | undefined): "won" | "lost" | "pending" {
  let result: "won" | "pending" = "won";
  for (const voters of halves(conf)) {
    const need = Math.floor(voters.length / 2) + 1;
    const yes = voters.filter((id) => voteOf(id) === true).length;
    const open = voters.filter((id) => voteOf(id) === undefined).length;
    if (yes >= need && voters.length > 0) continue;
    if (yes + open < need || voters.length === 0) return "lost";
    result = "pending";
  }
  return result;
}
