/** What the rooms of one pod's worker share: the node's means, whose pod it is, what is known of it, and its voice. */
import type { Client } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import type { AddressBook } from "./address_book.ts";
import type { ContainerRuntime } from "./container_runtime.ts";
import type { PodIdentity } from "./docker_names.ts";
import type { EndpointGate } from "./endpoint_gate.ts";
import type { ImagePuller } from "./image_puller.ts";
import type { HostFacts, PodFiles } from "./machine_link.ts";
import type { ObservedPods } from "./observed_pods.ts";
import { type PodObservation, runningSandbox } from "./pod_actions.ts";
import type { AnyContainer } from "./pod_environment.ts";
import type { DnsSettings } from "./pod_name_files.ts";
import type { PodNetwork } from "./pod_network_link.ts";
import type { SourcesOptions } from "./pod_sources.ts";
import { PodStatusWriter } from "./pod_status_writer.ts";
import type { ProbeEffects } from "./probe_actions.ts";
import { withVanished } from "./vanished_containers.ts";

/** What all workers of a node share. */
export interface WorkerContext extends SourcesOptions {
  readonly client: Client;
  readonly runtime: ContainerRuntime;
  readonly podNetwork: PodNetwork;
  readonly observed: ObservedPods;
  readonly addresses: AddressBook;
  readonly puller: ImagePuller;
  readonly files: PodFiles;
  readonly probeEffects: ProbeEffects;
  readonly gate: EndpointGate;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly facts: HostFacts;
  readonly dns: DnsSettings;
  /** Folder of all pods' files: "/var/lib/wherry/pods". */
  readonly podsDir: string;
  /** Where localhost seccomp profiles lie. */
  readonly profileRoot: string;
  /** Resolves when the node's side of the pod network is there. */
  networkReady(): Promise<void>;
}

export class WorkedPod {
  readonly context: WorkerContext;
  readonly identity: PodIdentity;
  readonly log: Log;
  /** Absent for something on the engine whose pod is gone. */
  readonly writer: PodStatusWriter | undefined;
  /** Rejects when the pod is to end: for what a start waits on. */
  readonly givenUp: Promise<never>;
  readonly #starting = new AbortController();

  constructor(context: WorkerContext, identity: PodIdentity, pod: Observed<Pod> | undefined) {
    this.context = context;
    this.identity = identity;
    this.log = context.log.with({ pod: `${identity.namespace}/${identity.name}` });
    this.writer = pod && new PodStatusWriter(context.client, context.clock, this.log, pod);
    this.givenUp = new Promise<never>((_, reject) => {
      this.starting.addEventListener("abort", () => reject(new Error("the pod is to end")), { once: true });
    });
    this.givenUp.catch(() => undefined);
  }

  /** The newest state of the pod that is known. */
  get pod(): Observed<Pod> | undefined {
    return this.writer?.pod;
  }

  /** Aborted when the pod is to end: a pull or a pause is given up. */
  get starting(): AbortSignal {
    return this.#starting.signal;
  }

  giveUpStarting(): void {
    this.#starting.abort();
  }

  /** Where the pod's files lie. */
  get root(): string {
    return `${this.context.podsDir}/${this.identity.uid}`;
  }

  /** What the engine has of the pod, and what it had as far as the pod's status knows. */
  observation(): PodObservation {
    const observed = this.context.observed.of(this.identity.uid);
    return this.pod ? withVanished(this.pod, observed) : observed;
  }

  podIp(pod: Observed<Pod>): string | undefined {
    if (pod.spec.hostNetwork) return this.context.nodeIp;
    const address = runningSandbox(this.observation())?.podAddress ?? undefined;
    // An ended pod keeps the address that it had.
    return address?.split("/")[0] ?? pod.status.podIP;
  }

  event(type: "Normal" | "Warning", reason: string, message: string, container?: string): void {
    const { pod } = this;
    if (pod === undefined) return;
    const init = pod.spec.initContainers?.some(({ name }) => name === container) ?? false;
    const path = container === undefined ? undefined : `spec.${init ? "initContainers" : "containers"}{${container}}`;
    this.context.events.report(pod, type, reason, message, path);
  }
}

export function containerSpec(pod: Observed<Pod>, name: string): AnyContainer | undefined {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((container) => container.name === name);
}
