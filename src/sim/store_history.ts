/**
 * What clients and watchers of a store saw, and whether one strictly serialisable store can have shown it. Every answer carries a
 * revision, and the store's own history says what each revision did: so the order of all writes is known, and it remains to be checked
 * that everybody saw that order, that it respects time, and that nothing acknowledged is missing. (Knossos and Porcupine search for
 * an order; here there is nothing to search.)
 */
import { broken } from "./verdict.ts";

/** A change of one key; `value` undefined: it was deleted. */
export interface Change {
  readonly key: string;
  readonly value: string | undefined;
}

/** A key as a reader saw it. */
export interface Seen {
  readonly value: string;
  readonly modRevision: number;
}

export type Action =
  /** All in one transaction. Values are never used twice. */
  | { readonly type: "write"; readonly changes: readonly Change[] }
  /** `changes` if the key was last changed at `expected` (0: is absent), else a read of it. */
  | {
      readonly type: "compareAndSwap";
      readonly key: string;
      readonly expected: number;
      readonly changes: readonly Change[];
    }
  | { readonly type: "read"; readonly keys: readonly string[] };

export interface Operation {
  readonly client: string;
  readonly action: Action;
  readonly invokedMs: number;
  /** undefined: no answer came, or one that leaves it open. */
  outcome: Outcome | undefined;
}

export type Outcome =
  | { readonly type: "refused"; readonly returnedMs: number }
  | {
      readonly type: "done";
      readonly returnedMs: number;
      readonly revision: number;
      /** Of a compareAndSwap. */
      readonly succeeded?: boolean;
      /** Of a read, and of a compareAndSwap that did not succeed. */
      readonly seen?: ReadonlyMap<string, Seen>;
    };

/** What one watcher was told: every change from `from` on, revision by revision. */
export interface Watched {
  readonly watcher: string;
  readonly from: number;
  readonly events: { readonly revision: number; readonly changes: readonly Change[] }[];
}

/** By revision, ascending from 2 on without gap. */
export type History = readonly { readonly revision: number; readonly changes: readonly Change[] }[];

const show = (value: unknown) => JSON.stringify(value);

/** Throws a Violation when the history cannot be the one that all of them saw. `leased`: keys that may go by themselves. */
export function checkHistory(
  history: History,
  operations: readonly Operation[],
  watched: readonly Watched[],
  leased: ReadonlySet<string>,
): void {
  history.forEach(({ revision }, at) => {
    if (revision !== at + 2) broken(`the history has revision ${revision} where ${at + 2} belongs`);
  });
  checkOrigins(history, operations, leased);
  checkTime(operations);
  checkAnswers(history, operations);
  for (const each of watched) checkWatch(history, each);
}

/** Every change has somebody who asked for it, and happened once; what was acknowledged is there, and what was refused is not. */
function checkOrigins(history: History, operations: readonly Operation[], leased: ReadonlySet<string>): void {
  const writers = new Map<string, Operation>();
  const deleters = new Set<string>();
  for (const operation of operations) {
    if (operation.action.type === "read") continue;
    for (const { key, value } of operation.action.changes) {
      if (value === undefined) deleters.add(key);
      else writers.set(value, operation);
    }
  }
  const happened = new Map<string, number>();
  for (const { revision, changes } of history)
    for (const { key, value } of changes) {
      if (value === undefined) {
        if (!deleters.has(key) && !leased.has(key))
          broken(`revision ${revision} deleted ${key}, and nobody asked for it`);
        continue;
      }
      const writer = writers.get(value);
      if (writer === undefined) broken(`revision ${revision} has ${key}=${value}, which nobody wrote`);
      if (happened.has(value))
        broken(`${key}=${value} was written at revision ${happened.get(value)} and again at ${revision}`);
      happened.set(value, revision);
      if (writer?.outcome?.type === "refused")
        broken(`${key}=${value} was refused, and is there at revision ${revision}`);
    }
  for (const { action, outcome } of operations) {
    if (outcome?.type !== "done" || action.type === "read" || outcome.succeeded === false) continue;
    const made = history[outcome.revision - 2];
    for (const { key, value } of action.changes) {
      const found = made?.changes.some((change) => change.key === key && change.value === value);
      // A delete of what is not there changes nothing.
      if (found !== true && value !== undefined)
        broken(`${key}=${value} was acknowledged at revision ${outcome.revision}, which has ${show(made?.changes)}`);
    }
  }
}

