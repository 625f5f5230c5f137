import type { AnyKind } from "../../kinds/kind.ts";
import type { ApiConnection } from "../api_connection.ts";

/** One object's story: lines whose cells are separated by tabs. Rejects with StatusError. */
export type Describer = (subject: Subject) => Promise<string[]>;

export interface Subject {
  readonly api: ApiConnection;
  readonly kind: AnyKind;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly nowMs: number;
}
