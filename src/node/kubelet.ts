/**
 * The kubelet of one node: a worker for each pod that is bound here, an end for what nobody wants any more, the Node object and
 * its lease. Everything that it touches is handed in; the simulator runs this same file.
 */
import type { Client } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import { Informer } from "../client/informer.ts";
import { type Clock, sleep } from "../env/clock.ts";
import type { HttpClient } from "../env/http.ts";
import { describeError, type Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { type Pod, podKind } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { AddressBook } from "./address_book.ts";
import { identityOf } from "./container_config.ts";
import type { ContainerRuntime } from "./container_runtime.ts";
import type { PodIdentity } from "./docker_names.ts";
import type { EndpointGate } from "./endpoint_gate.ts";
import { ImagePuller } from "./image_puller.ts";
import { PodLink } from "./kubelet_link.ts";
import type { Dialer, HostFacts, PodFiles } from "./machine_link.ts";
import { NodeRegistration } from "./node_registration.ts";
import { runNodeRoutes } from "./node_routes.ts";
import { allocatableOf } from "./node_status.ts";
import { ObservedPods } from "./observed_pods.ts";
import type { PodNetwork } from "./pod_network_link.ts";
import { PodWorker } from "./pod_worker.ts";
import type { WorkerContext } from "./worked_pod.ts";

export interface KubeletOptions {
  readonly client: Client;
  readonly runtime: ContainerRuntime;
  readonly podNetwork: PodNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly http: HttpClient;
  readonly dialer: Dialer;
  readonly files: PodFiles;
  readonly facts: HostFacts;
  readonly gate: EndpointGate;
  readonly nodeName: string;
  readonly nodeIp: string;
  /** Pods' files go under DATA-DIR/pods. */
  readonly dataDir: string;
  /** This node's share of the cluster CIDR: "10.42.0.0/24". */
  readonly podCidr: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly mtu?: number;
  /** The address of the cluster's DNS; absent while there is none. */
  readonly clusterDns?: string;
  readonly clusterDomain: string;
  /** "v1.35.0+wherry.0.1.0" */
  readonly kubeletVersion: string;
}

export interface Kubelet {
  /** Runs until `signal` is aborted, and leaves all containers as they are then. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** For the API server. */
  readonly link: PodLink;
  /** Resolves when the API says that this node is ready. */
  readonly ready: Promise<void>;
}

const networkRetryMs = 1000;

export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeKubelet(options);
}

class NodeKubelet implements Kubelet {
  readonly ready: Promise<void>;
  readonly link: PodLink;
  readonly #options: KubeletOptions;
  readonly #log: Log;
  readonly #pods: Informer<Pod>;
  readonly #observed: ObservedPods;
  readonly #registration: NodeRegistration;
  readonly #context: WorkerContext;
  readonly #workers = new Map<string, PodWorker>();
  readonly #running = new Set<Promise<void>>();
  #engineProblem: string | undefined = "container runtime is down: it has not answered yet";
  #networkProblem: string | undefined = "container runtime network not ready: it is being prepared";
  #network: Promise<void> = Promise.resolve();
  /** Workers may start: the engine was listed once, so that nothing is made a second time. */
  #open = false;
  #signal: AbortSignal = AbortSignal.abort();

