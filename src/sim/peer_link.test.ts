import { describe, expect, test } from "bun:test";
import type { PeerNetwork } from "../env/peer_link.ts";
import { peerLinkContract } from "../env/peer_link_contract.ts";
import { VirtualClock } from "./clock.ts";
import { SimulatedNetwork } from "./network.ts";
import { SimulatedPki } from "./pki.ts";
import { SeededRandom } from "./random.ts";
import { Trace } from "./trace.ts";

peerLinkContract("the simulated network", async () => {
  const clock = new VirtualClock();
  const pki = new SimulatedPki(clock);
  const network = new SimulatedNetwork({ clock, random: new SeededRandom(1) });
  return {
    link: network.host("a").link,
    identity: (name) => pki.createPeerIdentity(name),
    until: (condition, what) => clock.runUntil(condition, 15_000, what),
    complete: (promise) => clock.complete(promise, 15_000),
  };
});

/** Three machines that send each other a numbered frame every 10 ms, and what arrived. */
async function threeMachines(seed: number) {
  const clock = new VirtualClock();
  const trace = new Trace(clock);
  const network = new SimulatedNetwork({ clock, random: new SeededRandom(seed), note: (text) => trace.note(text) });
  const pki = new SimulatedPki(clock);
  const names = ["n1", "n2", "n3"] as const;
  type Name = (typeof names)[number];
  const identities = new Map<Name, Awaited<ReturnType<SimulatedPki["createPeerIdentity"]>>>();
  for (const name of names) identities.set(name, await pki.createPeerIdentity(name));
  const nameOf = new Map([...identities].map(([name, { publicKeySha256 }]) => [publicKeySha256, name]));
  const keyOf = (name: Name) => identities.get(name)?.publicKeySha256 ?? "";
  const address = (name: Name) => `192.0.2.${name.slice(1)}`;
  const hosts = new Map(names.map((name) => [name, network.host(name, address(name))]));
  const running = new Map<Name, PeerNetwork>();
  /** "n1>n2" to the numbers that n2 got from n1, and "lost" and "found" for connections. */
  const got = new Map<string, (number | "lost" | "found")[]>();
  const heard = (from: string, at: Name): (number | "lost" | "found")[] => {
    const pair = `${nameOf.get(from)}>${at}`;
    const list = got.get(pair) ?? [];
    got.set(pair, list);
    return list;
  };
  const start = async (name: Name) => {
    const identity = identities.get(name);
    const host = hosts.get(name);
    if (identity === undefined || host === undefined) throw new Error("no such machine");
    const peers = await host.link.open(
      { listen: { address: "0.0.0.0", port: 2380 }, identity, clusterId: () => 1n },
      {
        admits: (key) => nameOf.has(key),
        received(from, frame) {
          heard(from, name).push(new DataView(frame.buffer).getUint32(0));
          trace.note(`${name} got ${frame.join(".")}`);
        },
        connected: (key) => heard(key, name).push("found"),
        disconnected: (key) => heard(key, name).push("lost"),
      },
    );
    peers.setPeers(names.map((other) => ({ publicKey: keyOf(other), addresses: [`${address(other)}:2380`] })));
    running.set(name, peers);
  };
  for (const name of names) await start(name);
  let number = 0;
  const tick = () => {
    const frame = new Uint8Array(4);
    new DataView(frame.buffer).setUint32(0, ++number);
    for (const peers of running.values()) for (const name of names) peers.send(keyOf(name), frame);
    clock.schedule(10, tick);
  };
  tick();
  await clock.advance(1000);
  const connected = (from: Name, to: Name) =>
    running
      .get(from)
      ?.status()
      .some(({ publicKey, connected }) => publicKey === keyOf(to) && connected) ?? false;
  return {
    clock,
    trace,
    network,
    hosts,
    start,
    running,
    got: (pair: string) => got.get(pair) ?? [],
    numbers: (pair: string) => (got.get(pair) ?? []).filter((entry) => typeof entry === "number"),
    sent: () => number,
    connected,
    all: () => names.every((one) => names.every((other) => one === other || connected(one, other))),
  };
}

const isGrowing = (numbers: readonly number[]) =>
  numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0));
const gaps = (numbers: readonly number[]) =>
  numbers.filter((number, at) => at > 0 && number !== (numbers[at - 1] ?? 0) + 1);

