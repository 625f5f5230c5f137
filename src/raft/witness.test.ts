import { describe, expect, test } from "bun:test";
import { Dice } from "./trial.test_support.ts";
import type { MemberId, Message } from "./types.ts";
import { emptyWitnessRecord, stepWitness, stepWitnessOn, type WitnessRecord, type WitnessRegister } from "./witness.ts";

const witness = 9n;

function vote(from: MemberId, term: number, lastTerm: number, lastIndex: number, pre = false): Message {
  const type = pre ? "requestPreVote" : "requestVote";
  return { type, from, to: witness, term, lastTerm, lastIndex, transfer: false, commit: 0, commitTerm: 0 };
}
const append = (from: MemberId, term: number, index: number): Message => ({
  type: "witnessAppend",
  from,
  to: witness,
  term,
  index,
});
const heartbeat = (from: MemberId, term: number): Message => ({
  type: "heartbeat",
  from,
  to: witness,
  term,
  commit: 0,
  context: 77,
});

/** Takes steps one after the other. */
function after(...messages: readonly Message[]) {
  let record: WitnessRecord = emptyWitnessRecord;
  let reply: Message | undefined;
  for (const message of messages) ({ record, reply } = stepWitness(witness, record, message));
  return { record, reply };
}

describe("A witness", () => {
  test("votes once a term, and says so again when asked again", () => {
    expect(after(vote(1n, 3, 0, 0))).toMatchObject({
      record: { term: 3, vote: 1n },
      reply: { reject: false, term: 3 },
    });
    expect(after(vote(1n, 3, 0, 0), vote(2n, 3, 5, 50)).reply).toMatchObject({ reject: true, term: 3 });
    expect(after(vote(1n, 3, 0, 0), vote(1n, 3, 0, 0)).reply).toMatchObject({ reject: false });
    expect(after(vote(1n, 3, 0, 0), vote(2n, 2, 5, 50)).reply).toMatchObject({ reject: true, term: 3 });
  });

  test("votes only for who has what it acknowledged", () => {
    const acknowledged = [vote(1n, 3, 0, 0), append(1n, 3, 8)];
    expect(after(...acknowledged)).toMatchObject({
      record: { term: 3, lastTerm: 3, lastIndex: 8 },
      reply: { type: "appendEntriesResponse", reject: false, index: 8 },
    });
    expect(after(...acknowledged, vote(2n, 4, 3, 7)).reply).toMatchObject({ reject: true, term: 4 });
    expect(after(...acknowledged, vote(2n, 4, 2, 90)).reply).toMatchObject({ reject: true });
    expect(after(...acknowledged, vote(2n, 4, 3, 8)).reply).toMatchObject({ reject: false });
    expect(after(...acknowledged, vote(2n, 5, 4, 1)).reply).toMatchObject({ reject: false });
  });

  test("acknowledges no leader of an earlier term, and none but one in a term gets its vote", () => {
    expect(after(vote(1n, 4, 0, 0), append(2n, 3, 8))).toMatchObject({
      record: { lastIndex: 0 },
      reply: { reject: true, term: 4 },
    });
    expect(after(append(1n, 4, 8), vote(2n, 4, 4, 9)).reply).toMatchObject({ reject: true });
  });

  test("is not set back by a message that was overtaken", () => {
    expect(after(append(1n, 3, 8), append(1n, 3, 5))).toMatchObject({ record: { lastIndex: 8 }, reply: { index: 8 } });
    // A new leader's log may be shorter: what it replaces was never committed.
    expect(after(append(1n, 3, 8), append(2n, 4, 6))).toMatchObject({ record: { lastTerm: 4, lastIndex: 6 } });
  });

  test("has nothing to write for a heartbeat, a pre-vote, a refusal, or what it knows already", () => {
    const { record } = after(vote(1n, 3, 0, 0), append(1n, 3, 8));
    for (const message of [
      heartbeat(1n, 3),
      heartbeat(2n, 7),
      heartbeat(2n, 1),
      vote(2n, 9, 3, 8, true),
      vote(2n, 9, 3, 7),
      vote(1n, 3, 3, 8),
      append(1n, 3, 8),
    ])
      expect(stepWitness(witness, record, message).record).toBe(record);
    expect(stepWitness(witness, record, heartbeat(1n, 3)).reply).toMatchObject({
      type: "heartbeatResponse",
      context: 77,
    });
    expect(stepWitness(witness, record, vote(2n, 9, 3, 8, true)).reply).toMatchObject({ reject: false, term: 9 });
    expect(stepWitness(witness, record, heartbeat(2n, 1)).reply).toMatchObject({ reject: true, term: 3 });
  });
});

