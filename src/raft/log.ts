import type { Entry, SnapshotMeta } from "./types.ts";

/** Stands in the place of an entry that was given up, so that its data is free at once. */
const gone: Entry = { index: 0, term: 0, type: "normal", data: new Uint8Array(0) };

/**
 * The replicated log (§3.3, §3.5) as this member holds it in memory: the entries after the last compaction. Indexes:
 * compacted <= applied <= min(commit, stable), and stable <= last. `stable` is what the driver has reported as durable.
 */
export class RaftLog {
  /** Entries from `#compactedIndex + 1` on, after `#dropped` slots that are already given up. */
  #entries: Entry[] = [];
  #dropped = 0;
  #compactedIndex: number;
  #compactedTerm: number;
  stable: number;
  commit: number;
  applied: number;

  constructor(snapshot: { readonly index: number; readonly term: number }, entries: readonly Entry[]) {
    this.#compactedIndex = snapshot.index;
    this.#compactedTerm = snapshot.term;
    this.#entries = [...entries];
    entries.forEach((entry, at) => {
      if (entry.index !== snapshot.index + 1 + at)
        throw new Error(`Raft log has entry ${entry.index} where ${snapshot.index + 1 + at} belongs`);
    });
    this.stable = this.lastIndex;
    this.commit = snapshot.index;
    this.applied = snapshot.index;
  }

  get firstIndex(): number {
    return this.#compactedIndex + 1;
  }

  get lastIndex(): number {
    return this.#compactedIndex + this.#entries.length - this.#dropped;
  }

  get lastTerm(): number {
    return this.term(this.lastIndex) ?? 0;
  }

  entry(index: number): Entry | undefined {
    if (index <= this.#compactedIndex) return undefined;
    return this.#entries[index - this.#compactedIndex - 1 + this.#dropped];
  }

  /** undefined: compacted away, or not there yet. */
  term(index: number): number | undefined {
    return index === this.#compactedIndex ? this.#compactedTerm : this.entry(index)?.term;
  }

  /** §3.3: whether a log with this end has all of the log that this one has, or is newer (§3.6.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries from `low` to `high`, both inclusive. */
  slice(low: number, high: number): Entry[] {
    if (low > high) return [];
    if (low < this.firstIndex || high > this.lastIndex)
      throw new Error(`Raft log has not all entries from ${low} to ${high}: it holds ${this.#range()}`);
    const offset = this.#dropped - this.#compactedIndex - 1;
    return this.#entries.slice(low + offset, high + offset + 1);
  }

  /** Entries from `low` on: at least one if there is any, and no more than `maxBytes` of data. */
  batch(low: number, maxBytes: number): { readonly entries: Entry[]; readonly bytes: number } {
    let bytes = 0;
    let high = low - 1;
    for (let entry = this.entry(low); entry !== undefined; entry = this.entry(high + 1)) {
      if (high >= low && bytes + entry.data.length > maxBytes) break;
      bytes += entry.data.length;
      high++;
    }
    return { entries: this.slice(low, high), bytes };
  }

  /** What the data of the entries after `low`, up to `high`, amounts to. */
  bytesBetween(low: number, high: number): number {
    let bytes = 0;
    for (let index = low + 1; index <= high; index++) bytes += this.entry(index)?.data.length ?? 0;
    return bytes;
  }

  /** Whether a change of members is among the entries after `low`, up to `high`. */
  hasConfChange(low: number, high: number): boolean {
    for (let index = low + 1; index <= high; index++) if (this.entry(index)?.type === "confChange") return true;
    return false;
  }

  /** A leader only ever appends (§3.4, Leader Append-Only). */
  push(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) throw new Error(`Entry ${entry.index} does not follow ${this.lastIndex}`);
    this.#entries.push(entry);
  }

  /** Drops every entry after `index`. Nothing committed may go (§3.6, State Machine Safety). */
  truncateAfter(index: number): void {
    if (index < this.commit) throw new Error(`Entries after ${index} are committed up to ${this.commit}`);
    this.#entries.length = index - this.#compactedIndex + this.#dropped;
    this.stable = Math.min(this.stable, index);
  }

  /** Gives up the entries up to `index`; they are applied, and a snapshot or nobody needs them. */
  compactTo(index: number): void {
    if (index > this.applied) throw new Error(`Entry ${index} is not applied yet: ${this.applied} is`);
    const term = this.term(index);
    if (term === undefined) return;
    this.#entries.fill(gone, this.#dropped, index - this.#compactedIndex + this.#dropped);
    this.#dropped += index - this.#compactedIndex;
    this.#compactedIndex = index;
    this.#compactedTerm = term;
    if (this.#dropped > 1024 && this.#dropped * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  /** §5.1: the log starts anew after a snapshot that a leader has sent. */
  restore(snapshot: SnapshotMeta): void {
    this.#entries = [];
    this.#dropped = 0;
    this.#compactedIndex = snapshot.index;
    this.#compactedTerm = snapshot.term;
    this.commit = snapshot.index;
    this.stable = snapshot.index;
    this.applied = snapshot.index;
  }

  #range(): string {
    return `${this.firstIndex} to ${this.lastIndex}`;
  }
}
