/**
 * The composition root: one node, from its store to its kubelet. Reads from top to bottom as the node starts. The simulator
 * starts the same function with simulated effects.
 */

import { GroupAuthorizer } from "./api/authorization.ts";
import {
  adoptCredentials,
  kubeconfigYaml,
  loadAdminToken,
  loadAuthority,
  loadPeerIdentity,
  loadServerCertificate,
  renewalDelayMs,
  type ServerNames,
} from "./api/credentials.ts";
import { createHttpHandler } from "./api/http/app.ts";
import { createAuthenticator, knownToken } from "./api/http/authentication.ts";
import { gitVersion } from "./api/http/version.ts";
import type { KubeletLink, PodRef } from "./api/kubelet_link.ts";
import { createApiCore } from "./api/registry/api_core.ts";
import { createJsonBytes } from "./api/registry/json_bytes.ts";
import { ensureSystemObjects } from "./api/registry/system_objects.ts";
import { remoteKubelet } from "./api/remote_kubelet.ts";
import { Client } from "./client/client.ts";
import { Informers } from "./client/informers.ts";
import type { Config } from "./config.ts";
import { startControllers } from "./control/controllers.ts";
import { freePodCidr } from "./control/node_ipam.ts";
import { startScheduler } from "./control/scheduler/scheduler.ts";
import { sleep } from "./env/clock.ts";
import type { Disk } from "./env/disk.ts";
import type { Env } from "./env/env.ts";
import type { Listening, WebSocketClient } from "./env/http.ts";
import { describeError } from "./env/log.ts";
import { componentIdentity, inProcessTransport } from "./in_process_transport.ts";
import { allKinds } from "./kinds/all.ts";
import { namespaceKind } from "./kinds/core/namespace.ts";
import { nodeKind } from "./kinds/core/node.ts";
import { podKind } from "./kinds/core/pod.ts";
import { KindRegistry } from "./kinds/registry.ts";
import { badRequest, StatusError } from "./kinds/status_error.ts";
import { whileLeading } from "./leadership.ts";
import {
  apiAddresses,
  createClusterDesk,
  holdsStore,
  keepApiAddresses,
  placeOf,
  reachability,
  requestPlace,
  selfOf,
  takePlace,
} from "./membership.ts";
import type { ContainerRuntime } from "./node/container_runtime.ts";
import { type EndpointGate, noEndpointGate } from "./node/endpoint_gate.ts";
import { createKubelet } from "./node/kubelet.ts";
import type { Dialer, HostFacts, PodFiles } from "./node/machine_link.ts";
import type { PodNetwork } from "./node/pod_network_link.ts";
import { startProxyController } from "./proxy/controller.ts";
import type { ProxyLink } from "./proxy/state.ts";
import { openEmbeddedStore } from "./store/embedded_store.ts";

/** Every effect of a node. */
export interface ServerEnv extends Env {
  /** Wherry's own: "0.1.0". */
  readonly version: string;
  /** The engine, speaking only of containers of this cluster. */
  readonly containerRuntime: (clusterUid: string) => ContainerRuntime;
  readonly podNetwork: PodNetwork;
  readonly podFiles: PodFiles;
  readonly dialer: Dialer;
  readonly webSocketClient: WebSocketClient;
  readonly hostFacts: () => Promise<HostFacts>;
  /** Finds or starts the proxy process. */
  readonly connectProxy: () => Promise<ProxyLink & { close(): void }>;
  /** Called once when the node can no longer keep its promises (a failed disk): the process should end. */
  readonly failed: (error: Error) => void;
}

export interface Server {
  /** "https://192.0.2.7:6443" */
  readonly url: string;
  /** Resolves when the API answers and the Node is Ready. */
  readonly ready: Promise<void>;
  /** A client inside this process, with the rights of an administrator. */
  readonly client: Client;
  /** Stops taking work and closes the store. Containers, kernel rules and proxied connections go on. */
  stop(): Promise<void>;
}

/** What a part may take to end before it is left behind: an engine or a disk that hangs must not hold the process. */
const stopLimitMs = 5000;
const dialLimitMs = 10_000;

/**
 * Rejects when the store cannot be trusted, the port is taken or the credentials cannot be made; the cause says which. What
 * was started until then is stopped again.
 */
export async function startServer(config: Config, env: ServerEnv): Promise<Server> {
  const parts = new Parts(env);
  try {
    return await startParts(config, env, parts);
  } catch (error) {
    await parts.stop().catch(() => undefined);
    throw error;
  }
}

