import { Command } from "@commander-js/extra-typings";
import type { Deployment } from "../../kinds/apps/deployment.ts";
import { deploymentKind } from "../../kinds/apps/deployment.ts";
import type { ReplicaSet } from "../../kinds/apps/replica_set.ts";
import type { Observed } from "../../kinds/kind.ts";
import { query, resourcePath } from "../api_connection.ts";
import { lastAppliedAnnotation } from "../apply/last_applied.ts";
import type { Cli } from "../cli.ts";
import { dryRunOption, outputOption, wholeNumber } from "../flags.ts";
import { anyObject } from "../object.ts";
import { printChange } from "../output.ts";
import { deploymentOf, revisionAnnotation, revisionsOf } from "../rollout.ts";
import { goJson } from "../serialise.ts";

/** Annotations that belong to the Deployment itself, not to one of its revisions. */
const deploymentsOwn = [
  lastAppliedAnnotation,
  revisionAnnotation,
  "deployment.kubernetes.io/revision-history",
  "deployment.kubernetes.io/desired-replicas",
  "deployment.kubernetes.io/max-replicas",
  "deprecated.deployment.rollback.to",
];

export function define(cli: Cli) {
  return new Command()
    .description("Go back to the revision before, or to one by its number")
    .argument("<target...>", "deployment NAME or deployment/NAME")
    .option("--to-revision <number>", "the revision (0: the one before)", wholeNumber, 0)
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry rollout undo deployment/web --to-revision=1")
    .action(async (args, { toRevision, output, dryRun = "none" }) => {
      const deployment = await deploymentOf(cli, args, "undo");
      const { name, namespace } = deployment.metadata;
      if (deployment.spec.paused === true)
        throw new Error(
          "cannot rollback a paused deployment; resume it first with 'wherry rollout resume' and try again",
        );
      const session = await cli.session();
      const revisions = await revisionsOf(session, deployment);
      if (revisions.length === 0) throw new Error(`no rollout history found for deployment "${name}"`);
      const target = toRevision === 0 ? revisions.at(-2) : revisions.find(({ number }) => number === toRevision);
      if (target === undefined)
        throw new Error(
          toRevision === 0
            ? `no rollout history found for deployment "${name}"`
            : `unable to find specified revision ${toRevision} in history`,
        );
      const template = templateOf(target.replicaSet);
      if (goJson(template) === goJson(deployment.spec.template)) {
        const word = `skipped rollback (current template already matches revision ${target.number})`;
        return printChange(cli, anyObject(deployment), word, { output, dryRun });
      }
      if (dryRun === "client") return printChange(cli, anyObject(deployment), "rolled back", { output, dryRun });
      const changed = await session.api.json({
        method: "PATCH",
        path: resourcePath(deploymentKind, namespace, name),
        query: query({ fieldManager: "kubectl-rollout", dryRun: dryRun === "server" ? "All" : undefined }),
        contentType: "application/json-patch+json",
        body: [
          { op: "replace", path: "/spec/template", value: template },
          { op: "replace", path: "/metadata/annotations", value: annotationsFor(deployment, target.replicaSet) },
        ],
      });
      await printChange(cli, anyObject(changed), "rolled back", { output, dryRun });
    });
}

/** A ReplicaSet's template without the label that told its pods from those of other revisions. */
function templateOf({ spec }: Observed<ReplicaSet>) {
  const { metadata, ...rest } = spec.template ?? {};
  const { "pod-template-hash": _, ...labels } = metadata?.labels ?? {};
  return { metadata: { ...metadata, labels }, ...rest };
}

function annotationsFor(deployment: Observed<Deployment>, { metadata }: Observed<ReplicaSet>): Record<string, string> {
  const own = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => deploymentsOwn.includes(key));
  const its = Object.entries(metadata.annotations ?? {}).filter(([key]) => !deploymentsOwn.includes(key));
  return Object.fromEntries([...own, ...its]);
}
