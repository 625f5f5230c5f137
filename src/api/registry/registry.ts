import type { Clock } from "../../env/clock.ts";
import type { Log } from "../../env/log.ts";
import type { Random } from "../../env/random.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import type { Compare, Operation } from "../../store/store.ts";
import type { AdmissionPlugin } from "../admission/admission.ts";
import type { Authorizer } from "../authorization.ts";
import type { Identity } from "../core.ts";
import type { Expiry } from "./expiry.ts";
import type { LeaseRenewals } from "./lease_renewals.ts";
import type { ApiObject, StoredObject } from "./object.ts";
import type { ObjectStorage } from "./object_storage.ts";
import type { WatchHub } from "./watch_hub.ts";

/** What every verb works with. */
export interface Registry {
  readonly storage: ObjectStorage;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly authorizer: Authorizer;
  readonly admission: readonly AdmissionPlugin[];
  readonly hub: WatchHub;
  readonly expiry: Expiry;
  readonly renewals: LeaseRenewals;
  /** By "PLURAL.GROUP"; "services." for the core group. */
  readonly claims: ReadonlyMap<string, Claims>;
}

/** What an object holds exclusively, in keys of its own. */
export interface Claims {
  /**
   * Chooses what the object leaves open (in place) and says what must be compared and written with it.
   * Throws StatusError 422 when what it asks for is taken. `object` absent: the object goes.
   */
  plan(object: ApiObject | undefined, old: StoredObject | undefined): Promise<ClaimPlan>;
}

export interface ClaimPlan {
  readonly compare: readonly Compare[];
  readonly also: readonly Operation[];
}

/** The object that a request is about, its kind found and its caller authorized. */
export interface Subject {
  readonly kind: AnyKind;
  readonly namespace: string | undefined;
  readonly identity: Identity;
}

export function claimsOf(registry: Registry, kind: AnyKind): Claims | undefined {
  return registry.claims.get(`${kind.plural}.${kind.group}`);
}
