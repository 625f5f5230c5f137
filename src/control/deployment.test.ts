import { expect, test } from "bun:test";
import { deploymentKind } from "../kinds/apps/deployment.ts";
import { replicaSetKind } from "../kinds/apps/replica_set.ts";
import { eventKind } from "../kinds/core/event.ts";
import { podKind } from "../kinds/core/pod.ts";
import { editable } from "../kinds/kind.ts";
import { StatusError } from "../kinds/status_error.ts";
import { SeededRandom } from "../sim/random.ts";
import { type Simulation, simulate } from "../sim/simulation.ts";
import { deploymentOf, playNode, testCluster } from "./cluster.test_support.ts";
import { runDeploymentController } from "./deployment.ts";
import { fenceposts } from "./deployment_rollout.ts";
import { isPodActive, isPodReady } from "./pod_state.ts";
import { runReplicaSetController } from "./replica_set.ts";
import { templateHash } from "./template_hash.ts";

const web = { namespace: "default", name: "web" };

function cluster(sim: Simulation, readyAfterMs: () => number | undefined = () => 1000) {
  const made = testCluster(sim);
  playNode(made, { readyAfterMs });
  made.run(runDeploymentController, runReplicaSetController);
  const { client, informers, clock } = made;
  const deployments = informers.of(deploymentKind);
  const status = () => deployments.get("default", "web")?.status;
  const condition = (type: string) => status()?.conditions?.find((each) => each.type === type);
  return {
    ...made,
    pods: informers.of(podKind),
    replicaSets: informers.of(replicaSetKind),
    deployments,
    status,
    condition,
    async change(edit: (spec: NonNullable<ReturnType<typeof deploymentOf>["spec"]>) => void) {
      const copy = editable(await client.get(deploymentKind, web));
      edit(copy.spec);
      await client.update(deploymentKind, copy);
    },
    /** As `kubectl rollout status` decides. */
    async rolledOut(limitMs = 120_000) {
      const { metadata, spec } = await client.get(deploymentKind, web);
      await clock.runUntil(
        () => {
          const now = status();
          return (
            (now?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
            now?.updatedReplicas === spec.replicas &&
            now?.replicas === spec.replicas &&
            now?.availableReplicas === spec.replicas
          );
        },
        limitMs,
        "the rollout",
      );
    },
  };
}

test("a deployment becomes available, with revision, hash label, conditions and events as Kubernetes has them", () =>
  simulate(1, async (sim) => {
    const { client, clock, rolledOut, pods, replicaSets, deployments, condition } = cluster(sim);
    await client.create(deploymentKind, deploymentOf("web"));
    await rolledOut();
    await clock.advance(2000);
    const [replicaSet] = replicaSets.list();
    const hash = replicaSet?.metadata.labels?.["pod-template-hash"];
    expect(replicaSet?.metadata.name).toBe(`web-${hash}`);
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
    expect(replicaSet?.metadata.annotations).toEqual({
      "deployment.kubernetes.io/desired-replicas": "3",
      "deployment.kubernetes.io/max-replicas": "4",
      "deployment.kubernetes.io/revision": "1",
    });
    expect(pods.list().map(({ metadata }) => metadata.labels)).toEqual(
      Array.from({ length: 3 }, () => ({ app: "web", "pod-template-hash": hash ?? "" })),
    );
    expect(deployments.list()[0]?.metadata.annotations).toEqual({ "deployment.kubernetes.io/revision": "1" });
    expect(deployments.list()[0]?.status).toMatchObject({
      replicas: 3,
      readyReplicas: 3,
      observedGeneration: 1,
    });
    expect(condition("Available")).toMatchObject({ status: "True", reason: "MinimumReplicasAvailable" });
    expect(condition("Progressing")).toMatchObject({
      status: "True",
      reason: "NewReplicaSetAvailable",
      message: `ReplicaSet "web-${hash}" has successfully progressed.`,
    });
    const { items } = await client.list(eventKind);
    const said = items.map(({ reason, message }) => `${reason}: ${message}`);
    expect(said).toContain(`ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`);
    expect(said.filter((text) => text.startsWith("SuccessfulCreate: Created pod: web-"))).toHaveLength(3);
  }));

test("once a rollout is done nothing is written any more", () =>
  simulate(2, async (sim) => {
    const { client, clock, rolledOut, api } = cluster(sim);
    await client.create(deploymentKind, deploymentOf("web"));
    await rolledOut();
    await clock.advance(2000);
    api.calls.length = 0;
    await clock.advance(3_600_000);
    expect(api.calls).toEqual([]);
  }));

test("an image change rolls, undo goes back to the old ReplicaSet with a new revision, and history is kept to its limit", () =>
  simulate(3, async (sim) => {
    const { client, clock, rolledOut, change, replicaSets, deployments } = cluster(sim);
    await client.create(deploymentKind, deploymentOf("web", { revisionHistoryLimit: 2 }));
    await rolledOut();
    const images = (tag: number) =>
      change((spec) => {
        for (const container of spec.template.spec?.containers ?? []) container.image = `nginx:${tag}`;
      });
    for (const tag of [2, 3, 4, 5]) {
      await images(tag);
      await rolledOut();
    }
    await clock.advance(5000);
    const revisions = () =>
      replicaSets
        .list()
        .map((each) => `${each.metadata.annotations?.["deployment.kubernetes.io/revision"]}:${each.spec.replicas}`)
        .sort();
    expect(revisions()).toEqual(["3:0", "4:0", "5:3"]);
    await images(4);
    await rolledOut();
    await clock.advance(5000);
    expect(revisions()).toEqual(["3:0", "5:0", "6:3"]);
    expect(deployments.list()[0]?.metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("6");
    const back = replicaSets.list().find((each) => each.spec.replicas === 3);
    expect(back?.metadata.annotations?.["deployment.kubernetes.io/revision-history"]).toBe("4");
  }));

test("a rolling update never has too few available or too many pods, whatever the pods' delays", async () => {
  const draw = new SeededRandom(99);
  for (let run = 0; run < 25; run++) {
    const replicas = draw.between(1, 8);
    const maxSurge = draw.pick([0, 1, 2, "25%", "50%", "100%"]);
    const maxUnavailable = draw.pick([0, 1, 2, "25%", "50%"]);
    const minReadySeconds = draw.pick([0, 0, 3]);
    await simulate(run, async (sim) => {
      const delays = sim.random.fork();
      const { client, clock, rolledOut, change, pods } = cluster(sim, () => delays.between(10, 5000));
      const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } };
      await client.create(deploymentKind, deploymentOf("web", { replicas, strategy, minReadySeconds }));
      await rolledOut();
      const bounds = fenceposts(await client.get(deploymentKind, web));
      let [fewest, most] = [replicas, replicas];
      const look = () => {
        const active = pods.list().filter(isPodActive);
        fewest = Math.min(fewest, active.filter(isPodReady).length);
        most = Math.max(most, active.length);
      };
      pods.on({ add: look, update: look, delete: look });
      await change((spec) => {
        for (const container of spec.template.spec?.containers ?? []) container.image = "nginx:2";
      });
      await rolledOut();
      expect({ run, enough: fewest >= replicas - bounds.maxUnavailable, fewest }).toMatchObject({ enough: true });
      expect({ run, fits: most <= replicas + bounds.maxSurge, most }).toMatchObject({ fits: true });
      expect(pods.list().filter(isPodActive)).toHaveLength(replicas);
      await clock.advance(1000);
    });
  }
}, 60_000);

