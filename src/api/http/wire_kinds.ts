import { Scale } from "../../kinds/autoscaling/scale.ts";
import { DeleteOptions, Status } from "../../kinds/meta.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import type { Message } from "../../kinds/schema.ts";

/** Messages that travel in bodies although nothing is stored under their name. */
const passing: Readonly<Record<string, Message>> = { "autoscaling/v1/Scale": Scale, "v1/Status": Status };

/** The schema of what a body calls itself; DeleteOptions is registered in every group. */
export function schemaOf(kinds: KindRegistry, apiVersion: string, kind: string): Message | undefined {
  if (kind === "DeleteOptions") return DeleteOptions;
  return kinds.byKind(apiVersion, kind)?.schema ?? passing[`${apiVersion}/${kind}`];
}
