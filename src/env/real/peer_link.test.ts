import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import type { Clock } from "../clock.ts";
import { maxQueuedBytes } from "../peer_link.ts";
import { peerLinkContract } from "../peer_link_contract.ts";
import type { KeyPair, PeerIdentity } from "../pki.ts";
import { realClock } from "./clock.ts";
import { createLog } from "./log.ts";
import {
  canForge,
  fastClock,
  type Node,
  openNode,
  pki,
  rawPeer,
  refused,
  startForger,
  twoIdentities,
  until,
  Wire,
} from "./peer_link.test_support.ts";
import { realPeerLink } from "./peer_link.ts";
import { encodeHello, encodeMessage, message, protocolVersion } from "./peer_link_frames.ts";
import { realPki } from "./pki.ts";
import { realRandom } from "./random.ts";

setDefaultTimeout(20_000);

peerLinkContract("the real link", async () => ({
  link: realPeerLink({
    clock: realClock,
    random: realRandom,
    log: createLog({ level: "error", format: "text", clock: realClock, write: (line) => console.error(line) }),
  }),
  identity: (name) => pki.createPeerIdentity(name),
  until,
  complete: (promise) => promise,
}));

describe("the real link", () => {
  let low: PeerIdentity;
  let high: PeerIdentity;
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    [low, high] = await twoIdentities();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  const open = async (identity: KeyPair & { publicKeySha256?: string }, others: readonly string[], clock?: Clock) => {
    const node = await openNode(identity, others, { clock: clock ?? realClock });
    closers.push(() => node.network.close());
    return node;
  };
  const wireTo = async (node: Node) => {
    const wire = await Wire.to(node.network.port);
    closers.push(() => wire.close());
    return wire;
  };
  const addressOf = (node: Node) => `127.0.0.1:${node.network.port}`;
  const seek = (node: Node, other: Node, address = addressOf(other)) =>
    node.network.setPeers([{ publicKey: other.key, addresses: [address] }]);
  const connected = (...nodes: readonly Node[]) =>
    until(() => nodes.every(({ events }) => events.at(-1) === "connected"), "the connections");
  /** A peer that is admitted, has greeted, and then does what the test does. */
  const greeted = async (node: Node, identity: KeyPair) => {
    const raw = await rawPeer(node.network.port, identity);
    closers.push(() => raw.close());
    const hello = { version: protocolVersion, clusterId: 7n, instance: Buffer.alloc(16).toString("base64"), build: "" };
    raw.write(encodeMessage(message.hello, encodeHello(hello)));
    await until(() => raw.messages.some(({ type }) => type === message.use), "the decision");
    return raw;
  };

  test("no clock locks a member out: certificates that are over or have not begun count as any", async () => {
    const issued = async (year: number) => {
      const there = realPki({ ...realClock, now: () => Date.UTC(year, 5) }, realRandom);
      const request = { commonName: "n", usages: ["server", "client"] as const, validDays: 1 };
      return there.issue(await there.createAuthority("nobody we know", 1), request);
    };
    const [over, notYet] = [await issued(2001), await issued(2090)];
    const facts = await Promise.all([over, notYet].map(({ certificatePem }) => pki.inspect(certificatePem)));
    expect(facts[0]?.notAfter).toBeLessThan(realClock.now());
    expect(facts[1]?.notBefore).toBeGreaterThan(realClock.now());
    const keys = facts.map(({ publicKeySha256 }) => publicKeySha256);
    const a = await open(over, keys);
    const b = await open(notYet, keys);
    seek(a, b);
    await connected(a, b);
    expect(a.network.send(b.key, Uint8Array.of(1))).toBe(true);
    await until(() => b.frames.length === 1, "the frame");
  });

  test.skipIf(!canForge)(
    "who shows another's certificate without its key is refused, as a client and as a server",
    async () => {
      const a = await open(low, [high.publicKeySha256]);
      const forger = await startForger(high, a.network.port);
      closers.push(() => forger.stop());
      a.network.setPeers([{ publicKey: high.publicKeySha256, addresses: [forger.address] }]);
      await until(() => refused("client", forger) && refused("server", forger), "both refusals");
      expect(forger.said()).not.toContain("believed");
      expect(a.events).toEqual([]);
      const member = await open(high, [low.publicKeySha256]);
      seek(member, a);
      await connected(a, member);
    },
  );

  test("strangers hear that they are not admitted, and nothing else", async () => {
    const a = await open(low, []);
    for (const identity of [undefined, high]) {
      const stranger = await rawPeer(a.network.port, identity);
      await until(() => stranger.isClosed, "the end of the connection");
      expect(stranger.messages.map(({ type, payload }) => [type, Buffer.from(payload).toString()])).toEqual([
        [message.bye, "not admitted"],
      ]);
    }
    expect(a.log.filter((line) => line.includes("refused a peer")).length).toBe(2);
    expect(a.events).toEqual([]);
  });

  test("an address that leads back to oneself is not a peer", async () => {
    const a = await open(low, [low.publicKeySha256, high.publicKeySha256]);
    a.network.setPeers([
      { publicKey: low.publicKeySha256, addresses: [addressOf(a)] },
      { publicKey: high.publicKeySha256, addresses: [addressOf(a)] },
    ]);
    await until(() => a.log.some((line) => line.includes("another key answers there")), "the refusal");
    expect(a.network.status().map(({ publicKey }) => publicKey)).toEqual([high.publicKeySha256]);
    expect(a.events).toEqual([]);
  });

  test("garbage ends the connection that it came over, and harms nothing else", async () => {
    const a = await open(low, [high.publicKeySha256]);
    const raw = (bytes: Uint8Array) =>
      new Promise<void>((resolve) => {
        const socket = connect(a.network.port, "127.0.0.1", () => void socket.write(bytes));
        socket.on("data", () => undefined);
        socket.on("error", () => undefined);
        socket.on("close", () => resolve());
      });
    await raw(realRandom.bytes(4000));
    await raw(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));

    const beforeHello = await rawPeer(a.network.port, high);
    beforeHello.write(encodeMessage(message.data, new Uint8Array(10)));
    await until(() => beforeHello.isClosed, "the end of the connection");

    const impossibleLength = Buffer.from([0xff, 0xff, 0xff, 0xff, message.data]);
    const garbage: [string, Uint8Array][] = [
      ["an impossible length", impossibleLength],
      ["an unknown type", encodeMessage(99, new Uint8Array(3))],
      ["a second hello", encodeMessage(message.hello, new Uint8Array(3))],
      ["a decision that is not the peer's to make", encodeMessage(message.use, new Uint8Array(0))],
      ["a short ping", encodeMessage(message.ping, new Uint8Array(3))],
      ["random bytes", realRandom.bytes(100_000)],
    ];
    for (const [what, bytes] of garbage) {
      const member = await greeted(a, high);
      member.write(encodeMessage(message.data, Buffer.from(what)));
      member.write(bytes);
      await until(() => member.isClosed, `the end of the connection after ${what}`);
    }
    expect(a.frames.map((frame) => Buffer.from(frame).toString())).toEqual(garbage.map(([what]) => what));
    const b = await open(high, [low.publicKeySha256]);
    seek(b, a);
    await connected(a, b);
  });

  test("strangers that hold connections open without a word do not keep a member out", async () => {
    const a = await open(low, [high.publicKeySha256]);
    let ended = 0;
    let begun = 0;
    for (let number = 0; number < 80; number++) {
      const socket = connect(a.network.port, "127.0.0.1", () => void begun++);
      socket.on("error", () => undefined);
      socket.on("data", () => undefined);
      socket.on("close", () => void ended++);
      closers.push(() => socket.destroy());
    }
    await until(() => begun === 80 && ended === 16, "the end of those that are too many");
    const b = await open(high, [low.publicKeySha256]);
    seek(b, a);
    await connected(a, b);
  });

  test("a peer that speaks another version is refused with a line that says so", async () => {
    const a = await open(low, [high.publicKeySha256]);
    const newer = await rawPeer(a.network.port, high);
    const hello = { version: 2, clusterId: 7n, instance: "", build: "" };
    newer.write(encodeMessage(message.hello, encodeHello(hello)));
    await until(() => newer.isClosed, "the end of the connection");
    const said = Buffer.from(newer.messages.find(({ type }) => type === message.bye)?.payload ?? []).toString();
    expect(said).toBe("it speaks version 2 of the peers' protocol, not 1");
    expect(a.log.some((line) => line.includes("refused a peer") && line.includes("version 2"))).toBe(true);
  });

  test("a peer that reads nothing costs others nothing, and us no more than its queue", async () => {
    const other = await pki.createPeerIdentity("other");
    const a = await open(low, [high.publicKeySha256, other.publicKeySha256]);
    const b = await open(other, [low.publicKeySha256]);
    seek(b, a);
    await connected(a, b);
    const stuck = await greeted(a, high);
    stuck.pause();
    const frame = new Uint8Array(64 << 10);
    const sent = () => {
      while (a.network.send(high.publicKeySha256, frame)) {
        // until it is full
      }
    };
    // The kernel takes some of it first.
    await until(() => {
      sent();
      return a.network.queuedBytes(high.publicKeySha256) > maxQueuedBytes - 2 * frame.length;
    }, "a full queue");
    for (let number = 0; number < 500; number++) {
      a.network.send(b.key, frame);
      a.network.send(high.publicKeySha256, frame);
      if (number % 50 === 49) await until(() => b.frames.length === number + 1, "the frames");
    }
    expect(a.network.queuedBytes(high.publicKeySha256)).toBeLessThanOrEqual(maxQueuedBytes);
  });

  test("silence is noticed within three seconds and the peer found again; idleness is no silence, nor is a stall of one's own", async () => {
    const clock = fastClock(10);
    const a = await open(low, [high.publicKeySha256], clock);
    const b = await open(high, [low.publicKeySha256], clock);
    const wire = await wireTo(b);
    seek(a, b, wire.address);
    await connected(a, b);
    const idleMs = clock.monotonicMs() + 10_000;
    await until(() => clock.monotonicMs() > idleMs, "10 s of idleness");
    const stalledMs = clock.monotonicMs() + 10_000;
    while (clock.monotonicMs() < stalledMs) {
      // The event loop stands still.
    }
    const settledMs = clock.monotonicMs() + 2000;
    await until(() => clock.monotonicMs() > settledMs, "two seconds");
    expect([a.events, b.events]).toEqual([["connected"], ["connected"]]);
    expect(a.network.status()[0]?.roundTripMs).toBeGreaterThan(0);

    const cutMs = clock.monotonicMs();
    wire.cut();
    await until(() => a.events.length > 1 && b.events.length > 1, "the silence");
    expect(clock.monotonicMs() - cutMs).toBeGreaterThan(2000);
    expect(clock.monotonicMs() - cutMs).toBeLessThan(6000);
    await connected(a, b);
    expect(a.events).toEqual(["connected", "disconnected", "connected"]);
  });

  test("silence is noticed also by one that writes just before it looks", async () => {
    const fast = fastClock(10);
    // With each of its timers a frame goes out first, so that a write is always under way.
    const clock: Clock = {
      ...fast,
      schedule: (delayMs, callback) =>
        fast.schedule(delayMs, () => {
          a.network.send(high.publicKeySha256, new Uint8Array(100));
          queueMicrotask(() => queueMicrotask(callback));
        }),
    };
    const a = await open(low, [high.publicKeySha256], clock);
    const b = await open(high, [low.publicKeySha256], fast);
    const wire = await wireTo(b);
    seek(a, b, wire.address);
    await connected(a, b);
    wire.cut();
    const cutMs = fast.monotonicMs();
    await until(() => a.events.length > 1, "the silence");
    expect(fast.monotonicMs() - cutMs).toBeLessThan(6000);
  });

  test("a peer that is slow to take in what it is sent, and says nothing meanwhile, is not silent", async () => {
    const clock = fastClock(10);
    const a = await open(low, [high.publicKeySha256], clock);
    const slow = await greeted(a, high);
    const frame = new Uint8Array(256 << 10);
    const endMs = clock.monotonicMs() + 10_000;
    let turns = 0;
    await until(() => {
      while (a.network.send(high.publicKeySha256, frame)) {
        // Its queue is kept full.
      }
      if (turns++ % 20 === 0) slow.resume();
      else slow.pause();
      return clock.monotonicMs() > endMs;
    }, "10 s");
    expect(a.events).toEqual(["connected"]);
    slow.pause();
    await until(() => a.events.length > 1, "the silence");
  });

  for (const [role, reversed] of [
    ["the side that decides", false],
    ["the side that follows", true],
  ] as const) {
    test(`a process that starts anew behind a dead connection is taken at once, by ${role}`, async () => {
      const [mine, theirs] = reversed ? [high, low] : [low, high];
      const a = await open(mine, [theirs.publicKeySha256]);
      const b = await open(theirs, [mine.publicKeySha256]);
      const wire = await wireTo(a);
      seek(b, a, wire.address);
      await connected(a, b);
      wire.cut();
      const again = await open(theirs, [mine.publicKeySha256]);
      const startMs = realClock.monotonicMs();
      seek(again, a);
      await connected(again);
      await until(() => a.events.length === 3, "the new connection");
      expect(realClock.monotonicMs() - startMs).toBeLessThan(900);
      expect(a.events).toEqual(["connected", "disconnected", "connected"]);
      a.network.send(b.key, Uint8Array.of(1));
      await until(() => again.frames.length === 1, "the frame");
    });

    test(`one whose end of the connection is gone gets another one, though ${role} has not noticed`, async () => {
      const [mine, theirs] = reversed ? [high, low] : [low, high];
      const a = await open(mine, [theirs.publicKeySha256]);
      const b = await open(theirs, [mine.publicKeySha256]);
      const wire = await wireTo(a);
      seek(b, a, wire.address);
      await connected(a, b);
      wire.resetNear();
      await until(() => b.events.length === 3, "the new connection");
      await until(() => a.events.length === 3, "the new connection");
      expect([a.events, b.events]).toEqual([
        ["connected", "disconnected", "connected"],
        ["connected", "disconnected", "connected"],
      ]);
      b.network.send(a.key, Uint8Array.of(1));
      await until(() => a.frames.length === 1, "the frame");
    });
  }

  test("an identity that is none is an error, and no key is ever in the log", async () => {
    await expect(openNode({ ...low, privateKeyPem: high.privateKeyPem }, [])).rejects.toThrow(
      "Cannot use the own identity among peers: the key is not the certificate's",
    );
    await expect(openNode({ ...low, privateKeyPem: "torn" }, [])).rejects.toThrow("Cannot use the own identity");
    const a = await open(low, [high.publicKeySha256]);
    const b = await open(high, [low.publicKeySha256]);
    seek(a, b);
    await connected(a, b);
    const secret = low.privateKeyPem.split("\n")[1] ?? "";
    expect([...a.log, ...b.log].join("\n")).not.toContain(secret.slice(0, 20));
  });
});