test("Recreate ends every old pod before the first new one is made", () =>
  simulate(4, async (sim) => {
    const { client, rolledOut, change, pods } = cluster(sim);
    await client.create(deploymentKind, deploymentOf("web", { strategy: { type: "Recreate" } }));
    await rolledOut();
    const mixed: string[] = [];
    pods.on({
      add: (pod) => {
        const images = new Set(pods.list().map(({ spec }) => spec.containers[0]?.image));
        if (images.size > 1) mixed.push(pod.metadata.name);
      },
    });
    await change((spec) => {
      for (const container of spec.template.spec?.containers ?? []) container.image = "nginx:2";
    });
    await rolledOut();
    expect(mixed).toEqual([]);
    expect(pods.list().map(({ spec }) => spec.containers[0]?.image)).toEqual(["nginx:2", "nginx:2", "nginx:2"]);
  }));

test("a paused deployment does not roll but scales, and rolls when it is resumed", () =>
  simulate(5, async (sim) => {
    const { client, clock, rolledOut, change, pods, condition } = cluster(sim);
    await client.create(deploymentKind, deploymentOf("web"));
    await rolledOut();
    await change((spec) => {
      spec.paused = true;
      spec.replicas = 5;
      for (const container of spec.template.spec?.containers ?? []) container.image = "nginx:2";
    });
    await clock.advance(20_000);
    expect(pods.list().map(({ spec }) => spec.containers[0]?.image)).toEqual(
      Array.from({ length: 5 }, () => "nginx:1"),
    );
    expect(condition("Progressing")).toMatchObject({ status: "Unknown", reason: "DeploymentPaused" });
    await change((spec) => {
      spec.paused = false;
    });
    await rolledOut();
    expect(
      pods
        .list()
        .filter(isPodActive)
        .map(({ spec }) => spec.containers[0]?.image),
    ).toEqual(Array.from({ length: 5 }, () => "nginx:2"));
    await clock.advance(5000);
    expect(condition("Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  }));

test("a rollout that does not get on is said to have failed after its deadline, and recovers", () =>
  simulate(6, async (sim) => {
    let ready = true;
    const { client, clock, rolledOut, change, pods, condition } = cluster(sim, () => (ready ? 1000 : undefined));
    await client.create(deploymentKind, deploymentOf("web", { progressDeadlineSeconds: 60 }));
    await rolledOut();
    ready = false;
    await change((spec) => {
      for (const container of spec.template.spec?.containers ?? []) container.image = "nginx:2";
    });
    await clock.runUntil(() => condition("Progressing")?.status === "False", 90_000, "the deadline");
    expect(condition("Progressing")).toMatchObject({ reason: "ProgressDeadlineExceeded" });
    expect(condition("Progressing")?.message).toMatch(/^ReplicaSet "web-.*" has timed out progressing\.$/);
    expect(pods.list().filter(isPodReady).length).toBeGreaterThanOrEqual(3);
    ready = true;
    await change((spec) => {
      for (const container of spec.template.spec?.containers ?? []) container.image = "nginx:3";
    });
    await rolledOut();
    await clock.advance(5000);
    expect(condition("Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  }));

test("scaling in the middle of a rollout keeps the proportions and ends with the wanted number", () =>
  simulate(7, async (sim) => {
    let ready = true;
    const { client, clock, rolledOut, change, replicaSets } = cluster(sim, () => (ready ? 1000 : undefined));
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } };
    await client.create(deploymentKind, deploymentOf("web", { replicas: 10, strategy }));
    await rolledOut();
    ready = false;
    await change((spec) => {
      for (const container of spec.template.spec?.containers ?? []) container.image = "nginx:2";
    });
    await clock.advance(10_000);
    const sizes = () =>
      replicaSets
        .list()
        .map(({ spec }) => spec.replicas ?? 0)
        .sort((a, b) => a - b);
    expect(sizes()).toEqual([5, 8]);
    await change((spec) => {
      spec.replicas = 15;
    });
    await clock.advance(2000);
    // Kubernetes' documentation has this very example: 3 of the 5 go to the larger, 2 to the smaller.
    expect(sizes()).toEqual([7, 11]);
    ready = true;
    await change((spec) => {
      for (const container of spec.template.spec?.containers ?? []) container.image = "nginx:3";
    });
    await rolledOut();
    expect(sizes()).toEqual([0, 0, 15]);
  }));

test("a ReplicaSet adopts matching orphans, releases what no longer matches, and replaces a lost pod", () =>
  simulate(8, async (sim) => {
    const { client, clock, rolledOut, pods, replicaSets } = cluster(sim);
    await client.create(deploymentKind, deploymentOf("web"));
    await rolledOut();
    const [first] = pods.list();
    if (first === undefined) throw new Error("no pod");
    await client.patch(podKind, first.metadata, "application/merge-patch+json", {
      metadata: { labels: { app: "away" } },
    });
    await clock.advance(3000);
    expect(pods.get("default", first.metadata.name)?.metadata.ownerReferences ?? []).toEqual([]);
    expect(pods.list().filter(({ metadata }) => metadata.ownerReferences !== undefined)).toHaveLength(3);
    await client.patch(podKind, first.metadata, "application/merge-patch+json", {
      metadata: { labels: { app: "web" } },
    });
    await clock.advance(5000);
    expect(pods.list()).toHaveLength(3);
    expect(new Set(pods.list().map(({ metadata }) => metadata.ownerReferences?.[0]?.uid))).toEqual(
      new Set([replicaSets.list()[0]?.metadata.uid]),
    );
  }));

test("pods that cannot be created are tried one at a time, and the reason stands in both statuses until it is over", () =>
  simulate(13, async (sim) => {
    const { client, clock, rolledOut, api, condition, replicaSets } = cluster(sim);
    let attempts = 0;
    api.intercept = ({ verb, resource }) => {
      if (verb !== "create" || resource.plural !== "pods") return;
      attempts++;
      throw new StatusError(403, "Forbidden", "exceeded quota: tiny");
    };
    await client.create(deploymentKind, deploymentOf("web", { replicas: 50 }));
    await clock.advance(60_000);
    expect(attempts).toBeLessThan(20);
    const failure = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota: tiny" };
    expect(replicaSets.list()[0]?.status.conditions).toMatchObject([failure]);
    expect(condition("ReplicaFailure")).toMatchObject(failure);
    api.intercept = undefined;
    await rolledOut();
    await clock.advance(5000);
    expect(condition("ReplicaFailure")).toBeUndefined();
  }));

test("a name that is taken by another's ReplicaSet is left alone, and another name is found", () =>
  simulate(14, async (sim) => {
    const { client, rolledOut, replicaSets, status } = cluster(sim);
    const wanted = deploymentOf("web");
    const template = wanted.spec?.template ?? {};
    const name = `web-${templateHash(template, undefined)}`;
    const labels = { app: "other" };
    await client.create(replicaSetKind, {
      metadata: { namespace: "default", name },
      spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels } } },
    });
    await client.create(deploymentKind, wanted);
    await rolledOut();
    expect(status()?.collisionCount).toBe(1);
    expect(
      replicaSets
        .list()
        .map(({ metadata }) => metadata.name)
        .sort(),
    ).toEqual([name, `web-${templateHash(template, 1)}`].sort());
  }));

test("the same seed gives the same trace of calls", async () => {
  const run = (seed: number) =>
    simulate(seed, async (sim) => {
      const { client, rolledOut, api } = cluster(sim, () => sim.random.between(1, 3000));
      await client.create(deploymentKind, deploymentOf("web"));
      await rolledOut();
      for (const call of api.calls) sim.trace.note(call);
    });
  expect((await run(11)).hash).toBe((await run(11)).hash);
  expect((await run(11)).hash).not.toBe((await run(12)).hash);
});
