import { afterEach, describe, expect, test } from "bun:test";
import dgram from "node:dgram";
import { realClock } from "../../env/real/clock.ts";
import { VirtualClock } from "../../sim/clock.ts";
import { Balancer } from "../balancer.ts";
import type { EndpointAddress } from "../state.ts";
import { until } from "./tcp_contract.ts";
import { type FlowBudget, listenUdp, type UdpListener } from "./udp.ts";
import type { UdpSockets } from "./udp_sockets.ts";

const address = "127.0.0.1";

/** What every UDP data plane must do. Clients and back ends are node:dgram. */
export function udpContract(name: string, sockets: UdpSockets): void {
  const cleanUps: (() => void)[] = [];
  afterEach(() => {
    for (const cleanUp of cleanUps.splice(0)) cleanUp();
  });

  function socketOf(onMessage: (text: Buffer, from: dgram.RemoteInfo, socket: dgram.Socket) => void) {
    const socket = dgram.createSocket("udp4");
    socket.on("message", (text, from) => onMessage(text, from, socket));
    socket.on("error", () => {});
    let open = true;
    const close = () => {
      if (open) socket.close();
      open = false;
    };
    cleanUps.push(close);
    return new Promise<{ socket: dgram.Socket; port: number; close(): void }>((resolve) =>
      socket.bind(0, address, () => resolve({ socket, port: socket.address().port, close })),
    );
  }

  /** Answers "NAME text", and notes who asked. */
  async function echo(label: string) {
    const clients = new Set<number>();
    const bound = await socketOf((text, from, socket) => {
      clients.add(from.port);
      socket.send(Buffer.concat([Buffer.from(label), text]), from.port, from.address);
    });
    return { endpoint: { address, port: bound.port }, clients, close: bound.close };
  }

  async function client() {
    const waiting: ((text: Buffer) => void)[] = [];
    const answers: Buffer[] = [];
    const bound = await socketOf((text) => {
      const next = waiting.shift();
      if (next) next(text);
      else answers.push(text);
    });
    return {
      ...bound,
      answers,
      say: (port: number, text: string | Uint8Array) => bound.socket.send(text, port, address),
      ask: (port: number, text: string | Uint8Array) =>
        new Promise<string>((resolve) => {
          waiting.push((answer) => resolve(answer.toString()));
          bound.socket.send(text, port, address);
        }),
    };
  }

  async function proxy(
    endpoints: readonly EndpointAddress[],
    options: { maxFlows?: number; clock?: VirtualClock; budget?: FlowBudget } = {},
  ) {
    const clock = options.clock ?? realClock;
    const balancer = new Balancer({ nowMs: () => clock.monotonicMs() });
    balancer.replace(endpoints);
    const { maxFlows = 100, budget = { limit: 100, open: 0 } } = options;
    const listener: UdpListener = await listenUdp({ sockets, clock, address, port: 0, balancer, budget, maxFlows });
    cleanUps.push(() => listener.close());
    return { listener, balancer, port: listener.port };
  }

  describe(name, () => {
    test("clients get their own answers, from the address that they asked", async () => {
      const server = await echo("");
      const under = await proxy([server.endpoint]);
      const clients = await Promise.all(Array.from({ length: 20 }, () => client()));
      const answers = await Promise.all(clients.map((one, n) => one.ask(under.port, `I am ${n}`)));
      expect(answers).toEqual(clients.map((_, n) => `I am ${n}`));
      expect(under.listener.flows).toBe(20);
      expect(server.clients.size).toBe(20);
    });

    test("what comes before the flow's socket is there is kept in order", async () => {
      const server = await echo("");
      const under = await proxy([server.endpoint]);
      const one = await client();
      for (let n = 0; n < 10; n++) one.say(under.port, `${n}`);
      await until(() => one.answers.length === 10);
      expect(one.answers.map(String)).toEqual(Array.from({ length: 10 }, (_, n) => `${n}`));
      expect(server.clients.size).toBe(1);
    });

    test("an empty datagram and one of 60,000 bytes pass unchanged", async () => {
      const server = await echo("");
      const under = await proxy([server.endpoint]);
      const one = await client();
      expect(await one.ask(under.port, "")).toBe("");
      const big = "wherry".repeat(10_000);
      expect(await one.ask(under.port, big)).toBe(big);
    });

    test("a client stays with its endpoint; others take turns", async () => {
      const [a, b] = [await echo("a"), await echo("b")];
      const under = await proxy([a.endpoint, b.endpoint]);
      const [one, two] = [await client(), await client()];
      const first = await one.ask(under.port, "");
      expect(await two.ask(under.port, "")).not.toBe(first);
      for (let n = 0; n < 5; n++) expect(await one.ask(under.port, "")).toBe(first);
    });

    test("when its endpoint leaves, a client's next datagram goes to another", async () => {
      const [a, b] = [await echo("a"), await echo("b")];
      const under = await proxy([a.endpoint]);
      const one = await client();
      expect(await one.ask(under.port, "")).toBe("a");
      under.balancer.replace([b.endpoint]);
      under.listener.endpointsChanged();
      expect(await one.ask(under.port, "")).toBe("b");
    });

    test("a dead endpoint costs a datagram, not the client", async () => {
      const [dead, alive] = [await echo("dead"), await echo("alive")];
      dead.close();
      const under = await proxy([dead.endpoint, alive.endpoint]);
      const one = await client();
      let sent = 0;
      await until(() => {
        if (one.answers.length === 0) {
          one.say(under.port, " and well");
          sent++;
        }
        return one.answers.length > 0;
      }, 20);
      expect(String(one.answers[0])).toBe("alive and well");
      // The first is lost; the error that it brings back may cross the second.
      expect(sent).toBeLessThan(5);
    });

    test("a client that went away does not hurt the others", async () => {
      const pending: (() => void)[] = [];
      const slow = await socketOf((text, from, socket) => {
        const answer = () => socket.send(text, from.port, from.address);
        if (String(text) === "later") pending.push(answer);
        else answer();
      });
      const under = await proxy([{ address, port: slow.port }]);
      const [gone, stays] = [await client(), await client()];
      for (let n = 0; n < 5; n++) gone.say(under.port, "later");
      await until(() => pending.length === 5);
      gone.close();
      for (const answer of pending) answer();
      for (let n = 0; n < 20; n++) expect(await stays.ask(under.port, `${n}`)).toBe(`${n}`);
    });

    test("without an endpoint a datagram is dropped and nothing is kept", async () => {
      const server = await echo("");
      const under = await proxy([]);
      const one = await client();
      one.say(under.port, "nobody");
      under.balancer.replace([server.endpoint]);
      // The first may arrive after the endpoint did; then it is answered too.
      one.say(under.port, "somebody");
      await until(() => one.answers.some((answer) => String(answer) === "somebody"));
      expect(under.listener.flows).toBe(1);
    });

    test("a flow ends a minute after the last datagram of either side", async () => {
      const clock = new VirtualClock();
      const server = await echo("");
      const under = await proxy([server.endpoint], { clock });
      const [quiet, talking] = [await client(), await client()];
      await quiet.ask(under.port, "once");
      await talking.ask(under.port, "1");
      await clock.advance(45_000);
      await talking.ask(under.port, "2");
      await clock.advance(45_000);
      expect(under.listener.flows).toBe(1);
      await clock.advance(60_000);
      expect(under.listener.flows).toBe(0);
      expect(await quiet.ask(under.port, "again")).toBe("again");
    });

    test("listeners share a budget: one that has flows makes room of its own, and all of it comes back", async () => {
      const budget = { limit: 2, open: 0 };
      const server = await echo("");
      const [first, second] = [await proxy([server.endpoint], { budget }), await proxy([server.endpoint], { budget })];
      const [a, b, c] = [await client(), await client(), await client()];
      await a.ask(first.port, "1");
      await b.ask(first.port, "1");
      await c.ask(first.port, "1");
      expect([first.listener.flows, budget.open]).toEqual([2, 2]);
      c.say(second.port, "no room");
      await b.ask(first.port, "2");
      expect(second.listener.flows).toBe(0);
      first.listener.close();
      expect(budget.open).toBe(0);
      expect(await c.ask(second.port, "room")).toBe("room");
    });

    test("at the limit the client that was silent longest makes room", async () => {
      const clock = new VirtualClock();
      const server = await echo("");
      const under = await proxy([server.endpoint], { clock, maxFlows: 2 });
      const [a, b, c] = [await client(), await client(), await client()];
      await a.ask(under.port, "1");
      await clock.advance(10);
      await b.ask(under.port, "1");
      await clock.advance(10);
      await a.ask(under.port, "2");
      await clock.advance(10);
      expect(await c.ask(under.port, "1")).toBe("1");
      expect(under.listener.flows).toBe(2);
      await a.ask(under.port, "3");
      // Only b had to come back with a new flow: a, a, b, c are three sockets so far.
      expect(server.clients.size).toBe(3);
      await b.ask(under.port, "2");
      expect(server.clients.size).toBe(4);
    });
  });
}
