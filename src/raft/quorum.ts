import type { ConfState, MemberId } from "./types.ts";

/** §4.3: whether two majorities are needed. */
export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

export function votersOf(conf: ConfState): readonly MemberId[] {
  return isJoint(conf) ? [...new Set([...conf.voters, ...conf.votersOutgoing])] : conf.voters;
}

export function membersOf(conf: ConfState): MemberId[] {
  return [...new Set([...votersOf(conf), ...conf.learners])];
}

export function isVoter(conf: ConfState, id: MemberId): boolean {
  return conf.voters.includes(id) || conf.votersOutgoing.includes(id);
}

export function majority(voters: readonly MemberId[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/** The highest value that a majority reaches. Without allocation for up to three, as it is asked with every write. */
function reached(voters: readonly MemberId[], of: (id: MemberId) => number): number {
  const [a, b, c] = voters;
  if (a === undefined) return 0;
  if (b === undefined) return of(a);
  if (c === undefined) return Math.min(of(a), of(b));
  if (voters.length > 3) return voters.map(of).sort((x, y) => y - x)[Math.floor(voters.length / 2)] ?? 0;
  const [x, y, z] = [of(a), of(b), of(c)];
  return Math.max(Math.min(x, y), Math.min(Math.max(x, y), z));
}

/** §3.5, §3.6.2: the highest value that a majority, in a joint configuration one of both halves (§4.3), is known to have reached. */
export function quorumValue(conf: ConfState, of: (id: MemberId) => number): number {
  const incoming = reached(conf.voters, of);
  return isJoint(conf) ? Math.min(incoming, reached(conf.votersOutgoing, of)) : incoming;
}

/** §3.4, §4.3: what the votes so far amount to. `voteOf` is undefined for who has not answered. */
export function voteResult(conf: ConfState, voteOf: (id: MemberId) => boolean | undefined): "won" | "lost" | "pending" {
  let result: "won" | "pending" = "won";
  for (const voters of isJoint(conf) ? [conf.voters, conf.votersOutgoing] : [conf.voters]) {
    const need = majority(voters);
    const yes = voters.filter((id) => voteOf(id) === true).length;
    const open = voters.filter((id) => voteOf(id) === undefined).length;
    if (yes >= need) continue;
    if (yes + open < need) return "lost";
    result = "pending";
  }
  return result;
}
