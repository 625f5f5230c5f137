import { describe, expect, test } from "bun:test";
import { noConf } from "../raft/types.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { unknownMember } from "./members.ts";
import { readSnapshot, type SnapshotState, writeSnapshot } from "./snapshot.ts";

const state: SnapshotState = {
  clusterId: 5n,
  memberId: 7n,
  index: 9,
  term: 2,
  conf: { ...noConf, voters: [7n] },
  members: [unknownMember(7n)],
  revision: 3,
  compactRevision: 0,
  leases: [],
  alarms: [],
};

async function emptyDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: new SeededRandom(1) });
  await disk.makeDirectory("/data");
  return disk;
}

describe("A snapshot", () => {
  test("keeps every part of the membership", async () => {
    const disk = await emptyDisk();
    const conf = {
      voters: [7n, 8n, 9n],
      votersOutgoing: [7n, 10n],
      learners: [11n],
      learnersNext: [10n],
      witnesses: [9n],
      autoLeave: true,
    };
    await writeSnapshot(disk, "/data", { ...state, conf }, []);
    expect((await readSnapshot(disk, "/data"))?.state.conf).toEqual(conf);
  });

  test("of format 1, from before members had names, is read", async () => {
    const disk = await emptyDisk();
    await disk.writeFileAtomic("/data/snapshot", Buffer.from(formatOne, "hex"));
    expect((await readSnapshot(disk, "/data"))?.state).toEqual(state);
  });
});

/** `state` as the first format has it. */
const formatOne =
  "574845525259534e0100000020000000e3beca550500000000000000070000000000000009020107000000000000000000030000010000001df722c600";
