import { Command, Option } from "@commander-js/extra-typings";
import { isConflict, isNotFound } from "../../kinds/status_error.ts";
import { query, resourcePath } from "../api_connection.ts";
import { lastApplied, lastAppliedAnnotation, withLastApplied } from "../apply/last_applied.ts";
import { threeWayPatch } from "../apply/three_way_patch.ts";
import type { Cli } from "../cli.ts";
import { ExitWith, failureText, UsageError } from "../failure.ts";
import { collect, type DryRun, dryRunOption, kustomizeOption, outputOption, validateOption } from "../flags.ts";
import { type Manifest, readManifests } from "../manifests.ts";
import { type AnyObject, anyObject } from "../object.ts";
import { printChange } from "../output.ts";

/** Somebody else changed the object between our reading and our patch: so often it is tried again. */
const attempts = 5;

export function define(cli: Cli) {
  return new Command()
    .description("Make the cluster as files say: create what is absent, change what differs")
    .argument("[nothing...]")
    .option("-f, --filename <file>", "a file, a folder, a URL or - (standard input)", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .option("--server-side", "let the server merge and remember who owns which field")
    .option("--force-conflicts", "with --server-side: take fields that others own")
    .addOption(new Option("--field-manager <name>", "who owns what is applied"))
    .addOption(validateOption)
    .addOption(kustomizeOption)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry apply -f web.yaml")
    .action(async (words, { filename, recursive, dryRun = "none", output, ...flags }) => {
      if (words.length > 0) throw new UsageError(`Unexpected args: [${words.join(" ")}]`);
      if (filename === undefined) throw new UsageError("wherry apply wants -f FILE (or - for standard input)");
      const { namespace } = await cli.session();
      const broken: unknown[] = [];
      const manifests = await readManifests(cli, filename, {
        recursive: recursive === true,
        namespace,
        onBroken: (error) => broken.push(error),
      });
      const how: How = { dryRun, manager: flags.fieldManager, fieldValidation: flags.validate ?? "Strict" };
      let failed = broken.length > 0;
      for (const manifest of manifests) {
        try {
          const { object, word } =
            flags.serverSide === true
              ? await applyOnServer(cli, manifest, how, flags.forceConflicts === true)
              : await applyHere(cli, manifest, how);
          await printChange(cli, object, word, { output, dryRun });
        } catch (error) {
          failed = true;
          const doing = error instanceof ApplyFailed ? error.doing : "";
          await cli.warn(failureText(error instanceof ApplyFailed ? error.cause : error, doing));
        }
      }
      for (const error of broken) await cli.warn(failureText(error));
      if (failed) throw new ExitWith(1);
    });
}

interface How {
  readonly dryRun: DryRun;
  readonly manager: string | undefined;
  readonly fieldValidation: string;
}

/** What was being done when it failed; kubectl puts it before the server's message. */
class ApplyFailed extends Error {
  readonly doing: string;

  constructor(doing: string, cause: unknown) {
    super(doing, { cause });
    this.doing = doing;
  }
}

interface Applied {
  readonly object: AnyObject;
  readonly word: string;
}

async function applyHere(
  cli: Cli,
  { kind, name, namespace, object, source }: Manifest,
  { dryRun, manager = "kubectl-client-side-apply", fieldValidation }: How,
): Promise<Applied> {
  if (name === "") throw new Error(`error when applying "${source}": cannot use generate name with apply`);
  const { api } = await cli.session();
  const modified = withLastApplied(object);
  const written = query({
    fieldManager: manager,
    fieldValidation,
    dryRun: dryRun === "server" ? "All" : undefined,
  });
  const path = resourcePath(kind, namespace, name);
  for (let attempt = 1; ; attempt++) {
    let current: AnyObject;
    try {
      current = anyObject(await api.json({ method: "GET", path }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if (dryRun === "client") return { object: modified, word: "created" };
      const created = await api
        .json({ method: "POST", path: resourcePath(kind, namespace), query: written, body: modified })
        .catch((cause: unknown) => {
          throw new ApplyFailed(`error when creating "${source}"`, cause);
        });
      return { object: anyObject(created), word: "created" };
    }
    const original = lastApplied(current);
    if (original === undefined)
      await cli.warn(
        `Warning: resource ${kind.plural}/${name} is missing the ${lastAppliedAnnotation} annotation which is required by wherry apply. wherry apply should only be used on resources created declaratively by wherry apply or kubectl apply. The missing annotation will be patched automatically.`,
      );
    const patch = threeWayPatch(original, modified, current, kind.schema);
    if (patch === undefined) return { object: current, word: "unchanged" };
    if (dryRun === "client") return { object: current, word: "configured" };
    try {
      const patched = await api.json({
        method: "PATCH",
        path,
        query: written,
        contentType: "application/strategic-merge-patch+json",
        body: patch,
      });
      return { object: anyObject(patched), word: "configured" };
    } catch (error) {
      if (!isConflict(error) || attempt >= attempts || object.metadata?.resourceVersion !== undefined) throw error;
    }
  }
}

async function applyOnServer(
  cli: Cli,
  { kind, name, namespace, object }: Manifest,
  { dryRun, manager = "kubectl", fieldValidation }: How,
  force: boolean,
): Promise<Applied> {
  if (dryRun === "client")
    throw new UsageError("--dry-run=client does not work with --server-side (did you mean --dry-run=server?)");
  const { api } = await cli.session();
  const applied = await api.json({
    method: "PATCH",
    path: resourcePath(kind, namespace, name),
    query: query({
      fieldManager: manager,
      fieldValidation,
      force,
      dryRun: dryRun === "server" ? "All" : undefined,
    }),
    contentType: "application/apply-patch+yaml",
    body: object,
  });
  return { object: anyObject(applied), word: "serverside-applied" };
}
