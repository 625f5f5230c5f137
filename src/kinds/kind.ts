import type { ObjectMeta } from "./meta.ts";
import type { DeepReadonly, Infer, Message } from "./schema.ts";
import type { FieldError } from "./status_error.ts";

/** What every stored object has. */
export interface KubeObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata?: ObjectMeta | undefined;
}

type Present<T, Key extends string> = Key extends keyof T ? { [K in Key]: NonNullable<T[Key]> } : unknown;

/**
 * An object as the API server returns it: identity filled in, and `spec` and `status` present (at least as {}) where the
 * kind has them. `creationTimestamp` is RFC 3339.
 */
export type Live<T> = Omit<T, "metadata" | "spec" | "status" | "apiVersion" | "kind"> & {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string; creationTimestamp: string };
} & Present<T, "spec"> &
  Present<T, "status">;

/** A live object that is shared with others (out of a cache, or in-process from the API): read it, never change it. */
export type Observed<T> = DeepReadonly<Live<T>>;

/** The opposite of DeepReadonly: `Editable<Observed<Pod>>` may be changed, and handed in wherever a Pod is wanted. */
export type Editable<T> = T extends readonly (infer Item)[]
  ? Editable<Item>[]
  : T extends object
    ? { -readonly [K in keyof T]: Editable<T[K]> }
    : T;

/** A copy that may be changed, of an object that may not. */
export function editable<T>(object: T): Editable<T> {
  // Sound: the copy is nobody else's.
  return structuredClone(object) as Editable<T>;
}

/** One column of `kubectl get`. */
export interface Column<T> {
  /** As kubectl shows it before upper-casing: "Ready", "Cluster-IP". */
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly format?: "name";
  /** 1: only with -o wide. */
  readonly priority?: 0 | 1;
  readonly description: string;
  /** `nowMs` (milliseconds since the epoch) for ages. */
  cell(object: Observed<T>, nowMs: number): string | number;
}

/** A subresource that has a life of its own; status and scale are declared by `status` and `scale`. */
export interface Subresource {
  readonly name: string;
  /** GVK of what is sent or returned. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

export interface ValidationContext<T> {
  /** Absent on create. */
  readonly old?: Observed<T>;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * Everything about one kind, in one place. From it come routes, discovery, OpenAPI v3, type checks, defaults, Table
 * columns, protobuf decoding, patches, selectors and the names that clients and the command line use.
 *
 * Callbacks are written as methods, so that a `Kind<Pod>` is also an `AnyKind`: registries hold kinds whose object type
 * is forgotten. That is sound because an object reaches a callback only after it was checked against `schema`.
 */
export interface KindDefinition<T extends KubeObject> {
  /** "" is the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames?: readonly string[];
  /** "all" puts it into `kubectl get all`. */
  readonly categories?: readonly string[];
  readonly namespaced: boolean;
  readonly schema: Message;
  /** Has a status subresource: writes to the main resource ignore status, writes to /status ignore all else. */
  readonly status?: boolean;
  /** metadata.generation: 1 at creation, one more with each change of spec. */
  readonly generation?: boolean;
  readonly scale?: ScaleAccess<T>;
  readonly subresources?: readonly Subresource[];
  /** What the published API offers, where it is not all: a Binding can only be created. */
  readonly verbs?: readonly string[];
  /** Where metadata.name is checked: default "subdomain" (RFC 1123). */
  readonly nameRule?: "subdomain" | "label" | "label1035" | "path";
  /** Objects vanish this long after their last write (events). Seconds. */
  readonly timeToLiveSeconds?: number;
  readonly columns: readonly Column<T>[];
  /** Field selectors beyond metadata.name and metadata.namespace. */
  readonly selectableFields?: Readonly<Record<string, FieldGetter<T>>>;
  /** Seconds that DELETE gives when the caller does not say; 0 or absent: at once. */
  gracePeriodSeconds?(object: Observed<T>): number;
  /** Fills absent fields in place, as Kubernetes does; called on create, update and patch, after decoding. */
  defaults?(object: T): void;
  /** Called before validation, in place: clears what users may not set, keeps what they may not change. */
  prepareForCreate?(object: T): void;
  prepareForUpdate?(object: T, old: Observed<T>): void;
  /** Beyond types and metadata, which are checked for every kind. On update `context.old` is set. */
  validate?(object: T, context: ValidationContext<T>): FieldError[];
  /** For /status writes. */
  validateStatus?(object: T, context: ValidationContext<T>): FieldError[];
  warnings?(object: T): string[];
}

/** The verbs of a subresource that passes any HTTP method through. */
export const connectVerbs: readonly string[] = ["create", "delete", "get", "patch", "update"];

interface ScaleAccess<T> {
  replicas(object: Observed<T>): number;
  statusReplicas(object: Observed<T>): number;
  /** The serialised label selector, for autoscalers. */
  selector(object: Observed<T>): string;
  setReplicas(object: T, replicas: number): void;
}

export type FieldGetter<T> = { get(object: Observed<T>): string }["get"];

export interface Kind<T extends KubeObject = KubeObject> extends KindDefinition<T> {
  /** "v1" or "apps/v1". */
  readonly apiVersion: string;
}

export type AnyKind = Kind<KubeObject>;

/** The object type of a kind: `ObjectOf<typeof podKind>`. */
export type ObjectOf<K> = K extends Kind<infer T> ? T : never;

export function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

export function defineKind<Schema extends Message>(
  definition: KindDefinition<Infer<Schema>> & { readonly schema: Schema },
): Kind<Infer<Schema>> {
  return { ...definition, apiVersion: apiVersionOf(definition.group, definition.version) };
}
