import { Client } from "../client/client.ts";
import { Informers } from "../client/informers.ts";
import { keyOf } from "../client/object.ts";
import { rfc3339 } from "../env/clock.ts";
import type { Deployment } from "../kinds/apps/deployment.ts";
import { podKind } from "../kinds/core/pod.ts";
import { editable } from "../kinds/kind.ts";
import { isConflict, isNotFound } from "../kinds/status_error.ts";
import { FakeApi } from "../sim/api_fake.ts";
import type { VirtualClock } from "../sim/clock.ts";
import type { Simulation } from "../sim/simulation.ts";
import type { ControlContext, StartController } from "./context.ts";
import { isPodReady, type ObservedPod } from "./pod_state.ts";

export interface TestCluster extends ControlContext {
  readonly api: FakeApi;
  readonly clock: VirtualClock;
  readonly sim: Simulation;
  run(...controllers: StartController[]): void;
}

/** A client with informers on an API in memory; `run` starts controllers on them. */
export function testCluster(sim: Simulation): TestCluster {
  const api = new FakeApi(sim.clock, sim.random.fork());
  const client = new Client(api);
  const { clock, random, log, signal } = sim;
  const informers = new Informers({ client, clock, random, log });
  const context = { client, informers, clock, random, log };
  return {
    ...context,
    api,
    sim,
    run(...controllers) {
      for (const start of controllers) start(context, signal);
      informers.start(signal);
    },
  };
}

export interface NodePlay {
  /** Virtual milliseconds until a pod is ready; undefined: never. */
  readyAfterMs(pod: ObservedPod): number | undefined;
  endsAfterMs?: number;
  readonly nodeName?: string;
  /** Binds what no scheduler has bound. Default true. */
  readonly binds?: boolean;
}

/** Plays the scheduler and the kubelet: binds, makes ready, and removes what is being deleted. */
export function playNode(
  { client, informers, clock }: Pick<ControlContext, "client" | "informers" | "clock">,
  play: NodePlay,
): void {
  const pods = informers.of(podKind);
  const known = new Set<string>();
  let address = 1;
  const later = (delayMs: number, what: () => Promise<unknown>) =>
    clock.schedule(delayMs, () => {
      what().catch((error) => {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      });
    });
  const step = (pod: ObservedPod) => {
    const { uid, name, namespace = "", deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined) {
      if (known.has(`${uid} ends`)) return;
      known.add(`${uid} ends`);
      later(play.endsAfterMs ?? 500, () =>
        client.delete(podKind, pod.metadata, { gracePeriodSeconds: 0, preconditions: { uid } }),
      );
      return;
    }
    if (pod.spec.nodeName && pod.spec.nodeName !== (play.nodeName ?? "node-1")) return;
    if (!pod.spec.nodeName) {
      if (play.binds !== false && !known.has(uid)) {
        known.add(uid);
        later(0, () => client.bind({ namespace, name, uid }, play.nodeName ?? "node-1"));
      }
      return;
    }
    const delay = play.readyAfterMs(pod);
    if (known.has(`${uid} starts`) || isPodReady(pod) || delay === undefined) return;
    known.add(`${uid} starts`);
    const podIP = `10.42.0.${address++}`;
    later(delay, async () => {
      const latest = pods.byKey(keyOf(pod));
      if (latest?.metadata.uid !== uid || latest.metadata.deletionTimestamp !== undefined) return;
      const copy = editable(latest);
      const ready = { type: "Ready", status: "True", lastTransitionTime: rfc3339(clock.now()) };
      copy.status = {
        ...copy.status,
        phase: "Running",
        podIP,
        podIPs: [{ ip: podIP }],
        conditions: [...(copy.status.conditions ?? []).filter(({ type }) => type !== "Ready"), ready],
      };
      await client.updateStatus(podKind, copy);
    });
  };
  pods.on({ add: step, update: step });
}

export function deploymentOf(
  name: string,
  spec: Partial<NonNullable<Deployment["spec"]>> = {},
  image = "nginx:1",
): Deployment {
  const labels = { app: name };
  return {
    metadata: { namespace: "default", name },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "main", image }] } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...spec,
    },
  };
}
