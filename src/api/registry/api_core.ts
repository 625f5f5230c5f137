import type { Clock } from "../../env/clock.ts";
import { describeError, type Log } from "../../env/log.ts";
import type { Random } from "../../env/random.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { badRequest, StatusError } from "../../kinds/status_error.ts";
import { type Store, StoreError } from "../../store/store.ts";
import type { AdmissionPlugin } from "../admission/admission.ts";
import { NamespaceLifecycle } from "../admission/namespace_lifecycle.ts";
import { ServiceAccountAdmission } from "../admission/service_account.ts";
import {
  type Attributes,
  type Authorizer,
  authorize,
  type Decision,
  forbidden,
  GroupAuthorizer,
} from "../authorization.ts";
import type { ApiCore, CoreEvent, CoreRequest, CoreResponse, CoreTarget, CoreWatchRequest, Identity } from "../core.ts";
import { Expiry } from "./expiry.ts";
import { LeaseRenewals } from "./lease_renewals.ts";
import { ObjectStorage } from "./object_storage.ts";
import type { Registry } from "./registry.ts";
import { ServiceClaims } from "./service_claims.ts";
import { StoredValueError } from "./stored_value.ts";
import { carryOut, methodNotAllowed, unknownResource } from "./verbs.ts";
import { expired, ObjectWatch, watchPlan } from "./watch.ts";
import { WatchHub } from "./watch_hub.ts";

export interface ApiCoreOptions {
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** "10.43.0.0/16": where virtual addresses of Services come from. */
  readonly serviceCidr: string;
  /** Both ends belong to it. */
  readonly nodePortRange: { readonly first: number; readonly last: number };
  /** Default: GroupAuthorizer. */
  readonly authorizer?: Authorizer;
  /** Whether the node, a server of the cluster, is connected to this one now. */
  readonly isServerReachable?: (nodeName: string) => boolean | undefined;
  /** Run after the built-in ones. */
  readonly admission?: readonly AdmissionPlugin[];
}

export interface RunningApiCore extends ApiCore {
  /** Ends every watch, so that clients connect to another server. */
  close(): void;
}

export function createApiCore(options: ApiCoreOptions): RunningApiCore {
  const { store, clock, random, log } = options;
  const storage = new ObjectStorage(store);
  const registry: Registry = {
    storage,
    kinds: options.kinds,
    clock,
    random,
    log,
    authorizer: options.authorizer ?? new GroupAuthorizer(),
    admission: [new NamespaceLifecycle(storage), new ServiceAccountAdmission(storage), ...(options.admission ?? [])],
    hub: new WatchHub(storage, log),
    expiry: new Expiry(store, clock),
    renewals: new LeaseRenewals(clock, (nodeName) => options.isServerReachable?.(nodeName) === true),
    claims: new Map([["services.", new ServiceClaims(store, random, options.serviceCidr, options.nodePortRange)]]),
  };
  return new Core(registry);
}

class Core implements RunningApiCore {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  async call(request: CoreRequest): Promise<CoreResponse> {
    try {
      const own = this.#registry;
      const registry = request.term === undefined ? own : { ...own, storage: own.storage.fenced(request.term) };
      const kind = kindOf(registry, request);
      await authorize(registry.authorizer, attributesOf(request, request.verb));
      return await carryOut(registry, { kind, namespace: request.namespace, identity: request.identity }, request);
    } catch (error) {
      throw this.#statusOf(error, request);
    }
  }

