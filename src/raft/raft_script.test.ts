import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, encodeChange, type Mutations } from "./cluster.test_support.ts";
import type { ConfChange, ConfStep } from "./raft.ts";
import { type ConfState, type MemberId, type Message, noConf } from "./types.ts";

/*
 * Scripts in testdata/: commands, then `----`, then what they print, then an empty line. `REWRITE=1 bun test src/raft` writes
 * what is printed now into the files: read the difference before it is committed.
 *
 *   cluster voters=1,2,3 learners=4 witnesses=3 also=5 reads=lease   begins anew; a witness is one of the voters
 *   campaign 1                    propose 1 a b          read 1             transfer 1 2        tick 1 10
 *   change 1 add-learner 4        change 1 joint add-voter 4 remove 1      change 1 explicit remove 2      change 1 leave
 *   write 1 | compact 1 | crash 1 | restart 1 | hang 1 (its disk) | unhang 1 | unreachable 1 2 | snapshot-failed 1 2
 *   forget-lease 1 | cut 1 (no message from or to it) | cut 1 2 (nor between the two) | heal
 *   settle | settle tell          delivers and writes until nothing is left to do, and says what was sent
 *   settle first 8 [tell]         the first 8 messages; the rest are lost
 *   messages                      what lies in the open
 *   deliver 2 | drop 2            the first two of those; what is to be written then waits for `write`
 *   forget 1 3 (the log up to 3)  snapshot-arrived 1 2
 *   state | answers | members 1 | progress 1 | witness 3 | floor 1
 */
const folder = join(import.meta.dirname, "testdata");
const rewrite = process.env.REWRITE === "1";

function describeMessage(message: Message): string {
  const head = `${message.from}->${message.to} ${message.type} term ${message.term}`;
  switch (message.type) {
    case "appendEntries": {
      const entries = message.entries.map((e) => `${e.index}/${e.term}`).join(" ");
      return `${head} after ${message.prevIndex}/${message.prevTerm} commit ${message.commit} [${entries}]`;
    }
    case "appendEntriesResponse":
      return message.reject
        ? `${head} reject ${message.index} hint ${message.hintIndex}`
        : `${head} match ${message.index}`;
    case "witnessAppend":
      return `${head} mark ${message.index}/${message.term}`;
    case "requestVote":
    case "requestPreVote":
      return `${head} last ${message.lastIndex}/${message.lastTerm}${message.transfer ? " transfer" : ""}`;
    case "requestVoteResponse":
    case "requestPreVoteResponse":
      return `${head} ${message.reject ? "no" : "yes"}`;
    case "installSnapshot":
      return `${head} up to ${message.snapshot.index}/${message.snapshot.term}`;
    case "heartbeat":
      return `${head} commit ${message.commit}${message.context === 0 ? " (no answer)" : ""}`;
    case "propose":
      return `${head} of ${message.entries.length}`;
    default:
      return head;
  }
}

function describeConf(conf: ConfState): string {
  const part = (name: string, ids: readonly MemberId[]) => (ids.length === 0 ? [] : [`${name} ${ids.join(",")}`]);
  return [
    ...part("voters", conf.voters),
    ...part("outgoing", conf.votersOutgoing),
    ...part("learners", conf.learners),
    ...part("learners next", conf.learnersNext),
    ...part("witnesses", conf.witnesses),
    ...(conf.autoLeave ? ["left by itself"] : []),
  ].join(", ");
}

const stepTypes = {
  "add-voter": "addVoter",
  "add-learner": "addLearner",
  "add-witness": "addWitness",
  remove: "remove",
} as const;

function parseChange(words: readonly string[]): ConfChange {
  const [first = "", ...rest] = words;
  if (first === "leave") return { type: "leave" };
  const joint = first === "joint" || first === "explicit";
  const pairs = joint ? rest : words;
  const steps: ConfStep[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    const type = Object.entries(stepTypes).find(([name]) => name === pairs[at])?.[1];
    if (type === undefined) throw new Error(`There is no change "${pairs[at]}"`);
    steps.push({ type, id: BigInt(pairs[at + 1] ?? "0") });
  }
  const [step] = steps;
  if (joint || step === undefined) return { type: "joint", steps, autoLeave: first === "joint" };
  return { type: "simple", step };
}

class Script {
  #cluster = new Cluster({ ids: [], conf: noConf, random: () => 0.5 });
  readonly #mutations: Mutations;
  /** "1" or "1-2". */
  readonly #cut = new Set<string>();

  constructor(mutations: Mutations) {
    this.#mutations = mutations;
  }

  #isCut({ from, to }: Message): boolean {
    const names = [`${from}`, `${to}`, `${from}-${to}`, `${to}-${from}`];
    return names.some((name) => this.#cut.has(name));
  }

