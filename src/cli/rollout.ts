import { type Deployment, deploymentKind } from "../kinds/apps/deployment.ts";
import { type ReplicaSet, replicaSetKind } from "../kinds/apps/replica_set.ts";
import type { AnyKind, Observed } from "../kinds/kind.ts";
import { selectorString } from "../kinds/label_selector.ts";
import type { Cli, Session } from "./cli.ts";
import { UsageError } from "./failure.ts";
import { readList, readObject } from "./object.ts";
import { parseOne } from "./resource_args.ts";

export const revisionAnnotation = "deployment.kubernetes.io/revision";
export const changeCauseAnnotation = "kubernetes.io/change-cause";

export function requireDeployment(kind: AnyKind, verb: string): void {
  if (kind.group !== "apps" || kind.plural !== "deployments")
    throw new UsageError(`wherry rollout ${verb} knows Deployments: a ${kind.kind} has no rollout`);
}

/** The Deployment that a rollout command is about. */
export async function deploymentOf(cli: Cli, args: readonly string[], verb: string): Promise<Observed<Deployment>> {
  const { kind, name } = parseOne(cli.kinds, args, `rollout ${verb}`);
  requireDeployment(kind, verb);
  const { api, namespace } = await cli.session();
  return readObject(api, deploymentKind, namespace, name);
}

export interface Revision {
  readonly number: number;
  readonly replicaSet: Observed<ReplicaSet>;
}

/** The ReplicaSets of a Deployment by their revisions, oldest first. */
export async function revisionsOf({ api }: Session, deployment: Observed<Deployment>): Promise<Revision[]> {
  const all = await readList(api, replicaSetKind, deployment.metadata.namespace, {
    labelSelector: selectorString(deployment.spec.selector),
  });
  return all
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === deployment.metadata.uid) === true)
    .map((replicaSet) => ({ number: Number(replicaSet.metadata.annotations?.[revisionAnnotation] ?? 0), replicaSet }))
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number);
}

export interface RolloutState {
  readonly text: string;
  readonly done: boolean;
}

/** Where a rollout stands, in kubectl's words. Throws when it will not get there. */
export function rolloutState({ metadata, spec, status }: Observed<Deployment>): RolloutState {
  const name = JSON.stringify(metadata.name);
  if ((metadata.generation ?? 0) > (status.observedGeneration ?? 0))
    return { text: "Waiting for deployment spec update to be observed...", done: false };
  const progressing = status.conditions?.find(({ type }) => type === "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded")
    throw new Error(`deployment ${name} exceeded its progress deadline`);
  const waiting = `Waiting for deployment ${name} rollout to finish`;
  const wanted = spec.replicas ?? 1;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  if (updatedReplicas < wanted)
    return { text: `${waiting}: ${updatedReplicas} out of ${wanted} new replicas have been updated...`, done: false };
  if (replicas > updatedReplicas)
    return { text: `${waiting}: ${replicas - updatedReplicas} old replicas are pending termination...`, done: false };
  if (availableReplicas < updatedReplicas)
    return {
      text: `${waiting}: ${availableReplicas} of ${updatedReplicas} updated replicas are available...`,
      done: false,
    };
  return { text: `deployment ${name} successfully rolled out`, done: true };
}
