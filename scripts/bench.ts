/** `bun run bench [start|idle|pods|raft|store|api|proxy] [--runs N] [--minutes M] [--against PEER] [--json]`: side by side, in one run. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { benchIdle, benchPods, benchStart } from "./bench_node.ts";

const args = process.argv.slice(2);
const option = (name: string) => {
  const at = args.indexOf(name);
  return at >= 0 ? args.splice(at, 2)[1] : undefined;
};
const json = args.includes("--json");
const runs = Number(option("--runs") ?? 20);
const minutes = Number(option("--minutes") ?? 30);
const against = option("--against");
const names = args.filter((word) => !word.startsWith("--"));
const known = ["start", "idle", "pods", "raft", "store", "api", "proxy", "failover"];

for (const name of names.length > 0 ? names : known) {
  if (name === "start") await benchStart(runs, json);
  else if (name === "idle") await benchIdle(minutes, json);
  else if (name === "pods") await benchPods(runs, json);
  else {
    const script = join(import.meta.dirname, `bench_${name}.ts`);
    if (!known.includes(name) || !existsSync(script)) {
      console.error(`bench: no bench "${name}"; there are ${known.join(", ")}`);
      process.exit(2);
    }
    const more = [
      ...(name === "failover" ? [String(runs)] : []),
      ...(against === undefined ? [] : ["--against", against]),
      ...(json ? ["--json"] : []),
    ];
    const { status } = spawnSync(process.execPath, [script, ...more], { stdio: "inherit" });
    if (status !== 0) process.exit(status ?? 1);
  }
}
process.exit(0);
