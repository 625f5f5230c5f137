/** The network between simulated machines: who reaches whom, how late, and what goes wrong. */
import type { Clock } from "../env/clock.ts";
import type { PeerLink } from "../env/peer_link.ts";
import type { Hostility, Place } from "./peer_connection.ts";
import { type PeerWires, SimulatedPeerNetwork } from "./peer_link.ts";
import type { SeededRandom } from "./random.ts";

export interface SimulatedNetworkOptions {
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** For the trace: connections that come and go, refusals, faults. */
  readonly note?: (text: string) => void;
}

/**
 * Shared by all machines of a simulation. As TCP: what is sent into a cut is held back and arrives when it heals, unless an end
 * has noticed the silence before (2 to 3 s) and given the connection up.
 */
export class SimulatedNetwork implements PeerWires {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly note: (text: string) => void;
  /** One way, in milliseconds, uniform. */
  latencyMs: readonly [number, number] = [0.1, 0.5];
  /** Of each connection in each direction. */
  bytesPerMs = 100_000;
  /** Beyond what PeerNetwork promises; none unless a scenario wants it. */
  hostile: Hostility = { drop: 0, double: 0, reorder: 0 };
  readonly #hosts = new Map<string, SimulatedHost>();
  /** "from>to", by names: nothing goes that way. */
  readonly #cuts = new Set<string>();
  readonly #slow = new Map<string, readonly [number, number]>();

  constructor(options: SimulatedNetworkOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.note = options.note ?? (() => undefined);
  }

  /** A machine with the addresses, without ports, at which others find it. */
  host(name: string, ...addresses: readonly string[]): SimulatedHost {
    if (this.#hosts.has(name)) throw new Error(`A machine named ${name} is there already`);
    const host = new SimulatedHost(this, name, addresses);
    this.#hosts.set(name, host);
    return host;
  }

  /** Nothing goes between the two sides any more, in either direction; each side is whole. */
  partition(one: readonly string[], other: readonly string[]): void {
    for (const a of one)
      for (const b of other) {
        this.#cuts.add(`${a}>${b}`);
        this.#cuts.add(`${b}>${a}`);
      }
    this.note(`network: ${one.join(",")} | ${other.join(",")}`);
    this.#review();
  }

  /** One way only. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
    this.note(`network: ${from} no longer reaches ${to}`);
    this.#review();
  }

  /** Both ways, in milliseconds each. */
  slow(one: string, other: string, latencyMs: readonly [number, number]): void {
    this.#slow.set(`${one}>${other}`, latencyMs);
    this.#slow.set(`${other}>${one}`, latencyMs);
    this.note(`network: ${latencyMs.join(" to ")} ms between ${one} and ${other}`);
  }

  /** Ends cuts, partitions and slowness; with names, only those between these two. */
  heal(one?: string, other?: string): void {
    const heals = (pair: string) => one === undefined || pair === `${one}>${other}` || pair === `${other}>${one}`;
    for (const pairs of [this.#cuts, this.#slow])
      for (const pair of [...pairs.keys()]) if (heals(pair)) pairs.delete(pair);
    this.note(one === undefined ? "network: healed" : `network: healed between ${one} and ${other}`);
    this.#review();
  }

  carries(from: Place, to: Place): boolean {
    return !this.#cuts.has(`${from.name}>${to.name}`) && !from.isPaused && !to.isPaused;
  }

  delayMs(from: Place, to: Place): number {
    const [least, most] = this.#slow.get(`${from.name}>${to.name}`) ?? this.latencyMs;
    return least + (most - least) * this.random.fraction();
  }

  find(address: string, from: Place) {
    const colon = address.lastIndexOf(":");
    const [ip, port] = [address.slice(0, colon), Number(address.slice(colon + 1))];
    for (const place of this.#hosts.values())
      if (place.addresses.includes(ip) || (ip === "127.0.0.1" && place === from))
        return { place, listener: () => place.listener(port) };
    return undefined;
  }

  /** SIGSTOP, as far as the network sees it: nothing is taken in, nothing goes out. Stop the process's clock too. */
  pause(name: string): void {
    this.#pause(name, true);
  }

  /** SIGCONT: what was held back goes its way. */
  resume(name: string): void {
    this.#pause(name, false);
  }

  #pause(name: string, isPaused: boolean): void {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`There is no machine named ${name}`);
    host.isPaused = isPaused;
    this.note(`network: ${name} ${isPaused ? "is paused" : "goes on"}`);
    this.#review();
  }

  #review(): void {
    for (const host of this.#hosts.values()) host.review();
  }
}

/** A machine's place in the network. It may get other addresses while it runs. */
export class SimulatedHost implements Place {
  readonly name: string;
  addresses: readonly string[];
  isPaused = false;
  /** What a process on this machine is given. */
  readonly link: PeerLink;
  readonly #listeners = new Map<number, SimulatedPeerNetwork>();
  readonly #opened = new Set<SimulatedPeerNetwork>();
  readonly #random: SeededRandom;
  #nextPort = 50_000;

  constructor(wires: PeerWires, name: string, addresses: readonly string[]) {
    this.#random = wires.random;
    this.name = name;
    this.addresses = addresses;
    this.link = {
      open: async (options, handler) => {
        const port = options.listen === undefined ? 0 : options.listen.port || this.#nextPort++;
        if (this.#listeners.has(port))
          throw new Error(`Cannot listen on ${options.listen?.address}:${port}: the address is in use`);
        const opened = new SimulatedPeerNetwork(wires, this, port, options, handler, () => {
          this.#listeners.delete(port);
          this.#opened.delete(opened);
        });
        if (port !== 0) this.#listeners.set(port, opened);
        this.#opened.add(opened);
        return opened;
      },
    };
  }

  listener(port: number): SimulatedPeerNetwork | undefined {
    return this.#listeners.get(port);
  }

  /** The processes are gone; the kernel tells the others, with or without what was on its way. */
  kill(): void {
    for (const opened of [...this.#opened]) opened.end(this.#random.chance(0.5) ? "flush" : "reset");
  }

  /** The machine is gone without a word. */
  cutPower(): void {
    for (const opened of [...this.#opened]) opened.end("silence");
  }

  review(): void {
    for (const opened of this.#opened) opened.review();
  }
}
