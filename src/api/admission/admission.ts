import type { AnyKind } from "../../kinds/kind.ts";
import type { Compare } from "../../store/store.ts";
import type { Identity } from "../core.ts";
import type { ApiObject, StoredObject } from "../registry/object.ts";

/** What is about to happen to an object. */
export interface AdmissionRequest {
  readonly kind: AnyKind;
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly identity: Identity;
  readonly dryRun: boolean;
  /** Absent for DELETE. `mutate` may change it. */
  readonly object: ApiObject | undefined;
  /** Absent for CREATE. */
  readonly old: StoredObject | undefined;
  /**
   * What the decision rests on: compared in the transaction that writes the object. When one does not hold any more, admission
   * is asked again; so a plugin must give the same answer to an object that it has already changed.
   */
  readonly conditions: Compare[];
}

/** Both steps reject with StatusError to refuse the request. All `mutate` run before any `validate`. */
export interface AdmissionPlugin {
  readonly name: string;
  mutate?(request: AdmissionRequest): void | Promise<void>;
  validate?(request: AdmissionRequest): void | Promise<void>;
}

export async function mutate(plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Promise<void> {
  for (const plugin of plugins) await plugin.mutate?.(request);
}

export async function validate(plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Promise<void> {
  for (const plugin of plugins) await plugin.validate?.(request);
}
