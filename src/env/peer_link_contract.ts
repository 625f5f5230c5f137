/** What every PeerLink promises: run against real sockets (env/real/peer_link.test.ts) and the simulated network. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { maxFrameBytes, maxQueuedBytes, type PeerLink, type PeerNetwork } from "./peer_link.ts";
import type { PeerIdentity } from "./pki.ts";

export interface PeerLinkUnderTest {
  readonly link: PeerLink;
  identity(name: string): Promise<PeerIdentity>;
  /** Waits, in the link's own time, until `condition` holds; rejects when it does not within 15 seconds. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Waits for a promise that needs the link's time to pass. */
  complete<T>(promise: Promise<T>): Promise<T>;
}

const numbered = (number: number, length = 8) => {
  const frame = new Uint8Array(length);
  new DataView(frame.buffer).setUint32(0, number);
  return frame;
};
const numberOf = (frame: Uint8Array | undefined) =>
  frame === undefined ? undefined : new DataView(frame.buffer, frame.byteOffset).getUint32(0);

/** One process with its peers, and what its handler was told. */
class Process {
  readonly identity: PeerIdentity;
  readonly admitted = new Set<string>();
  readonly events: string[] = [];
  readonly frames: Uint8Array[] = [];
  clusterId: bigint | undefined = 7n;
  readonly #under: PeerLinkUnderTest;
  #network: PeerNetwork | undefined;

  constructor(under: PeerLinkUnderTest, identity: PeerIdentity) {
    this.#under = under;
    this.identity = identity;
  }

  get key(): string {
    return this.identity.publicKeySha256;
  }

  get address(): string {
    return `127.0.0.1:${this.network.port}`;
  }

  get network(): PeerNetwork {
    if (this.#network === undefined) throw new Error("It is not open");
    return this.#network;
  }

  async open(listens = true, port = 0): Promise<void> {
    this.events.length = 0;
    const opening = this.#under.link.open(
      {
        listen: listens ? { address: "127.0.0.1", port } : undefined,
        identity: this.identity,
        clusterId: () => this.clusterId,
        build: "0.0.7",
      },
      {
        admits: (key) => this.admitted.has(key),
        received: (_from, frame) => void this.frames.push(frame),
        connected: () => void this.events.push("connected"),
        disconnected: () => void this.events.push("disconnected"),
      },
    );
    this.#network = await this.#under.complete(opening);
  }

  admit(...others: readonly Process[]): this {
    for (const { key } of others) this.admitted.add(key);
    return this;
  }

  seek(other: Process, ...addresses: readonly string[]): void {
    this.network.setPeers([{ publicKey: other.key, addresses }]);
  }

  isConnectedTo(other: Process): boolean {
    return this.network.status().some(({ publicKey, connected }) => publicKey === other.key && connected);
  }

  async close(): Promise<void> {
    const closing = this.#network?.close();
    if (closing !== undefined) await this.#under.complete(closing);
  }
}

