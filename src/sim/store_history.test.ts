import { expect, test } from "bun:test";
import { checkHistory, type History, type Operation, type Watched } from "./store_history.ts";
import { Violation } from "./verdict.ts";

const history: History = [
  { revision: 2, changes: [{ key: "a", value: "1" }] },
  { revision: 3, changes: [{ key: "a", value: "2" }] },
  { revision: 4, changes: [{ key: "a", value: undefined }] },
];
const write = (value: string, revision: number, from: number, to: number): Operation => ({
  client: "c",
  action: { type: "write", changes: [{ key: "a", value }] },
  invokedMs: from,
  outcome: { type: "done", returnedMs: to, revision },
});
const read = (revision: number, from: number, seen?: { value: string; modRevision: number }): Operation => ({
  client: "c",
  action: { type: "read", keys: ["a"] },
  invokedMs: from,
  outcome: { type: "done", returnedMs: from + 1, revision, seen: new Map(seen === undefined ? [] : [["a", seen]]) },
});
const remove: Operation = {
  client: "c",
  action: { type: "write", changes: [{ key: "a", value: undefined }] },
  invokedMs: 20,
  outcome: undefined,
};
const good = [
  write("1", 2, 0, 1),
  write("2", 3, 2, 3),
  remove,
  read(3, 10, { value: "2", modRevision: 3 }),
  read(4, 30),
];
const verdict = (operations: readonly Operation[], watched: readonly Watched[] = []) => {
  try {
    checkHistory(history, operations, watched, new Set());
    return "it holds";
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return error.message;
  }
};

test("a history that everybody can have seen holds, also with an operation whose fate nobody knew", () => {
  expect(verdict(good)).toBe("it holds");
});

test("what must not be is found", () => {
  const without = (at: number, ...more: Operation[]) => [...good.slice(0, at), ...good.slice(at + 1), ...more];
  expect(verdict(without(0))).toContain("nobody wrote");
  expect(verdict([...good, write("9", 5, 40, 41)])).toContain("was acknowledged at revision 5");
  expect(verdict([...good, read(2, 31, { value: "1", modRevision: 2 })])).toContain("was told revision 2");
  expect(verdict([...good, read(4, 31, { value: "2", modRevision: 3 })])).toContain("saw a as");
  expect(verdict(without(2))).toContain("nobody asked");
  const refused: Operation = { ...write("2", 3, 2, 3), outcome: { type: "refused", returnedMs: 3 } };
  expect(verdict(without(1, refused))).toContain("was refused");
  const swap = (expected: number, succeeded: boolean): Operation => ({
    client: "c",
    action: { type: "compareAndSwap", key: "a", expected, changes: [{ key: "a", value: "2" }] },
    invokedMs: 2,
    outcome: { type: "done", returnedMs: 3, revision: 3, succeeded },
  });
  expect(verdict(without(1, swap(2, true)))).toBe("it holds");
  expect(verdict(without(1, swap(1, true)))).toContain("a compare of a");
});

test("a watch has every change once and in order, and may end anywhere", () => {
  const told = (...revisions: number[]): Watched[] => [
    {
      watcher: "w",
      from: 2,
      events: revisions.map((revision) => ({ revision, changes: history[revision - 2]?.changes ?? [] })),
    },
  ];
  expect(verdict(good, told(2, 3))).toBe("it holds");
  expect(verdict(good, told(2, 4))).toContain("where 3 belongs");
  expect(verdict(good, told(2, 2))).toContain("where 3 belongs");
  expect(verdict(good, [{ watcher: "w", from: 2, events: [{ revision: 2, changes: [] }] }])).toContain("was told that");
});
