import type { AnyKind } from "../../kinds/kind.ts";
import type { KindRegistry } from "../../kinds/registry.ts";

/** One group with its versions, as discovery and OpenAPI walk them. */
export interface ApiGroup {
  readonly name: string;
  /** The preferred one first. */
  readonly versions: readonly { readonly version: string; readonly kinds: readonly AnyKind[] }[];
}

export const everyVerb: readonly string[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
const objectVerbs: readonly string[] = ["get", "patch", "update"];

export function verbsOf(kind: AnyKind): readonly string[] {
  return kind.verbs ?? everyVerb;
}

export interface ApiSubresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

export function subresourcesOf(kind: AnyKind): ApiSubresource[] {
  const { group, version } = kind;
  return [
    ...(kind.subresources ?? []),
    ...(kind.scale ? [{ name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs: objectVerbs }] : []),
    ...(kind.status ? [{ name: "status", group, version, kind: kind.kind, verbs: objectVerbs }] : []),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Core first, then by name, as they were registered inside. */
export function groupsOf(kinds: KindRegistry): ApiGroup[] {
  const groups = new Map<string, Map<string, AnyKind[]>>();
  for (const kind of kinds.kinds) {
    const versions = groups.get(kind.group) ?? new Map<string, AnyKind[]>();
    groups.set(kind.group, versions);
    versions.set(kind.version, [...(versions.get(kind.version) ?? []), kind]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, versions]) => ({
      name,
      versions: [...versions]
        .sort(([a], [b]) => compareVersions(b, a))
        .map(([version, of]) => ({ version, kinds: [...of].sort((a, b) => (a.plural < b.plural ? -1 : 1)) })),
    }));
}

/** Kubernetes' order of versions: v2 over v1 over v1beta2 over v1alpha1. Positive when `a` is preferred. */
function compareVersions(a: string, b: string): number {
  const rank = (text: string): readonly number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(text);
    if (!match) return [-1, 0, 0];
    return [match[2] === undefined ? 2 : match[2] === "beta" ? 1 : 0, Number(match[1]), Number(match[3] ?? 0)];
  };
  const [left, right] = [rank(a), rank(b)];
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
