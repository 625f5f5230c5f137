import type { Container } from "../../kinds/core/container.ts";
import { integerValue, milliValue, tryParseQuantity } from "../../kinds/quantity.ts";
import type { DeepReadonly } from "../../kinds/schema.ts";
import type { ObservedPod } from "../pod_state.ts";

/** Amounts by resource: thousandths of a processor for "cpu", whole units (bytes) for all else. */
export type Amounts = ReadonlyMap<string, number>;

export function amountsOf(quantities: Readonly<Record<string, string>> | undefined): Map<string, number> {
  const amounts = new Map<string, number>();
  for (const [name, text] of Object.entries(quantities ?? {})) {
    const quantity = tryParseQuantity(text);
    if (quantity !== undefined) amounts.set(name, name === "cpu" ? milliValue(quantity) : integerValue(quantity));
  }
  return amounts;
}

const known = new WeakMap<ObservedPod, Amounts>();

/**
 * What a pod needs of a node: the sum of its containers and sidecars, or what its most demanding init container needs beside
 * the sidecars started before it, whichever is more; and its overhead.
 */
export function podRequests(pod: ObservedPod): Amounts {
  const before = known.get(pod);
  if (before !== undefined) return before;
  const { containers, initContainers = [], overhead, resources } = pod.spec;
  const total = new Map<string, number>();
  for (const container of containers) add(total, requestsOf(container));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of initContainers) {
    const own = requestsOf(container);
    if (container.restartPolicy === "Always") {
      add(sidecars, own);
      atLeast(peak, sidecars);
    } else {
      const together = new Map(sidecars);
      add(together, own);
      atLeast(peak, together);
    }
  }
  add(total, sidecars);
  atLeast(total, peak);
  // Said for the pod as a whole, it stands above what its containers say.
  for (const [name, amount] of amountsOf(resources?.requests)) total.set(name, amount);
  add(total, amountsOf(overhead));
  known.set(pod, total);
  return total;
}

/** A limit without a request is the request, as the API's defaults have it. */
function requestsOf({ resources }: DeepReadonly<Container>): Amounts {
  return amountsOf({ ...resources?.limits, ...resources?.requests });
}

export function add(sum: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) sum.set(name, (sum.get(name) ?? 0) + amount);
}

function atLeast(sum: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) sum.set(name, Math.max(sum.get(name) ?? 0, amount));
}
