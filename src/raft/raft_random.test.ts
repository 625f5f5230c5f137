import { describe, expect, test } from "bun:test";
import { SeededRandom } from "../sim/random.ts";
import { Cluster, encodeConf, type Mutations } from "./cluster.test_support.ts";
import { type ConfState, type MemberId, noConf } from "./types.ts";

interface Trial {
  readonly seed: number;
  readonly members: number;
  readonly steps: number;
  readonly changesMembers?: boolean;
  readonly mutations?: Mutations;
}

/** Faults at random, then none: everything must hold all the while, and afterwards all must agree and go on. */
function run({ seed, members, steps, changesMembers, mutations }: Trial): Cluster {
  const source = new SeededRandom(seed);
  const random = () => source.fraction();
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const ids = Array.from({ length: members }, (_, at) => BigInt(at + 1));
  const first = changesMembers ? ids.slice(0, 3) : ids;
  const cluster = new Cluster(ids, { ...noConf, voters: first }, random, mutations);
  /** From whom to whom nothing gets through. */
  let cuts = new Set<string>();
  const isCut = (from: MemberId, to: MemberId) => cuts.has(`${from}-${to}`);
  let proposal = 0;

  for (let step = 0; step < steps; step++) {
    const dice = random();
    const member = pick([...cluster.members.values()]);
    if (member === undefined) break;
    if (dice < 0.5 && cluster.network.length > 0) {
      // Any message, so that they overtake each other; some are lost, some come twice.
      const [message] = cluster.network.splice(Math.floor(random() * Math.min(cluster.network.length, 8)), 1);
      if (message === undefined || isCut(message.from, message.to) || random() < 0.05) continue;
      if (random() < 0.05) cluster.network.push(message);
      cluster.deliver(message);
    } else if (dice < 0.68) cluster.act(member.id, (raft) => raft.tick());
    else if (dice < 0.86) cluster.completeWrite(member.id);
    else if (dice < 0.92) {
      const data = new TextEncoder().encode(`p${++proposal}`);
      cluster.act(member.id, (raft) => raft.propose(data));
    } else if (dice < 0.95) cluster.read(member.id);
    else if (dice < 0.965) {
      if (member.raft === undefined) cluster.restart(member.id);
      else if (random() < 0.5) cluster.crash(member.id);
    } else if (dice < 0.975) {
      cuts = new Set();
      for (const from of ids) for (const to of ids) if (random() < 0.25) cuts.add(`${from}-${to}`);
    } else if (dice < 0.98) cuts = new Set();
    else if (dice < 0.99) cluster.compact(member.id);
    else if (dice < 0.993) {
      const to = pick(ids);
      if (to !== undefined) cluster.act(member.id, (raft) => raft.transferLeadership(to));
    } else if (changesMembers) {
      cluster.act(member.id, (raft) => {
        const next = changed(raft.conf, pick(ids), random());
        if (next !== undefined) raft.propose(encodeConf(next), "confChange");
      });
    } else if (dice < 0.995) cluster.act(member.id, (raft) => raft.campaign());
    else cluster.act(member.id, (raft) => pick(ids) && raft.reportUnreachable(pick(ids) ?? 1n));
    if (cluster.network.length > 500) cluster.network.splice(0, 100);
  }

  // The faults end.
  cuts = new Set();
  for (const member of cluster.members.values()) if (member.raft === undefined) cluster.restart(member.id);
  let goal = 0;
  for (let round = 0; round < 400; round++) {
    cluster.settle();
    for (const { id, raft } of cluster.alive) {
      // A transport tells what came of a snapshot; here it has arrived or was lost by now.
      if (raft?.role === "leader")
        for (const other of ids) if (raft.progressOf(other)?.state === "snapshot") raft.reportSnapshot(other, true);
      cluster.act(id, (r) => r.tick());
    }
    const leader = cluster.alive.find(({ raft }) => raft?.role === "leader" && raft.conf.voters.includes(raft.id));
    if (goal === 0 && round > 60 && leader?.raft !== undefined) {
      const last = leader.raft.log.lastIndex;
      cluster.act(leader.id, (raft) => raft.propose(new TextEncoder().encode("after")));
      if (leader.raft?.log.lastIndex === last + 1) goal = last + 1;
    }
    if (goal > 0 && cluster.committed[goal] !== undefined && round > 120) {
      const conf = leader?.raft?.conf;
      const behind = cluster.alive.filter(
        ({ id, appliedIndex }) => appliedIndex < goal && (conf?.voters.includes(id) || conf?.learners.includes(id)),
      );
      if (behind.length === 0) return cluster;
    }
  }
  const states = cluster.alive.map(
    ({ id, raft, appliedIndex }) =>
      `${id}: ${raft?.role} term ${raft?.term} last ${raft?.log.lastIndex} commit ${raft?.log.commit} applied ${appliedIndex} voters ${raft?.conf.voters}`,
  );
  throw new Error(`After the faults the members do not go on (goal ${goal}): ${states.join("; ")}`);
}

/** One member more, less, or in another part: one at a time (§4.1). */
function changed(conf: ConfState, id: MemberId | undefined, dice: number): ConfState | undefined {
  if (id === undefined || conf.voters.length === 0) return undefined;
  const voters = conf.voters.filter((other) => other !== id);
  const learners = conf.learners.filter((other) => other !== id);
  if (conf.voters.includes(id)) {
    if (voters.length === 0) return undefined;
    return dice < 0.5 ? { ...noConf, voters, learners } : { ...noConf, voters, learners: [...learners, id] };
  }
  return dice < 0.6
    ? { ...noConf, voters: [...voters, id], learners }
    : { ...noConf, voters, learners: [...learners, id] };
}

function tryAll(seeds: number, trial: Omit<Trial, "seed">): number {
  let committed = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      committed += run({ ...trial, seed }).committed.length;
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
  return committed;
}

describe("Members whose messages get lost, doubled and reordered, and that crash and are cut off", () => {
  for (const members of [1, 2, 3, 5])
    test(`agree and go on: ${members}`, () => {
      expect(tryAll(60, { members, steps: 3000 })).toBeGreaterThan(60 * 10);
    }, 60_000);

  test("agree and go on while members come and go", () => {
    expect(tryAll(60, { members: 5, steps: 3000, changesMembers: true })).toBeGreaterThan(60 * 10);
  }, 60_000);
});

describe("A broken build", () => {
  const caught = (mutations: Mutations): string => {
    for (let seed = 1; seed <= 200; seed++) {
      try {
        run({ seed, members: 3, steps: 3000, mutations });
      } catch (error) {
        return String(error);
      }
    }
    return "not caught";
  };

  test("that forgets its votes is caught", () => {
    expect(caught({ forgetsVotes: true })).toContain("Two leaders of term");
  }, 60_000);

  test("that acknowledges what it did not write is caught", () => {
    expect(caught({ skipsWrites: true })).toMatch(/applied before|applies|go on|Raft log|Two leaders|committed up to/);
  }, 60_000);
});
