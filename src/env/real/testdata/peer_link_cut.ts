/**
 * Two peers in network namespaces of their own, joined by a veth pair that is cut in several ways: run as
 * `unshare -n bun peer_link_cut.ts`. Prints one line a cut, as JSON: after how long both had noticed, and found each other again.
 */
import { spawn, spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { PeerIdentity } from "../../pki.ts";
import { realClock } from "../clock.ts";
import { pki, until } from "../peer_link.test_support.ts";
import { openSide, type Side, type SideOrders } from "./peer_link_side.ts";

function run(...words: string[]): void {
  const [program = "", ...args] = words;
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
}

const far = spawn("unshare", ["-n", process.execPath, join(import.meta.dirname, "peer_link_side.ts")], {
  stdio: ["pipe", "pipe", "inherit"],
});
const inFar = (...words: string[]) => run("nsenter", "-t", String(far.pid), "-n", ...words);
// The namespace is there once the program has gone over to it.
const namespaceOf = (process: string) => readlinkSync(`/proc/${process}/ns/net`);
await until(() => namespaceOf(String(far.pid)) !== namespaceOf("self"), "the namespace");
run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", String(far.pid));
const up = () => {
  run("ip", "address", "replace", "198.51.100.1/24", "dev", "near");
  run("ip", "link", "set", "near", "up");
};
up();
inFar("ip", "address", "add", "198.51.100.2/24", "dev", "far");
inFar("ip", "link", "set", "far", "up");

const [mine, theirs] = [await pki.createPeerIdentity("near"), await pki.createPeerIdentity("far")];
const orders = (identity: PeerIdentity, address: string, other: PeerIdentity, otherAddress: string): SideOrders => ({
  identity,
  address,
  port: 2380,
  other: { publicKey: other.publicKeySha256, addresses: [`${otherAddress}:2380`] },
});
const answers = createInterface({ input: far.stdout })[Symbol.asyncIterator]();
far.stdin.write(`${JSON.stringify(orders(theirs, "198.51.100.2", mine, "198.51.100.1"))}\n`);
const ours = await openSide(orders(mine, "198.51.100.1", theirs, "198.51.100.2"));
const ask = async (): Promise<Side> => {
  far.stdin.write("tell\n");
  return JSON.parse((await answers.next()).value ?? "");
};
const both = async (isConnected: boolean): Promise<number> => {
  const endMs = realClock.now() + 15_000;
  while (true) {
    const side = await ask();
    if (!ours.inOrder || !side.inOrder) throw new Error("a frame was doubled, or overtaken");
    if (ours.isConnected === isConnected && side.isConnected === isConnected)
      return Math.max(ours.changedMs, side.changedMs);
    if (realClock.now() > endMs) throw new Error(`not ${isConnected ? "connected" : "noticed"} within 15 s`);
    await new Promise<void>((resolve) => realClock.schedule(10, resolve));
  }
};
const drop = (hook: string) => {
  run("nft", "add", "table", "inet", "cut");
  run("nft", "add", "chain", "inet", "cut", hook, `{ type filter hook ${hook} priority 0; policy drop; }`);
};
const cuts: [string, () => void, () => void][] = [
  ["link down", () => run("ip", "link", "set", "near", "down"), up],
  ["nothing comes in", () => drop("input"), () => run("nft", "delete", "table", "inet", "cut")],
  ["nothing goes out", () => drop("output"), () => run("nft", "delete", "table", "inet", "cut")],
  [
    "both ways",
    () => {
      drop("input");
      drop("output");
    },
    () => run("nft", "delete", "table", "inet", "cut"),
  ],
];
for (const [cut, begin, end] of cuts) {
  await both(true);
  const cutMs = realClock.now();
  begin();
  const noticedMs = (await both(false)) - cutMs;
  const healMs = realClock.now();
  end();
  const foundMs = (await both(true)) - healMs;
  console.log(JSON.stringify({ cut, noticedMs, foundMs }));
}
far.kill();
process.exit(0);
