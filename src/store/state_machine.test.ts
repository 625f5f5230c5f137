import { describe, expect, test } from "bun:test";
import { noConf } from "../raft/types.ts";
import { VirtualClock } from "../sim/clock.ts";
import { quotaChanges } from "./alarms.ts";
import { type Command, encodeProposal } from "./command.ts";
import { encodeSnapshot, SnapshotDecoder } from "./snapshot_format.ts";
import { StateMachine } from "./state_machine.ts";
import { type Operation, StoreError } from "./store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const everything = { key: Uint8Array.of(0), end: Uint8Array.of(0) };
const conf = { ...noConf, voters: [1n] };

const put = (key: string, value: string | Uint8Array, lease = 0n): Operation => ({
  type: "put",
  key: bytes(key),
  value: typeof value === "string" ? bytes(value) : value,
  lease,
});
const remove = (key: string): Operation => ({ type: "deleteRange", key: bytes(key) });
const txn = (...success: Operation[]): Command => ({ type: "txn", request: { compare: [], success, failure: [] } });

class Machine {
  readonly clock = new VirtualClock();
  readonly state = new StateMachine(this.clock, { revoke: async () => {}, checkpoint: async () => {} });

  /** "done", "txn", or the code of the refusal. */
  apply(command: Command): string {
    const data = encodeProposal({ session: 1n, number: 1, command });
    const applied = this.state.apply({ index: this.state.appliedIndex + 1, term: 1, type: "normal", data });
    if (applied === undefined) throw new Error("It was nobody's proposal");
    return applied.outcome.type === "refused" ? applied.outcome.error.code : applied.outcome.type;
  }

  snapshot(memberId = 0n): Uint8Array[] {
    const frozen = this.state.freeze({ clusterId: 9n, memberId, conf });
    try {
      return [...encodeSnapshot(frozen.state, frozen.heads())];
    } finally {
      frozen.release();
    }
  }

  load(pieces: Iterable<Uint8Array>): void {
    const decoder = new SnapshotDecoder("a snapshot");
    for (const piece of pieces) decoder.push(piece);
    const { state, versions } = decoder.finish();
    this.state.restore(state, versions);
  }

  async hash(revision = 0): Promise<number> {
    const hashing = this.state.hashKv(revision);
    await this.clock.advance(100);
    return (await hashing).hash;
  }

  contents(): unknown {
    const { mvcc } = this.state;
    const states = [];
    for (let at = Math.max(1, mvcc.compactRevision); at <= mvcc.revision; at++) {
      const { kvs } = mvcc.range({ ...everything, revision: at });
      states.push(
        kvs.map(({ key, value, modRevision, version, lease }) => [`${key}`, `${value}`, modRevision, version, lease]),
      );
    }
    return states;
  }
}

/** Some changes of every kind; `compactions` says when history goes. */
function fill(machine: Machine, compactions: readonly number[]): void {
  machine.apply({ type: "leaseGrant", id: 7n, ttlSeconds: 60 });
  for (let at = 0; at < 400; at++) {
    const key = `k${(at * 13) % 37}`;
    if (at % 11 === 3) machine.apply(txn(remove(key)));
    else if (at % 17 === 5) machine.apply(txn(put(key, `${at}`, 7n), remove("k1"), put("both", `${at}`)));
    else machine.apply(txn(put(key, `value ${at}`)));
    if (compactions.includes(at)) machine.apply({ type: "compact", revision: machine.state.mvcc.revision - 10 });
  }
}

