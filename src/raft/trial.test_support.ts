import { SeededRandom } from "../sim/random.ts";
import { Cluster, encodeChange, type Mutations } from "./cluster.test_support.ts";
import { isJoint } from "./quorum.ts";
import type { ConfChange, ConfStep } from "./raft.ts";
import { type ConfState, type MemberId, type Message, noConf } from "./types.ts";

export interface Trial {
  readonly seed: number;
  /** Members with data. */
  readonly members: number;
  readonly steps: number;
  /** One witness more, who votes. */
  readonly witness?: "process" | "register";
  /** Members come and go, one at a time or also by joint changes; three with data begin. */
  readonly changes?: "simple" | "joint";
  /** Reads by lease; the members' clocks then differ by at most a third, and else they have nothing to do with each other. */
  readonly lease?: boolean;
  /** One entry a message, one message at a time. */
  readonly slow?: boolean;
  /** What happens more often, or less, than usual. */
  readonly often?: Partial<Record<Action, number>>;
  /** Which links are cut. */
  readonly cuts?: CutKind;
  readonly mutations?: Mutations;
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** Chooses by chance, repeatably. */
export class Dice {
  readonly #source: SeededRandom;

  constructor(seed: number) {
    this.#source = new SeededRandom(seed);
  }

  readonly fraction = (): number => this.#source.fraction();

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.fraction() * from.length)];
  }
}

/** Clocks that run at speeds of their own between 0.85 and 1.15. */
export class DriftingClocks {
  readonly #clocks: { readonly id: MemberId; readonly speed: number; time: number }[];

  constructor(ids: readonly MemberId[], dice: Dice) {
    this.#clocks = ids.map((id) => ({ id, speed: 0.85 + 0.3 * dice.fraction(), time: dice.fraction() }));
  }

  pass(cluster: Cluster): void {
    for (const clock of this.#clocks) {
      clock.time += clock.speed;
      for (; clock.time >= 1; clock.time--) cluster.act(clock.id, (raft) => raft.tick());
    }
  }
}

function start({ members, witness, changes, lease, slow, mutations }: Trial, dice: Dice): Cluster {
  const data = Array.from({ length: members }, (_, at) => BigInt(at + 1));
  const witnesses = witness === undefined ? [] : [BigInt(members + 1)];
  const first = changes === undefined ? data : data.slice(0, 3);
  // Where members change, the witness is one that comes.
  const conf =
    changes === undefined ? { ...noConf, voters: [...first, ...witnesses], witnesses } : { ...noConf, voters: first };
  return new Cluster({
    ids: [...data, ...witnesses],
    conf,
    random: dice.fraction,
    witnesses,
    ...(lease ? { reads: "lease" as const } : {}),
    ...(slow ? { slow } : {}),
    ...(witness === undefined ? {} : { witnessOn: witness }),
    ...(mutations === undefined ? {} : { mutations }),
  });
}

/** How often things happen, and which faults there are, differs from seed to seed: rare mixtures find rare faults. */
function habits(trial: Trial, dice: Dice) {
  const some = (weight: number) => weight * (dice.pick([0, 0.3, 1, 2]) ?? 1);
  return {
    // Leases are about time: much must happen in a tick, or they do not last.
    deliver: trial.lease ? 200 : 60,
    tick: trial.lease ? 25 : 18,
    write: trial.lease ? 60 : 20,
    propose: 6,
    read: trial.lease ? 15 : 3,
    crash: some(0.5),
    restart: 1.5,
    cut: some(1),
    heal: 0.5,
    hang: some(0.2),
    unhang: 0.4,
    compact: some(1),
    transfer: some(0.2),
    campaign: some(0.1),
    unreachable: some(0.1),
    change: trial.changes === undefined ? 0 : 0.5,
  };
}

type Action = keyof ReturnType<typeof habits>;

