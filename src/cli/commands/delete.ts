import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { sleep } from "../../env/clock.ts";
import { isNotFound, StatusError } from "../../kinds/status_error.ts";
import { query, resourcePath } from "../api_connection.ts";
import type { Cli } from "../cli.ts";
import { ExitWith, failureText, UsageError } from "../failure.ts";
import {
  allNamespacesOption,
  collect,
  dryRunOption,
  durationMs,
  fieldSelectorOption,
  kustomizeOption,
  selectorOption,
  wholeNumber,
} from "../flags.ts";
import { anyObject, isRecord, quotedName, shortName } from "../object.ts";
import { type ChosenObject, chosenObjects } from "../selection.ts";

type Cascade = "background" | "foreground" | "orphan";
const policies: Readonly<Record<Cascade, string>> = {
  background: "Background",
  foreground: "Foreground",
  orphan: "Orphan",
};

export function define(cli: Cli) {
  return new Command()
    .description("Delete objects by name, from files, by label, or all of a type")
    .argument("[target...]", "TYPE NAME... or TYPE/NAME...")
    .option("-f, --filename <file>", "objects named in a file, a folder, a URL or - (standard input)", collect)
    .option("-R, --recursive", "folders with all that is below them")
    .addOption(selectorOption)
    .addOption(fieldSelectorOption)
    .addOption(allNamespacesOption)
    .option("--all", "every object of the type in the namespace")
    .option("--force", "at once, without waiting for the containers to end; with --grace-period=0")
    .option("--grace-period <seconds>", "how long the containers may take to end (what the pod says)", wholeNumber, -1)
    .option("--now", "the same as --grace-period=1")
    .option("--ignore-not-found", "an absent object is no error")
    .addOption(
      new Option("--cascade [mode]", "what happens to what it owns: background, foreground or orphan (background)")
        .preset("background")
        .argParser((mode: string): Cascade => {
          if (mode === "background" || mode === "foreground" || mode === "orphan") return mode;
          throw new InvalidArgumentError("It must be background, foreground or orphan.");
        }),
    )
    .option("--no-wait", "do not wait until the objects are gone")
    .addOption(new Option("--wait").hideHelp())
    .option("--timeout <duration>", "how long to wait (for ever)", durationMs, 0)
    .addOption(new Option("-o, --output <format>", "name").choices(["name"]))
    .addOption(dryRunOption)
    .addOption(kustomizeOption)
    .addHelpText("after", "\nExample:\n  wherry delete deployment,service web")
    .action(async (args, flags) => {
      const { dryRun = "none", now, force } = flags;
      if (now === true && flags.gracePeriod !== -1)
        throw new UsageError("--now and --grace-period cannot be specified together");
      if (flags.gracePeriod === 0 && force !== true)
        throw new UsageError(
          "--grace-period=0 wants --force too: the containers may still run when the object is gone",
        );
      if (force === true && flags.gracePeriod > 0)
        throw new UsageError("--force and --grace-period greater than 0 cannot be specified together");
      const grace = now === true ? 1 : force === true ? 0 : flags.gracePeriod;
      if (force === true)
        await cli.warn(
          "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.",
        );
      const { api } = await cli.session();
      const chosen = await chosenObjects(cli, args, "delete", flags);
      if (chosen.length === 0) return cli.print("No resources found");
      let failed = false;
      const waited: { readonly target: ChosenObject; readonly uid: string }[] = [];
      for (const target of chosen) {
        const path = resourcePath(target.kind, target.namespace, target.name);
        try {
          let uid = "";
          if (dryRun === "client") await api.json({ method: "GET", path });
          else {
            const answer = anyObject(
              await api.json({
                method: "DELETE",
                path,
                query: query({ dryRun: dryRun === "server" ? "All" : undefined }),
                body: {
                  propagationPolicy: policies[flags.cascade ?? "background"],
                  ...(grace >= 0 ? { gracePeriodSeconds: grace } : {}),
                },
              }),
            );
            const details = answer.details;
            uid = String((isRecord(details) ? details.uid : answer.metadata?.uid) ?? "");
          }
          await tell(cli, target, flags.output, force === true, dryRun);
          waited.push({ target, uid });
        } catch (error) {
          if (
            isNotFound(error) &&
            (flags.ignoreNotFound === true || flags.all === true || flags.selector !== undefined)
          )
            continue;
          failed = true;
          await cli.warn(failureText(error, flags.filename === undefined ? "" : "error when deleting"));
        }
      }
      const waits = flags.wait !== false && dryRun === "none" && force !== true;
      if (waits) for (const { target, uid } of waited) await gone(cli, target, uid, flags.timeout);
      if (failed) throw new ExitWith(1);
    });
}

async function tell(
  cli: Cli,
  { kind, name, namespace }: ChosenObject,
  output: string | undefined,
  force: boolean,
  dryRun: string,
): Promise<void> {
  if (output === "name") return cli.print(shortName(kind, name));
  const suffix = dryRun === "client" ? " (dry run)" : dryRun === "server" ? " (server dry run)" : "";
  const from = namespace === undefined ? "" : ` from ${namespace} namespace`;
  return cli.print(`${quotedName(kind, name)} ${force ? "force deleted" : "deleted"}${from}${suffix}`);
}

/** Resolves when that very object (not one of the same name) is gone. Rejects after `timeoutMs`, 0: never. */
async function gone(cli: Cli, { kind, namespace, name }: ChosenObject, uid: string, timeoutMs: number): Promise<void> {
  const { api } = await cli.session();
  const { clock } = cli.env;
  const startedAt = clock.monotonicMs();
  for (let pause = 50; ; pause = Math.min(1000, pause * 1.5)) {
    try {
      const found = anyObject(await api.json({ method: "GET", path: resourcePath(kind, namespace, name) }));
      if (uid !== "" && found.metadata?.uid !== uid) return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!(error instanceof StatusError) || error.code < 500) throw error;
    }
    if (timeoutMs > 0 && clock.monotonicMs() - startedAt > timeoutMs)
      throw new Error(`timed out waiting for the condition on ${kind.plural}/${name}`);
    await sleep(clock, pause);
  }
}