/** What began after something else had ended sees it. */
function checkTime(operations: readonly Operation[]): void {
  const ended = operations
    .flatMap(({ outcome }) =>
      outcome?.type === "done" ? [{ at: outcome.returnedMs, revision: outcome.revision }] : [],
    )
    .sort((a, b) => a.at - b.at);
  const begun = operations
    .flatMap((operation) => (operation.outcome?.type === "done" ? [operation] : []))
    .sort((a, b) => a.invokedMs - b.invokedMs);
  let next = 0;
  let newest = 0;
  for (const { client, action, invokedMs, outcome } of begun) {
    for (let end = ended[next]; end !== undefined && end.at < invokedMs; end = ended[++next])
      newest = Math.max(newest, end.revision);
    if (outcome?.type !== "done") continue;
    if (outcome.revision < newest)
      broken(
        `${client} began ${show(action)} at ${invokedMs} ms, when revision ${newest} had been answered, and was told revision ${outcome.revision}`,
      );
  }
}

/** Each answer is what the state was at its revision. */
function checkAnswers(history: History, operations: readonly Operation[]): void {
  const byRevision = operations
    .filter(({ outcome }) => outcome?.type === "done")
    .sort((a, b) => revisionOf(a) - revisionOf(b));
  const state = new Map<string, Seen>();
  let at = 0;
  const advance = (revision: number) => {
    for (let step = history[at]; step !== undefined && step.revision <= revision; step = history[++at])
      for (const { key, value } of step.changes) {
        if (value === undefined) state.delete(key);
        else state.set(key, { value, modRevision: step.revision });
      }
  };
  // A transaction that changed something compared with the state before.
  for (const { action, outcome } of byRevision) {
    if (outcome?.type !== "done") continue;
    if (action.type === "compareAndSwap") {
      const changed = outcome.succeeded === true;
      advance(changed ? outcome.revision - 1 : outcome.revision);
      // Several operations may share a revision, and the state may be there already: then what the key was is asked of the history.
      const before = changed
        ? stateOfKey(history, action.key, outcome.revision - 1)
        : (state.get(action.key)?.modRevision ?? 0);
      if ((before === action.expected) !== changed)
        broken(
          `a compare of ${action.key} with revision ${action.expected} ${changed ? "held" : "did not hold"} at ${outcome.revision}, where it was ${before}`,
        );
    }
    advance(outcome.revision);
    for (const key of action.type === "read" ? action.keys : []) {
      const [told, is] = [outcome.seen?.get(key), state.get(key)];
      if (told?.value !== is?.value || told?.modRevision !== is?.modRevision)
        broken(`a read at revision ${outcome.revision} saw ${key} as ${show(told)}, it was ${show(is)}`);
    }
  }
}

function revisionOf({ outcome }: Operation): number {
  return outcome?.type === "done" ? outcome.revision : 0;
}

/** When the key was last changed as of a revision; 0: it is not there. */
function stateOfKey(history: History, key: string, revision: number): number {
  for (let at = Math.min(revision - 2, history.length - 1); at >= 0; at--) {
    const change = history[at]?.changes.find((candidate) => candidate.key === key);
    if (change !== undefined) return change.value === undefined ? 0 : at + 2;
  }
  return 0;
}

/** No gap, no repeat, no other order, nothing that did not happen; it may end anywhere. */
function checkWatch(history: History, { watcher, from, events }: Watched): void {
  events.forEach(({ revision, changes }, at) => {
    if (revision !== from + at) broken(`${watcher} was told of revision ${revision} where ${from + at} belongs`);
    const happened = history[revision - 2]?.changes;
    if (show(changes) !== show(happened))
      broken(`${watcher} was told that revision ${revision} was ${show(changes)}, it was ${show(happened)}`);
  });
}
