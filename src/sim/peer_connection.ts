import type { Clock, Timer } from "../env/clock.ts";
import type { SeededRandom } from "./random.ts";

/** Chances, for each frame, of what no real link does: for those that must stand it nevertheless, as Raft. */
export interface Hostility {
  readonly drop: number;
  readonly double: number;
  /** Overtaken by others: up to 50 ms late, one in ten up to 5 s, and then it may come after a later connection's frames. */
  readonly reorder: number;
}

/** A machine, as its connections see it. */
export interface Place {
  readonly name: string;
  readonly isPaused: boolean;
}

/** The network, as its connections see it. */
export interface Wires {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly bytesPerMs: number;
  readonly hostile: Hostility;
  note(text: string): void;
  /** Whether a packet sent now would be taken in. */
  carries(from: Place, to: Place): boolean;
  /** How long a packet takes now, one way. */
  delayMs(from: Place, to: Place): number;
}

export interface EndOwner {
  readonly place: Place;
  readonly publicKey: string;
  deliver(from: string, frame: Uint8Array): void;
  lost(end: PeerEnd, reason: string): void;
}

interface Arriving {
  /** Undefined: the end of the stream. */
  readonly frame: Uint8Array | undefined;
  hasArrived: boolean;
}

/** One end of a connection: what is on its way to it, in order, and whether it still believes in the connection. */
export class PeerEnd {
  readonly owner: EndOwner;
  readonly #wires: Wires;
  #other: PeerEnd | undefined;
  #isOpen = true;
  /** Gone with its machine: nobody tells the other end. */
  #isSilent = false;
  #arriving: Arriving[] = [];
  #arrivingBytes = 0;
  #lastDueMs = 0;
  #deaf: Timer | undefined;

  private constructor(wires: Wires, owner: EndOwner) {
    this.#wires = wires;
    this.owner = owner;
  }

  static pair(wires: Wires, one: EndOwner, other: EndOwner): [PeerEnd, PeerEnd] {
    const [a, b] = [new PeerEnd(wires, one), new PeerEnd(wires, other)];
    a.#other = b;
    b.#other = a;
    return [a, b];
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get other(): PeerEnd {
    if (this.#other === undefined) throw new Error("An end without another");
    return this.#other;
  }

  /** What was sent from here and has not arrived. */
  get queuedBytes(): number {
    return this.other.#arrivingBytes;
  }

  send(frame: Uint8Array): void {
    const { random, hostile } = this.#wires;
    if (random.chance(hostile.drop)) return;
    if (random.chance(hostile.double)) this.other.#arriveLate(frame);
    if (random.chance(hostile.reorder)) this.other.#arriveLate(frame);
    else this.other.#arrive(frame);
  }

  #arrive(frame: Uint8Array | undefined): void {
    if (!this.#isOpen) return;
    const { clock, bytesPerMs } = this.#wires;
    const now = clock.monotonicMs();
    const dueMs =
      Math.max(this.#lastDueMs, now + this.#wires.delayMs(this.other.owner.place, this.owner.place)) +
      (frame?.length ?? 0) / bytesPerMs;
    this.#lastDueMs = dueMs;
    const item: Arriving = { frame, hasArrived: false };
    this.#arriving.push(item);
    this.#arrivingBytes += frame?.length ?? 0;
    clock.schedule(dueMs - now, () => {
      item.hasArrived = true;
      this.#takeIn();
    });
  }

  #arriveLate(frame: Uint8Array): void {
    const { clock, random } = this.#wires;
    const lateMs = (random.chance(0.1) ? 5000 : 50) * random.fraction();
    clock.schedule(lateMs + this.#wires.delayMs(this.other.owner.place, this.owner.place), () => {
      if (this.#hears) this.owner.deliver(this.other.owner.publicKey, frame.slice());
    });
  }

  get #hears(): boolean {
    return this.#wires.carries(this.other.owner.place, this.owner.place);
  }

  #takeIn(): void {
    while (this.#isOpen && this.#hears && this.#arriving[0]?.hasArrived) {
      const frame = this.#arriving.shift()?.frame;
      if (frame === undefined) {
        this.#shut();
        this.owner.lost(this, "closed by the peer");
        return;
      }
      this.#arrivingBytes -= frame.length;
      this.owner.deliver(this.other.owner.publicKey, frame);
    }
  }

  /** Who reaches whom has changed: held-back frames come, or the silence begins to be noticed. */
  review(): void {
    if (!this.#isOpen) return;
    const { clock, random } = this.#wires;
    if (this.#hears && !this.other.#isSilent) {
      this.#deaf?.cancel();
      this.#deaf = undefined;
      // TCP sends again what was not acknowledged, a little later.
      if (this.#arriving.length > 0) clock.schedule(200 * random.fraction(), () => this.#takeIn());
    } else if (this.owner.place.isPaused) {
      this.#deaf?.cancel();
      this.#deaf = undefined;
    } else {
      this.#deaf ??= clock.schedule(2000 + 1000 * random.fraction(), () => {
        this.close("reset");
        this.owner.lost(this, "silent");
      });
    }
  }

  /** `flush`: what was sent still arrives, then the end. `reset`: only the end. `silence`: nothing, not even that. */
  close(how: "flush" | "reset" | "silence"): void {
    if (!this.#isOpen) return;
    this.#shut();
    if (how !== "flush") this.other.#forgetArriving();
    if (how === "silence") {
      this.#isSilent = true;
      this.other.review();
    } else this.other.#arrive(undefined);
  }

  #forgetArriving(): void {
    this.#arriving = [];
    this.#arrivingBytes = 0;
  }

  #shut(): void {
    this.#isOpen = false;
    this.#deaf?.cancel();
    this.#deaf = undefined;
    this.#forgetArriving();
  }
}