/** Faults at random, then none: everything must hold all the while, and afterwards all must agree and go on. */
export function runTrial(trial: Trial): Cluster {
  const dice = new Dice(trial.seed);
  const cluster = start(trial, dice);
  const ids = [...cluster.members.keys(), ...cluster.witnesses.keys()];
  const clocks = new DriftingClocks([...cluster.members.keys()], dice);
  const weights = Object.entries({ ...habits(trial, dice), ...trial.often });
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  const choose = (): string => {
    let left = dice.fraction() * total;
    for (const [name, weight] of weights) {
      left -= weight;
      if (left < 0) return name;
    }
    return "tick";
  };
  const loss = dice.pick([0, 0.05, 0.15]) ?? 0;
  const doubling = dice.pick([0, 0.05]) ?? 0;
  /** From whom to whom nothing gets through. */
  let cuts = new Set<string>();
  let proposal = 0;

  const actions: Record<Action, (id: MemberId) => void> = {
    deliver: () => {
      // Any message, so that they overtake each other; some are lost, some come twice.
      const { network } = cluster;
      const [message] = network.splice(Math.floor(dice.fraction() * Math.min(network.length, 8)), 1);
      if (message === undefined || cuts.has(`${message.from}-${message.to}`) || dice.chance(loss)) return;
      if (dice.chance(doubling)) network.push(message);
      cluster.deliver(message);
    },
    tick: (id) => {
      if (trial.lease) clocks.pass(cluster);
      else cluster.act(id, (raft) => raft.tick());
    },
    write: (id) => cluster.completeWrite(id),
    propose: (id) => cluster.act(id, (raft) => raft.propose(bytes(`p${++proposal}`))),
    // Those who lead, or believe so, have the most to answer.
    read: (id) => cluster.read(dice.pick(cluster.alive.filter(({ raft }) => raft?.role === "leader"))?.id ?? id),
    crash: (id) => cluster.crash(id),
    restart: (id) => {
      if (!cluster.isUp(id)) cluster.restart(id);
    },
    cut: () => {
      cuts = randomCuts(ids, dice, trial.cuts);
    },
    heal: () => {
      cuts = new Set();
    },
    hang: (id) => cluster.hang(id, true),
    unhang: (id) => cluster.hang(id, false),
    compact: (id) => cluster.compact(id),
    transfer: (id) => {
      const to = dice.pick(ids) ?? id;
      cluster.act(id, (raft) => raft.transferLeadership(to));
    },
    campaign: (id) => cluster.act(id, (raft) => raft.campaign()),
    unreachable: (id) => {
      const other = dice.pick(ids) ?? id;
      cluster.act(id, (raft) => raft.reportUnreachable(other));
    },
    change: (id) =>
      cluster.act(id, (raft) => {
        const change = randomChange(raft.conf, cluster, dice, trial.changes === "joint");
        raft.propose(encodeChange(change), "confChange");
      }),
  };
  const isAction = (name: string): name is Action => name in actions;
  for (let step = 0; step < trial.steps; step++) {
    const action = choose();
    const id = dice.pick(ids);
    if (id !== undefined && isAction(action)) actions[action](id);
    if (cluster.network.length > 500) cluster.network.splice(0, 100);
  }
  goOn(cluster, ids);
  return cluster;
}

type CutKind = "any" | "member" | "pair";

/** Any links, one way; or all of one member; or both ways between two. */
function randomCuts(ids: readonly MemberId[], dice: Dice, wanted?: CutKind): Set<string> {
  const one = dice.pick(ids);
  const other = dice.pick(ids);
  const kind = wanted ?? dice.pick<CutKind>(["any", "member", "pair"]);
  const cut = (from: MemberId, to: MemberId): boolean => {
    if (kind === "any") return dice.chance(0.25);
    if (kind === "member") return from === one || to === one;
    return (from === one && to === other) || (from === other && to === one);
  };
  return new Set(ids.flatMap((from) => ids.filter((to) => cut(from, to)).map((to) => `${from}-${to}`)));
}

/** The faults end: who is left must agree, and commit something new. */
function goOn(cluster: Cluster, ids: readonly MemberId[]): void {
  for (const id of ids) if (!cluster.isUp(id)) cluster.restart(id);
  for (const id of ids) cluster.hang(id, false);
  let goal = 0;
  for (let round = 0; round < 400; round++) {
    cluster.settle();
    for (const { id, raft } of cluster.alive) {
      // A transport tells what came of a snapshot; here it has arrived or was lost by now.
      if (raft?.role === "leader") {
        for (const other of ids) if (raft.progressOf(other)?.state === "snapshot") raft.reportSnapshot(other, true);
        if (raft.snapshotWanted) cluster.compact(id);
        if (isJoint(raft.conf) && !raft.conf.autoLeave)
          cluster.act(id, (member) => member.propose(encodeChange({ type: "leave" }), "confChange"));
      }
      cluster.act(id, (member) => member.tick());
    }
    const leader = cluster.alive.find(({ raft }) => raft?.role === "leader" && raft.conf.voters.includes(raft.id));
    if (goal === 0 && round > 60 && leader?.raft !== undefined) {
      const last = leader.raft.log.lastIndex;
      cluster.act(leader.id, (raft) => raft.propose(bytes("after")));
      if (leader.raft?.log.lastIndex === last + 1) goal = last + 1;
    }
    if (goal > 0 && cluster.committed[goal] !== undefined && round > 120) {
      const conf = leader?.raft?.conf;
      const behind = cluster.alive.filter(
        ({ id, appliedIndex }) => appliedIndex < goal && (conf?.voters.includes(id) || conf?.learners.includes(id)),
      );
      if (behind.length === 0) return;
    }
  }
  throw new Error(`After the faults the members do not go on (goal ${goal}): ${describe(cluster)}`);
}

