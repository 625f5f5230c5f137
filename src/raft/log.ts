import type { Entry, SnapshotMeta } from "./types.ts";

/**
 * The replicated log (§3.3, §3.5) as this member holds it in memory: the entries after the last compaction. Indexes:
 * compacted <= applied <= min(commit, stable), and stable <= last. `stable` is what the driver has reported as durable.
 */
export class RaftLog {
  /** Entries from `#compactedIndex + 1` on, after `#dropped` slots that are already given up. */
  #entries: (Entry | undefined)[] = [];
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

  /** Entries from `low` to `high`, both inclusive: at least one, and no more than `maxBytes` of data. */
  slice(low: number, high: number, maxBytes = Number.POSITIVE_INFINITY): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = low; index <= high; index++) {
      const entry = this.entry(index);
      if (entry === undefined) throw new Error(`Raft log has no entry ${index}: it holds ${this.#range()}`);
      bytes += entry.data.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
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
    for (let at = this.#dropped; at < index - this.#compactedIndex + this.#dropped; at++) this.#entries[at] = undefined;
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
