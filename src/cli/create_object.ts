import type { AnyKind } from "../kinds/kind.ts";
import { query, resourcePath } from "./api_connection.ts";
import type { Cli } from "./cli.ts";
import type { DryRun } from "./flags.ts";
import { type AnyObject, anyObject } from "./object.ts";
import { printChange } from "./output.ts";

export interface CreateFlags {
  readonly output?: string | undefined;
  readonly dryRun?: DryRun | undefined;
}

/** Parts that kubectl's typed objects always have, empty: what --dry-run=client -o yaml prints is like kubectl's then. */
const emptyParts: Readonly<Record<string, AnyObject>> = {
  Pod: { status: {} },
  Deployment: { status: {} },
  Namespace: { spec: {}, status: {} },
  Service: { status: { loadBalancer: {} } },
};

/** Sends a new object, or with --dry-run=client only shows it. `word`: "created", "exposed". */
export async function createObject(
  cli: Cli,
  kind: AnyKind,
  object: AnyObject,
  { output, dryRun = "none" }: CreateFlags,
  { word = "created", fieldManager = "kubectl-create", fieldValidation = "Strict", fromFile = false } = {},
): Promise<AnyObject> {
  const complete = (namespace: string | undefined): AnyObject => ({
    ...object,
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { ...object.metadata, ...(kind.namespaced && namespace !== undefined ? { namespace } : {}) },
  });
  if (dryRun === "client") {
    // No server is asked, and the namespace is written only where it was said.
    const whole = complete(object.metadata?.namespace ?? cli.flags.namespace);
    const shown = fromFile ? whole : { ...emptyParts[kind.kind], ...whole };
    await printChange(cli, shown, word, { output, dryRun });
    return shown;
  }
  const { api, namespace } = await cli.session();
  const where = object.metadata?.namespace ?? namespace;
  const created = anyObject(
    await api.json({
      method: "POST",
      path: resourcePath(kind, where),
      query: query({ fieldManager, fieldValidation, dryRun: dryRun === "server" ? "All" : undefined }),
      body: complete(where),
    }),
  );
  await printChange(cli, created, word, { output, dryRun });
  return created;
}
