import { type ControllerOptions, runController } from "../client/controller.ts";
import { keyOf, splitKey } from "../client/object.ts";
import { WorkQueue } from "../client/workqueue.ts";
import { describeError } from "../env/log.ts";
import { type Deployment, deploymentKind } from "../kinds/apps/deployment.ts";
import { type ReplicaSet, replicaSetKind } from "../kinds/apps/replica_set.ts";
import { podKind } from "../kinds/core/pod.ts";
import { editable, type Observed } from "../kinds/kind.ts";
import { isAlreadyExists } from "../kinds/status_error.ts";
import { type ControlContext, eventRecorder } from "./context.ts";
import { type DeploymentPlan, planDeployment, revisionAnnotation } from "./deployment_plan.ts";
import { hasProgressDeadline, setCondition } from "./deployment_status.ts";
import { byControllerUid, claim, controllerOf, controllerUids, enforceClaims } from "./ownership.ts";
import { same } from "./same.ts";
import { sameTemplate } from "./template_hash.ts";

/** Turns Deployments into ReplicaSets: rolling updates, recreation, scaling, history. The decisions are in deployment_plan.ts. */
export function runDeploymentController(context: ControlContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = context;
  const deployments = informers.of(deploymentKind);
  const replicaSets = informers.of(replicaSetKind);
  const pods = informers.of(podKind);
  replicaSets.addIndex(byControllerUid, controllerUids);
  pods.addIndex(byControllerUid, controllerUids);
  const events = eventRecorder(context, "deployment-controller");
  const queue = new WorkQueue(clock);

  deployments.on({
    add: (d) => queue.add(keyOf(d)),
    update: (d) => queue.add(keyOf(d)),
    delete: (d) => queue.add(keyOf(d)),
  });
  const enqueueOwner = (replicaSet: Observed<ReplicaSet>) => {
    const { namespace } = replicaSet.metadata;
    const owner = controllerOf(replicaSet);
    if (owner?.kind === "Deployment") queue.add(`${namespace}/${owner.name}`);
    // Nobody's: whoever selects it may adopt it.
    else if (owner === undefined) for (const deployment of deployments.list(namespace)) queue.add(keyOf(deployment));
  };
  replicaSets.on({
    add: enqueueOwner,
    update: (replicaSet, old) => {
      if (controllerOf(old)?.uid !== controllerOf(replicaSet)?.uid) enqueueOwner(old);
      enqueueOwner(replicaSet);
    },
    delete: enqueueOwner,
  });
  // Recreate waits for the last old pod to be gone.
  pods.on({
    delete: (pod) => {
      const owner = controllerOf(pod);
      const replicaSet = owner && replicaSets.get(pod.metadata.namespace, owner.name);
      if (replicaSet !== undefined) enqueueOwner(replicaSet);
    },
  });

  const reconcile: ControllerOptions["reconcile"] = async (key) => {
    const { namespace, name } = splitKey(key);
    const deployment = deployments.get(namespace, name);
    if (deployment === undefined) return;
    const { selector } = deployment.spec;
    if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0) {
      events.report(
        deployment,
        "Warning",
        "SelectingAll",
        "This deployment is selecting all pods. A non-empty selector is required.",
      );
      return;
    }
    const claims = claim(deployment, selector, replicaSets.list(namespace));
    if (claims.adopt.length + claims.release.length > 0) {
      await enforceClaims(client, deploymentKind, deployment, replicaSetKind, claims);
      return;
    }
    const plan = planDeployment({
      deployment,
      replicaSets: claims.owned,
      pods: claims.owned.flatMap(({ metadata }) => pods.byIndex(byControllerUid, metadata.uid)),
      nowMs: clock.now(),
    });
    await carryOut(deployment, plan);
    return { requeueAfterMs: plan.requeueAfterMs };
  };

  const carryOut = async (deployment: Observed<Deployment>, plan: DeploymentPlan) => {
    const { status } = plan;
    if (plan.create !== undefined) await createReplicaSet(deployment, plan.create, plan);
    for (const { replicaSet, from, to } of plan.updates) {
      await client.update(replicaSetKind, replicaSet);
      if (from === to) continue;
      const direction = to > from ? "up" : "down";
      const message = `Scaled ${direction} replica set ${replicaSet.metadata.name} from ${from} to ${to}`;
      events.report(deployment, "Normal", "ScalingReplicaSet", message);
    }
    for (const { metadata } of plan.remove)
      await client.delete(replicaSetKind, metadata, {
        preconditions: { uid: metadata.uid },
        propagationPolicy: "Background",
      });
    let latest = deployment;
    if (plan.revision !== undefined) {
      const { uid, resourceVersion } = deployment.metadata;
      latest = await client.patch(deploymentKind, deployment.metadata, "application/merge-patch+json", {
        metadata: { uid, resourceVersion, annotations: { [revisionAnnotation]: plan.revision } },
      });
    }
    await writeStatus(latest, status);
  };

  const writeStatus = async (deployment: Observed<Deployment>, status: DeploymentPlan["status"]) => {
    if (same(status, deployment.status)) return;
    const copy = editable(deployment);
    copy.status = status;
    await client.updateStatus(deploymentKind, copy);
  };

  const createReplicaSet = async (deployment: Observed<Deployment>, wanted: ReplicaSet, plan: DeploymentPlan) => {
    const { namespace } = deployment.metadata;
    const name = wanted.metadata?.name ?? "";
    const template = wanted.spec?.template ?? {};
    const replicas = wanted.spec?.replicas ?? 0;
    try {
      await client.create(replicaSetKind, wanted);
    } catch (error) {
      if (isAlreadyExists(error)) {
        const existing = await client.get(replicaSetKind, { namespace, name });
        const ours = controllerOf(existing)?.uid === deployment.metadata.uid;
        // The cache is behind: its event will call again.
        if (ours && sameTemplate(existing.spec.template ?? {}, template)) return;
        await writeStatus(deployment, {
          ...editable(deployment.status),
          collisionCount: (deployment.status.collisionCount ?? 0) + 1,
        });
        throw new Error(
          `Cannot create replicaset "${name}" for deployment "${deployment.metadata.name}": the name is taken by another; trying the next one`,
          {
            cause: error,
          },
        );
      }
      const message = `Failed to create new replica set "${name}": ${describeError(error)}`;
      if (hasProgressDeadline(deployment)) {
        setCondition(
          plan.status,
          { type: "Progressing", status: "False", reason: "ReplicaSetCreateError", message },
          clock.now(),
        );
        await writeStatus(deployment, plan.status);
      }
      events.report(deployment, "Warning", "ReplicaSetCreateError", message);
      throw error;
    }
    if (replicas > 0)
      events.report(deployment, "Normal", "ScalingReplicaSet", `Scaled up replica set ${name} from 0 to ${replicas}`);
  };

  const synced = [deployments.synced, replicaSets.synced, pods.synced];
  return runController({ ...context, name: "deployment-controller", queue, synced, workers: 5, reconcile }, signal);
}
