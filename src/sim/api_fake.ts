import type { ApiCall, ResourceRef, Transport, TransportEvent, WatchCall } from "../client/transport.ts";
import { type Clock, rfc3339 } from "../env/clock.ts";
import { nameSuffix, type Random, uuid } from "../env/random.ts";
import { allKinds } from "../kinds/all.ts";
import type { AnyKind, Kind, KubeObject, Observed } from "../kinds/kind.ts";
import type { ObjectMeta } from "../kinds/meta.ts";
import { alreadyExists, badRequest, conflict, notFound, StatusError } from "../kinds/status_error.ts";

/** A stored object, its kind forgotten. */
interface Stored {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

interface Change {
  readonly version: number;
  readonly resource: string;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: Stored;
}

/**
 * A small API in memory, for tests of clients: create, get, list, update, status, merge patch, delete with finalizers and grace,
 * deletecollection, binding, watch. No defaults, no validation, no admission: those are the real registry's.
 */
export class FakeApi implements Transport {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #objects = new Map<string, Map<string, Stored>>();
  #history: Change[] = [];
  #oldest = 0;
  #version = 1;
  readonly #wakers = new Set<() => void>();
  #watchEpoch = 0;
  /** Every call, as "verb plural[/subresource] key". */
  readonly calls: string[] = [];
  /** Throws to make a call fail. */
  intercept: ((call: ApiCall) => void) | undefined;
  /** Called after each change, when caches do not know it yet. */
  afterCommit: (() => void) | undefined;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A fault: running watches end. */
  dropWatches(): void {
    this.#watchEpoch++;
    this.#wake();
  }

  /** A fault: the history is forgotten, so that a watch from an old version fails with 410. */
  compact(): void {
    this.#history = [];
    this.#oldest = this.#version;
  }

  async send(call: ApiCall): Promise<unknown> {
    await Promise.resolve();
    const sub = call.subresource === undefined ? "" : `/${call.subresource}`;
    this.calls.push(`${call.verb} ${call.resource.plural}${sub} ${keyIn(call.namespace, call.name)}`);
    this.intercept?.(call);
    switch (call.verb) {
      case "get":
        return this.#find(call);
      case "list":
        return this.#list(call);
      case "create":
        return call.subresource === "binding" ? this.#bind(call) : this.#create(call);
      case "update":
        return this.#update(call, this.#find(call), bodyOf(call));
      case "patch": {
        if (call.patchType === "application/json-patch+json") throw badRequest("The fake knows merge patches only");
        const old = this.#find(call);
        const body =
          call.subresource === "scale" ? { spec: { replicas: scaleOf(call.body) } } : (call.body as JsonObject);
        const merged = mergePatch(old as unknown as JsonObject, body);
        return this.#update(
          { ...call, subresource: call.subresource === "scale" ? undefined : call.subresource },
          old,
          merged as unknown as Stored,
        );
      }
      case "delete":
        return this.#delete(call, this.#find(call), call.body);
      case "deletecollection":
        for (const object of this.#select(call)) this.#delete(call, object, call.body);
        return { apiVersion: "v1", kind: "Status", status: "Success" };
    }
  }

