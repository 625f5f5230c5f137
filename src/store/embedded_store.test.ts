import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Disk } from "../env/disk.ts";
import { realDisk } from "../env/real/disk.ts";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { openEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";
import { type StoreUnderTest, storeContract } from "./store_contract.ts";

async function storeOn(disk: Disk, directory: string, dispose: () => void): Promise<StoreUnderTest> {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const open = () => openEmbeddedStore({ disk, clock, random, log: silentLog, directory, compaction: "off" });
  let store = await open();
  return {
    store,
    elapse: (ms) => clock.advance(ms),
    reopen: async () => {
      await store.close();
      store = await open();
      return store;
    },
    dispose: async () => {
      await store.close();
      dispose();
    },
  };
}

storeContract("The embedded store on a simulated disk", () =>
  storeOn(new SimulatedDisk({ random: new SeededRandom(7) }), "/data", () => {}),
);

storeContract("The embedded store on a real disk", () => {
  const directory = mkdtempSync(join(tmpdir(), "wherry-store-"));
  return storeOn(realDisk, join(directory, "data"), () => rmSync(directory, { recursive: true }));
});
