import { describe, expect, test } from "bun:test";
import { VirtualClock } from "../../sim/clock.ts";
import { Balancer } from "../balancer.ts";
import type { EndpointAddress } from "../state.ts";
import { Relay } from "./relay.ts";
import type { ConnectOutcome, Stream, StreamEvents, TcpSockets } from "./stream.ts";

/** A stream that notes what it is told, and is full on demand. */
class NotedStream implements Stream {
  readonly told: string[] = [];
  full = false;
  write(chunk: Uint8Array): boolean {
    this.told.push(`write ${new TextDecoder().decode(chunk.subarray(0, 20))}`);
    return !this.full;
  }
  pause = () => void this.told.push("pause");
  resume = () => void this.told.push("resume");
  finish = () => void this.told.push("finish");
  close = () => void this.told.push("close");
  reset = () => void this.told.push("reset");
  keepAlive = () => void this.told.push("keepAlive");
}

interface Attempt {
  readonly endpoint: EndpointAddress;
  readonly outcome: ConnectOutcome;
  cancelled: boolean;
}

function relay(count: number) {
  const clock = new VirtualClock();
  const attempts: Attempt[] = [];
  const sockets: TcpSockets = {
    listen: () => Promise.reject(new Error("not here")),
    connect(endpoint, outcome) {
      const attempt = { endpoint, outcome, cancelled: false };
      attempts.push(attempt);
      return {
        cancel() {
          attempt.cancelled = true;
        },
      };
    },
  };
  const balancer = new Balancer({ nowMs: () => clock.monotonicMs() });
  balancer.replace(Array.from({ length: count }, (_, n) => ({ address: "10.42.0.5", port: n })));
  const client = new NotedStream();
  const state = { finished: 0 };
  const under = new Relay(client, () => "10.42.0.9", {
    sockets,
    balancer,
    clock,
    connectTimeoutMs: 2000,
    maxAttempts: 8,
    finished: () => {
      state.finished++;
    },
  });
  const backend = new NotedStream();
  /** The last attempt succeeds; what the relay wants to know of the back end. */
  const open = (): StreamEvents => {
    const events = attempts.at(-1)?.outcome.opened(backend);
    if (events === undefined) throw new Error("nothing was tried");
    return events;
  };
  return { under, client, backend, attempts, clock, state, open, says: under.clientEvents };
}
const text = (words: string) => new TextEncoder().encode(words);

describe("Relay", () => {
  test("what the client says early goes to the back end that answers, in order, with its FIN", () => {
    const { says, attempts, open, backend } = relay(2);
    says.data(text("one"));
    attempts[0]?.outcome.failed(new Error("refused"));
    says.data(text("two"));
    says.ended();
    open();
    expect(attempts.map(({ endpoint }) => endpoint.port)).toEqual([0, 1]);
    expect(backend.told).toEqual(["write one", "write two", "finish"]);
  });

  test("a client that says more than 64 KiB early is paused, and read on when there is room", () => {
    const { says, client, open } = relay(1);
    says.data(new Uint8Array(64 * 1024));
    expect(client.told).toEqual([]);
    says.data(text("more"));
    expect(client.told).toEqual(["pause"]);
    open();
    expect(client.told).toEqual(["pause", "resume"]);
  });

  test("when early words fill the back end, the client waits until it has drained", () => {
    const { says, client, backend, open } = relay(1);
    backend.full = true;
    says.data(text("early"));
    const backendSays = open();
    expect(client.told).toEqual(["pause"]);
    backendSays.drained();
    expect(client.told).toEqual(["pause", "resume"]);
  });

  test("a back end that does not answer in 2 s is given up for the next one", async () => {
    const { attempts, clock, client, open } = relay(2);
    await clock.advance(1999);
    expect(attempts).toHaveLength(1);
    await clock.advance(1);
    expect(attempts.map(({ cancelled }) => cancelled)).toEqual([true, false]);
    open();
    await clock.advance(10_000);
    expect(client.told).toEqual([]);
  });

  test("at most eight endpoints are tried, then the client is reset, once", async () => {
    const { attempts, clock, client, state } = relay(20);
    for (let n = 0; n < 8; n++) attempts[n]?.outcome.failed(new Error("refused"));
    await clock.advance(1);
    expect(attempts).toHaveLength(8);
    expect(client.told).toEqual(["reset"]);
    expect(state.finished).toBe(1);
  });

  test("a client that breaks off while a back end is sought ends the search", async () => {
    const { says, attempts, clock, state } = relay(3);
    says.closed(new Error("ECONNRESET"));
    expect(attempts[0]?.cancelled).toBe(true);
    await clock.advance(10_000);
    expect(attempts).toHaveLength(1);
    expect(state.finished).toBe(1);
  });

  test("both FINs, in either order, close both sides, and it is finished when both are gone", () => {
    for (const clientFirst of [true, false]) {
      const { says, client, backend, open, state } = relay(1);
      const backendSays = open();
      const [first, second] = clientFirst ? [says, backendSays] : [backendSays, says];
      const [firstStream, secondStream] = clientFirst ? [client, backend] : [backend, client];
      first.ended();
      expect(secondStream.told).toEqual(["finish"]);
      expect(firstStream.told).toEqual([]);
      second.ended();
      expect(firstStream.told).toEqual(["close"]);
      expect(secondStream.told).toEqual(["finish", "close"]);
      second.closed(undefined);
      expect(state.finished).toBe(0);
      first.closed(undefined);
      expect(state.finished).toBe(1);
    }
  });

  test("a side that closes without an end of its own counts as ended", () => {
    const { says, client, backend, open, state } = relay(1);
    const backendSays = open();
    says.ended();
    // Bun closes a socket by itself after both FINs, and tells no end if ours went first.
    backendSays.closed(undefined);
    expect(client.told).toEqual(["close"]);
    expect(backend.told).toEqual(["finish"]);
    says.closed(undefined);
    expect(state.finished).toBe(1);
  });

  test("words to a side that is gone cut the other", () => {
    const { says, client, open, state } = relay(1);
    const backendSays = open();
    backendSays.closed(undefined);
    says.data(text("anyone?"));
    expect(client.told).toEqual(["finish", "reset"]);
    expect(state.finished).toBe(1);
  });

  test("keep-alive is set once, on both sides, when there are two", () => {
    const { under, client, backend, open } = relay(1);
    under.keepAlive();
    open();
    under.keepAlive();
    under.keepAlive();
    expect([client.told, backend.told]).toEqual([["keepAlive"], ["keepAlive"]]);
  });
});