  constructor(options: KubeletOptions) {
    this.#options = options;
    const { client, clock, random, runtime, nodeName, nodeIp } = options;
    const log = options.log.with({ area: "kubelet" });
    this.#log = log;
    const select = { fieldSelector: `spec.nodeName=${nodeName}` };
    this.#pods = new Informer(podKind, { client, clock, random, log, select });
    this.#observed = new ObservedPods({
      runtime,
      clock,
      log,
      changed: (uid) => this.#changed(uid),
      availability: (reachable, why) => this.#availability(reachable, why),
    });
    let markReady: () => void = () => undefined;
    this.ready = new Promise((resolve) => {
      markReady = resolve;
    });
    this.#registration = new NodeRegistration({
      client,
      runtime,
      clock,
      log,
      nodeName,
      nodeIp,
      podCidr: options.podCidr,
      kubeletVersion: options.kubeletVersion,
      facts: options.facts,
      problems: () => [this.#engineProblem, this.#networkProblem].filter((problem) => problem !== undefined),
      ready: () => markReady(),
    });
    this.#context = {
      client,
      runtime,
      podNetwork: options.podNetwork,
      observed: this.#observed,
      addresses: new AddressBook(options.podCidr, () => this.#observed.addresses()),
      puller: new ImagePuller(runtime, clock),
      files: options.files,
      probeEffects: { runtime, http: options.http, dialer: options.dialer, clock },
      gate: options.gate,
      events: new EventRecorder({ client, clock, log, component: "kubelet", host: nodeName }),
      clock,
      log,
      facts: options.facts,
      nodeIp,
      allocatable: allocatableOf(options.facts),
      dns: {
        clusterDns: options.clusterDns,
        clusterDomain: options.clusterDomain,
        nodeResolvConf: options.facts.resolvConf,
      },
      podsDir: `${options.dataDir}/pods`,
      profileRoot: `${options.dataDir}/seccomp`,
      networkReady: () => this.#network,
    };
    this.link = new PodLink({
      runtime,
      observed: this.#observed,
      dialer: options.dialer,
      clock,
      pod: (uid) => this.#workers.get(uid)?.pod,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#pods.on({
      add: (pod) => this.#add(pod),
      update: (pod) => this.#workers.get(pod.metadata.uid)?.update(pod),
      delete: (pod) => this.#workers.get(pod.metadata.uid)?.deleted(),
    });
    this.#prepareNetwork();
    await Promise.all([
      this.#pods.run(signal),
      this.#observed.run(signal),
      this.#registration.run(signal),
      this.#openWhenListed(signal),
      runNodeRoutes({ ...this.#options, log: this.#log }, signal),
    ]);
    await Promise.all(this.#running);
  }

  async #openWhenListed(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#observed.refresh();
        break;
      } catch {
        // Reported by availability(); the node is not ready meanwhile.
        await sleep(this.#options.clock, 250, signal);
      }
    }
    await this.#closeFolder();
    const synced = await Promise.race([this.#pods.synced.then(() => true), aborted(signal).then(() => false)]);
    if (!synced || signal.aborted) return;
    this.#open = true;
    for (const pod of this.#pods.list()) this.#add(pod);
    await this.#sweep();
  }

  /** Secrets lie below with the modes that pods want; whoever else is on the machine must not reach them. */
  async #closeFolder(): Promise<void> {
    try {
      await this.#options.files.makeDirectory(this.#context.podsDir, 0o700);
    } catch (error) {
      this.#log.warn("the folder of the pods' files could not be closed to others", { error: describeError(error) });
    }
  }

  /** Ends what runs without a pod, and removes files of pods that are gone. */
  async #sweep(): Promise<void> {
    for (const { uid } of this.#observed.pods()) this.#changed(uid);
    const { files } = this.#options;
    try {
      for (const uid of await files.list(this.#context.podsDir))
        if (!this.#workers.has(uid)) await files.removeTree(`${this.#context.podsDir}/${uid}`);
    } catch (error) {
      this.#log.warn("files of ended pods could not be removed", { error: describeError(error) });
    }
  }

  #add(pod: Observed<Pod>): void {
    if (!this.#open) return;
    const { uid, deletionTimestamp } = pod.metadata;
    const known = this.#workers.get(uid);
    if (known) {
      known.update(pod);
      return;
    }
    const { phase } = pod.status;
    const over = (phase === "Succeeded" || phase === "Failed") && !deletionTimestamp;
    this.#begin(identityOf(pod), pod);
    if (over) this.#log.debug("a pod that has ended is kept for its logs", { pod: pod.metadata.name });
  }

  #begin(identity: PodIdentity, pod: Observed<Pod> | undefined): void {
    const worker = new PodWorker(this.#context, identity, pod);
    this.#workers.set(identity.uid, worker);
    const running = worker.run(this.#signal).finally(() => {
      if (worker.done) this.#workers.delete(identity.uid);
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  #changed(uid: string): void {
    const worker = this.#workers.get(uid);
    if (worker) {
      worker.trigger();
      return;
    }
    if (!this.#open || this.#signal.aborted) return;
    const orphan = this.#observed.pods().find((pod) => pod.uid === uid);
    if (orphan === undefined) return;
    this.#log.info("ending a pod that the API does not have", { pod: `${orphan.namespace}/${orphan.name}`, uid });
    this.#begin(orphan, undefined);
  }

  #availability(reachable: boolean, why: string): void {
    this.#engineProblem = reachable ? undefined : `container runtime is down: ${why}`;
    if (reachable) {
      this.#log.info("the container engine answers");
      // An engine that was started anew may have closed FORWARD, and its containers may be gone.
      this.#prepareNetwork();
      for (const worker of this.#workers.values()) worker.trigger();
    } else this.#log.warn("the container engine does not answer; its containers are believed to run", { why });
    this.#registration.trigger();
  }

  /** Tries until it is there; workers that need it wait for that. */
  #prepareNetwork(): void {
    const { podNetwork, podCidr, clusterCidr, serviceCidr, mtu, clock } = this.#options;
    const before = this.#network;
    const config = { podCidr, clusterCidr, serviceCidr, ...(mtu === undefined ? {} : { mtu }) };
    this.#network = (async () => {
      await before;
      while (!this.#signal.aborted) {
        try {
          await podNetwork.prepareNode(config);
          this.#networkProblem = undefined;
          this.#registration.trigger();
          return;
        } catch (error) {
          const text = describeError(error);
          if (this.#networkProblem !== `container runtime network not ready: ${text}`)
            this.#log.warn("the pod network could not be prepared; trying again", { error: text });
          this.#networkProblem = `container runtime network not ready: ${text}`;
          this.#registration.trigger();
          await sleep(clock, networkRetryMs, this.#signal);
        }
      }
    })();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
