import { type AnyKind, apiVersionOf } from "../../kinds/kind.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { type ApiGroup, groupsOf, subresourcesOf, verbsOf } from "./api_resources.ts";
import { notAcceptable, parseAccept } from "./negotiate.ts";
import { jsonAnswer, pathNotFound } from "./respond.ts";

type Aggregated = "v2" | "v2beta1";

/** The form that the client asked for first among those that it takes; plain JSON is the legacy one. */
function aggregatedForm(accept: string | null): Aggregated | "legacy" {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== "application/json" && type !== "*/*" && type !== "application/*") continue;
    const { as, g, v } = parameters;
    if (as === undefined) return "legacy";
    if (as === "APIGroupDiscoveryList" && g === "apidiscovery.k8s.io" && (v === "v2" || v === "v2beta1")) return v;
  }
  throw notAcceptable(["application/json"]);
}

/**
 * What the server offers: aggregated (kubectl 1.30 asks for v2, older ones for v2beta1 and break on v2) and legacy, which
 * drain, can-i and other clients still read.
 */
export class Discovery {
  readonly #groups: readonly ApiGroup[];

  constructor(kinds: KindRegistry) {
    this.#groups = groupsOf(kinds);
  }

  /** GET /api. `serverAddress`: as the client called us. */
  core(accept: string | null, serverAddress: string): Response {
    const form = aggregatedForm(accept);
    if (form !== "legacy") return this.#aggregated(form, (group) => group.name === "");
    const versions = this.#groups.find((group) => group.name === "")?.versions.map(({ version }) => version) ?? [];
    return jsonAnswer(200, {
      kind: "APIVersions",
      versions,
      serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress }],
    });
  }

  /** GET /apis. */
  groups(accept: string | null): Response {
    const form = aggregatedForm(accept);
    if (form !== "legacy") return this.#aggregated(form, (group) => group.name !== "");
    const groups = this.#groups.filter(({ name }) => name !== "").map(apiGroup);
    return jsonAnswer(200, { kind: "APIGroupList", apiVersion: "v1", groups });
  }

  /** GET /apis/GROUP. */
  group(name: string): Response {
    const group = this.#groups.find((one) => one.name === name && name !== "");
    if (!group) return pathNotFound();
    return jsonAnswer(200, { kind: "APIGroup", apiVersion: "v1", ...apiGroup(group) });
  }

  /** GET /api/v1 and /apis/GROUP/VERSION. */
  resources(groupName: string, versionName: string): Response {
    const version = this.#groups
      .find((one) => one.name === groupName)
      ?.versions.find((one) => one.version === versionName);
    if (!version) return pathNotFound();
    return jsonAnswer(200, {
      kind: "APIResourceList",
      apiVersion: "v1",
      groupVersion: apiVersionOf(groupName, versionName),
      resources: version.kinds.flatMap(legacyResources),
    });
  }

  /** The version's kinds, or undefined when it is not served. */
  kindsOf(groupName: string, versionName: string): readonly AnyKind[] | undefined {
    return this.#groups.find((one) => one.name === groupName)?.versions.find((one) => one.version === versionName)
      ?.kinds;
  }

  groupVersions(): { readonly group: string; readonly version: string; readonly kinds: readonly AnyKind[] }[] {
    return this.#groups.flatMap(({ name, versions }) => versions.map((version) => ({ group: name, ...version })));
  }

  #aggregated(form: Aggregated, wanted: (group: ApiGroup) => boolean): Response {
    const items = this.#groups.filter(wanted).map(({ name, versions }) => ({
      metadata: name === "" ? { creationTimestamp: null } : { name, creationTimestamp: null },
      versions: versions.map(({ version, kinds }) => ({
        version,
        resources: kinds.map(aggregatedResource),
        freshness: "Current",
      })),
    }));
    return jsonAnswer(
      200,
      { kind: "APIGroupDiscoveryList", apiVersion: `apidiscovery.k8s.io/${form}`, metadata: {}, items },
      `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`,
    );
  }
}

function apiGroup({ name, versions }: ApiGroup) {
  const all = versions.map(({ version }) => ({ groupVersion: apiVersionOf(name, version), version }));
  return { name, versions: all, preferredVersion: all[0] };
}

function aggregatedResource(kind: AnyKind) {
  const { group, version } = kind;
  const subresources = subresourcesOf(kind).map((sub) => ({
    subresource: sub.name,
    responseKind: { group: sub.group, version: sub.version, kind: sub.kind },
    verbs: sub.verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: { group, version, kind: kind.kind },
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs: verbsOf(kind),
    ...(kind.shortNames ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories ? { categories: kind.categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}

function legacyResources(kind: AnyKind) {
  return [
    {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: verbsOf(kind),
      ...(kind.shortNames ? { shortNames: kind.shortNames } : {}),
      ...(kind.categories ? { categories: kind.categories } : {}),
    },
    ...subresourcesOf(kind).map((sub) => ({
      name: `${kind.plural}/${sub.name}`,
      singularName: "",
      namespaced: kind.namespaced,
      ...(sub.group === kind.group && sub.version === kind.version ? {} : { group: sub.group, version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ];
}
