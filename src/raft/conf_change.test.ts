import { describe, expect, test } from "bun:test";
import { ConfChangeError, type ConfStep, changeConf, leaveJoint } from "./conf_change.ts";
import { type ConfState, noConf } from "./types.ts";

const three: ConfState = { ...noConf, voters: [1n, 2n, 3n] };
const withWitness: ConfState = { ...noConf, voters: [1n, 2n, 9n], witnesses: [9n] };
const step = (type: ConfStep["type"], id: bigint): ConfStep => ({ type, id });
const simple = (conf: ConfState, type: ConfStep["type"], id: bigint) =>
  changeConf(conf, { type: "simple", step: step(type, id) });

describe("A simple change", () => {
  test("adds a learner, makes it a voter, and makes it a learner again", () => {
    const learner = simple(three, "addLearner", 4n);
    expect(learner).toEqual({ ...three, learners: [4n] });
    const voter = simple(learner, "addVoter", 4n);
    expect(voter).toEqual({ ...three, voters: [1n, 2n, 3n, 4n] });
    expect(simple(voter, "addLearner", 4n)).toEqual(learner);
  });

  test("takes a witness in and out again", () => {
    const two = { ...noConf, voters: [1n, 2n] };
    expect(simple(two, "addWitness", 9n)).toEqual(withWitness);
    expect(simple(withWitness, "remove", 9n)).toEqual(two);
  });

  test("leaves nobody without data in charge", () => {
    expect(() => simple({ ...noConf, voters: [1n] }, "remove", 1n)).toThrow(ConfChangeError);
    expect(() => simple({ ...noConf, voters: [1n, 9n], witnesses: [9n] }, "remove", 1n)).toThrow("holds data");
    expect(() => simple({ ...noConf, voters: [1n], learners: [2n] }, "addLearner", 1n)).toThrow("holds data");
    expect(() => simple(withWitness, "addWitness", 8n)).toThrow("one is the most");
  });

  test("turns no witness into a member with data, and no such member into a witness", () => {
    expect(() => simple(withWitness, "addVoter", 9n)).toThrow("it is a witness");
    expect(() => simple(withWitness, "addLearner", 9n)).toThrow("it is a witness");
    expect(() => simple(three, "addWitness", 3n)).toThrow("it holds data");
  });

  test("removes only who is there", () => {
    expect(() => simple(three, "remove", 7n)).toThrow("it is none");
  });
});

describe("A joint change", () => {
  test("keeps both halves until it is left; who loses the vote is a learner only then", () => {
    const steps = [step("addVoter", 4n), step("addLearner", 1n), step("remove", 2n), step("addLearner", 5n)];
    const joint = changeConf(three, { type: "joint", steps, autoLeave: true });
    expect(joint).toEqual({
      voters: [3n, 4n],
      votersOutgoing: [1n, 2n, 3n],
      learners: [5n],
      learnersNext: [1n],
      witnesses: [],
      autoLeave: true,
    });
    expect(leaveJoint(joint)).toEqual({ ...noConf, voters: [3n, 4n], learners: [5n, 1n] });
    expect(changeConf(joint, { type: "leave" })).toEqual(leaveJoint(joint));
  });

  test("replaces a witness by another", () => {
    const steps = [step("remove", 9n), step("addWitness", 8n)];
    const joint = changeConf(withWitness, { type: "joint", steps, autoLeave: false });
    expect(joint.witnesses).toEqual([9n, 8n]);
    expect(leaveJoint(joint)).toEqual({ ...noConf, voters: [1n, 2n, 8n], witnesses: [8n] });
  });

  test("is left before anything else changes", () => {
    const joint = changeConf(three, { type: "joint", steps: [step("remove", 1n)], autoLeave: false });
    expect(() => simple(joint, "addVoter", 5n)).toThrow("must be left first");
    expect(() => changeConf(joint, { type: "joint", steps: [], autoLeave: true })).toThrow("must be left first");
    expect(() => leaveJoint(three)).toThrow("none is under way");
  });
});
