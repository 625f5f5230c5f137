/** What a pair asks of a connection. */
export interface Candidate {
  /** Another one means that the peer's process has started anew. */
  readonly instance: string;
  /** Asks for a sign of life; the pair is told by `answered`. */
  probe(): void;
}

export interface PairActions<C extends Candidate> {
  /** From now on this one is in use. */
  use(connection: C): void;
  /** This one is not needed, or no longer. */
  drop(connection: C, reason: string): void;
}

/** Ticks that the connection in use has to prove that it lives when the peer comes with another one: 1 to 1.5 s. */
const probeLimitTicks = 3;

/**
 * Which of the connections with one peer is in use. Both sides may dial, at the same time too, and one may have noticed the end
 * of a connection that the other still believes in. So one side decides, the one with the lower key, and says so over the
 * connection that it chooses; the other follows. A connection in use is replaced only when the peer's process is another one, or
 * when it gives no sign of life: two that dial each other at once keep the first, and lose nothing.
 */
export class Pair<C extends Candidate> {
  readonly #decides: boolean;
  readonly #actions: PairActions<C>;
  readonly #waiting = new Set<C>();
  #inUse: C | undefined;
  #probeTicks = 0;

  constructor(decides: boolean, actions: PairActions<C>) {
    this.#decides = decides;
    this.#actions = actions;
  }

  get inUse(): C | undefined {
    return this.#inUse;
  }

  /** Nothing is there, nor about to be. */
  get isAlone(): boolean {
    return this.#inUse === undefined && this.#waiting.size === 0;
  }

  greeted(connection: C): void {
    if (!this.#decides) this.#waiting.add(connection);
    else if (this.#inUse?.instance === connection.instance) {
      for (const older of this.#waiting) this.#actions.drop(older, "another connection came");
      this.#waiting.clear();
      this.#waiting.add(connection);
      this.#probeTicks = 0;
      this.#inUse.probe();
    } else this.#use(connection);
  }

  /** The peer, which decides, has chosen this one. */
  chosen(connection: C): void {
    if (this.#waiting.delete(connection)) this.#use(connection);
  }

  /** The connection in use lives. */
  answered(connection: C): void {
    if (connection !== this.#inUse) return;
    for (const other of this.#waiting) this.#actions.drop(other, "there is a connection already");
    this.#waiting.clear();
  }

  tick(): void {
    const [next] = this.#waiting;
    if (this.#decides && next !== undefined && ++this.#probeTicks >= probeLimitTicks) this.#use(next);
  }

  gone(connection: C): void {
    this.#waiting.delete(connection);
    if (connection !== this.#inUse) return;
    this.#inUse = undefined;
    const [next] = this.#waiting;
    if (this.#decides && next !== undefined) this.#use(next);
  }

  /** All of them, the one in use first. */
  connections(): C[] {
    return [...(this.#inUse === undefined ? [] : [this.#inUse]), ...this.#waiting];
  }

  #use(connection: C): void {
    const before = this.#inUse;
    this.#waiting.delete(connection);
    this.#inUse = connection;
    if (before !== undefined) this.#actions.drop(before, "the peer has connected anew");
    this.#actions.use(connection);
  }
}
