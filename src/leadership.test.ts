import { expect, test } from "bun:test";
import { whileLeading } from "./leadership.ts";

/** A store whose lead comes and goes as a test says. */
function leading() {
  const listeners = new Set<(term: number | undefined) => void>();
  let now: number | undefined;
  return {
    store: {
      onLeadership: (listener: (term: number | undefined) => void) => {
        listeners.add(listener);
        listener(now);
        return () => listeners.delete(listener);
      },
    },
    lead(term: number | undefined) {
      now = term;
      for (const listener of listeners) listener(term);
    },
    listeners,
  };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test("work runs in each term that this server leads, one after the other, and ends with the lead", async () => {
  const { store, lead, listeners } = leading();
  const end = new AbortController();
  const story: string[] = [];
  const done = whileLeading(store, end.signal, async (term, signal) => {
    story.push(`begin ${term}`);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await settle();
    story.push(`end ${term}`);
  });
  await settle();
  lead(3);
  await settle();
  lead(undefined);
  await settle();
  await settle();
  lead(5);
  await settle();
  // The lead is lost and won again before the old work has ended.
  lead(undefined);
  lead(7);
  await settle();
  await settle();
  end.abort();
  await done;
  expect(story).toEqual(["begin 3", "end 3", "begin 5", "end 5", "begin 7", "end 7"]);
  expect(listeners.size).toBe(0);
});

test("a server that leads already begins at once, and one that ends leaves nothing behind", async () => {
  const { store, lead } = leading();
  lead(1);
  const end = new AbortController();
  const terms: number[] = [];
  const done = whileLeading(store, end.signal, async (term) => {
    terms.push(term);
  });
  await settle();
  end.abort();
  await done;
  expect(terms).toEqual([1]);
});
