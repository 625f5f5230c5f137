import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../env/real/clock.ts";
import { realDisk } from "../env/real/disk.ts";
import { realRandom } from "../env/real/random.ts";
import { openEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";

const open = (directory: string) =>
  openEmbeddedStore({
    disk: realDisk,
    clock: realClock,
    random: realRandom,
    log: silentLog,
    directory,
    segmentBytes: 64 * 1024,
    snapshotBytes: 100_000,
  });

/** Writes until it is killed; prints the number of each write that was acknowledged. */
async function writeForever(directory: string): Promise<never> {
  const store = await open(directory);
  const { count } = await store.range({ key: Uint8Array.of(0), end: Uint8Array.of(0), countOnly: true });
  let next = count;
  const client = async (): Promise<never> => {
    while (true) {
      const number = next++;
      const key = new TextEncoder().encode(String(number).padStart(9, "0"));
      await store.txn({ compare: [], success: [{ type: "put", key, value: new Uint8Array(300) }], failure: [] });
      process.stdout.write(`${number}\n`);
    }
  };
  return Promise.race(Array.from({ length: 8 }, client));
}

const child = process.env.WHERRY_KILL_TEST;
if (child !== undefined) await writeForever(child);

test("SIGKILL in the middle of writes loses nothing that was acknowledged", async () => {
  const directory = mkdtempSync(join(tmpdir(), "wherry-kill-"));
  try {
    const acknowledged = new Set<number>();
    for (let life = 1; life <= 3; life++) {
      const process_ = Bun.spawn([process.execPath, "test", import.meta.path], {
        env: { ...process.env, WHERRY_KILL_TEST: join(directory, "data") },
        stdout: "pipe",
        stderr: "ignore",
      });
      let tail = "";
      const before = acknowledged.size;
      for await (const chunk of process_.stdout) {
        const lines = (tail + new TextDecoder().decode(chunk)).split("\n");
        tail = lines.pop() ?? "";
        for (const line of lines) if (/^\d+$/.test(line)) acknowledged.add(Number(line));
        if (acknowledged.size > before + 500) process_.kill("SIGKILL");
      }
      await process_.exited;
      expect(acknowledged.size).toBeGreaterThan(before + 500);
      const store = await open(join(directory, "data"));
      const { kvs } = await store.range({ key: Uint8Array.of(0), end: Uint8Array.of(0), keysOnly: true });
      const found = new Set(kvs.map((kv) => Number(new TextDecoder().decode(kv.key))));
      expect([...acknowledged].filter((number) => !found.has(number))).toEqual([]);
      await store.close();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 60_000);