describe("The state of members that applied the same", () => {
  test("has the same hash, whoever began from a snapshot, at whatever moment, and whatever is yet to be freed", async () => {
    const one = new Machine();
    fill(one, [100, 250, 399]);
    const hash = await one.hash();

    // Holds on to everything that compaction made unreadable.
    const holding = new Machine();
    holding.apply(txn(put("first", "1"), remove("none")));
    const frozen = holding.state.mvcc.freeze();
    const same = new Machine();
    same.apply(txn(put("first", "1"), remove("none")));
    for (const machine of [holding, same]) fill(machine, [100, 250, 399]);
    const expected = await same.hash();
    expect(await holding.hash()).toBe(expected);
    expect(expected).not.toBe(hash);
    frozen.release();
    expect(await holding.hash()).toBe(expected);
    expect(holding.state.mvcc.bytesInUse).toBe(same.state.mvcc.bytesInUse);

    const restored = new Machine();
    restored.load(same.snapshot());
    expect(await restored.hash()).toBe(expected);
    const { revision, compactRevision } = same.state.mvcc;
    for (let at = compactRevision; at <= revision; at++) expect(await restored.hash(at)).toBe(await same.hash(at));
    expect(restored.contents()).toEqual(same.contents());
    expect(restored.snapshot()).toEqual(same.snapshot());
  });

  test("has another hash as soon as one value, lease, revision or deletion differs", async () => {
    const hashes = new Set<number>();
    const variants: Command[][] = [
      [txn(put("a", "1"))],
      [txn(put("a", "2"))],
      [txn(put("b", "1"))],
      [txn(put("a", "1", 7n))],
      [txn(put("z", "1")), txn(put("a", "1"))],
      [txn(put("a", "1")), txn(remove("a"))],
      [],
    ];
    for (const commands of variants) {
      const machine = new Machine();
      machine.apply({ type: "leaseGrant", id: 7n, ttlSeconds: 60 });
      for (const command of commands) machine.apply(command);
      hashes.add(await machine.hash());
    }
    expect(hashes.size).toBe(variants.length);
  });

  test("is hashed at a revision that is there, and at no other", async () => {
    const machine = new Machine();
    for (let at = 0; at < 10; at++) machine.apply(txn(put("a", `${at}`)));
    machine.apply({ type: "compact", revision: 5 });
    for (const [revision, code] of [
      [4, "Compacted"],
      [12, "FutureRevision"],
    ] as const) {
      const error = await machine.state.hashKv(revision).catch((thrown: unknown) => thrown);
      expect(error instanceof StoreError && error.code).toBe(code);
    }
    const before = await machine.hash(7);
    machine.apply(txn(put("a", "more")));
    expect(await machine.hash(7)).toBe(before);
  });
});

describe("A snapshot", () => {
  test("made while writes and compactions go on is the state of the moment when it was begun", () => {
    const machine = new Machine();
    for (let at = 0; at < 2000; at++) machine.apply(txn(put(`k${at % 700}`, "v".repeat(400))));
    machine.apply({ type: "compact", revision: 900 });
    const expected = machine.snapshot();
    const frozen = machine.state.freeze({ clusterId: 9n, memberId: 0n, conf });
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (const piece of encodeSnapshot(frozen.state, frozen.heads())) {
      pieces.push(piece);
      for (let more = 0; more < 300; more++, at++)
        machine.apply(at % 3 ? txn(put(`k${at % 900}`, "new")) : txn(remove(`k${at % 700}`)));
      machine.apply({ type: "compact", revision: machine.state.mvcc.revision });
    }
    frozen.release();
    expect(pieces.length).toBeGreaterThan(5);
    expect(pieces).toEqual(expected);
  });

  test("of two members at the same index differs by its first bytes only, which say whose it is", () => {
    const [one, two] = [new Machine(), new Machine()];
    for (const machine of [one, two]) fill(machine, [300]);
    const [first, ...rest] = one.snapshot(1n);
    const [other, ...same] = two.snapshot(2n);
    expect(first).not.toEqual(other);
    expect(rest).toEqual(same);
  });

  test("put in place of another state leaves nothing of that: keys, leases, alarms, members", () => {
    const one = new Machine();
    fill(one, [300]);
    const two = new Machine();
    two.apply({ type: "leaseGrant", id: 8n, ttlSeconds: 60 });
    two.apply(txn(put("old", "1", 8n)));
    two.apply({ type: "alarm", raised: true, alarm: "NOSPACE", member: 1n });
    two.load(one.snapshot());
    expect(two.snapshot()).toEqual(one.snapshot());
    expect(two.state.leases.has(8n)).toBe(false);
    expect(two.apply(txn(put("new", "1")))).toBe("txn");
    two.apply({ type: "leaseRevoke", id: 7n });
    one.apply(txn(put("new", "1")));
    one.apply({ type: "leaseRevoke", id: 7n });
    expect(two.contents()).toEqual(one.contents());
  });
});