  /** Throws what can be known at once when it is called, and the rest from the iteration. */
  watch(request: CoreWatchRequest, signal: AbortSignal): AsyncIterable<CoreEvent> {
    const registry = this.#registry;
    try {
      const kind = kindOf(registry, request);
      if (kind.verbs && !kind.verbs.includes("watch")) throw methodNotAllowed();
      const attributes = attributesOf(request, "watch");
      const decision = registry.authorizer.decide(attributes);
      if (!(decision instanceof Promise) && !decision.allowed) throw forbidden(attributes, decision.reason ?? "");
      const subject = { kind, namespace: request.namespace, identity: request.identity };
      const named: Readonly<Record<string, string>> =
        request.name === undefined ? {} : { fieldSelector: `metadata.name=${request.name}` };
      const plan = watchPlan(subject, { ...request.query, ...named });
      const watch = new ObjectWatch(registry, subject, plan, signal);
      const allowed = decision instanceof Promise ? decision.then((late) => ({ attributes, late })) : undefined;
      return new GuardedWatch(watch, allowed, (error) => this.#statusOf(error, request));
    } catch (error) {
      throw this.#statusOf(error, request);
    }
  }

  close(): void {
    this.#registry.hub.close();
  }

  #statusOf(error: unknown, request: CoreTarget): StatusError {
    if (error instanceof StatusError) return error;
    if (error instanceof StoreError) return storeStatus(error);
    const { resource, namespace, name } = request;
    this.#registry.log.error("request failed by a fault of the server", {
      resource: `${resource.group}/${resource.plural}`,
      namespace,
      name,
      error: describeError(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    const text = error instanceof StoredValueError ? error.message : `Internal error occurred: ${describeError(error)}`;
    return new StatusError(500, "InternalError", text, { causes: [{ message: describeError(error) }] }, error);
  }
}

function storeStatus(error: StoreError): StatusError {
  switch (error.code) {
    case "Compacted":
      return expired(
        "The provided continue parameter or resourceVersion is too old to display a consistent list result. You must start a new list without it.",
        error,
      );
    case "FutureRevision":
      return new StatusError(504, "Timeout", error.message, { retryAfterSeconds: 1 }, error);
    case "TooLarge":
      return new StatusError(413, "RequestEntityTooLarge", error.message, undefined, error);
    case "Unavailable":
      return new StatusError(503, "ServiceUnavailable", error.message, { retryAfterSeconds: 1 }, error);
    default:
      return new StatusError(500, "InternalError", `Internal error occurred: ${error.message}`, undefined, error);
  }
}

function kindOf(registry: Registry, { resource, namespace, name, subresource }: CoreTarget): AnyKind {
  const kind = registry.kinds.byResource(resource.group, resource.version, resource.plural);
  if (kind === undefined || (!kind.namespaced && namespace !== undefined)) throw unknownResource();
  if (subresource !== undefined && name === undefined) throw unknownResource();
  if (kind.namespaced && namespace === undefined && name !== undefined)
    throw badRequest("an empty namespace may not be set when a resource name is provided");
  return kind;
}

function attributesOf(request: CoreTarget & { readonly identity: Identity }, verb: string) {
  const { identity, resource, subresource, namespace, name } = request;
  return { identity, verb, group: resource.group, resource: resource.plural, subresource, namespace, name };
}

/** A watch that begins when its caller turns out to be allowed, and throws nothing but StatusError. */
class GuardedWatch implements AsyncIterableIterator<CoreEvent> {
  readonly #watch: ObjectWatch;
  readonly #statusOf: (error: unknown) => StatusError;
  #allowed: Promise<{ readonly attributes: Attributes; readonly late: Decision }> | undefined;

  constructor(
    watch: ObjectWatch,
    allowed: Promise<{ readonly attributes: Attributes; readonly late: Decision }> | undefined,
    statusOf: (error: unknown) => StatusError,
  ) {
    this.#watch = watch;
    this.#allowed = allowed;
    this.#statusOf = statusOf;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<CoreEvent, undefined>> {
    try {
      if (this.#allowed) {
        const { attributes, late } = await this.#allowed;
        if (!late.allowed) throw forbidden(attributes, late.reason ?? "");
        this.#allowed = undefined;
      }
      return await this.#watch.next();
    } catch (error) {
      throw this.#statusOf(error);
    }
  }

  return(): Promise<IteratorResult<CoreEvent, undefined>> {
    return this.#watch.return();
  }
}
