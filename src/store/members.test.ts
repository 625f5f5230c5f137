import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { StoreCluster } from "../sim/store_cluster.ts";
import { membersOf } from "./members.test_support.ts";
import type { Store } from "./store.ts";

setDefaultTimeout(60_000);

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : new TextDecoder().decode(value));
const put = (store: Store, key: string, value: string) =>
  store.txn({ compare: [], success: [{ type: "put", key: bytes(key), value: bytes(value) }], failure: [] });
const get = async (store: Store, key: string, serializable = false) =>
  text((await store.range({ key: bytes(key), serializable })).kvs[0]?.value);

describe("a store of several members", () => {
  let cluster: StoreCluster | undefined;
  afterEach(async () => {
    await cluster?.close();
    cluster = undefined;
  });

  test("three members share what is written through any of them", async () => {
    cluster = await membersOf(3);
    const [first, second, third] = cluster.machines;
    if (!first || !second || !third) throw new Error("three machines are expected");
    await cluster.wait(put(first.store, "a", "1"));
    await cluster.wait(put(second.store, "b", "2"));
    for (const { store } of cluster.machines) {
      expect(await cluster.wait(get(store, "a"))).toBe("1");
      expect(await cluster.wait(get(store, "b"))).toBe("2");
      expect(store.members().map(({ role }) => role)).toEqual(["voter", "voter", "voter"]);
    }
  });

  test("the leader is killed: the others go on, and it comes back", async () => {
    cluster = await membersOf(3);
    const leader = cluster.leader();
    await cluster.wait(put(leader.store, "a", "1"));
    leader.kill();
    const other = cluster.machines.find(({ isUp }) => isUp);
    if (other === undefined) throw new Error("two machines are left");
    await cluster.wait(put(other.store, "a", "2"));
    await cluster.wait(leader.start());
    expect(await cluster.wait(get(leader.store, "a"))).toBe("2");
  });

  test("a leader whose process ends is replaced within a second, one that falls silent within seven", async () => {
    for (let seed = 1; seed <= 10; seed++)
      for (const [how, limitMs] of [
        ["kill", 1000],
        ["cutPower", 7000],
      ] as const) {
        cluster = await membersOf(3, seed);
        await cluster.clock.advance(2000);
        const leader = cluster.leader();
        const other = cluster.followers()[0];
        if (other === undefined) throw new Error("there are followers");
        const from = cluster.clock.monotonicMs();
        leader[how]();
        await cluster.wait(put(other.store, "a", "2"));
        expect(cluster.clock.monotonicMs() - from).toBeLessThan(limitMs);
        await cluster.close();
      }
  });

  test("a write that a follower has forwarded survives the death of the leader that had it", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      cluster = await membersOf(3, seed);
      const leader = cluster.leader();
      const follower = cluster.followers()[0];
      if (follower === undefined) throw new Error("there are followers");
      const writes = Array.from({ length: 20 }, (_, at) => put(follower.store, `k${at}`, String(at)));
      await cluster.clock.advance(seed / 4);
      leader.kill();
      await cluster.wait(Promise.all(writes));
      const { count } = await cluster.wait(follower.store.range({ key: bytes("k"), end: bytes("l"), countOnly: true }));
      expect(count).toBe(20);
      // Each exactly once: twenty revisions after the one at which it began.
      expect(follower.store.status().revision).toBe(21);
      await cluster.close();
    }
  });

  test("a founder that was killed after it made room, and before it had a snapshot that says so, lets the newcomer in", async () => {
    cluster = await membersOf(1);
    const [founder] = cluster.machines;
    if (founder === undefined) throw new Error("there is one");
    const newcomer = await cluster.machine();
    const { clusterId } = founder.store.status();
    const added = await cluster.wait(
      founder.store.memberAdd({
        name: newcomer.name,
        publicKey: newcomer.identity.publicKeySha256,
        peerAddresses: [`${newcomer.host.addresses[0]}:2380`],
        clientUrls: [],
        role: "learner",
      }),
    );
    const members = founder.store.members();
    founder.kill();
    await cluster.wait(founder.start());
    await cluster.wait(newcomer.start({ clusterId, memberId: added.id, members }));
    await cluster.wait(newcomer.store.ready);
    await cluster.wait(newcomer.store.memberPromote(added.id));
    await cluster.wait(put(newcomer.store, "a", "1"));
  });

  test("without a quorum nothing is written, and reads that must be fresh fail", async () => {
    cluster = await membersOf(3, 1, { requestTimeoutMs: 5000 });
    const leader = cluster.leader();
    await cluster.wait(put(leader.store, "a", "1"));
    for (const follower of cluster.followers()) follower.kill();
    const failed = async (promise: Promise<unknown>) => {
      const error = await cluster?.wait(
        promise.then(
          () => undefined,
          (cause: unknown) => cause,
        ),
      );
      return error instanceof Error ? error.message : "it went well";
    };
    expect(await failed(put(leader.store, "a", "2"))).toContain("unknown");
    expect(await failed(get(leader.store, "a"))).toContain("try again");
    expect(await get(leader.store, "a", true)).toBe("1");
  });

  test("a member that was away for long gets a snapshot, and its watchers miss nothing", async () => {
    cluster = await membersOf(3, 1, { snapshotBytes: 50_000, compaction: "off" });
    const leader = cluster.leader();
    const [away] = cluster.followers();
    if (away === undefined) throw new Error("there are followers");
    const seen: number[] = [];
    away.store.watch(
      { key: Uint8Array.of(0), end: Uint8Array.of(0), startRevision: 2 },
      { events: (revision) => seen.push(revision), ended: () => undefined },
    );
    const rest = cluster.machines.filter((machine) => machine !== away).map(({ name }) => name);
    cluster.network.partition([away.name], rest);
    const value = "x".repeat(1000);
    for (let at = 0; at < 11_000; at += 100)
      await cluster.wait(
        Promise.all(Array.from({ length: 100 }, (_, more) => put(leader.store, `k${(at + more) % 500}`, value))),
      );
    cluster.network.heal();
    const target = leader.store.status().revision;
    await cluster.until(() => away.store.status().revision === target);
    expect(seen).toEqual(Array.from({ length: target - 1 }, (_, at) => at + 2));
    const before = away.store.status();
    away.cutPower();
    await cluster.wait(away.start());
    await cluster.wait(away.store.ready);
    expect(away.store.status().revision).toBe(before.revision);
  }, 60_000);

  test("a member is removed, and another one takes its place", async () => {
    cluster = await membersOf(3);
    const leader = cluster.leader();
    const [gone] = cluster.followers();
    if (gone === undefined) throw new Error("there are followers");
    gone.kill();
    await cluster.wait(leader.store.memberRemove(idOf(leader.store, gone.name)));
    expect(leader.store.members().length).toBe(2);
    const fresh = await cluster.machine();
    await cluster.join(fresh);
    await cluster.wait(put(fresh.store, "a", "1"));
    expect(await cluster.wait(get(leader.store, "a"))).toBe("1");
  });

  test("a member whose log is damaged is rebuilt by the others, under another number, and its files are kept", async () => {
    cluster = await membersOf(3);
    const leader = cluster.leader();
    const [broken] = cluster.followers();
    if (broken === undefined) throw new Error("there are followers");
    for (let at = 0; at < 50; at++) await cluster.wait(put(leader.store, `k${at}`, "x".repeat(100)));
    const before = broken.store.status().memberId;
    await cluster.wait(broken.stop());
    for (const bit of [1, 2, 3]) broken.disk.flipBit("/store/wal/000000000001.wal", 2000, bit);
    await cluster.wait(put(leader.store, "later", "1"));
    await cluster.wait(broken.start());
    await cluster.wait(broken.store.ready);
    const { memberId } = broken.store.status();
    expect(memberId).not.toBe(before);
    expect(
      leader.store
        .members()
        .map(({ role }) => role)
        .sort(),
    ).toEqual(["learner", "voter", "voter"]);
    await cluster.wait(broken.store.memberPromote(memberId));
    expect(await cluster.wait(get(broken.store, "later"))).toBe("1");
    expect(await broken.disk.list("/store.damaged-1")).toContain("wal");
    leader.kill();
    await cluster.wait(put(broken.store, "after", "2"));
  });

  test("a damaged member waits while the others have no leader, and a lone one is refused as before", async () => {
    cluster = await membersOf(3);
    const [first, second, third] = cluster.machines;
    if (!first || !second || !third) throw new Error("three machines are expected");
    for (let at = 0; at < 50; at++) await cluster.wait(put(first.store, `k${at}`, "x".repeat(100)));
    for (const machine of cluster.machines) machine.kill();
    for (const bit of [1, 2, 3]) third.disk.flipBit("/store/wal/000000000001.wal", 2000, bit);
    const starting = third.start();
    await cluster.clock.advance(10_000);
    expect(third.isUp).toBe(false);
    await cluster.wait(first.start());
    await cluster.wait(second.start());
    await cluster.wait(starting);
    expect(await cluster.wait(get(third.store, "k49"))).toBe("x".repeat(100));
  });

  test("who comes back with its key and without its data gets another number", async () => {
    cluster = await membersOf(3);
    const leader = cluster.leader();
    const [wiped] = cluster.followers();
    if (wiped === undefined) throw new Error("there are followers");
    const before = wiped.store.status().memberId;
    await cluster.wait(wiped.stop());
    for (const folder of ["/store", "/store/wal"])
      for (const name of await wiped.disk.list(folder)) await wiped.disk.remove(`${folder}/${name}`);
    await cluster.join(wiped);
    expect(wiped.store.status().memberId).not.toBe(before);
    expect(leader.store.members().length).toBe(3);
  });

  test("the lead is handed over on demand, asked of any member", async () => {
    cluster = await membersOf(3);
    const [target, asked] = cluster.followers();
    if (target === undefined || asked === undefined) throw new Error("there are followers");
    await cluster.wait(asked.store.moveLeader(idOf(asked.store, target.name)));
    await cluster.until(() => target.store.status().isLeader);
  });

  test("leases are kept alive through followers, and end when nobody does", async () => {
    cluster = await membersOf(3);
    const [follower] = cluster.followers();
    if (follower === undefined) throw new Error("there are followers");
    const { id } = await cluster.wait(follower.store.leaseGrant(5));
    await cluster.wait(
      follower.store.txn({
        compare: [],
        success: [{ type: "put", key: bytes("held"), value: bytes("1"), lease: id }],
        failure: [],
      }),
    );
    for (let round = 0; round < 4; round++) {
      await cluster.clock.advance(3000);
      await cluster.wait(follower.store.leaseKeepAlive(id));
    }
    expect(await cluster.wait(get(follower.store, "held"))).toBe("1");
    expect((await cluster.wait(follower.store.leaseTimeToLive(id))).remainingSeconds).toBeGreaterThanOrEqual(4);
    await cluster.clock.advance(8000);
    expect(await cluster.wait(get(follower.store, "held"))).toBeUndefined();
  });
});

function idOf(store: { members(): readonly { readonly id: bigint; readonly name: string }[] }, name: string): bigint {
  const member = store.members().find((candidate) => candidate.name === name);
  if (member === undefined) throw new Error(`There is no member ${name}`);
  return member.id;
}
