/**
 * Figures of the embedded store on the real disk, in process: `bun scripts/bench_store.ts [SECONDS]`. Puts of 512 bytes by 1, 16,
 * 128 and 1000 clients, ranges, memory of 10 000 keys, bytes written. Run it twice, and trust ratios only.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../src/env/real/clock.ts";
import { realDisk } from "../src/env/real/disk.ts";
import { realRandom } from "../src/env/real/random.ts";
import { openEmbeddedStore } from "../src/store/embedded_store.ts";
import { silentLog } from "../src/store/log.test_support.ts";

const seconds = Number(process.argv[2] ?? 3);
const directory = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "wherry-bench-"));
const store = await openEmbeddedStore({
  disk: realDisk,
  clock: realClock,
  random: realRandom,
  log: silentLog,
  directory: join(directory, "data"),
});
const value = realRandom.bytes(512);
const key = (at: number) => new TextEncoder().encode(`/registry/pods/default/pod-${String(at).padStart(8, "0")}`);
const put = (at: number) => store.txn({ compare: [], success: [{ type: "put", key: key(at), value }], failure: [] });
/**
 * Bytes written to the machine's devices, by whomever: /proc/self/io counts a whole page-cache folio (up to 256 KiB) for every small
 * write to it, which never reaches the device.
 */
const written = () =>
  readdirSync("/sys/block").reduce((sum, device) => {
    const sectors = readFileSync(`/sys/block/${device}/stat`, "utf8").trim().split(/\s+/)[6];
    return sum + Number(sectors) * 512;
  }, 0);

function quantile(sorted: readonly number[], q: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0).toFixed(2);
}

async function run(name: string, clients: number, operation: (at: number) => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  let next = 0;
  const cpu = process.cpuUsage();
  const bytes = written();
  const from = realClock.monotonicMs();
  const client = async () => {
    while (realClock.monotonicMs() - from < seconds * 1000) {
      const start = realClock.monotonicMs();
      await operation(next++);
      times.push(realClock.monotonicMs() - start);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const tookMs = realClock.monotonicMs() - from;
  const used = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  const perSecond = Math.round((times.length / tookMs) * 1000);
  const cpuMicros = ((used.user + used.system) / times.length).toFixed(1);
  const bytesEach = ((written() - bytes) / times.length).toFixed(0);
  console.log(
    `${name} clients=${clients}: ${perSecond}/s p50=${quantile(times, 0.5)}ms p99=${quantile(times, 0.99)}ms cpu=${cpuMicros}us/op written=${bytesEach}B/op`,
  );
}

Bun.gc(true);
const before = process.memoryUsage();
for (let at = 0; at < 10_000; at += 100) await Promise.all(Array.from({ length: 100 }, (_, more) => put(at + more)));
Bun.gc(true);
const after = process.memoryUsage();
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
console.log(
  `10000 keys of 512 B: heap ${megabytes(after.heapUsed - before.heapUsed)} MB, rss ${megabytes(after.rss - before.rss)} MB more`,
);
for (const clients of [1, 16, 128, 1000]) await run("put", clients, (at) => put(at % 10_000));
await run("get", 16, (at) => store.range({ key: key(at % 10_000) }));
await run("range of 100", 16, (at) =>
  store.range({ key: key((at * 100) % 9_900), end: key(((at * 100) % 9_900) + 100) }),
);
console.log(JSON.stringify(store.status(), (_, field) => (typeof field === "bigint" ? String(field) : field)));
await store.close();
const reopen = realClock.monotonicMs();
const again = await openEmbeddedStore({
  disk: realDisk,
  clock: realClock,
  random: realRandom,
  log: silentLog,
  directory: join(directory, "data"),
});
console.log(`opened again in ${(realClock.monotonicMs() - reopen).toFixed(0)} ms`);
await again.close();
rmSync(directory, { recursive: true });