  run(line: string): string[] {
    const [command = "", ...words] = line.split(" ");
    const id = BigInt(/^\d+$/.test(words[0] ?? "") ? (words[0] ?? "0") : "0");
    const other = BigInt(/^\d+$/.test(words[1] ?? "") ? (words[1] ?? "0") : "0");
    const cluster = this.#cluster;
    const raft = cluster.members.get(id)?.raft;
    switch (command) {
      case "cluster": {
        const conf = {
          ...noConf,
          voters: listOf(words, "voters"),
          learners: listOf(words, "learners"),
          witnesses: listOf(words, "witnesses"),
        };
        const ids = [...conf.voters, ...conf.learners, ...listOf(words, "also")];
        const reads = words.includes("reads=lease") ? "lease" : "readIndex";
        const witnesses = listOf(words, "later-witness");
        this.#cluster = new Cluster({ ids, conf, reads, witnesses, random: () => 0.5, mutations: this.#mutations });
        this.#cut.clear();
        return [];
      }
      case "campaign": {
        let stands = true;
        cluster.act(id, (member) => {
          stands = member.campaign();
        });
        return stands ? [] : ["may not stand"];
      }
      case "propose": {
        let result = "";
        cluster.act(id, (member) => {
          for (const word of words.slice(1)) result = member.propose(new TextEncoder().encode(word));
        });
        return [result];
      }
      case "change": {
        let result = "";
        cluster.act(id, (member) => {
          result = member.propose(encodeChange(parseChange(words.slice(1))), "confChange");
        });
        return [result];
      }
      case "tick":
        for (let count = Number(words[1] ?? "1"); count > 0; count--) cluster.act(id, (member) => member.tick());
        return [];
      case "transfer": {
        let taken = true;
        cluster.act(id, (member) => {
          taken = member.transferLeadership(other);
        });
        return taken ? [] : ["refused"];
      }
      case "read":
        cluster.read(id);
        return [];
      case "forget-lease":
        cluster.act(id, (member) => member.forgetLease());
        return [];
      case "unreachable":
        cluster.act(id, (member) => member.reportUnreachable(other));
        return [];
      case "floor":
        return [`the log may go up to ${raft?.compactionFloor}${raft?.snapshotWanted ? ", a snapshot is wanted" : ""}`];
      case "forget": {
        // Gives up the log in memory, though no snapshot stands for it.
        raft?.log.compactTo(Number(words[1]));
        return [];
      }
      case "snapshot-arrived":
        cluster.act(id, (member) => member.reportSnapshot(other, true));
        return [];
      case "snapshot-failed":
        cluster.act(id, (member) => member.reportSnapshot(other, false));
        return [];
      case "answers":
        return cluster.answered.splice(0);
      case "write":
        cluster.completeWrite(id);
        return [];
      case "compact":
        cluster.compact(id);
        return [];
      case "crash":
        cluster.crash(id);
        return [];
      case "restart":
        cluster.restart(id);
        return [];
      case "hang":
      case "unhang":
        cluster.hang(id, command === "hang");
        return [];
      case "cut":
        this.#cut.add(words.join("-"));
        return [];
      case "heal":
        this.#cut.clear();
        return [];
      case "deliver":
      case "drop":
        for (const message of cluster.network.splice(0, Number(words[0] ?? "1")))
          if (command === "deliver") cluster.deliver(message);
        return [];
      case "messages":
        return cluster.network.map(describeMessage);
      case "settle": {
        const trace: string[] = [];
        const verbose = words.includes("tell");
        let left = words[0] === "first" ? Number(words[1]) : Number.POSITIVE_INFINITY;
        cluster.settle((message) => {
          const lost = this.#isCut(message) || !cluster.isUp(message.to) || left <= 0;
          left--;
          if (verbose) trace.push(`${describeMessage(message)}${lost ? " (lost)" : ""}`);
          return lost;
        });
        return trace;
      }
      case "members":
        return [describeConf(raft?.conf ?? noConf)];
      case "progress":
        return [...cluster.members.keys(), ...cluster.witnesses.keys()].flatMap((member) => {
          const progress = raft?.progressOf(member);
          if (progress === undefined) return [];
          const { state, match, next, isPaused, inSync } = progress;
          return `${member} ${state} match ${match} next ${next}${isPaused ? " paused" : ""}${inSync ? "" : " out of sync"}`;
        });
      case "witness": {
        const witness = cluster.witnesses.get(id);
        if (witness === undefined) throw new Error(`${id} is no witness`);
        const { term, vote, lastTerm, lastIndex } = witness.record;
        return [`term ${term} vote ${vote} mark ${lastIndex}/${lastTerm}, written ${witness.writes} times`];
      }
      case "state":
        return [...cluster.members.values()].map(({ id: member, raft: state, appliedIndex }) => {
          if (state === undefined) return `${member} down`;
          const { log } = state;
          const indexes = `last ${log.lastIndex}/${log.lastTerm} commit ${log.commit} applied ${appliedIndex}`;
          return `${member} ${state.role} term ${state.term} vote ${state.vote} leader ${state.leader} ${indexes}`;
        });
      default:
        throw new Error(`There is no command "${line}"`);
    }
  }
}

const listOf = (words: readonly string[], name: string): MemberId[] =>
  (words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? "")
    .split(",")
    .filter(Boolean)
    .map(BigInt);

/** Runs a script and gives it back with what it prints now. */
function carryOut(source: string, mutations: Mutations = {}): string {
  const script = new Script(mutations);
  const blocks = source.trimEnd().split(/\n\n+/);
  const printed = blocks.map((block) => {
    const [commands = ""] = block.split("\n----");
    const lines = commands.split("\n");
    const output = lines.flatMap((line) => (line.startsWith("#") || line === "" ? [] : script.run(line)));
    return lines.every((line) => line.startsWith("#")) ? commands : [commands, "----", ...output].join("\n");
  });
  return `${printed.join("\n\n")}\n`;
}

describe("The script", () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt")))
    test(`${name} prints what it says`, () => {
      const path = join(folder, name);
      const source = readFileSync(path, "utf8");
      const printed = carryOut(source);
      if (rewrite) writeFileSync(path, printed);
      else expect(printed).toBe(source);
    });

  test("figure_8.txt catches a build that commits an entry of an earlier term by counting", () => {
    const source = readFileSync(join(folder, "figure_8.txt"), "utf8");
    expect(() => carryOut(source, { commitsEarlierTerms: true })).toThrow("was applied before");
  });

  test("witness.txt catches a witness that forgets its mark", () => {
    const source = readFileSync(join(folder, "witness.txt"), "utf8");
    expect(() => carryOut(source, { witnessForgetsMark: true })).toThrow("was applied before");
  });
});
