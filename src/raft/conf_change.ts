import { isJoint } from "./quorum.ts";
import type { ConfState, MemberId } from "./types.ts";

/** What becomes of one member. */
export interface ConfStep {
  readonly type: "addVoter" | "addLearner" | "addWitness" | "remove";
  readonly id: MemberId;
}

/**
 * How the membership changes, when an entry that says so is applied:
 * - simple: one member, at once; neighbouring memberships share a majority's member (§4.1);
 * - joint: several, by way of a time in which both the old and the new voters must agree (§4.3);
 * - leave: the end of that time. With `autoLeave` the leader proposes it by itself, as an entry of type confChange without data.
 */
export type ConfChange =
  | { readonly type: "simple"; readonly step: ConfStep }
  | { readonly type: "joint"; readonly steps: readonly ConfStep[]; readonly autoLeave: boolean }
  | { readonly type: "leave" };

/** A change that makes no sense, or would be unsafe. Nothing happened. */
export class ConfChangeError extends Error {}

interface Draft {
  voters: Set<MemberId>;
  learners: Set<MemberId>;
  witnesses: Set<MemberId>;
}

function take(draft: Draft, { type, id }: ConfStep): void {
  const isWitness = draft.witnesses.has(id);
  if (isWitness && (type === "addVoter" || type === "addLearner"))
    throw new ConfChangeError(
      `Cannot give member ${id} data: it is a witness. Remove it, and add a member of another id`,
    );
  // It has acknowledged more than a witness's empty record says.
  if (type === "addWitness" && !isWitness && (draft.voters.has(id) || draft.learners.has(id)))
    throw new ConfChangeError(`Cannot make member ${id} a witness: it holds data. Add a witness of another id`);
  if (type === "remove" && !draft.voters.has(id) && !draft.learners.has(id))
    throw new ConfChangeError(`Cannot remove member ${id}: it is none`);
  if (type !== "addLearner") draft.learners.delete(id);
  else draft.learners.add(id);
  if (type === "addVoter" || type === "addWitness") draft.voters.add(id);
  else draft.voters.delete(id);
  if (type === "addWitness") draft.witnesses.add(id);
  else draft.witnesses.delete(id);
}

/** What may stand: somebody votes who has data, and no quorum consists of witnesses alone. */
function check({ voters, witnesses }: Draft): void {
  if (voters.size === witnesses.size)
    throw new ConfChangeError("Cannot leave the members without one that votes and holds data");
  if (witnesses.size > 1)
    throw new ConfChangeError(
      `Cannot have ${witnesses.size} witnesses: one is the most, so that data is in every quorum`,
    );
}

/**
 * The membership after `change`. Throws ConfChangeError where it does not fit. A function of its arguments alone, so that every
 * member that applies the same entries has the same membership.
 */
export function changeConf(conf: ConfState, change: ConfChange): ConfState {
  if (change.type === "leave") return leaveJoint(conf);
  if (isJoint(conf))
    throw new ConfChangeError("Cannot change members: a joint change is under way and must be left first");
  const draft: Draft = {
    voters: new Set(conf.voters),
    learners: new Set(conf.learners),
    witnesses: new Set(conf.witnesses),
  };
  for (const step of change.type === "simple" ? [change.step] : change.steps) take(draft, step);
  check(draft);
  if (change.type === "simple")
    return {
      voters: [...draft.voters],
      votersOutgoing: [],
      learners: [...draft.learners],
      learnersNext: [],
      witnesses: [...draft.witnesses],
      autoLeave: false,
    };
  const outgoing = new Set(conf.voters);
  return {
    voters: [...draft.voters],
    votersOutgoing: [...outgoing],
    // Who still votes in the old half cannot be a learner yet.
    learners: [...draft.learners].filter((id) => !outgoing.has(id)),
    learnersNext: [...draft.learners].filter((id) => outgoing.has(id)),
    witnesses: [...new Set([...conf.witnesses, ...draft.witnesses])],
    autoLeave: change.autoLeave,
  };
}

/** §4.3: from the joint configuration to the new one alone. */
export function leaveJoint(conf: ConfState): ConfState {
  if (!isJoint(conf)) throw new ConfChangeError("Cannot leave a joint change of members: none is under way");
  return {
    voters: conf.voters,
    votersOutgoing: [],
    learners: [...conf.learners, ...conf.learnersNext],
    learnersNext: [],
    witnesses: conf.witnesses.filter((id) => conf.voters.includes(id)),
    autoLeave: false,
  };
}
