import type { LabelSelector } from "./meta.ts";
import type { DeepReadonly } from "./schema.ts";

/** A LabelSelector object in the query language: "app=web,tier in (a,b),!canary". */
export function selectorString(selector: DeepReadonly<LabelSelector> | undefined): string {
  const terms = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    if (operator === "Exists") terms.push(key);
    else if (operator === "DoesNotExist") terms.push(`!${key}`);
    else terms.push(`${key} ${operator === "In" ? "in" : "notin"} (${[...values].sort().join(",")})`);
  }
  return terms.sort().join(",");
}