describe("A large compaction", () => {
  test("counts at once, gives its memory back bit by bit, and changes nothing for a reader meanwhile", async () => {
    const machine = new Machine();
    const { mvcc } = machine.state;
    for (let at = 0; at < 30_000; at++)
      machine.apply(at % 50 ? txn(put(`k${at % 100}`, "x".repeat(100))) : txn(remove(`k${at % 100}`)));
    const before = mvcc.bytesInUse;
    const newest = mvcc.range(everything).kvs.map(({ modRevision }) => modRevision);
    machine.apply({ type: "compact", revision: mvcc.revision - 10 });
    expect(() => mvcc.checkRevision(mvcc.revision - 11)).toThrow("compacted");
    expect(mvcc.hasGarbage).toBe(true);
    expect(mvcc.bytesInUse).toBeGreaterThan(before / 2);
    const states = machine.contents();
    expect(mvcc.range(everything).kvs.map(({ modRevision }) => modRevision)).toEqual(newest);
    // A second one may come before the first is done.
    machine.apply(txn(put("k1", "again")));
    machine.apply({ type: "compact", revision: mvcc.revision - 10 });
    const second = machine.contents();
    await machine.clock.advance(1);
    expect(mvcc.hasGarbage).toBe(false);
    expect(machine.contents()).toEqual(second);
    expect(second).toEqual([...(Array.isArray(states) ? states.slice(1) : []), expect.anything()]);
    expect(mvcc.bytesInUse).toBeLessThan(before / 100);
    const fresh = new Machine();
    fresh.load(machine.snapshot());
    expect(mvcc.bytesInUse).toBe(fresh.state.mvcc.bytesInUse);
  });

  test("after heavy overwriting leaves no more on the heap than the keys that are there", async () => {
    const machine = new Machine();
    const heap = () => {
      Bun.gc(true);
      return process.memoryUsage().heapUsed / 1e6;
    };
    for (let at = 0; at < 500; at++) machine.apply(txn(put(`k${at}`, new Uint8Array(1024))));
    const before = heap();
    for (let at = 0; at < 60_000; at++) machine.apply(txn(put(`k${at % 500}`, new Uint8Array(1024))));
    expect(heap() - before).toBeGreaterThan(50);
    machine.apply({ type: "compact", revision: machine.state.mvcc.revision });
    await machine.clock.advance(1);
    expect(heap() - before).toBeLessThan(5);
  });
});

describe("An alarm", () => {
  const alarm = (raised: boolean, kind: "NOSPACE" | "CORRUPT", member = 1n): Command => ({
    type: "alarm",
    raised,
    alarm: kind,
    member,
  });

  test("NOSPACE refuses what adds, and lets deletions, compactions and ends of leases pass", () => {
    const machine = new Machine();
    machine.apply({ type: "leaseGrant", id: 7n, ttlSeconds: 60 });
    machine.apply(txn(put("a", "1", 7n), put("b", "1")));
    machine.apply(alarm(true, "NOSPACE"));
    expect(machine.apply(txn(put("a", "2")))).toBe("NoSpace");
    const nested: Operation = { type: "txn", request: { compare: [], success: [], failure: [put("c", "1")] } };
    expect(machine.apply(txn(nested))).toBe("NoSpace");
    expect(machine.apply({ type: "leaseGrant", id: 8n, ttlSeconds: 60 })).toBe("NoSpace");
    expect(machine.apply(txn(remove("b")))).toBe("txn");
    expect(machine.apply({ type: "leaseRevoke", id: 7n })).toBe("done");
    expect(machine.apply({ type: "compact", revision: 3 })).toBe("done");
    machine.apply(alarm(true, "NOSPACE", 2n));
    machine.apply(alarm(false, "NOSPACE"));
    expect(machine.apply(txn(put("a", "2")))).toBe("NoSpace");
    machine.apply(alarm(false, "NOSPACE", 2n));
    expect(machine.apply(txn(put("a", "2")))).toBe("txn");
  });

  test("CORRUPT refuses every change, and is part of a snapshot", () => {
    const machine = new Machine();
    machine.apply(txn(put("a", "1")));
    machine.apply(alarm(true, "CORRUPT"));
    const other = new Machine();
    other.load(machine.snapshot());
    for (const each of [machine, other]) expect(each.apply(txn(remove("a")))).toBe("Corrupt");
    expect(other.state.alarms.list()).toEqual([{ alarm: "CORRUPT", member: 1n }]);
  });

  test("about the quota is raised once by who leads, and cleared with room to spare, also by another leader", () => {
    const machine = new Machine();
    const ask = (bytesInUse: number, member = 1n) => {
      const changes = quotaChanges(machine.state.alarms, { bytesInUse, quotaBytes: 1000, member });
      for (const change of changes) machine.apply(change);
      return changes.map(({ raised, member: by }) => `${raised ? "raise" : "clear"} ${by}`);
    };
    expect(ask(1000)).toEqual([]);
    expect(ask(1001)).toEqual(["raise 1"]);
    expect(ask(1001)).toEqual([]);
    expect(ask(990, 2n)).toEqual([]);
    expect(ask(940, 2n)).toEqual(["clear 1"]);
    expect(ask(940, 2n)).toEqual([]);
  });
});

describe("An entry", () => {
  test("is applied in its turn, once", () => {
    const machine = new Machine();
    const data = encodeProposal({ session: 1n, number: 1, command: txn(put("a", "1")) });
    machine.state.apply({ index: 1, term: 1, type: "normal", data });
    for (const index of [1, 3])
      expect(() => machine.state.apply({ index, term: 1, type: "normal", data })).toThrow("to be applied after 1");
    expect(machine.state.mvcc.revision).toBe(2);
  });
});
