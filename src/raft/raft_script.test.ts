import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, encodeConf } from "./cluster.test_support.ts";
import { type ConfState, type MemberId, type Message, noConf } from "./types.ts";

/*
 * Scripts in testdata/: commands, then `----`, then what they print, then an empty line. `REWRITE=1 bun test src/raft` writes
 * what is printed now into the files: read the difference before it is committed.
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
    case "requestVote":
    case "requestPreVote":
      return `${head} last ${message.lastIndex}/${message.lastTerm}`;
    case "requestVoteResponse":
    case "requestPreVoteResponse":
      return `${head} ${message.reject ? "no" : "yes"}`;
    case "installSnapshot":
      return `${head} up to ${message.snapshot.index}/${message.snapshot.term}`;
    case "heartbeat":
      return `${head} commit ${message.commit}`;
    default:
      return head;
  }
}

class Script {
  #cluster = new Cluster([], noConf, () => 0.5);
  readonly #cut = new Set<MemberId>();

  run(line: string): string[] {
    const [command = "", ...words] = line.split(" ");
    const id = BigInt(/^\d+$/.test(words[0] ?? "") ? (words[0] ?? "0") : "0");
    const cluster = this.#cluster;
    switch (command) {
      case "cluster": {
        const conf = parseConf(words);
        const also = listOf(words, "also");
        const ids = [...conf.voters, ...conf.learners, ...also];
        this.#cluster = new Cluster(ids, conf, () => 0.5);
        return [];
      }
      case "campaign":
        cluster.act(id, (raft) => raft.campaign());
        return [];
      case "propose": {
        let result = "";
        cluster.act(id, (raft) => {
          result = raft.propose(new TextEncoder().encode(words[1] ?? ""));
        });
        return [result];
      }
      case "members": {
        let result = "";
        cluster.act(id, (raft) => {
          result = raft.propose(encodeConf(parseConf(words)), "confChange");
        });
        return [result];
      }
      case "tick":
        for (let count = Number(words[1] ?? "1"); count > 0; count--) cluster.act(id, (raft) => raft.tick());
        return [];
      case "transfer":
        cluster.act(id, (raft) => raft.transferLeadership(BigInt(words[1] ?? "0")));
        return [];
      case "read":
        cluster.read(id);
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
      case "cut":
        this.#cut.add(id);
        return [];
      case "heal":
        this.#cut.clear();
        return [];
      case "messages":
        return cluster.network.map(describeMessage);
      case "settle": {
        const trace: string[] = [];
        const verbose = words[0] === "tell";
        cluster.settle((message) => {
          const lost = this.#cut.has(message.from) || this.#cut.has(message.to);
          if (verbose) trace.push(`${describeMessage(message)}${lost ? " (lost)" : ""}`);
          return lost;
        });
        return trace;
      }
      case "state":
        return [...cluster.members.values()].map(({ id: member, raft, appliedIndex }) => {
          if (raft === undefined) return `${member} down`;
          const { log } = raft;
          const indexes = `last ${log.lastIndex}/${log.lastTerm} commit ${log.commit} applied ${appliedIndex}`;
          return `${member} ${raft.role} term ${raft.term} vote ${raft.vote} leader ${raft.leader} ${indexes}`;
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

const parseConf = (words: readonly string[]): ConfState => ({
  ...noConf,
  voters: listOf(words, "voters"),
  votersOutgoing: listOf(words, "outgoing"),
  learners: listOf(words, "learners"),
});

/** Runs a script and gives it back with what it prints now. */
function carryOut(source: string): string {
  const script = new Script();
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
});
