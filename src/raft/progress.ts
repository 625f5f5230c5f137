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
  /** Snapshot: the index that it stands for. */
  pendingSnapshot = 0;
  /** It was heard of since the last check of the quorum. */
  recentActive = false;
  readonly #limits: { readonly messages: number; readonly bytes: number };
  /** What is in flight: last index and bytes of each message, oldest first. */
  #inflight: { readonly lastIndex: number; readonly bytes: number }[] = [];
  #inflightBytes = 0;

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
    this.pendingSnapshot = 0;
    this.#inflight = [];
    this.#inflightBytes = 0;
  }

  becomeProbe(): void {
    // A snapshot that has arrived may be ahead of the match that was acknowledged.
    const next = this.state === "snapshot" ? Math.max(this.match, this.pendingSnapshot) + 1 : this.match + 1;
    this.#enter("probe");
    this.next = next;
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
  }

  sent(lastIndex: number, count: number, bytes: number): void {
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
    while (this.#inflight[0] !== undefined && this.#inflight[0].lastIndex <= index) this.#free();
    if (index <= this.match) return false;
    this.match = index;
    this.probeSent = false;
    return true;
  }

  #free(): void {
    this.#inflightBytes -= this.#inflight.shift()?.bytes ?? 0;
  }

  /** A heartbeat's answer: the connection lives, so at least one more message may go. */
  alive(): void {
    this.recentActive = true;
    this.probeSent = false;
    if (this.state === "replicate" && this.isPaused) this.#free();
  }

  /** It refused what follows `rejected`; `hint` is where it may agree. False: an old answer, without meaning now. */
  reject(rejected: number, hint: number): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.probeSent = false;
    return true;
  }
}
