import type { KubeObject, Observed } from "../kinds/kind.ts";

/** What every object from the API has, whatever its kind. */
export type AnyObserved = Observed<KubeObject>;

/**
 * The same object, its kind forgotten. Sound: `Observed<T>` has these fields for every T; the compiler cannot see it while T is
 * still open.
 */
export function anyObserved<T extends KubeObject>(object: Observed<T>): AnyObserved {
  return object as AnyObserved;
}

/** "namespace/name", or "name" for what is cluster-scoped. */
export function keyOf(object: {
  readonly metadata: { readonly namespace?: string | undefined; readonly name: string };
}): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

export function splitKey(key: string): { readonly namespace: string | undefined; readonly name: string } {
  const slash = key.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