async function startParts(config: Config, env: ServerEnv, parts: Parts): Promise<Server> {
  const { clock, disk, random, log } = env;
  const ending = parts.ending;
  const keep = (part: string, work: Promise<unknown>) => parts.keep(part, work);
  const enabled = (part: Config["disable"][number]) => !config.disable.includes(part);

  // Who this server is to its peers; when it is told to join a cluster, the others make room for it first.
  await disk.makeDirectory(config.dataDir);
  const credentials = { disk, random, dataDir: config.dataDir };
  const identity = await loadPeerIdentity(env.pki, config.nodeName, credentials);
  const storeDirectory = `${config.dataDir}/store`;
  const { server } = config;
  const grant =
    server === undefined || (await holdsStore(disk, storeDirectory))
      ? undefined
      : await requestPlace({ ...config, server }, env, identity.publicKeySha256, env.version, ending.signal);
  if (grant !== undefined) await adoptCredentials(credentials, grant);

  // The store: nothing is true that is not in it.
  const store = await openEmbeddedStore({
    disk,
    clock,
    random,
    log: log.with({ area: "store" }),
    directory: storeDirectory,
    cluster: {
      link: env.peers,
      listen: { address: config.bindAddress, port: config.peerPort },
      identity,
      publicKey: identity.publicKeySha256,
      self: selfOf(config),
    },
    ...(grant === undefined ? {} : { place: placeOf(grant) }),
    onFailure: env.failed,
  });
  parts.atEnd("store", () => store.close());
  keep("membership", takePlace(store, config, env, ending.signal));

  const isServerReachable = (nodeName: string) => reachability(store, nodeName);

  // The API over it, without HTTP; everything in this process talks to it directly.
  const kinds = new KindRegistry(allKinds);
  const authorizer = new GroupAuthorizer();
  const core = createApiCore({
    store,
    kinds,
    clock,
    random,
    log: log.with({ area: "api" }),
    serviceCidr: config.serviceCidr,
    nodePortRange: { first: config.nodePortRange.from, last: config.nodePortRange.to },
    authorizer,
    isServerReachable,
  });
  parts.onStop(() => core.close());
  const clientOf = (name: string, ...groups: string[]) =>
    new Client(inProcessTransport(core, componentIdentity(name, ...groups), name));
  const admin = clientOf("system:wherry", "system:masters");
  const ensureObjects = (addresses: readonly string[]) =>
    ensureSystemObjects(core, { serviceCidr: config.serviceCidr, addresses, port: config.httpsListenPort });
  await ensureObjects(apiAddresses(store, config.nodeIp));
  keep(
    "api endpoints",
    whileLeading(store, ending.signal, (_term, signal) =>
      keepApiAddresses(store, config.nodeIp, env, ensureObjects, signal),
    ),
  );
  const clusterUid = (await admin.get(namespaceKind, { name: "kube-system" })).metadata.uid;
  await keepClusterUid(disk, config.dataDir, clusterUid);

  // HTTPS, with credentials of our own.
  let kubeletLink: KubeletLink | undefined;
  const token = await loadAdminToken(credentials, server === undefined ? config.token : undefined);
  const tokens = [knownToken(token, { name: "wherry-admin", groups: ["system:masters"] })];
  const authority = await loadAuthority(env.pki, credentials);
  const names: ServerNames = {
    nodeName: config.nodeName,
    nodeIps: [config.nodeIp],
    serviceIp: firstAddress(config.serviceCidr),
    clusterDomain: config.clusterDomain,
  };
  const certificate = await loadServerCertificate(env.pki, authority, names, { ...credentials, nowMs: clock.now() });
  const build = { version: env.version };
  // Logs and streams of pods elsewhere: the server there has them.
  const neighbours = (nodeName: string): KubeletLink | undefined => {
    const url = store.members().find(({ name }) => name === nodeName)?.clientUrls[0];
    if (url === undefined) return undefined;
    const { httpClient, webSocketClient } = env;
    const connect = (pod: PodRef, port: number) => connectToPod(admin, env, pod, port);
    return remoteKubelet({ httpClient, webSocketClient, server: url, caPem: authority.certificatePem, token, connect });
  };
  const handler = createHttpHandler({
    core,
    kinds,
    authenticate: createAuthenticator(() => tokens),
    authorizer,
    kubelets: (nodeName) => (nodeName === config.nodeName ? kubeletLink : neighbours(nodeName)),
    clock,
    log: log.with({ area: "api" }),
    build,
    cluster: createClusterDesk({ store, config, client: admin, clock, random, log, authority, adminToken: token }),
    checks: [
      {
        name: "store",
        live: true,
        check: () => (store.status().alarm === "CORRUPT" ? "the store is corrupt: see the log" : undefined),
      },
      {
        name: "store-space",
        live: false,
        check: () =>
          store.status().alarm === "NOSPACE" ? "no space left for writes: free some on the disk" : undefined,
      },
    ],
    jsonBytes: createJsonBytes(),
  });
  const listening = await env.http.listen(
    {
      address: config.bindAddress,
      port: config.httpsListenPort,
      tls: { ...certificate, clientCaPem: authority.certificatePem },
    },
    handler,
  );
  parts.first("https", () => listening.close(1000));
  keep(
    "certificates",
    renewCertificate(env, config, authority, names, listening, certificate.certificatePem, ending.signal),
  );
  const local = config.bindAddress === "0.0.0.0" ? "127.0.0.1" : config.bindAddress;
  const kubeconfig = kubeconfigYaml({
    server: `https://${local}:${listening.port}`,
    caPem: authority.certificatePem,
    token,
  });
  await writeKubeconfig(disk, config.writeKubeconfig, kubeconfig);

  // Controllers and scheduler run where the lead is, and what they write counts in its term only.
  const leadersClient = (name: string, term: number) =>
    new Client(inProcessTransport(core, componentIdentity(name), name, term));
  if (enabled("controllers")) {
    const { clusterCidr } = config;
    keep(
      "controllers",
      whileLeading(store, ending.signal, (term, signal) => {
        const client = leadersClient("system:kube-controller-manager", term);
        const clusterCaPem = authority.certificatePem;
        return startControllers({ client, clock, random, log, clusterCidr, clusterCaPem, isServerReachable }, signal);
      }),
    );
  }
  if (enabled("scheduler")) {
    keep(
      "scheduler",
      whileLeading(store, ending.signal, (term, signal) =>
        startScheduler({ client: leadersClient("system:kube-scheduler", term), clock, random, log }, signal),
      ),
    );
  }

  // Services: a process of its own carries them, and outlives this one.
  let gate: EndpointGate = noEndpointGate;
  if (enabled("proxy")) {
    const proxyLink = await env.connectProxy();
    parts.onStop(() => proxyLink.close());
    const client = clientOf("system:kube-proxy");
    const informers = new Informers({ client, clock, random, log });
    gate = startProxyController(
      {
        informers,
        link: proxyLink,
        clock,
        log: log.with({ area: "proxy" }),
        serviceCidr: config.serviceCidr,
        clusterCidr: config.clusterCidr,
        nodePortRange: config.nodePortRange,
        nodeName: config.nodeName,
        apiServer: { address: config.nodeIp, port: listening.port },
      },
      ending.signal,
    );
    informers.start(ending.signal);
  }

  let ready: Promise<void> = Promise.resolve();
  // The kubelet last: it starts what the others have decided.
  if (enabled("kubelet")) {
    const kubelet = createKubelet({
      client: clientOf(`system:node:${config.nodeName}`, "system:nodes"),
      runtime: env.containerRuntime(clusterUid),
      podNetwork: env.podNetwork,
      files: env.podFiles,
      dialer: env.dialer,
      http: env.httpClient,
      gate,
      clock,
      random,
      log,
      facts: await env.hostFacts(),
      nodeName: config.nodeName,
      nodeIp: config.nodeIp,
      dataDir: config.dataDir,
      podCidr: await podCidrOf(admin, config),
      clusterCidr: config.clusterCidr,
      serviceCidr: config.serviceCidr,
      clusterDomain: config.clusterDomain,
      kubeletVersion: gitVersion(build),
    });
    ready = kubelet.ready;
    kubeletLink = kubelet.link;
    keep("kubelet", kubelet.run(ending.signal));
  }

  return {
    url: `https://${config.nodeIp}:${listening.port}`,
    client: admin,
    ready,
    stop: () => parts.stop(),
  };
}