type End = Pick<WitnessRecord, "lastTerm" | "lastIndex">;
const reaches = (log: End, mark: End): boolean =>
  log.lastTerm > mark.lastTerm || (log.lastTerm === mark.lastTerm && log.lastIndex >= mark.lastIndex);

/** Answers in any order, now and then not at all though it did as it was told, and can be looked at. */
class ShakyRegister implements WitnessRegister<number> {
  record: WitnessRecord = emptyWitnessRecord;
  #version = 0;
  readonly history: WitnessRecord[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Somebody's call goes on. False: nobody waits. */
  goOn(): boolean {
    const at = Math.floor(this.#dice.fraction() * this.#waiting.length);
    const [resume] = this.#waiting.splice(at, 1);
    resume?.();
    return resume !== undefined;
  }

  async read() {
    await this.#turn();
    return { record: this.record, version: this.#version };
  }

  async swap(expected: number, record: WitnessRecord): Promise<boolean> {
    await this.#turn();
    if (expected !== this.#version) return false;
    this.record = record;
    this.#version++;
    this.history.push(record);
    if (this.#dice.chance(0.1)) throw new Error("connection lost");
    return true;
  }
}

describe("A witness's register", () => {
  test("that executors race on gives one vote a term, and never a vote without what was acknowledged", async () => {
    let votes = 0;
    let acknowledgements = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const dice = new Dice(seed);
      const register = new ShakyRegister(dice);
      const replies: { readonly message: Message; readonly reply: Message }[] = [];
      let open = 0;
      const send = (message: Message) => {
        open++;
        stepWitnessOn(register, witness, message)
          .then((reply) => reply !== undefined && replies.push({ message, reply }))
          // Lost: it may be sent again.
          .catch(() => undefined)
          .finally(() => open--);
      };
      for (let count = 0; count < 30; count++) {
        // Two executors, each in a member of its own. That a term has one leader is the others' affair: here terms tell them apart.
        const term = 1 + Math.floor(dice.fraction() * 6);
        const from = dice.chance(0.5) ? 1n : 2n;
        const index = Math.floor(dice.fraction() * 10);
        if (dice.chance(0.5)) send(vote(from, term, Math.floor(dice.fraction() * term), index));
        else send(append(term % 2 === 0 ? 1n : 2n, term, index));
      }
      while (open > 0) {
        register.goOn();
        await Promise.resolve();
        await Promise.resolve();
      }
      // The register only ever moved forwards.
      let before = emptyWitnessRecord;
      for (const record of register.history) {
        expect(record.term).toBeGreaterThanOrEqual(before.term);
        if (record.term === before.term) expect(record.vote).toBe(before.vote);
        expect(reaches(record, before)).toBe(true);
        before = record;
      }
      const votedFor = new Map<number, MemberId>();
      for (const { message, reply } of replies) {
        if (reply.type === "requestVoteResponse" && !reply.reject) {
          votes++;
          expect(votedFor.get(reply.term) ?? reply.to).toBe(reply.to);
          votedFor.set(reply.term, reply.to);
          const written = register.history.filter(({ term, vote: to }) => term === reply.term && to === reply.to);
          expect(written.some((record) => message.type === "requestVote" && reaches(message, record))).toBe(true);
        }
        if (reply.type === "appendEntriesResponse" && !reply.reject) {
          acknowledgements++;
          // What was acknowledged was in the register, and still is, or something newer.
          expect(reaches(register.record, { lastTerm: reply.term, lastIndex: reply.index })).toBe(true);
        }
      }
    }
    expect(votes).toBeGreaterThan(300);
    expect(acknowledgements).toBeGreaterThan(300);
  });
});
