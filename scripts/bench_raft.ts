/**
 * What consensus itself costs, without disk and network: `bun scripts/bench_raft.ts [PROPOSALS]`. One and three members in one
 * process, writes that are durable at once; 1, 16 and 1000 proposals of 512 bytes a turn. Microseconds and messages a proposal,
 * medians of five runs.
 */
import { realClock } from "../src/env/real/clock.ts";
import { Raft } from "../src/raft/raft.ts";
import { type Message, noConf } from "../src/raft/types.ts";
import { median } from "./bench_figures.ts";

const total = Number(process.argv[2] ?? 100_000);
const data = new Uint8Array(512);

function start(count: number): Raft[] {
  const voters = Array.from({ length: count }, (_, at) => BigInt(at + 1));
  return voters.map(
    (id) =>
      new Raft({
        id,
        conf: { ...noConf, voters },
        hardState: { term: 0, vote: 0n, commit: 0 },
        snapshot: { index: 0, term: 0 },
        entries: [],
        maxReadyBytes: 2 * 1024 * 1024,
        electionTicks: 10,
        heartbeatTicks: 1,
        random: () => 0.5,
        maxMessageBytes: 512 * 1024,
        maxInflightMessages: 64,
        maxInflightBytes: 4 * 1024 * 1024,
        maxUncommittedBytes: 64 * 1024 * 1024,
      }),
  );
}

interface Counts {
  messages: number;
  applied: number;
}

/** Carries out everything until nobody asks for anything more. */
function settle(members: readonly Raft[], counts: Counts): void {
  const mail: Message[] = [];
  let busy = true;
  while (busy) {
    busy = false;
    for (const raft of members) {
      while (raft.hasReady()) {
        busy = true;
        const ready = raft.ready();
        mail.push(...ready.messages);
        counts.applied += ready.committedEntries.length;
        const last = ready.committedEntries[ready.committedEntries.length - 1];
        if (last !== undefined) raft.log.compactTo(Math.max(0, last.index - 1000));
        if (ready.hardState === undefined) continue;
        mail.push(...ready.messagesAfterAppend);
        raft.advance();
      }
    }
    for (const message of mail.splice(0)) {
      counts.messages++;
      members[Number(message.to) - 1]?.step(message);
    }
  }
}

function run(count: number, batch: number): { micros: number; messages: number } {
  const members = start(count);
  const counts = { messages: 0, applied: 0 };
  members[0]?.campaign();
  settle(members, counts);
  counts.messages = 0;
  counts.applied = 0;
  const rounds = Math.ceil(total / batch);
  const from = realClock.monotonicMs();
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < batch; at++) members[0]?.propose(data);
    settle(members, counts);
  }
  const micros = ((realClock.monotonicMs() - from) * 1000) / (rounds * batch);
  if (counts.applied !== rounds * batch * count)
    throw new Error(`Applied ${counts.applied} of ${rounds * batch * count}`);
  return { micros, messages: counts.messages / rounds };
}

for (const count of [1, 3])
  for (const batch of [1, 16, 1000]) {
    run(count, batch);
    const runs = Array.from({ length: 5 }, () => run(count, batch));
    const micros = median(runs.map((figures) => figures.micros));
    console.log(
      `${count} members, ${String(batch).padStart(4)} proposals a turn: ${micros.toFixed(2).padStart(6)} µs a proposal, ` +
        `${median(runs.map(({ messages }) => messages)).toFixed(1)} messages a turn`,
    );
  }