/** Over the pods' network, which leads to the pods of every node. */
async function connectToPod(client: Client, { clock, dialer }: ServerEnv, pod: PodRef, port: number) {
  const { status } = await client.get(podKind, { namespace: pod.namespace, name: pod.name });
  if (!status.podIP) throw badRequest(`pod "${pod.name}" has no address yet: it is ${status.phase}`);
  const limit = new AbortController();
  const timer = clock.schedule(dialLimitMs, () => limit.abort());
  try {
    return await dialer.connect(status.podIP, port, limit.signal);
  } catch (cause) {
    throw new StatusError(500, "InternalError", `cannot forward to port ${port} of pod "${pod.name}"`, {}, cause);
  } finally {
    timer.cancel();
  }
}

/** The containers carry it: who removes the node finds them by this file, also when the store cannot be read. */
async function keepClusterUid(disk: Disk, dataDir: string, clusterUid: string): Promise<void> {
  const path = `${dataDir}/cluster-uid`;
  const text = `${clusterUid}\n`;
  if ((await disk.exists(path)) && new TextDecoder().decode(await disk.readFile(path)) === text) return;
  await disk.writeFileAtomic(path, new TextEncoder().encode(text));
}

/** What runs, and how it ends: signals first, then connections, then the parts, the store last. */
class Parts {
  readonly ending = new AbortController();
  readonly #env: ServerEnv;
  readonly #signals: (() => void)[] = [];
  readonly #connections: Closing[] = [];
  readonly #running: Closing[] = [];
  readonly #stores: Closing[] = [];

