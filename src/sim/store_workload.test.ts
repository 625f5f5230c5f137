import { describe, expect, test } from "bun:test";
import type { PeerLink } from "../env/peer_link.ts";
import type { Message } from "../raft/types.ts";
import { decodeFrame, encodeFrame } from "../store/peer_message.ts";
import { StateMachine } from "../store/state_machine.ts";
import { WatchHub } from "../store/watch_hub.ts";
import { simulate } from "./simulation.ts";
import type { StoreMachine } from "./store_cluster.ts";
import { runStoreWorkload, type StoreWorkloadOptions } from "./store_workload.ts";

const run = (seed: number, options: StoreWorkloadOptions) => simulate(seed, (sim) => runStoreWorkload(sim, options));

/** By hand: SEEDS=1001..3000 bun test src/sim/store_workload.test.ts, or bun run simulate --store --seeds A..B. */
const [first = 1, last = 200] = (process.env.SEEDS ?? "1..200").split("..").map(Number);

describe("a store of several members under faults", () => {
  test(`three members are one strictly serialisable store, for every seed from ${first} to ${last}`, async () => {
    let acknowledged = 0;
    for (let seed = first; seed <= last; seed++) {
      const { value } = await run(seed, { members: 3, seconds: 12 });
      acknowledged += value.acknowledged;
    }
    // A workload that gets nothing done would find nothing.
    expect(acknowledged).toBeGreaterThan(100 * (last - first + 1));
  }, 600_000);

  test("one member, and five, too", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      await run(seed, { members: 1, seconds: 12 });
      await run(seed, { members: 5, seconds: 12 });
    }
  }, 120_000);

  test("a seed gives the same trace each time", async () => {
    const options = { members: 3, seconds: 10 };
    const [one, other] = [await run(42, options), await run(42, options)];
    expect(other.hash).toBe(one.hash);
    expect((await run(43, options)).hash).not.toBe(one.hash);
  }, 60_000);
});

/** What a broken build is caught by; it must be, within some seeds. */
async function caught(options: StoreWorkloadOptions, seeds = 40): Promise<string> {
  for (let seed = 1; seed <= seeds; seed++)
    try {
      await run(seed, options);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  return "nobody noticed";
}

/** A link on which a process hears, besides what is said to it, what `forge` makes of what it sends and receives. */
function forging(
  forge: (message: Message, direction: "sent" | "received") => readonly Message[],
): (machine: StoreMachine) => void {
  return (machine) => {
    machine.wrapLink = (link: PeerLink): PeerLink => ({
      open: async (options, handler) => {
        const forged = (from: string, frame: Uint8Array, direction: "sent" | "received") => {
          const decoded = decodeFrame(frame);
          if (decoded.kind !== "raft") return;
          for (const message of forge(decoded.message, direction))
            if (direction === "sent")
              queueMicrotask(() => handler.received(from, encodeFrame({ kind: "raft", message })));
            else network.send(from, encodeFrame({ kind: "raft", message }));
        };
        const network = await link.open(options, {
          ...handler,
          admits: (key) => handler.admits(key),
          received: (from, frame) => {
            forged(from, frame, "received");
            handler.received(from, frame);
          },
        });
        return {
          get port() {
            return network.port;
          },
          setPeers: (peers) => network.setPeers(peers),
          send: (to, frame) => {
            forged(to, frame, "sent");
            return network.send(to, frame);
          },
          queuedBytes: (to) => network.queuedBytes(to),
          status: () => network.status(),
          close: () => network.close(),
        };
      },
    });
  };
}

/** Replaces a method for as long as `work` runs. */
async function patched<T extends object, R>(prototype: T, patch: Partial<T>, work: () => Promise<R>): Promise<R> {
  const before = Object.getOwnPropertyDescriptors(prototype);
  Object.assign(prototype, patch);
  try {
    return await work();
  } finally {
    for (const key of Object.keys(patch)) {
      const descriptor = before[key as keyof T];
      if (descriptor !== undefined) Object.defineProperty(prototype, key, descriptor);
    }
  }
}

describe("a build that is broken on purpose is caught", () => {
  const options = { members: 3, seconds: 15 };

  test("one that skips fsync", async () => {
    const prepare = (machine: StoreMachine) => {
      machine.disk.syncsAreLies = true;
    };
    expect(await caught({ ...options, prepare })).not.toContain("nobody noticed");
  }, 120_000);

  test("one that commits without a quorum", async () => {
    const prepare = forging((message, direction) =>
      direction === "sent" && message.type === "appendEntries" && message.entries.length > 0
        ? [
            {
              type: "appendEntriesResponse",
              from: message.to,
              to: message.from,
              term: message.term,
              reject: false,
              index: message.prevIndex + message.entries.length,
              hintIndex: 0,
              hintTerm: 0,
            },
          ]
        : [],
    );
    expect(await caught({ ...options, prepare })).not.toContain("nobody noticed");
  }, 120_000);

  test("one that votes twice in a term", async () => {
    const prepare = forging((message, direction) =>
      direction === "received" && (message.type === "requestVote" || message.type === "requestPreVote")
        ? [
            {
              type: message.type === "requestVote" ? "requestVoteResponse" : "requestPreVoteResponse",
              from: message.to,
              to: message.from,
              term: message.term,
              reject: false,
              commit: 0,
              commitTerm: 0,
            },
          ]
        : [],
    );
    expect(await caught({ ...options, prepare }, 80)).not.toContain("nobody noticed");
  }, 120_000);

  test("one that applies out of order", async () => {
    const { apply } = StateMachine.prototype;
    let held: Parameters<typeof apply>[0] | undefined;
    let count = 0;
    const outOfOrder: typeof apply = function (this: StateMachine, entry) {
      const empty = { ...entry, data: new Uint8Array(0) };
      if (held === undefined && ++count % 50 === 0) {
        held = entry;
        return apply.call(this, empty);
      }
      const answer = apply.call(this, entry);
      if (held !== undefined && held.index === entry.index - 1) {
        const late = held;
        held = undefined;
        this.appliedIndex--;
        apply.call(this, { ...late, index: entry.index });
      }
      return answer;
    };
    const message = await patched(StateMachine.prototype, { apply: outOfOrder }, () => caught(options));
    expect(message).not.toContain("nobody noticed");
  }, 120_000);

  test("one that loses an event of a watch", async () => {
    const { publish } = WatchHub.prototype;
    let count = 0;
    const forgetful: typeof publish = function (this: WatchHub, revision, changes) {
      if (++count % 100 !== 0) publish.call(this, revision, changes);
    };
    const message = await patched(WatchHub.prototype, { publish: forgetful }, () => caught(options));
    expect(message).toMatch(/was told of/);
  }, 120_000);

  test("one whose followers answer reads without asking the leader", async () => {
    // Not while the cluster is being founded: who joins must learn who the others are.
    let asked = 0;
    const impatient = forging((message, direction) =>
      direction === "sent" && message.type === "readIndex" && ++asked > 20
        ? [
            {
              type: "readIndexResponse",
              from: message.to,
              to: message.from,
              term: message.term,
              context: message.context,
              index: 0,
            },
          ]
        : [],
    );
    const prepare = (machine: StoreMachine) => {
      if (machine.name === "n1") asked = 0;
      impatient(machine);
    };
    expect(await caught({ ...options, faults: false, prepare })).toMatch(/was told revision|saw . as/);
  }, 120_000);
});
