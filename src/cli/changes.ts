import type { AnyKind } from "../kinds/kind.ts";
import { query, resourcePath } from "./api_connection.ts";
import type { Cli } from "./cli.ts";
import { ExitWith, failureText, UsageError } from "./failure.ts";
import type { DryRun } from "./flags.ts";
import { type AnyObject, anyObject } from "./object.ts";
import { printChange } from "./output.ts";
import { type ChosenObject, chosenObjects, type SelectionFlags } from "./selection.ts";

export interface ChangeFlags extends SelectionFlags {
  readonly output?: string | undefined;
  readonly dryRun?: DryRun | undefined;
  readonly local?: boolean;
}

/** What to do to one object. */
export interface Change {
  readonly contentType:
    | "application/strategic-merge-patch+json"
    | "application/merge-patch+json"
    | "application/json-patch+json";
  /** Undefined: nothing to change, and only `word` is told. */
  readonly patch: unknown;
  readonly word: string;
  /** Lines to print before. */
  readonly notes?: readonly string[];
}

/** "deployment/web app=front tier-" as targets and the words that say what to change, which hold "=" or end in "-". */
export function splitChanges(args: readonly string[]): { targets: string[]; changes: string[] } {
  const first = args.findIndex((arg, at) => at > 0 && (arg.includes("=") || arg.endsWith("-")));
  const start = first < 0 ? args.length : first;
  const changes = args.slice(start);
  const stray = changes.find((arg) => !arg.includes("=") && !arg.endsWith("-"));
  if (stray !== undefined) throw new UsageError(`all resources must be specified before the changes: "${stray}"`);
  return { targets: args.slice(0, start), changes };
}

/** Reads each chosen object, asks for the change, sends it and tells what was done; failures are told and counted. */
export async function changeEach(
  cli: Cli,
  targets: readonly string[],
  verb: string,
  flags: ChangeFlags,
  fieldManager: string,
  change: (object: AnyObject, kind: AnyKind) => Change,
): Promise<void> {
  let failed = false;
  const chosen: readonly ChosenObject[] = await chosenObjects(cli, targets, verb, flags);
  const { api } = await cli.session();
  const { dryRun = "none", output } = flags;
  for (const { kind, namespace, name } of chosen) {
    const path = resourcePath(kind, namespace, name);
    try {
      const object = anyObject(await api.json({ method: "GET", path }));
      const { patch, contentType, word, notes = [] } = change(object, kind);
      const changed =
        patch === undefined || dryRun === "client"
          ? object
          : anyObject(
              await api.json({
                method: "PATCH",
                path,
                query: query({ fieldManager, dryRun: dryRun === "server" ? "All" : undefined }),
                contentType,
                body: patch,
              }),
            );
      for (const note of notes) await cli.print(note);
      await printChange(cli, changed, word, { output, dryRun });
    } catch (error) {
      if (error instanceof UsageError) throw error;
      failed = true;
      await cli.warn(failureText(error));
    }
  }
  if (failed) throw new ExitWith(1);
}
