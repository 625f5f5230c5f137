import type { Scale } from "../kinds/autoscaling/scale.ts";
import type { Kind, KubeObject, Observed } from "../kinds/kind.ts";
import type { DeleteOptions } from "../kinds/meta.ts";
import type { DeepReadonly } from "../kinds/schema.ts";
import { anyObserved } from "./object.ts";
import type { PatchType, Transport } from "./transport.ts";

/** `namespace` is absent for cluster-scoped kinds. */
export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface SelectOptions {
  /** Absent: every namespace. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends SelectOptions {
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan" | undefined;
}

export interface WatchOptions extends SelectOptions {
  readonly resourceVersion?: string | undefined;
  readonly allowWatchBookmarks?: boolean | undefined;
  readonly sendInitialEvents?: boolean | undefined;
  readonly timeoutSeconds?: number | undefined;
}

export interface ListResult<T extends KubeObject> {
  readonly items: readonly Observed<T>[];
  readonly resourceVersion: string;
  /** Hand it back to read on; absent at the end. */
  readonly continue?: string;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Observed<T> }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string; readonly initialEventsEnd: boolean };

const initialEventsEnd = "k8s.io/initial-events-end";

/**
 * The API in types. What a consumer may assume:
 * - Every method rejects with StatusError (or an error of the connection), never with anything half done.
 * - What is returned may be shared with others: read it, and use `editable()` for a copy to change.
 * - What is handed in as an object or patch belongs to the client from then on.
 * - Writes carry the resourceVersion that is in the object: a stale one is refused with 409 Conflict.
 *
 * Identity, and for parts that run only on the leader the term that each write is compared with, belong to the transport: wrap
 * it, and every write of every part that was given this client is covered.
 */
export class Client {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: ObjectName): Promise<Observed<T>> {
    return observed<T>(await this.#transport.send({ verb: "get", resource: kind, ...scope(kind, name) }));
  }

