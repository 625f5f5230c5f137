/**
 * What a leader knows of another member's log (§3.5), and how fast it may send:
 * - probe: one message at a time, until an answer says where the logs agree;
 * - replicate: messages follow each other without waiting, within the limits in flight (pipelining, §10.2.1);
 * - snapshot: nothing, until the snapshot has arrived or failed (§5).
 */
export class Progress {
  match = 0;
  next: number;
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** Probe: a message is out, and its answer or a heartbeat's is awaited. */
  probeSent = false;
  /** Replicate: a message without entries is due, to find out what became of those in flight. */
  nudge = false;
  /** Snapshot: the index that it stands for. */
  pendingSnapshot = 0;
  /** The commit index that it was last told. */
  toldCommit = 0;
  /** It was heard of since the last check of the quorum (§6.2). */
  recentActive = false;
  /** The newest round of heartbeats that it has answered (§6.4). */
  answeredRound = 0;
  /** It keeps up: it answers, and acknowledges what it is sent within an election time-out. Starts as the benefit of the doubt. */
  inSync = true;
  /** Ticks for which it has lacked entries and acknowledged none. */
  stuckTicks = 0;
  readonly #limits: { readonly messages: number; readonly bytes: number };
  /** What is in flight: last index and bytes of each message, oldest first. */
  #inflight: { readonly lastIndex: number; readonly bytes: number }[] = [];
  #inflightBytes = 0;
  /** The newest round of heartbeats when something was last sent. */
  #sentRound = 0;
  #silentTicks = 0;
  #matchAtTick = 0;
  /** Catching up goes in rounds (§4.2.1): up to what the leader had when the round began. */
  #roundGoal = 0;
  #roundTicks = 0;

  constructor(next: number, limits: { readonly messages: number; readonly bytes: number }) {
    this.next = next;
    this.#limits = limits;
  }

  get isPaused(): boolean {
    if (this.state === "snapshot") return true;
    if (this.state === "probe") return this.probeSent;
    return this.#inflight.length >= this.#limits.messages || this.#inflightBytes >= this.#limits.bytes;
  }

  #enter(state: Progress["state"]): void {
    this.state = state;
    this.probeSent = false;
    this.nudge = false;
    this.pendingSnapshot = 0;
    this.#inflight = [];
    this.#inflightBytes = 0;
  }

  becomeProbe(): void {
    // A snapshot that has arrived may be ahead of the match that was acknowledged.
    const next = this.state === "snapshot" ? Math.max(this.match, this.pendingSnapshot) + 1 : this.match + 1;
    this.#enter("probe");
    this.next = next;
    this.toldCommit = 0;
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
  }

  /** `round`: the newest one of heartbeats. */
  sent(lastIndex: number, count: number, bytes: number, round: number): void {
    this.nudge = false;
    this.#sentRound = round;
    if (this.state === "probe") {
      this.probeSent = true;
    } else if (count > 0) {
      this.next = lastIndex + 1;
      this.#inflight.push({ lastIndex, bytes });
      this.#inflightBytes += bytes;
    }
  }

  /** It has acknowledged up to `index`. True: that is news. */
  acknowledge(index: number): boolean {
    this.next = Math.max(this.next, index + 1);
    while (this.#inflight[0] !== undefined && this.#inflight[0].lastIndex <= index)
      this.#inflightBytes -= this.#inflight.shift()?.bytes ?? 0;
    if (index <= this.match) return false;
    this.match = index;
    this.probeSent = false;
    return true;
  }

  heard(): void {
    this.recentActive = true;
    this.#silentTicks = 0;
  }

  /** It has answered a heartbeat: what was sent before that has arrived by now, or is lost. */
  answeredHeartbeat(round: number): void {
    this.heard();
    this.answeredRound = Math.max(this.answeredRound, round);
    if (round <= this.#sentRound) return;
    this.probeSent = false;
    // Its answer tells where it stands; more entries it must not get (its disk may be stuck).
    if (this.state === "replicate" && this.match < this.next - 1) this.nudge = true;
  }

  /** It refused what follows `rejected`; `hint` is where it may agree. False: an old answer, without meaning now. */
  reject(rejected: number, hint: number): boolean {
    if (this.state === "snapshot") return false;
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.toldCommit = 0;
    // At 0 all logs agree: it wants none from the beginning, and so nothing but a snapshot is left.
    this.next = rejected === 0 ? 0 : Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.probeSent = false;
    return true;
  }

  /** It has to show first that it keeps up. */
  doubt(lastIndex: number): void {
    this.inSync = false;
    this.#roundGoal = lastIndex;
    this.#roundTicks = 0;
  }

  /**
   * A tick has passed. A member is out of sync when for `limit` ticks it said nothing, or lacked entries and acknowledged none; it is
   * back once it has caught up in a round of at most `limit` ticks (§4.2.1).
   */
  tick(lastIndex: number, limit: number): void {
    this.#silentTicks++;
    const moves = this.match > this.#matchAtTick || this.match >= lastIndex;
    this.stuckTicks = moves ? 0 : this.stuckTicks + 1;
    this.#matchAtTick = this.match;
    if (this.inSync) {
      if (this.#silentTicks >= limit || this.stuckTicks >= limit) this.doubt(lastIndex);
      return;
    }
    this.#roundTicks++;
    if (this.#silentTicks >= limit || this.match < this.#roundGoal) return;
    if (this.#roundTicks > limit) {
      this.doubt(lastIndex);
      return;
    }
    this.inSync = true;
    this.stuckTicks = 0;
  }
}
