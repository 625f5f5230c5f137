import { VirtualClock } from "../sim/clock.ts";
import { SeededRandom } from "../sim/random.ts";
import { StoreCluster } from "../sim/store_cluster.ts";
import type { EmbeddedStoreOptions } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";

/** `count` members that all vote. */
export function membersOf(count: number, seed = 1, store: Partial<EmbeddedStoreOptions> = {}): Promise<StoreCluster> {
  const options = { clock: new VirtualClock(), random: new SeededRandom(seed), log: silentLog, store };
  return new StoreCluster(options).found(count);
}