function describe(cluster: Cluster): string {
  const members = [...cluster.members.values()].map(({ id, raft, appliedIndex, hangs }) =>
    raft === undefined
      ? `${id}: down`
      : `${id}: ${raft.role} term ${raft.term} last ${raft.log.lastIndex}/${raft.log.lastTerm} stable ${raft.log.stable} commit ${raft.log.commit} applied ${appliedIndex} voters ${raft.conf.voters}${raft.conf.votersOutgoing.length > 0 ? ` and ${raft.conf.votersOutgoing}` : ""}${raft.witnessNeeded ? " needs the witness" : ""}${hangs ? " (its disk hangs)" : ""}`,
  );
  const witnesses = [...cluster.witnesses].map(
    ([id, { record, up }]) =>
      `${id}: witness ${up ? "" : "down "}term ${record.term} mark ${record.lastIndex}/${record.lastTerm}`,
  );
  return [...members, ...witnesses].join("; ");
}

/** Something that may or may not make sense: what does not is refused, or changes nothing when it is applied. */
function randomChange(conf: ConfState, cluster: Cluster, dice: Dice, joint: boolean): ConfChange {
  const step = (): ConfStep => {
    const id = dice.pick([...cluster.members.keys(), ...cluster.witnesses.keys()]) ?? 1n;
    if (cluster.witnesses.has(id)) return { type: conf.voters.includes(id) ? "remove" : "addWitness", id };
    if (!conf.voters.includes(id)) return { type: dice.chance(0.6) ? "addVoter" : "addLearner", id };
    return { type: dice.chance(0.5) ? "remove" : "addLearner", id };
  };
  if (conf.votersOutgoing.length > 0) return { type: "leave" };
  if (!joint || dice.chance(0.3)) return { type: "simple", step: step() };
  return { type: "joint", steps: [step(), step(), step()], autoLeave: dice.chance(0.7) };
}

export interface Loss {
  readonly seed: number;
  readonly members: number;
  readonly witness?: "process" | "register";
  /** How many are lost for good, at one moment: any of them, the witness too. */
  readonly lost: number;
  /** What becomes of those: they end, their disk hangs while they live on, nothing gets from or to them, or between them and the leader. */
  readonly how: "crash" | "hang" | "cut" | "part";
}

/**
 * Members that were well until now lose some of theirs in the midst of work; whoever is left must commit something new. Returns
 * how many ticks that took.
 */
export function runLoss({ seed, members, witness, lost, how }: Loss): number {
  const dice = new Dice(seed);
  const cluster = start({ seed, members, steps: 0, ...(witness === undefined ? {} : { witness }) }, dice);
  const ids = [...cluster.members.keys(), ...cluster.witnesses.keys()];
  const clocks = new DriftingClocks([...cluster.members.keys()], dice);
  const gone = new Set<MemberId>();
  let parted: MemberId = 0n;
  const isLost = ({ from, to }: Message) => {
    if (how === "cut") return gone.has(from) || gone.has(to);
    return how === "part" && ((gone.has(from) && to === parted) || (gone.has(to) && from === parted));
  };
  let proposal = 0;
  /** Some of what waits is done, in any order; a tick is long compared with that. */
  const work = (steps: number) => {
    for (let step = 0; step < steps; step++) {
      const { network } = cluster;
      if (dice.chance(0.6) && network.length > 0) {
        const [message] = network.splice(Math.floor(dice.fraction() * Math.min(network.length, 4)), 1);
        if (message !== undefined && !isLost(message)) cluster.deliver(message);
      } else if (dice.chance(0.9)) cluster.completeWrite(dice.pick(ids) ?? 1n);
      else cluster.act(cluster.leader?.id ?? 1n, (raft) => raft.propose(bytes(`p${++proposal}`)));
    }
  };
  const pass = (ticks: number) => {
    for (let tick = 0; tick < ticks; tick++) {
      clocks.pass(cluster);
      work(60);
    }
  };
  pass(60);
  const writes = [...cluster.witnesses.values()].map((it) => it.writes);
  pass(Math.floor(20 * dice.fraction()));
  work(Math.floor(60 * dice.fraction()));
  // While all is well the witness has nothing to write, whatever the others do.
  if ([...cluster.witnesses.values()].some((it, at) => it.writes !== writes[at]))
    throw new Error(`The witness was written to without need: ${describe(cluster)}`);
  if (how === "part") parted = cluster.leader?.id ?? 1n;
  const candidates = how === "hang" ? [...cluster.members.keys()] : ids.filter((id) => id !== parted);
  while (gone.size < lost) gone.add(dice.pick(candidates.filter((id) => !gone.has(id))) ?? 1n);
  for (const id of gone) {
    if (how === "crash") cluster.crash(id);
    else if (how === "hang") cluster.hang(id, true);
  }
  const before = cluster.committed.length;
  for (let ticks = 1; ticks <= 150; ticks++) {
    pass(1);
    // Not what was under way: something of now, that is applied by who answers for it.
    if (cluster.committed.length > before + 5) return ticks;
  }
  throw new Error(`Without ${[...gone]} (${how}) the others do not go on: ${describe(cluster)}`);
}
