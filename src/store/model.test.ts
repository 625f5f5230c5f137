import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { VirtualClock } from "../sim/clock.ts";
import { SimulatedDisk } from "../sim/disk.ts";
import { SeededRandom } from "../sim/random.ts";
import { openEmbeddedStore } from "./embedded_store.ts";
import { silentLog } from "./log.test_support.ts";
import { type Operation, type Store, StoreError } from "./store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

interface Entry {
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
}
type State = ReadonlyMap<string, Entry>;

/** The plainest store there is: every revision's whole state. */
class Model {
  readonly states: State[] = [new Map(), new Map()];
  readonly events: string[] = [];
  compacted = 0;

  get revision(): number {
    return this.states.length - 1;
  }

  now(): State {
    return this.states[this.revision] ?? new Map();
  }

  change(steps: readonly Step[]): void {
    const state = new Map(this.now());
    const next = this.revision + 1;
    const events: string[] = [];
    for (const step of steps) {
      if (step.type === "put") {
        const before = state.get(step.key);
        const version = (before?.version ?? 0) + 1;
        state.set(step.key, { value: step.value, create: before?.create ?? next, mod: next, version });
        events.push(`${next} put ${step.key}=${step.value}`);
      } else {
        for (const key of [...state.keys()].filter((key) => key >= step.from && key < step.to).sort()) {
          state.delete(key);
          events.push(`${next} delete ${key}`);
        }
      }
    }
    if (events.length === 0) return;
    this.states.push(state);
    this.events.push(...events);
  }
}

type Step =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "delete"; readonly from: string; readonly to: string };
type Action =
  | {
      readonly type: "txn";
      readonly steps: readonly Step[];
      readonly guard: { readonly key: string; readonly back: number } | null;
    }
  | { readonly type: "compact"; readonly back: number }
  | { readonly type: "read"; readonly back: number; readonly limit: number }
  | { readonly type: "reopen" };

const key = fc.constantFrom("a", "a\u0001", "b", "ba", "c", "d", "é");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("put" as const), key, value: fc.string({ maxLength: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), from: key, to: key }) },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("txn" as const),
      steps: fc.array(step, { maxLength: 4 }),
      guard: fc.option(fc.record({ key, back: fc.nat(2) })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("read" as const), back: fc.nat(6), limit: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constant({ type: "reopen" as const }) },
);

const toOperation = (from: Step): Operation =>
  from.type === "put"
    ? { type: "put", key: bytes(from.key), value: bytes(from.value) }
    : { type: "deleteRange", key: bytes(from.from), end: bytes(from.to) };

/** Keys in the order of their bytes; the model's order of strings differs only beyond U+FFFF, which is not used. */
const expected = (state: State) =>
  [...state].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, e]) => [name, e.value, e.create, e.mod, e.version]);

describe("Keys, transactions, compaction and watches", () => {
  test("agree with the plainest model of them, over any sequence and across restarts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const disk = new SimulatedDisk({ random: new SeededRandom(1) });
        const open = () =>
          openEmbeddedStore({
            disk,
            clock: new VirtualClock(),
            random: new SeededRandom(2),
            log: silentLog,
            directory: "/data",
            segmentBytes: 8192,
            snapshotBytes: 600,
            compaction: "off",
          });
        let store: Store = await open();
        const model = new Model();
        const seen: string[] = [];
        const watchFrom = (startRevision: number) =>
          store.watch(
            { key: Uint8Array.of(0), end: Uint8Array.of(0), startRevision },
            {
              events: (revision, events) => {
                for (const { type, kv } of events)
                  seen.push(`${revision} ${type} ${text(kv.key)}${type === "put" ? `=${text(kv.value)}` : ""}`);
              },
              ended: () => {},
            },
          );
        watchFrom(1);
        for (const next of actions) {
          if (next.type === "reopen") {
            await store.close();
            store = await open();
            watchFrom(model.revision + 1);
          } else if (next.type === "compact") {
            const to = Math.max(1, model.revision - next.back);
            const refused = to <= model.compacted;
            const error = await store.compact(to).then(
              () => undefined,
              (thrown: unknown) => thrown,
            );
            expect(error instanceof StoreError ? error.code : error).toBe(refused ? "Compacted" : undefined);
            if (!refused) model.compacted = to;
          } else if (next.type === "txn") {
            const names = next.steps.flatMap((s) => (s.type === "put" ? [s.key] : []));
            const clash =
              new Set(names).size < names.length ||
              next.steps.some((s) => s.type === "delete" && names.some((name) => name >= s.from && name < s.to));
            const guard = next.guard;
            const operand = guard === null ? 0 : (model.now().get(guard.key)?.mod ?? 0) - guard.back;
            const holds = guard === null || guard.back === 0;
            if (operand < 0) continue;
            const answer = await store
              .txn({
                compare: guard === null ? [] : [{ key: bytes(guard.key), target: "mod", result: "=", operand }],
                success: next.steps.map(toOperation),
                failure: [],
              })
              .catch((error: StoreError) => error);
            if (answer instanceof Error) {
              expect([answer.code, clash]).toEqual(["DuplicateKey", true]);
              continue;
            }
            expect([answer.succeeded, clash]).toEqual([holds, false]);
            if (holds) model.change(next.steps);
            expect(answer.revision).toBe(model.revision);
          } else {
            const revision = Math.max(1, model.revision - next.back);
            const answer = await store
              .range({ key: Uint8Array.of(0), end: Uint8Array.of(0), revision, limit: next.limit })
              .catch((error: StoreError) => error);
            if (answer instanceof Error) {
              expect([answer.code, revision < model.compacted]).toEqual(["Compacted", true]);
              continue;
            }
            expect(revision).toBeGreaterThanOrEqual(model.compacted);
            const all = expected(model.states[revision] ?? new Map());
            const limited = next.limit > 0 ? all.slice(0, next.limit) : all;
            expect(answer.count).toBe(all.length);
            expect(answer.more).toBe(limited.length < all.length);
            expect(
              answer.kvs.map((kv) => [text(kv.key), text(kv.value), kv.createRevision, kv.modRevision, kv.version]),
            ).toEqual(limited);
          }
        }
        expect(seen).toEqual(model.events);
        await store.close();
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
