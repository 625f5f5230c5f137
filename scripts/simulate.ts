/**
 * One deterministic run of a whole node under load and faults: `bun run simulate --seed N [--minutes M]`; `--seeds A..B` runs a
 * range. Exit 0, or 127 (crash), 128 (liveness), 129 (correctness), with the seed and how to replay it.
 */
import { parseArgs } from "node:util";
import { simulate } from "../src/sim/simulation.ts";
import { runStoreWorkload } from "../src/sim/store_workload.ts";
import { Violation } from "../src/sim/verdict.ts";
import { runWorkload } from "../src/sim/workload.ts";

const usage = `Usage: bun run simulate --seed N [--minutes M] [--store [--members N]] [--trace]
       bun run simulate --seeds A..B [--minutes M] [--store [--members N]]

Runs a whole node with simulated time, disk and engine under load and faults that follow from the seed.
  --minutes M  virtual minutes of load and faults (10; with --store 0.5)
  --store      several members of the store alone, on simulated disks and links
  --members N  how many (3)
  --trace      print the whole trace, not only a failure's end
Exit: 0, 127 (crash), 128 (liveness), 129 (correctness), 2 (wrong usage)`;

function wrong(text: string): never {
  console.error(`error: ${text}\n\n${usage}`);
  process.exit(2);
}

function number(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value) || value < least)
    wrong(`--${name} "${text}" must be a number from ${least} on`);
  return value;
}

let parsed: ReturnType<typeof parse>;
function parse() {
  return parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      minutes: { type: "string" },
      store: { type: "boolean", default: false },
      members: { type: "string", default: "3" },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;
}
try {
  parsed = parse();
} catch (error) {
  wrong(error instanceof Error ? error.message : String(error));
}
if (parsed.help) {
  console.log(usage);
  process.exit(0);
}
const minutes = number("minutes", parsed.minutes ?? (parsed.store ? "0.5" : "10"), 0);
const members = number("members", parsed.members, 1);
let first: number;
let last: number;
if (parsed.seeds !== undefined) {
  const [from, to] = /^(\d+)\.\.(\d+)$/.exec(parsed.seeds)?.slice(1).map(Number) ?? [];
  if (from === undefined || to === undefined || to < from)
    wrong(`--seeds "${parsed.seeds}" must be a range such as 1..100`);
  first = from;
  last = to;
} else {
  if (parsed.seed === undefined) wrong("name a --seed or --seeds");
  first = last = number("seed", parsed.seed, 0);
}

function verdictOf(error: unknown): { readonly word: string; readonly code: number } {
  const cause = error instanceof Error && error.cause instanceof Violation ? error.cause : error;
  if (!(cause instanceof Violation)) return { word: "crash", code: 127 };
  return { word: cause.kind, code: cause.kind === "liveness" ? 128 : 129 };
}

function failed(seed: number, error: unknown): number {
  const { word, code } = verdictOf(error);
  console.error(error instanceof Error ? (word === "crash" ? (error.stack ?? error.message) : error.message) : error);
  if (word === "crash" && error instanceof Error && error.cause instanceof Error) console.error(error.cause.stack);
  const more = parsed.store ? ` --store --members ${members}` : "";
  console.error(`seed ${seed}: ${word}\nreplay: bun run simulate --seed ${seed} --minutes ${minutes}${more}`);
  return code;
}

/** What both workloads count. */
type Report = { readonly convergedMs: number; readonly faults: Readonly<Record<string, number>> };

let code = 0;
let running = first;
const failures: number[] = [];
process.on("unhandledRejection", (error) => process.exit(failed(running, error)));
for (running = first; running <= last; running++) {
  try {
    const { value, hash, lines } = await simulate<Report>(running, (sim) =>
      parsed.store ? runStoreWorkload(sim, { members, seconds: minutes * 60 }) : runWorkload(sim, { minutes }),
    );
    if (parsed.trace) console.log(lines.join("\n"));
    const { faults, ...counts } = value;
    const words = Object.entries({ ...counts, convergedMs: Math.round(counts.convergedMs) }).map(
      ([key, count]) => `${key}=${count}`,
    );
    console.log(`seed ${running}: ok trace=${hash.slice(0, 16)} ${words.join(" ")}`);
    if (first === last)
      console.log(
        `faults: ${Object.entries(faults)
          .map(([name, count]) => `${name} ${count}`)
          .join(", ")}`,
      );
  } catch (error) {
    failures.push(running);
    code = Math.max(code, failed(running, error));
  }
}
if (first !== last)
  console.log(
    `${last - first + 1 - failures.length} seeds passed, ${failures.length} failed${failures.length ? `: ${failures.join(", ")}` : ""}`,
  );
process.exit(code);