  async *watch(call: WatchCall, signal: AbortSignal): AsyncIterable<TransportEvent> {
    const epoch = this.#watchEpoch;
    const resource = resourceKey(call.resource);
    let version = Number(call.query?.resourceVersion ?? this.#version);
    while (!signal.aborted && epoch === this.#watchEpoch) {
      if (version < this.#oldest)
        throw new StatusError(410, "Expired", `too old resource version: ${version} (${this.#oldest})`);
      // Versions follow each other without gaps.
      const first = this.#history[0]?.version ?? 0;
      const due = this.#history.slice(Math.max(0, version - first + 1));
      for (const change of due) {
        version = change.version;
        if (change.resource !== resource || !matchesCall(change.object, call)) continue;
        yield { type: change.type, object: change.object };
        if (signal.aborted) return;
      }
      if (due.length > 0) continue;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#wakers.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#wakers.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }

  /** What is stored of a kind now, by key. */
  stored<T extends KubeObject>(kind: Kind<T>): Observed<T>[] {
    // Sound: under a kind's resource stand only objects that were created as that kind.
    return [...this.#table(kind).values()] as unknown as Observed<T>[];
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  #table(resource: ResourceRef): Map<string, Stored> {
    const key = resourceKey(resource);
    let table = this.#objects.get(key);
    if (table === undefined) {
      table = new Map();
      this.#objects.set(key, table);
    }
    return table;
  }

  #find(call: ApiCall): Stored {
    const object = this.#table(call.resource).get(keyIn(call.namespace, call.name));
    if (object === undefined) throw notFound(call.resource, call.name ?? "");
    return object;
  }

  #select(call: ApiCall | WatchCall): Stored[] {
    const table = this.#table(call.resource);
    return [...table.keys()]
      .sort()
      .flatMap((key) => table.get(key) ?? [])
      .filter((object) => matchesCall(object, call));
  }

  #list(call: ApiCall): unknown {
    return { metadata: { resourceVersion: String(this.#version) }, items: this.#select(call) };
  }

  #create(call: ApiCall): Stored {
    const body = bodyOf(call);
    const kind = kindOf(call.resource);
    const name = body.metadata?.name || `${body.metadata?.generateName ?? ""}${nameSuffix(this.#random)}`;
    const key = keyIn(call.namespace, name);
    if (this.#table(call.resource).has(key)) throw alreadyExists(call.resource, name);
    const object: Stored = {
      ...structuredClone(body),
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      metadata: {
        ...body.metadata,
        name,
        ...(call.namespace === undefined ? {} : { namespace: call.namespace }),
        uid: uuid(this.#random),
        creationTimestamp: rfc3339(this.#clock.now()),
        ...(kind.generation ? { generation: 1 } : {}),
        resourceVersion: "",
      },
      ...(kind.status ? { spec: body.spec ?? {}, status: body.status ?? {} } : {}),
    };
    return this.#commit(call.resource, "ADDED", object);
  }

  #update(call: ApiCall, old: Stored, body: Stored): Stored {
    const kind = kindOf(call.resource);
    const name = old.metadata.name;
    const { resourceVersion } = body.metadata;
    if (resourceVersion && resourceVersion !== old.metadata.resourceVersion)
      throw conflict(
        call.resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
      );
    if (body.metadata.uid && body.metadata.uid !== old.metadata.uid)
      throw conflict(call.resource, name, `Precondition failed: UID in precondition: ${body.metadata.uid}`);
    const next: Stored =
      call.subresource === "status"
        ? { ...old, status: structuredClone(body.status ?? {}) }
        : { ...structuredClone(body), ...(kind.status ? { status: old.status ?? {} } : {}) };
    const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } = old.metadata;
    next.metadata = {
      ...(call.subresource === "status" ? old.metadata : next.metadata),
      name,
      uid,
      creationTimestamp,
      ...(deletionTimestamp ? { deletionTimestamp, deletionGracePeriodSeconds } : {}),
      ...(generation === undefined ? {} : { generation }),
      resourceVersion: old.metadata.resourceVersion,
    };
    if (Bun.deepEquals(next, old)) return old;
    if (generation !== undefined && !Bun.deepEquals(next.spec, old.spec)) next.metadata.generation = generation + 1;
    if (next.metadata.deletionTimestamp && !next.metadata.finalizers?.length && isDone(next))
      return this.#remove(call.resource, next);
    return this.#commit(call.resource, "MODIFIED", next);
  }

  #delete(call: ApiCall, old: Stored, options: unknown): Stored {
    // Sound: tests of the project's own client send DeleteOptions.
    const { gracePeriodSeconds, propagationPolicy, preconditions } = (options ?? {}) as {
      readonly gracePeriodSeconds?: number;
      readonly propagationPolicy?: string;
      readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
    };
    if (preconditions?.uid && preconditions.uid !== old.metadata.uid)
      throw conflict(
        call.resource,
        old.metadata.name,
        `Precondition failed: UID in precondition: ${preconditions.uid}`,
      );
    const scheduled = old.kind === "Pod" && old.spec?.nodeName !== undefined;
    const grace = scheduled ? (gracePeriodSeconds ?? Number(old.spec?.terminationGracePeriodSeconds ?? 30)) : 0;
    const finalizers = [...(old.metadata.finalizers ?? [])];
    if (propagationPolicy === "Foreground" && !finalizers.includes("foregroundDeletion"))
      finalizers.push("foregroundDeletion");
    if (propagationPolicy === "Orphan" && !finalizers.includes("orphan")) finalizers.push("orphan");
    if (old.kind === "Namespace" && !finalizers.includes("kubernetes")) finalizers.push("kubernetes");
    if (grace === 0 && finalizers.length === 0) return this.#remove(call.resource, old);
    if (old.metadata.deletionTimestamp) return old;
    const next: Stored = {
      ...old,
      metadata: {
        ...old.metadata,
        ...(finalizers.length > 0 ? { finalizers } : {}),
        deletionTimestamp: rfc3339(this.#clock.now() + grace * 1000),
        deletionGracePeriodSeconds: grace,
      },
      ...(old.kind === "Namespace" ? { status: { ...old.status, phase: "Terminating" } } : {}),
    };
    return this.#commit(call.resource, "MODIFIED", next);
  }

  #bind(call: ApiCall): unknown {
    const old = this.#find(call);
    if (old.spec?.nodeName)
      throw conflict(
        call.resource,
        old.metadata.name,
        `pod ${old.metadata.name} is already assigned to node "${old.spec.nodeName}"`,
      );
    const body = bodyOf(call) as unknown as { readonly target: { readonly name: string } };
    const conditions = [{ type: "PodScheduled", status: "True", lastTransitionTime: rfc3339(this.#clock.now()) }];
    const spec = { ...old.spec, nodeName: body.target.name };
    this.#commit(call.resource, "MODIFIED", { ...old, spec, status: { ...old.status, conditions } });
    return { apiVersion: "v1", kind: "Status", status: "Success" };
  }

  #commit(resource: ResourceRef, type: "ADDED" | "MODIFIED" | "DELETED", object: Stored): Stored {
    const version = ++this.#version;
    const stored = freeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
    const key = keyIn(stored.metadata.namespace, stored.metadata.name);
    if (type === "DELETED") this.#table(resource).delete(key);
    else this.#table(resource).set(key, stored);
    this.#history.push({ version, resource: resourceKey(resource), type, object: stored });
    this.#wake();
    this.afterCommit?.();
    return stored;
  }

  #remove(resource: ResourceRef, object: Stored): Stored {
    return this.#commit(resource, "DELETED", object);
  }
}

type JsonObject = { [key: string]: unknown };

/** A pod that a node runs leaves only when the kubelet deletes it with grace 0; all else when its finalizers are gone. */
function isDone(object: Stored): boolean {
  return object.kind !== "Pod" || object.spec?.nodeName === undefined;
}

function bodyOf(call: ApiCall): Stored {
  // Sound: tests of the project's own client send objects.
  return call.body as Stored;
}

function scaleOf(body: unknown): unknown {
  return (body as { readonly spec?: { readonly replicas?: unknown } }).spec?.replicas;
}

function kindOf(resource: ResourceRef): AnyKind {
  const kind = allKinds.find((each) => resourceKey(each) === resourceKey(resource));
  if (kind === undefined) throw new StatusError(404, "NotFound", "the server could not find the requested resource");
  return kind;
}

function resourceKey({ group, version, plural }: ResourceRef): string {
  return `${group}/${version}/${plural}`;
}

function keyIn(namespace: string | undefined, name: string | undefined): string {
  return `${namespace ?? ""}/${name ?? ""}`;
}

function matchesCall(object: Stored, call: ApiCall | WatchCall): boolean {
  if (call.namespace !== undefined && object.metadata.namespace !== call.namespace) return false;
  for (const term of (call.query?.labelSelector ?? "").split(",")) {
    const [key, value] = term.split("=");
    if (key && object.metadata.labels?.[key] !== value) return false;
  }
  for (const term of (call.query?.fieldSelector ?? "").split(",")) {
    const [path, value] = term.split("=");
    if (!path) continue;
    const found = path.split(".").reduce<unknown>((at, key) => (at as JsonObject | undefined)?.[key], object);
    if (String(found ?? "") !== value) return false;
  }
  return true;
}

function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (typeof value === "object" && !Array.isArray(value))
      result[key] = mergePatch((result[key] ?? {}) as JsonObject, value as JsonObject);
    else result[key] = value;
  }
  return result;
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