  constructor(env: ServerEnv) {
    this.#env = env;
  }

  /** Keeps a part running until the end; a part that fails by itself is a bug worth a line. */
  keep(part: string, work: Promise<unknown>): void {
    const ended = work.catch((error: unknown) => {
      if (this.ending.signal.aborted) return;
      this.#env.log.error("A part of the node has stopped", { part, error: describeError(error) });
    });
    this.#running.push({ part, close: () => ended });
  }

  onStop(signal: () => void): void {
    this.#signals.push(signal);
  }

  first(part: string, close: () => Promise<unknown>): void {
    this.#connections.push({ part, close });
  }

  atEnd(part: string, close: () => Promise<unknown>): void {
    this.#stores.push({ part, close });
  }

  async stop(): Promise<void> {
    this.ending.abort();
    for (const signal of this.#signals) signal();
    for (const closings of [this.#connections, this.#running, this.#stores])
      await Promise.all(closings.splice(0).map((closing) => this.#close(closing)));
  }

  async #close({ part, close }: Closing): Promise<void> {
    const { clock, log } = this.#env;
    const done = new AbortController();
    const late = sleep(clock, stopLimitMs, done.signal).then(() => {
      if (!done.signal.aborted)
        log.warn("A part of the node did not end in time and is left behind", { part, waitedMs: stopLimitMs });
    });
    await Promise.race([close().finally(() => done.abort()), late]);
  }
}

interface Closing {
  readonly part: string;
  close(): Promise<unknown>;
}

/** "10.43.0.0/16" to "10.43.0.1". */
function firstAddress(cidr: string): string {
  const octets = (cidr.split("/")[0] ?? "").split(".").map(Number);
  return [...octets.slice(0, 3), (octets[3] ?? 0) + 1].join(".");
}

/** Only when it would be another one: a node must also start on a full disk. */
async function writeKubeconfig(disk: Disk, path: string, kubeconfig: string): Promise<void> {
  if ((await disk.exists(path)) && new TextDecoder().decode(await disk.readFile(path)) === kubeconfig) return;
  await disk.writeFileAtomic(path, new TextEncoder().encode(kubeconfig), { mode: 0o600 });
}

async function renewCertificate(
  env: ServerEnv,
  config: Config,
  authority: Awaited<ReturnType<typeof loadAuthority>>,
  names: ServerNames,
  listening: Listening,
  certificatePem: string,
  signal: AbortSignal,
): Promise<void> {
  const { clock, disk, random, pki } = env;
  let present = certificatePem;
  while (!signal.aborted) {
    await sleep(clock, await renewalDelayMs(pki, present, clock.now()), signal);
    if (signal.aborted) return;
    const options = { disk, random, dataDir: config.dataDir, nowMs: clock.now() };
    const renewed = await loadServerCertificate(pki, authority, names, options);
    if (renewed.certificatePem === present) continue;
    listening.renew(renewed);
    present = renewed.certificatePem;
    env.log.info("The server's certificate was renewed", { area: "api" });
  }
}

/** This node's share of the pods' network: the one that it has, else the first that no node has. */
async function podCidrOf(client: Client, { nodeName, clusterCidr }: Config): Promise<string> {
  const { items } = await client.list(nodeKind);
  const own = items.find(({ metadata }) => metadata.name === nodeName)?.spec.podCIDR;
  if (own) return own;
  const free = freePodCidr(clusterCidr, new Set(items.flatMap(({ spec }) => spec.podCIDR ?? [])));
  if (free === undefined)
    throw new Error(`Cannot give node "${nodeName}" a pod network: all of ${clusterCidr} is taken`);
  return free;
}
