import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Message, noConf } from "../raft/types.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { silentLog } from "./log.test_support.ts";
import { unknownMember } from "./members.ts";
import { Mvcc } from "./mvcc.ts";
import type { PeerFrame } from "./peer_message.ts";
import { readSnapshot, type SnapshotState, writeSnapshot } from "./snapshot.ts";
import { SnapshotExchange } from "./snapshot_exchange.ts";

type Install = Extract<Message, { readonly type: "installSnapshot" }>;
type Frame = Extract<PeerFrame, { readonly kind: `snapshot${string}` }>;

const directory = "/data";
const index = 40;
const [sender, receiver] = [1n, 2n];
const snapshot = { index, term: 3, conf: { ...noConf, voters: [sender, receiver] } };
const message: Install = { type: "installSnapshot", from: sender, to: receiver, term: 3, snapshot };

async function senderDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: new SeededRandom(1) });
  await disk.makeDirectory(directory);
  const mvcc = new Mvcc();
  const random = new SeededRandom(9);
  for (let at = 0; at < 60; at++) {
    mvcc.put(`key ${at % 20}`, random.bytes(20_000), 0n);
    mvcc.commit();
  }
  const state: SnapshotState = {
    ...snapshot,
    clusterId: 5n,
    memberId: sender,
    members: [unknownMember(sender), unknownMember(receiver)],
    revision: mvcc.revision,
    compactRevision: 0,
    leases: [],
    alarms: [],
  };
  await writeSnapshot(disk, directory, state, mvcc.freeze().heads());
  return disk;
}

/** A member that sends and one that receives; frames go from one to the other at once. */
class Exchange {
  readonly sending: SnapshotExchange;
  receiving: SnapshotExchange;
  readonly target: SimulatedDisk;
  readonly sent: boolean[] = [];
  rotten = 0;
  received = 0;
  chunkBytes = 0;
  /** May change a frame on its way, or lose it. */
  onWay: (frame: Frame) => Frame | undefined = (frame) => frame;

  constructor(source: SimulatedDisk, target: SimulatedDisk) {
    this.target = target;
    this.sending = new SnapshotExchange({
      disk: source,
      log: silentLog,
      directory,
      send: (_, frame) => this.#carry(frame, (arrived) => this.receiving.receive(sender, receiver, arrived)),
      sent: (_, delivered) => this.sent.push(delivered),
      rotten: () => this.rotten++,
      received: () => undefined,
    });
    this.receiving = this.begin();
  }

  /** The receiver starts anew, with what its disk has. */
  begin(): SnapshotExchange {
    return new SnapshotExchange({
      disk: this.target,
      log: silentLog,
      directory,
      send: (_, frame) => this.#carry(frame, (arrived) => this.sending.receive(receiver, sender, arrived)),
      sent: () => undefined,
      rotten: () => undefined,
      received: () => {
        this.received++;
      },
    });
  }

  #carry(frame: PeerFrame, deliver: (frame: Frame) => void): boolean {
    if (frame.kind !== "snapshotOffer" && frame.kind !== "snapshotChunk" && frame.kind !== "snapshotProgress")
      throw new Error(`${frame.kind} is not about a snapshot`);
    const arrived = this.onWay(frame);
    if (arrived?.kind === "snapshotChunk") this.chunkBytes += arrived.bytes.length;
    if (arrived !== undefined) deliver(arrived);
    return true;
  }

  /** Offers the snapshot, and again when it was refused, until it has arrived or nothing more happens. */
  async run(): Promise<void> {
    for (let attempt = 0; attempt < 5 && this.received === 0; attempt++) {
      const answers = this.sent.length;
      this.sending.offer(message);
      await settle(() => this.received > 0 || this.sent.length > answers || this.target.isDown);
      if (this.target.isDown) return;
    }
  }
}

async function settle(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000 && !condition(); turn++) await Promise.resolve();
}

async function receiverDisk(seed: number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: new SeededRandom(seed) });
  await disk.makeDirectory(directory);
  return disk;
}

setDefaultTimeout(60_000);

describe("A snapshot from a peer", () => {
  test("is in place, whole, after a power cut at any step of the way, and the sender's is untouched", async () => {
    const source = await senderDisk();
    const expected = await readSnapshot(source, directory);
    const trial = await receiverDisk(1);
    const whole = new Exchange(source, trial);
    await whole.run();
    await whole.receiving.install(index);
    const { operations } = trial;
    expect(operations).toBeGreaterThan(8);
    for (let cut = 1; cut <= operations; cut++) {
      for (let seed = 1; seed <= 8; seed++) {
        const target = await receiverDisk(seed * 100 + cut);
        target.cutPowerAt = target.operations + cut;
        const exchange = new Exchange(source, target);
        await exchange.run();
        if (exchange.received > 0) await exchange.receiving.install(index).catch(() => undefined);
        target.restore();
        if ((await readSnapshot(target, directory)) === undefined) {
          exchange.receiving = exchange.begin();
          exchange.received = 0;
          await exchange.run();
          await exchange.receiving.install(index);
        }
        const found = await readSnapshot(target, directory);
        expect([cut, seed, found?.digest, found?.versions.length]).toEqual([cut, seed, expected?.digest, 60]);
      }
    }
  }, 60_000);

  test("goes on where it was when the receiver was killed, without fetching what it has", async () => {
    const source = await senderDisk();
    const { length } = await source.readFile(`${directory}/snapshot`);
    const exchange = new Exchange(source, await receiverDisk(1));
    exchange.onWay = (frame) => (frame.kind === "snapshotChunk" && frame.offset > length / 2 ? undefined : frame);
    exchange.sending.offer(message);
    await settle(() => exchange.chunkBytes > length / 2);
    await settle(() => false);
    exchange.target.killProcess();
    exchange.receiving = exchange.begin();
    exchange.onWay = (frame) => frame;
    await exchange.run();
    expect(exchange.received).toBe(1);
    expect(exchange.chunkBytes).toBe(length);
    expect((await exchange.receiving.install(index)).versions.length).toBe(60);
  });

  test("with a bit that flipped on the way, on either disk, is fetched anew and never installed", async () => {
    const source = await senderDisk();
    let flipped = false;
    const exchange = new Exchange(source, await receiverDisk(1));
    exchange.onWay = (frame) => {
      if (frame.kind !== "snapshotChunk" || flipped || frame.offset === 0) return frame;
      flipped = true;
      const bytes = frame.bytes.slice();
      bytes[77] = (bytes[77] ?? 0) ^ 4;
      return { ...frame, bytes };
    };
    await exchange.run();
    expect([flipped, exchange.received, exchange.sent.includes(false)]).toEqual([true, 1, true]);
    expect(exchange.rotten).toBe(0);
    expect((await exchange.receiving.install(index)).versions.length).toBe(60);

    const rotten = source.copy(new SeededRandom(1));
    rotten.flipBit(`${directory}/snapshot`, 300_000, 1);
    const other = new Exchange(rotten, await receiverDisk(1));
    await other.run();
    expect(other.received).toBe(0);
    expect(other.sent).toEqual([false, false, false, false, false]);
    // The sender has noticed that it is its own fault.
    expect(other.rotten).toBe(5);
    await expect(other.receiving.install(index)).rejects.toThrow("no snapshot");
  });
});