  async list<T extends KubeObject>(kind: Kind<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const { namespace, ...parameters } = options;
    const result = await this.#transport.send({
      verb: "list",
      resource: kind,
      namespace,
      query: query({ ...parameters }),
    });
    // Sound: the server answers a list with the kind's list type, checked against its schema.
    const list = result as {
      readonly items?: readonly Observed<T>[] | null;
      readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
    };
    const more = list.metadata?.continue;
    return {
      items: (list.items ?? []).map((item) => named(kind, item)),
      resourceVersion: list.metadata?.resourceVersion ?? "",
      ...(more ? { continue: more } : {}),
    };
  }

  /** All pages of a list, `pageSize` objects at a time. A continue token that expired fails with 410. */
  async listAll<T extends KubeObject>(
    kind: Kind<T>,
    options: SelectOptions = {},
    pageSize = 500,
  ): Promise<ListResult<T>> {
    const items: Observed<T>[] = [];
    let page: ListResult<T> = await this.list(kind, { ...options, limit: pageSize });
    items.push(...page.items);
    while (page.continue !== undefined) {
      page = await this.list(kind, { ...options, limit: pageSize, continue: page.continue });
      items.push(...page.items);
    }
    return { items, resourceVersion: page.resourceVersion };
  }

  /** The namespace is the object's. */
  async create<T extends KubeObject>(kind: Kind<T>, object: NoInfer<T>): Promise<Observed<T>> {
    const namespace = kind.namespaced ? object.metadata?.namespace : undefined;
    const body = { ...object, apiVersion: kind.apiVersion, kind: kind.kind };
    return observed<T>(await this.#transport.send({ verb: "create", resource: kind, namespace, body }));
  }

  update<T extends KubeObject>(kind: Kind<T>, object: NoInfer<T>): Promise<Observed<T>> {
    return this.#put(kind, object, undefined);
  }

  /** Changes nothing but status. */
  updateStatus<T extends KubeObject>(kind: Kind<T>, object: NoInfer<T>): Promise<Observed<T>> {
    return this.#put(kind, object, "status");
  }

  /** PUT to a subresource that takes the kind itself, like a namespace's finalize. */
  updateSubresource<T extends KubeObject>(
    kind: Kind<T>,
    subresource: string,
    object: NoInfer<T>,
  ): Promise<Observed<T>> {
    return this.#put(kind, object, subresource);
  }

  async #put<T extends KubeObject>(kind: Kind<T>, object: T, subresource: string | undefined): Promise<Observed<T>> {
    const name = object.metadata?.name ?? "";
    const body = { ...object, apiVersion: kind.apiVersion, kind: kind.kind };
    const where = scope(kind, { namespace: object.metadata?.namespace, name });
    return observed<T>(await this.#transport.send({ verb: "update", resource: kind, ...where, subresource, body }));
  }

  async patch<T extends KubeObject>(
    kind: Kind<T>,
    name: ObjectName,
    patchType: PatchType,
    body: unknown,
    options: { readonly subresource?: string; readonly query?: Readonly<Record<string, string>> } = {},
  ): Promise<Observed<T>> {
    return observed<T>(
      await this.#transport.send({
        verb: "patch",
        resource: kind,
        ...scope(kind, name),
        subresource: options.subresource,
        query: options.query,
        patchType,
        body,
      }),
    );
  }

  /** Resolves when the server has accepted; an object with finalizers or grace is still there then. */
  async delete<T extends KubeObject>(
    kind: Kind<T>,
    name: ObjectName,
    options: DeepReadonly<DeleteOptions> = {},
  ): Promise<void> {
    const body = { apiVersion: "v1", kind: "DeleteOptions", ...options };
    await this.#transport.send({ verb: "delete", resource: kind, ...scope(kind, name), body });
  }

  async deleteCollection<T extends KubeObject>(
    kind: Kind<T>,
    select: SelectOptions,
    options: DeepReadonly<DeleteOptions> = {},
  ): Promise<void> {
    const { namespace, ...parameters } = select;
    const body = { apiVersion: "v1", kind: "DeleteOptions", ...options };
    await this.#transport.send({
      verb: "deletecollection",
      resource: kind,
      namespace,
      query: query({ ...parameters }),
      body,
    });
  }

  /** Ends when the server or `signal` ends it. Throws StatusError 410 when the version is too old: list again. */
  async *watch<T extends KubeObject>(
    kind: Kind<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { namespace, ...parameters } = options;
    const call = { resource: kind, namespace, query: query({ ...parameters }) };
    for await (const event of this.#transport.watch(call, signal)) {
      // Sound: events of a watch carry objects of its kind; a BOOKMARK only their metadata.
      const object = event.object as Observed<T>;
      if (event.type === "BOOKMARK") {
        yield {
          type: "BOOKMARK",
          resourceVersion: anyObserved<T>(object).metadata.resourceVersion,
          initialEventsEnd: anyObserved<T>(object).metadata.annotations?.[initialEventsEnd] === "true",
        };
      } else yield { type: event.type, object };
    }
  }

  /** Assigns a pod to a node. 409 when it has one already. */
  async bind(
    pod: { readonly namespace: string; readonly name: string; readonly uid: string },
    nodeName: string,
  ): Promise<void> {
    await this.#transport.send({
      verb: "create",
      resource: { group: "", version: "v1", plural: "pods" },
      namespace: pod.namespace,
      name: pod.name,
      subresource: "binding",
      body: {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { namespace: pod.namespace, name: pod.name, uid: pod.uid },
        target: { apiVersion: "v1", kind: "Node", name: nodeName },
      },
    });
  }

  async getScale<T extends KubeObject>(kind: Kind<T>, name: ObjectName): Promise<DeepReadonly<Scale>> {
    // Sound: the scale subresource answers with a Scale.
    return (await this.#transport.send({
      verb: "get",
      resource: kind,
      ...scope(kind, name),
      subresource: "scale",
    })) as DeepReadonly<Scale>;
  }

  /** Sets the wanted number of replicas, whatever else was changed meanwhile. */
  async scale<T extends KubeObject>(kind: Kind<T>, name: ObjectName, replicas: number): Promise<void> {
    await this.#transport.send({
      verb: "patch",
      resource: kind,
      ...scope(kind, name),
      subresource: "scale",
      patchType: "application/merge-patch+json",
      body: { spec: { replicas } },
    });
  }
}

function scope(kind: { readonly namespaced: boolean }, { namespace, name }: ObjectName): ObjectName {
  return kind.namespaced ? { namespace, name } : { name };
}

/** Sound: a server answers with an object of the kind that was asked for, checked against its schema. */
function observed<T extends KubeObject>(object: unknown): Observed<T> {
  return object as Observed<T>;
}

/** Items of a list need not repeat what they are. */
function named<T extends KubeObject>(kind: Kind<T>, item: Observed<T>): Observed<T> {
  const { apiVersion, kind: kindName } = anyObserved<T>(item);
  if (apiVersion && kindName) return item;
  return { ...item, apiVersion: kind.apiVersion, kind: kind.kind };
}

function query(options: Readonly<Record<string, string | number | boolean | undefined>>): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== "") parameters[name] = String(value);
  }
  return parameters;
}
