/** What a path under /api or /apis names, as Kubernetes reads it. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** Below the subresource: what pods/proxy passes on. */
  readonly rest: string;
  /** The deprecated /api/v1/watch/... form. */
  readonly watch: boolean;
}

/** Subresources of a Namespace; anything else after a namespace's name is a resource inside of it. */
const namespaceSubresources = new Set(["status", "finalize"]);

/** undefined: no resource path at all (discovery, an unknown path, a broken escape). */
export function parseResourcePath(pathname: string): ResourcePath | undefined {
  const segments: string[] = [];
  for (const segment of pathname.split("/")) {
    if (segment === "") continue;
    try {
      segments.push(segment.includes("%") ? decodeURIComponent(segment) : segment);
    } catch {
      return undefined;
    }
  }
  let group = "";
  const root = segments.shift();
  if (root === "apis") group = segments.shift() ?? "";
  else if (root !== "api") return undefined;
  const version = segments.shift();
  if (version === undefined || (root === "apis" && group === "")) return undefined;
  const watch = segments[0] === "watch";
  if (watch) segments.shift();

  let namespace: string | undefined;
  if (segments[0] === "namespaces" && segments.length > 2 && !namespaceSubresources.has(segments[2] ?? "")) {
    namespace = segments[1];
    segments.splice(0, 2);
  }
  const [plural, name, subresource, ...rest] = segments;
  if (plural === undefined) return undefined;
  return { group, version, plural, namespace, name, subresource, rest: rest.join("/"), watch };
}
