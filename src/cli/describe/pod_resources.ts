import type { Pod } from "../../kinds/core/pod.ts";
import type { Observed } from "../../kinds/kind.ts";
import { addQuantities, compareQuantities, milliValue, parseQuantity, type Quantity } from "../../kinds/quantity.ts";

/** What all containers of a pod together ask for, or at most get; an init container counts where it alone asks for more. */
export function podAmount({ spec }: Observed<Pod>, resource: string, kind: "requests" | "limits"): Quantity {
  const of = (container: {
    readonly resources?: { readonly [K in typeof kind]?: Readonly<Record<string, string>> | undefined } | undefined;
  }) => parseQuantity(container.resources?.[kind]?.[resource] ?? "0");
  const together = sumOf(spec.containers.map(of));
  return (spec.initContainers ?? [])
    .map(of)
    .reduce((most, one) => (compareQuantities(one, most) > 0 ? one : most), together);
}

export function sumOf(quantities: readonly Quantity[]): Quantity {
  return quantities.reduce((sum, one) => addQuantities(sum, one), parseQuantity("0"));
}

/** Whole percent of `all`; 0 where there is none. */
export function percentOf(part: Quantity, all: Quantity): number {
  const whole = milliValue(all);
  return whole > 0 ? Math.trunc((milliValue(part) / whole) * 100) : 0;
}
