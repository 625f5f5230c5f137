import type { Store } from "./store/store.ts";

/**
 * Runs `work` while this server leads: anew in each term, and only once that of the term before has ended. Resolves when `signal`
 * is aborted and the last one has ended. `work` ends when its own signal is aborted, and rejects for nothing.
 */
export async function whileLeading(
  store: Pick<Store, "onLeadership">,
  signal: AbortSignal,
  work: (term: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  let wanted: number | undefined;
  let running: AbortController | undefined;
  let wake = () => {};
  const changed = () => {
    running?.abort();
    wake();
  };
  const forget = store.onLeadership((term) => {
    if (term === wanted) return;
    wanted = term;
    changed();
  });
  signal.addEventListener("abort", changed, { once: true });
  try {
    while (!signal.aborted) {
      const term = wanted;
      if (term === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      running = new AbortController();
      await work(term, running.signal);
      running = undefined;
      // It has ended by itself: there is no second try in a term.
      while (wanted === term && !signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    forget();
    signal.removeEventListener("abort", changed);
  }
}
