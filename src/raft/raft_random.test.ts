import { describe, expect, test } from "bun:test";
import type { Mutations } from "./cluster.test_support.ts";
import { type Loss, runLoss, runTrial, type Trial } from "./trial.test_support.ts";

/*
 * `bun test src/raft/raft_random.test.ts` tries some hundred seeds; `SEEDS=5000 bun test src/raft/raft_random.test.ts` that many of each
 * kind, `SEEDS=71..71` one. A seed that fails is in the error's first words.
 */
const [from, to] = seedRange(process.env.SEEDS);

function seedRange(range: string | undefined): readonly [number, number] {
  const [first = "", last] = (range ?? "40").split("..");
  return last === undefined ? [1, Number(first)] : [Number(first), Number(last)];
}

/** Runs `of` for each seed, and adds up what it returns. */
function tryAll(of: (seed: number) => number): number {
  let sum = 0;
  for (let seed = from; seed <= to; seed++) {
    try {
      sum += of(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
  return sum / (to - from + 1);
}

const steps = ({ lease }: { readonly lease?: boolean }) => (lease ? 6000 : 3000);
const committed = (trial: Omit<Trial, "seed" | "steps">) =>
  tryAll((seed) => runTrial({ ...trial, seed, steps: steps(trial) }).committed.length);

/** Messages and writes take as long as elections: leaders rarely finish what they begin. */
const restless = {
  slow: true,
  often: { deliver: 25, tick: 60, write: 30, crash: 2, restart: 4, cut: 0, hang: 0, propose: 3, read: 0 },
};

const patient = 3_600_000;

describe("Members whose messages get lost, doubled and reordered, and that crash, hang and are cut off", () => {
  for (const members of [1, 2, 3, 5])
    test(`agree and go on: ${members}`, () => expect(committed({ members })).toBeGreaterThan(10), patient);

  for (const witness of ["process", "register"] as const)
    for (const members of [2, 4])
      test(
        `agree and go on: ${members} and a witness that is a ${witness}`,
        () => expect(committed({ members, witness })).toBeGreaterThan(10),
        patient,
      );

  test(
    "agree and go on though leaders change all the time",
    () => {
      expect(committed({ members: 3, ...restless })).toBeGreaterThan(10);
      expect(committed({ members: 2, witness: "register", ...restless })).toBeGreaterThan(5);
    },
    patient,
  );

  test(
    "agree and go on while members come and go one at a time",
    () => {
      expect(committed({ members: 5, changes: "simple" })).toBeGreaterThan(10);
    },
    patient,
  );

  test(
    "agree and go on while members and a witness come and go, also several at once",
    () => {
      expect(committed({ members: 5, witness: "process", changes: "joint" })).toBeGreaterThan(10);
    },
    patient,
  );

  test(
    "read by lease no less than what was acknowledged, though their clocks drift",
    () => {
      expect(committed({ members: 3, lease: true })).toBeGreaterThan(10);
    },
    patient,
  );

  test(
    "read by lease with a witness, also while members change",
    () => {
      expect(committed({ members: 2, witness: "register", lease: true })).toBeGreaterThan(10);
      expect(committed({ members: 5, witness: "process", changes: "joint", lease: true })).toBeGreaterThan(10);
    },
    patient,
  );
});

describe("Members that were well", () => {
  const cases: Omit<Loss, "seed">[] = [
    { members: 3, lost: 1, how: "crash" },
    { members: 3, lost: 1, how: "hang" },
    { members: 3, lost: 1, how: "cut" },
    { members: 3, lost: 1, how: "part" },
    { members: 5, lost: 2, how: "crash" },
    { members: 2, witness: "process", lost: 1, how: "crash" },
    { members: 2, witness: "process", lost: 1, how: "hang" },
    { members: 2, witness: "process", lost: 1, how: "cut" },
    { members: 2, witness: "process", lost: 1, how: "part" },
    { members: 2, witness: "register", lost: 1, how: "crash" },
    { members: 2, witness: "register", lost: 1, how: "part" },
    { members: 2, witness: "register", lost: 1, how: "cut" },
    { members: 4, witness: "process", lost: 2, how: "crash" },
    { members: 4, witness: "register", lost: 2, how: "hang" },
  ];
  for (const loss of cases)
    test(
      `go on without any ${loss.lost} of ${loss.members}${loss.witness ? ` and a witness (${loss.witness})` : ""}: ${loss.how}`,
      () => expect(tryAll((seed) => runLoss({ ...loss, seed }))).toBeLessThan(60),
      patient,
    );
});

describe("A broken build", () => {
  // What shows some faults soon was itself searched for by chance.
  const crashing = {
    often: { deliver: 80, tick: 200, write: 40, crash: 6, restart: 12, cut: 1, heal: 3, hang: 0, read: 0 },
  };
  const rivals = {
    slow: true,
    often: { deliver: 80, tick: 60, write: 40, crash: 0, cut: 3, propose: 8, read: 0, campaign: 5 },
  };
  const parted = {
    slow: true,
    often: { tick: 40, write: 120, crash: 0, cut: 1, heal: 0, read: 10, hang: 0, campaign: 0 },
  };

  /** What is said of the first seed that shows it. */
  const caught = (mutations: Mutations, trial: Omit<Trial, "seed" | "steps"> = { members: 3 }): string => {
    for (let seed = 1; seed <= 500; seed++) {
      try {
        runTrial({ ...trial, seed, steps: steps(trial), mutations });
      } catch (error) {
        return String(error);
      }
    }
    return "not caught";
  };
  const diverges = /applied before|committed up to|log was lost/;

  test("that commits without a quorum is caught", () => {
    expect(caught({ commitsWithoutQuorum: true })).toMatch(/do not go on|applied before|committed up to|log was lost/);
  }, 60_000);

  test("that votes twice in a term is caught", () => {
    expect(caught({ votesTwice: true })).toContain("Two leaders of term");
  }, 60_000);

  test("that does not write its vote before it answers is caught", () => {
    expect(caught({ forgetsVotes: true }, { members: 3, cuts: "member", ...crashing })).toContain(
      "Two leaders of term",
    );
  }, 60_000);

  test("that acknowledges what it did not write is caught", () => {
    expect(caught({ skipsWrites: true })).toMatch(/applied before|applies|go on|Raft log|Two leaders|committed up to/);
  }, 60_000);

  test("that commits an entry of an earlier term by counting is caught", () => {
    expect(caught({ commitsEarlierTerms: true }, { members: 3, cuts: "member", ...rivals })).toMatch(diverges);
  }, 60_000);

  test("whose witness forgets its mark is caught", () => {
    expect(caught({ witnessForgetsMark: true }, { members: 2, witness: "process" })).toMatch(diverges);
  }, 60_000);

  test("that reads by a lease that does not end is caught", () => {
    expect(caught({ leaseForEver: true }, { members: 3, lease: true })).toContain("was applied before it began");
  }, 60_000);

  test("whose voters do not honour a lease is caught", () => {
    expect(caught({ votersIgnoreLease: true }, { members: 3, lease: true, cuts: "pair", ...parted })).toContain(
      "was applied before it began",
    );
  }, 60_000);

  test("that applies out of order is caught", () => {
    expect(caught({ appliesOutOfOrder: true })).toMatch(/applies \d+ after/);
  }, 60_000);

  test("whose leader reads without asking is caught", () => {
    expect(caught({ readsWithoutAsking: true })).toContain("was applied before it began");
  }, 60_000);
});
