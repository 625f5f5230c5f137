import { expect, test } from "bun:test";
import type { ApiCall } from "../client/transport.ts";
import { deploymentKind } from "../kinds/apps/deployment.ts";
import { podKind } from "../kinds/core/pod.ts";
import { serviceKind } from "../kinds/core/service.ts";
import { endpointSliceKind } from "../kinds/discovery/endpoint_slice.ts";
import { editable } from "../kinds/kind.ts";
import { StatusError } from "../kinds/status_error.ts";
import { simulate } from "../sim/simulation.ts";
import { deploymentOf, playNode, testCluster } from "./cluster.test_support.ts";
import { runDeploymentController } from "./deployment.ts";
import { fenceposts } from "./deployment_rollout.ts";
import { runEndpointSliceController } from "./endpoint_slice.ts";
import { isPodActive, isPodReady } from "./pod_state.ts";
import { runReplicaSetController } from "./replica_set.ts";

const web = { namespace: "default", name: "web" };

test("with failing requests, broken watches and lost history, rollouts keep their bounds and every slice comes right", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    await simulate(seed, async (sim) => {
      const { clock, random } = sim;
      const cluster = testCluster(sim);
      const { client, api, informers } = cluster;
      const pods = informers.of(podKind);
      const slices = informers.of(endpointSliceKind);
      const deployments = informers.of(deploymentKind);
      playNode(cluster, { readyAfterMs: () => 500 });
      cluster.run(runDeploymentController, runReplicaSetController, runEndpointSliceController);
      await client.create(serviceKind, { metadata: web, spec: { selector: { app: "web" }, ports: [{ port: 80 }] } });
      const created = await client.create(deploymentKind, deploymentOf("web", { replicas: 6 }));
      const { maxSurge, maxUnavailable } = fenceposts(created);

      const ours = (verb: ApiCall["verb"], plural: string, subresource: string | undefined) =>
        verb !== "get" && (plural !== "pods" || verb === "create") && subresource !== "binding";
      let faulty = true;
      api.intercept = ({ verb, resource, subresource }) => {
        if (!faulty || !ours(verb, resource.plural, subresource)) return;
        if (random.chance(0.15)) throw new StatusError(503, "ServiceUnavailable", "away for a moment");
      };
      const disturb = () => {
        if (!faulty) return;
        if (random.chance(0.5)) api.dropWatches();
        if (random.chance(0.2)) api.compact();
        clock.schedule(random.between(100, 3000), disturb);
      };
      disturb();

      const settled = (image: string) => {
        const status = deployments.get("default", "web")?.status;
        const active = pods.list().filter(isPodActive);
        const addresses = active.map(({ status: { podIP } }) => podIP).sort();
        const listed = slices
          .list()
          .flatMap(({ endpoints }) => endpoints.flatMap((each) => (each.conditions?.ready ? each.addresses : [])));
        return (
          status?.updatedReplicas === 6 &&
          status.availableReplicas === 6 &&
          active.length === 6 &&
          active.every((pod) => isPodReady(pod) && pod.spec.containers[0]?.image === image) &&
          JSON.stringify(listed.sort()) === JSON.stringify(addresses)
        );
      };
      await clock.runUntil(() => settled("nginx:1"), 600_000, "the first rollout");
      const bounds: string[] = [];
      api.afterCommit = () => {
        const active = api.stored(podKind).filter(isPodActive);
        if (active.length > 6 + maxSurge) bounds.push(`${active.length} pods`);
        if (active.filter(isPodReady).length < 6 - maxUnavailable)
          bounds.push(`${active.filter(isPodReady).length} ready`);
      };
      for (const image of ["nginx:2", "nginx:3"]) {
        faulty = false;
        const copy = editable(await client.get(deploymentKind, web));
        copy.spec.template.spec = { containers: [{ name: "main", image }] };
        await client.update(deploymentKind, copy);
        faulty = true;
        disturb();
        await clock.runUntil(() => settled(image), 900_000, `the rollout of ${image}`);
      }
      expect({ seed, bounds }).toEqual({ seed, bounds: [] });
    });
  }
}, 60_000);