export function peerLinkContract(name: string, make: () => Promise<PeerLinkUnderTest>): void {
  describe(`${name} keeps the contract of a peer link`, () => {
    let under: PeerLinkUnderTest;
    let processes: Process[];
    let a: Process;
    let b: Process;

    const newProcess = async (name: string) => {
      const process = new Process(under, await under.identity(name));
      processes.push(process);
      return process;
    };
    const haveConnected = (...all: readonly Process[]) =>
      under.until(() => all.every(({ events }) => events.at(-1) === "connected"), "the connections");
    /** Both listen and admit each other; the first dials. */
    const connect = async () => {
      await a.admit(b).open();
      await b.admit(a).open();
      a.seek(b, b.address);
      await haveConnected(a, b);
    };

    beforeEach(async () => {
      under = await make();
      processes = [];
      [a, b] = [await newProcess("a"), await newProcess("b")];
    });
    afterEach(async () => {
      for (const process of processes) await process.close();
    });

    test("frames come whole and in order, both ways over one connection", async () => {
      await connect();
      for (let number = 0; number < 1000; number++) {
        expect(a.network.send(b.key, numbered(number, 8 + (number % 3000)))).toBe(true);
        expect(b.network.send(a.key, numbered(number, 8))).toBe(true);
      }
      await under.until(() => a.frames.length === 1000 && b.frames.length === 1000, "the frames");
      expect(b.frames.map(numberOf)).toEqual(Array.from({ length: 1000 }, (_, number) => number));
      expect(b.frames.map(({ length }) => length)).toEqual(
        Array.from({ length: 1000 }, (_, number) => 8 + (number % 3000)),
      );
      expect(a.frames.map(numberOf)).toEqual(Array.from({ length: 1000 }, (_, number) => number));
      expect([a.events, b.events]).toEqual([["connected"], ["connected"]]);
      expect([a.network.queuedBytes(b.key), b.network.queuedBytes(a.key)]).toEqual([0, 0]);
    });

    test("the empty frame and the longest one pass, a longer one is the sender's mistake", async () => {
      await connect();
      a.network.send(b.key, new Uint8Array(0));
      a.network.send(b.key, new Uint8Array(maxFrameBytes).fill(7));
      await under.until(() => b.frames.length === 2, "the frames");
      expect(b.frames.map(({ length }) => length)).toEqual([0, maxFrameBytes]);
      expect(b.frames[1]?.every((byte) => byte === 7)).toBe(true);
      expect(() => a.network.send(b.key, new Uint8Array(maxFrameBytes + 1))).toThrow(RangeError);
    });

    test("a frame is the sender's again as soon as it was taken", async () => {
      await connect();
      const frame = numbered(1);
      a.network.send(b.key, frame);
      frame.fill(0xff);
      await under.until(() => b.frames.length === 1, "the frame");
      expect(numberOf(b.frames[0])).toBe(1);
    });

    test("what would wait beyond the bound is refused, and what was taken arrives", async () => {
      await connect();
      const frame = new Uint8Array(1 << 20);
      let taken = 0;
      while (a.network.send(b.key, numbered(taken, frame.length))) {
        taken++;
        if (taken > 100) throw new Error("nothing bounds the queue");
      }
      expect(taken).toBeGreaterThanOrEqual(maxQueuedBytes / frame.length - 1);
      expect(a.network.queuedBytes(b.key)).toBeLessThanOrEqual(maxQueuedBytes);
      await under.until(() => b.frames.length === taken, "the frames");
      expect(b.frames.map(numberOf)).toEqual(Array.from({ length: taken }, (_, number) => number));
      expect(a.network.send(b.key, frame)).toBe(true);
    });

    test("nothing is sent to whom there is no connection", async () => {
      await a.admit(b).open();
      expect(a.network.send(b.key, numbered(1))).toBe(false);
      a.seek(b, "127.0.0.1:1");
      expect(a.network.send(b.key, numbered(1))).toBe(false);
      expect(a.network.queuedBytes(b.key)).toBe(0);
      expect(a.network.status()).toMatchObject([{ publicKey: b.key, connected: false, address: undefined }]);
    });

    test("one that only dials is reached over the connection that it made", async () => {
      await a.admit(b).open(false);
      await b.admit(a).open();
      expect(a.network.port).toBe(0);
      b.seek(a);
      a.seek(b, b.address);
      await haveConnected(a, b);
      b.network.send(a.key, numbered(5));
      await under.until(() => a.frames.length === 1, "the frame");
      expect(numberOf(a.frames[0])).toBe(5);
    });

    test("two that dial each other at once have one connection, and nothing is lost or doubled", async () => {
      await a.admit(b).open();
      await b.admit(a).open();
      a.seek(b, b.address);
      b.seek(a, a.address);
      const sent = { a: 0, b: 0 };
      await under.until(() => {
        if (a.network.send(b.key, numbered(sent.a))) sent.a++;
        if (b.network.send(a.key, numbered(sent.b))) sent.b++;
        return sent.a >= 200 && sent.b >= 200;
      }, "sending");
      await under.until(() => a.frames.length === sent.b && b.frames.length === sent.a, "the frames");
      expect(a.frames.map(numberOf)).toEqual(Array.from({ length: sent.b }, (_, number) => number));
      expect(b.frames.map(numberOf)).toEqual(Array.from({ length: sent.a }, (_, number) => number));
      expect([a.events, b.events]).toEqual([["connected"], ["connected"]]);
    });

    test("who is not admitted is refused, and finds in as soon as it is", async () => {
      const c = await newProcess("c");
      await a.admit(b, c).open();
      await b.open();
      await c.admit(a).open();
      a.network.setPeers([
        { publicKey: b.key, addresses: [b.address] },
        { publicKey: c.key, addresses: [c.address] },
      ]);
      await haveConnected(c);
      expect(a.isConnectedTo(b)).toBe(false);
      expect(b.events).toEqual([]);
      b.admit(a);
      await haveConnected(b);
      await under.until(() => a.isConnectedTo(b), "the connection");
    });

    test("a connection whose key is no longer admitted is cut, and nothing comes over it any more", async () => {
      await connect();
      a.admitted.delete(b.key);
      b.network.send(a.key, numbered(1));
      a.network.setPeers([]);
      expect(a.network.send(b.key, numbered(1))).toBe(false);
      expect(a.events).toEqual(["connected"]);
      await under.until(() => a.events.length > 1 && b.events.length > 1, "the end of the connection");
      expect([a.events, b.events]).toEqual([
        ["connected", "disconnected"],
        ["connected", "disconnected"],
      ]);
      expect(a.frames).toEqual([]);
    });

    test("new addresses and other peers leave a connection alone", async () => {
      const c = await newProcess("c");
      await connect();
      await c.admit(a).open();
      a.admit(c).network.setPeers([
        { publicKey: c.key, addresses: [c.address] },
        { publicKey: a.key, addresses: [a.address] },
      ]);
      await haveConnected(c);
      b.network.send(a.key, numbered(3));
      await under.until(() => a.frames.length === 1, "the frame");
      expect(b.events).toEqual(["connected"]);
      const known = a.network.status().map(({ publicKey, connected }) => [publicKey, connected]);
      expect(known).toEqual([b.key, c.key].sort().map((key) => [key, true]));
    });

    test("another cluster's member is refused, one that knows no cluster yet is not", async () => {
      const c = await newProcess("c");
      await a.admit(b, c).open();
      b.clusterId = 8n;
      await b.admit(a).open();
      c.clusterId = undefined;
      await c.admit(a).open();
      b.seek(a, a.address);
      c.seek(a, a.address);
      await haveConnected(a, c);
      expect([b.events, a.events]).toEqual([[], ["connected"]]);
      b.clusterId = 7n;
      await haveConnected(b);
    });

    test("another key at a peer's address is not that peer", async () => {
      const c = await newProcess("c");
      await a.admit(b, c).open();
      await b.admit(a).open();
      await c.admit(a).open();
      a.network.setPeers([
        { publicKey: b.key, addresses: [c.address] },
        { publicKey: c.key, addresses: [] },
      ]);
      c.seek(a, a.address);
      await haveConnected(a, c);
      expect(a.isConnectedTo(b)).toBe(false);
      a.network.send(c.key, numbered(2));
      await under.until(() => c.frames.length === 1, "the frame");
      expect(b.events).toEqual([]);
      expect(a.events).toEqual(["connected"]);
    });

    test("the next address is tried when one does not answer", async () => {
      await a.admit(b).open();
      await b.admit(a).open();
      a.seek(b, "127.0.0.1:1", "127.0.0.1:2", b.address);
      await haveConnected(a, b);
      expect(a.network.status()).toMatchObject([{ connected: true, address: b.address, build: "0.0.7" }]);
    });

    test("one that ends is missed, and one that comes back elsewhere is found because it calls", async () => {
      await connect();
      b.network.send(a.key, numbered(1));
      await b.close();
      await under.until(() => a.events.length === 2, "the end of the connection");
      expect(a.frames.map(numberOf)).toEqual([1]);
      await b.open();
      b.seek(a, a.address);
      await haveConnected(a, b);
      b.network.send(a.key, numbered(2));
      await under.until(() => a.frames.length === 2, "the frame");
      expect(a.events).toEqual(["connected", "disconnected", "connected"]);
    });

    test("one that comes back at the same place is found again by those who seek it", async () => {
      await connect();
      const { port } = b.network;
      await b.close();
      await under.until(() => a.events.length === 2, "the end of the connection");
      await b.open(true, port);
      await haveConnected(a, b);
      expect(a.network.send(b.key, numbered(9))).toBe(true);
      await under.until(() => b.frames.length === 1, "the frame");
    });

    test("after its end it reports nothing and sends nothing, and its port is free", async () => {
      await connect();
      const old = a.network;
      await a.close();
      expect(old.send(b.key, numbered(1))).toBe(false);
      old.setPeers([{ publicKey: b.key, addresses: [b.address] }]);
      await under.until(() => b.events.length === 2, "the end of the connection");
      expect(a.events).toEqual(["connected"]);
      await a.open(true, old.port);
      let refusal = "it opened";
      try {
        await b.open(true, old.port);
      } catch (error) {
        refusal = String(error);
      }
      expect(refusal).toContain(`Cannot listen on 127.0.0.1:${old.port}`);
    });
  });
}