describe("the simulated network", () => {
  test("does the same again from the same seed, faults included", async () => {
    const run = async (seed: number) => {
      const { clock, network, hosts, start, trace } = await threeMachines(seed);
      network.hostile = { drop: 0.01, double: 0.02, reorder: 0.1 };
      network.partition(["n1"], ["n2", "n3"]);
      await clock.advance(4000);
      network.heal();
      hosts.get("n2")?.kill();
      await start("n2");
      network.pause("n3");
      await clock.advance(1000);
      network.resume("n3");
      await clock.advance(3000);
      return trace.hash();
    };
    expect(await run(5)).toBe(await run(5));
    expect(await run(5)).not.toBe(await run(6));
  });

  test("a short partition delays, and loses nothing", async () => {
    const { clock, network, got, all, sent } = await threeMachines(1);
    network.partition(["n1"], ["n2", "n3"]);
    const before = got("n1>n2").length;
    await clock.advance(1500);
    expect(got("n1>n2").length).toBeLessThanOrEqual(before + 1);
    expect(all()).toBe(true);
    network.heal();
    await clock.advance(1000);
    for (const pair of ["n1>n2", "n2>n1", "n1>n3", "n3>n1", "n2>n3"]) {
      const [found, ...numbers] = got(pair);
      expect(found).toBe("found");
      expect(gaps(numbers.map(Number))).toEqual([]);
      expect(numbers.at(-1)).toBeGreaterThanOrEqual(sent() - 1);
    }
  });

  test("a long partition ends the connections within three seconds, and healing brings them back within two", async () => {
    const { clock, network, got, numbers, connected, all } = await threeMachines(2);
    network.partition(["n1"], ["n2", "n3"]);
    await clock.advance(3000);
    expect([connected("n1", "n2"), connected("n2", "n1"), connected("n2", "n3")]).toEqual([false, false, true]);
    await clock.advance(5000);
    network.heal();
    await clock.runUntil(all, 2000, "the connections");
    await clock.advance(100);
    expect(got("n1>n2").filter((entry) => typeof entry !== "number")).toEqual(["found", "lost", "found"]);
    expect(isGrowing(numbers("n1>n2"))).toBe(true);
    expect(gaps(numbers("n1>n2")).length).toBe(1);
    expect(gaps(numbers("n2>n3"))).toEqual([]);
  });

  test("a cut in one direction silences that direction, and then ends the connection for both", async () => {
    const { clock, network, got, connected } = await threeMachines(3);
    network.cut("n1", "n2");
    const before = { there: got("n1>n2").length, back: got("n2>n1").length };
    await clock.advance(1500);
    expect(got("n1>n2").length).toBeLessThanOrEqual(before.there + 1);
    expect(got("n2>n1").length).toBeGreaterThan(before.back + 140);
    await clock.advance(1600);
    expect([connected("n1", "n2"), connected("n2", "n1"), connected("n1", "n3")]).toEqual([false, false, true]);
  });

  test("a killed process is missed at once, one without power after a silence", async () => {
    const killed = await threeMachines(4);
    killed.hosts.get("n2")?.kill();
    await killed.clock.advance(2);
    expect(killed.got("n2>n1").at(-1)).toBe("lost");

    const dark = await threeMachines(4);
    dark.hosts.get("n2")?.cutPower();
    const before = dark.got("n2>n1").length;
    await dark.clock.advance(1900);
    expect(dark.got("n2>n1").length).toBe(before);
    expect(dark.connected("n1", "n2")).toBe(true);
    await dark.clock.advance(1100);
    expect(dark.got("n2>n1").slice(before)).toEqual(["lost"]);
  });

  test("one that was killed reports nothing any more, and is found again when it starts", async () => {
    const { clock, hosts, start, running, got, all } = await threeMachines(5);
    hosts.get("n2")?.kill();
    running.delete("n2");
    await clock.advance(1000);
    const silent = got("n1>n2").length;
    await clock.advance(500);
    expect(got("n1>n2").length).toBe(silent);
    await start("n2");
    await clock.runUntil(all, 2000, "the connections");
  });

  test("a machine that restarts before it was missed replaces its old connection", async () => {
    const { clock, hosts, start, got, all } = await threeMachines(6);
    hosts.get("n2")?.cutPower();
    await start("n2");
    await clock.advance(200);
    expect(all()).toBe(true);
    expect(got("n2>n1").filter((entry) => typeof entry !== "number")).toEqual(["found", "lost", "found"]);
  });

  test("what a paused machine was sent reaches it when it goes on", async () => {
    const { clock, network, got, numbers, all } = await threeMachines(7);
    network.pause("n3");
    const before = got("n1>n3").length;
    await clock.advance(1500);
    expect(got("n1>n3").length).toBe(before);
    network.resume("n3");
    await clock.advance(500);
    expect(all()).toBe(true);
    expect(gaps(numbers("n1>n3"))).toEqual([]);
    expect(got("n1>n3").length).toBeGreaterThan(before + 150);
  });

  test("a machine with another address is found again, because it calls", async () => {
    const { clock, network, hosts, got, all } = await threeMachines(8);
    network.partition(["n2"], ["n1", "n3"]);
    await clock.advance(4000);
    for (const host of hosts.values()) if (host.name === "n2") host.addresses = ["198.51.100.2"];
    network.heal();
    await clock.runUntil(all, 2000, "the connections");
    expect(got("n2>n1").filter((entry) => typeof entry !== "number")).toEqual(["found", "lost", "found"]);
  });

  test("a hostile network drops, doubles and reorders frames; a peaceful one does not", async () => {
    const { clock, network, numbers } = await threeMachines(9);
    await clock.advance(2000);
    expect(gaps(numbers("n1>n2"))).toEqual([]);
    network.hostile = { drop: 0.1, double: 0, reorder: 0 };
    await clock.advance(5000);
    expect(isGrowing(numbers("n1>n2"))).toBe(true);
    expect(gaps(numbers("n1>n2")).length).toBeGreaterThan(10);
    network.hostile = { drop: 0, double: 0.1, reorder: 0.1 };
    await clock.advance(5000);
    expect(isGrowing(numbers("n1>n2"))).toBe(false);
    expect(new Set(numbers("n1>n2")).size).toBeLessThan(numbers("n1>n2").length);
  });
});
