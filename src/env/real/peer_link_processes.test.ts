/** The real link between processes: over a network that is cut, and between runtimes. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { PeerIdentity } from "../pki.ts";
import { canForge, openNode, pki, refused, startForger, until } from "./peer_link.test_support.ts";

setDefaultTimeout(60_000);

const testdata = join(import.meta.dirname, "testdata");
const root = join(import.meta.dirname, "..", "..", "..");
const deno = join(root, "node_modules", "@deno", "linux-x64-glibc", "deno");
const canCut = spawnSync("unshare", ["-n", "nft", "list", "tables"]).status === 0;
const cut = z.object({ cut: z.string(), noticedMs: z.number(), foundMs: z.number() });

test.skipIf(!canCut)(
  "a network that is cut, also one way, is noticed within 4 s, and its peer found within 2.5 s",
  () => {
    const ran = spawnSync("unshare", ["-n", process.execPath, join(testdata, "peer_link_cut.ts")], {
      encoding: "utf8",
    });
    expect(ran.stderr).toBe("");
    const cuts = ran.stdout.split("\n", 4).map((line) => cut.parse(JSON.parse(line)));
    expect(cuts.map(({ cut }) => cut)).toEqual(["link down", "nothing comes in", "nothing goes out", "both ways"]);
    for (const { noticedMs, foundMs } of cuts) {
      expect(noticedMs).toBeLessThan(4000);
      expect(foundMs).toBeLessThan(2500);
    }
  },
);

describe.skipIf(!existsSync(deno))("on Deno", () => {
  let mine: PeerIdentity;
  let theirs: PeerIdentity;
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    [mine, theirs] = [await pki.createPeerIdentity("bun"), await pki.createPeerIdentity("deno")];
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  /** A peer on Deno that admits and seeks the one with our key. */
  const start = async (addresses: readonly string[]) => {
    const words = ["run", "--allow-all", "--config", join(root, "deno.json"), join(testdata, "peer_link_side.ts")];
    const peer = spawn(deno, words, { stdio: ["pipe", "pipe", "inherit"] });
    closers.push(() => peer.kill());
    let said = "";
    peer.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const other = { publicKey: mine.publicKeySha256, addresses };
    peer.stdin.write(`${JSON.stringify({ identity: theirs, address: "127.0.0.1", port: 0, other })}\ntell\n`);
    await until(() => said.includes("\n"), "the peer on Deno");
    const { port } = z.object({ port: z.number() }).parse(JSON.parse(said));
    return { port, tell: () => void peer.stdin.write("tell\n"), said: () => said };
  };

  for (const [who, dials] of [
    ["dials", true],
    ["is dialled", false],
  ] as const) {
    test(`a peer that ${who} exchanges frames with one on Bun`, async () => {
      const a = await openNode(mine, [theirs.publicKeySha256]);
      closers.push(() => a.network.close());
      const peer = await start(dials ? [`127.0.0.1:${a.network.port}`] : []);
      const addresses = dials ? [] : [`127.0.0.1:${peer.port}`];
      a.network.setPeers([{ publicKey: theirs.publicKeySha256, addresses }]);
      await until(() => a.frames.length >= 3, "frames from Deno");
      a.network.send(theirs.publicKeySha256, Uint8Array.of(0, 0, 0, 77));
      await until(() => {
        peer.tell();
        return peer.said().includes(`"last":77`);
      }, "the frame on Deno");
    });
  }

  test.skipIf(!canForge)("who shows another's certificate without its key is refused", async () => {
    const client = await startForger(mine, (await start([])).port);
    closers.push(() => client.stop());
    await until(() => refused("client", client), "the refusal of a client");
    const server = await startForger(mine, 1);
    closers.push(() => server.stop());
    await start([server.address]);
    await until(() => refused("server", server), "the refusal of a server");
    expect(client.said() + server.said()).not.toContain("believed");
  });
});
