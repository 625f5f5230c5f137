/**
 * Figures of the store's state alone, without log and disk: `bun scripts/bench_state.ts [KEYS]`. Applies puts of 512 bytes, then looks
 * for what would keep others waiting: snapshot, hash, compaction, restore, watchers. Trust ratios only, on a machine that is idle.
 */
import { realClock } from "../src/env/real/clock.ts";
import { noConf } from "../src/raft/types.ts";
import { encodeProposal } from "../src/store/command.ts";
import { encodeSnapshot, SnapshotDecoder } from "../src/store/snapshot_format.ts";
import { StateMachine } from "../src/store/state_machine.ts";

const keys = Number(process.argv[2] ?? 300_000);
const value = new Uint8Array(512).fill(7);
const encoder = new TextEncoder();
const name = (at: number) => `/registry/pods/default/pod-${String(at).padStart(8, "0")}`;
const proposals = { revoke: async () => undefined, checkpoint: async () => undefined };
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);

function put(index: number, at: number) {
  const request = {
    compare: [],
    success: [{ type: "put" as const, key: encoder.encode(name(at)), value }],
    failure: [],
  };
  const data = encodeProposal({ session: 1n, number: index, command: { type: "txn", request } });
  return { index, term: 1, type: "normal" as const, data };
}

/** Applies `count` puts to the keys that `keyOf` says; what makes the entries is not counted. */
function apply(state: StateMachine, what: string, count: number, keyOf: (at: number) => number): void {
  let tookMs = 0;
  let worstMs = 0;
  for (let done = 0; done < count; done += 1000) {
    const entries = Array.from({ length: 1000 }, (_, at) => put(state.appliedIndex + 1 + at, keyOf(done + at)));
    const from = performance.now();
    for (const entry of entries) state.apply(entry);
    const pieceMs = performance.now() - from;
    tookMs += pieceMs;
    worstMs = Math.max(worstMs, pieceMs);
  }
  console.log(`${what}: ${Math.round((count / tookMs) * 1000)}/s, longest 1000 ${worstMs.toFixed(1)} ms`);
}

/** The longest turn of the event loop while `work` is under way. */
async function stalls(what: string, work: () => Promise<unknown>): Promise<void> {
  let over = false;
  let worstMs = 0;
  let last = performance.now();
  const look = () => {
    const now = performance.now();
    worstMs = Math.max(worstMs, now - last);
    last = now;
    if (!over) setTimeout(look, 0);
  };
  setTimeout(look, 0);
  const from = performance.now();
  await work();
  const tookMs = performance.now() - from;
  over = true;
  console.log(`${what}: ${tookMs.toFixed(0)} ms, longest turn ${worstMs.toFixed(1)} ms`);
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Bun.gc(true);
const before = process.memoryUsage();
const state = new StateMachine(realClock, proposals);
apply(state, `${keys} new keys, scattered`, keys, (at) => (at * 7919) % keys);
Bun.gc(true);
const after = process.memoryUsage();
console.log(
  `memory a key of ${name(0).length} + ${value.length} bytes: ${((after.heapUsed - before.heapUsed) / keys).toFixed(0)} bytes of heap, rss ${megabytes(after.rss - before.rss)} MB`,
);
apply(state, `${keys} overwritten`, keys, (at) => (at * 104_729) % keys);

const frozen = state.freeze({ clusterId: 1n, memberId: 1n, conf: { ...noConf, voters: [1n] } });
const pieces: Uint8Array[] = [];
await stalls("snapshot made", async () => {
  for (const piece of encodeSnapshot(frozen.state, frozen.heads())) {
    pieces.push(piece);
    await turn();
  }
});
frozen.release();
await stalls("hash of all", () => state.hashKv(0));
await stalls("compaction of half", async () => {
  const data = encodeProposal({
    session: 1n,
    number: 1,
    command: { type: "compact", revision: state.mvcc.revision },
  });
  state.apply({ index: state.appliedIndex + 1, term: 1, type: "normal", data });
  while (state.mvcc.hasGarbage) await turn();
});
await stalls("snapshot read, state restored", async () => {
  const decoder = new SnapshotDecoder("the snapshot");
  for (const piece of pieces) {
    decoder.push(piece);
    await turn();
  }
  const { state: loaded, versions } = decoder.finish();
  new StateMachine(realClock, proposals).restore(loaded, versions);
});

let told = 0;
const ranges = 10_000;
for (let at = 0; at < ranges; at++)
  state.hub.watch(
    { key: encoder.encode(`${name(at * 10)}`), end: encoder.encode(`${name(at * 10 + 9)}`) },
    { events: () => told++, ended: () => undefined },
  );
await turn();
apply(state, `overwritten with ${ranges} watched ranges`, Math.min(keys, 100_000), (at) => at);
console.log(`${told} calls of watchers`);
