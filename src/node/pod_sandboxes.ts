/** The sandboxes of one pod: made, wired into the pod network, ended. */
import { describeError } from "../env/log.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { sandboxConfig } from "./container_config.ts";
import type { WorkedPod } from "./worked_pod.ts";

export interface MadeSandbox {
  readonly id: string;
  readonly podIp: string;
  /** Resolves when it runs and is wired; containers may be created meanwhile. */
  readonly ready: Promise<void>;
}

export class PodSandboxes {
  readonly #worked: WorkedPod;
  /** The sandbox whose network this worker knows to be wired. */
  #wired: string | undefined;

  constructor(worked: WorkedPod) {
    this.#worked = worked;
  }

  isWired(sandboxId: string): boolean {
    return sandboxId === this.#wired;
  }

  async make(pod: Observed<Pod>, attempt: number): Promise<MadeSandbox> {
    const { context, identity } = this.#worked;
    const { runtime, addresses, nodeIp } = context;
    try {
      this.#warnOfHostPorts(pod);
      const address = pod.spec.hostNetwork ? undefined : addresses.take(identity.uid);
      const podIp = address?.split("/")[0] ?? nodeIp;
      const id = await runtime.createPodSandbox(sandboxConfig(pod, attempt, address));
      return { id, podIp, ready: this.#startAndWire(id, address) };
    } catch (error) {
      addresses.free(identity.uid);
      this.#sayFailed(error);
      throw error;
    }
  }

  async #startAndWire(id: string, address: string | undefined): Promise<void> {
    const { context, givenUp } = this.#worked;
    try {
      const network = Promise.race([context.networkReady(), givenUp]);
      const [{ pid }] = await Promise.all([context.runtime.startPodSandbox(id), network]);
      await this.wire(id, pid, address);
    } catch (error) {
      this.#sayFailed(error);
      throw error;
    }
  }

  /** `address` undefined: the pod is on the node's own network. */
  async wire(sandboxId: string, pid: number, address: string | undefined): Promise<void> {
    const { context, identity, givenUp } = this.#worked;
    if (address !== undefined) {
      await Promise.race([context.networkReady(), givenUp]);
      await context.podNetwork.attach(identity.uid, pid, address);
    }
    this.#wired = sandboxId;
  }

  /** Ends them. The pod's wiring and address go too, unless another sandbox of it runs and uses them. */
  async stop(ids: readonly string[]): Promise<void> {
    const { context, identity } = this.#worked;
    for (const id of ids) await context.runtime.stopPodSandbox(id);
    const { sandboxes } = this.#worked.observation();
    if (sandboxes.some(({ id, state }) => state === "running" && !ids.includes(id))) return;
    await context.podNetwork.detach(identity.uid);
    context.addresses.free(identity.uid);
  }

  #warnOfHostPorts({ spec }: Observed<Pod>): void {
    const hostPorts = spec.containers.flatMap(({ ports = [] }) => ports.flatMap(({ hostPort }) => hostPort ?? []));
    if (hostPorts.length === 0 || spec.hostNetwork) return;
    const text = `host ports are not supported yet: ${hostPorts.join(", ")} of the node will not lead to this pod`;
    this.#worked.event("Warning", "HostPortNotSupported", text);
  }

  #sayFailed(error: unknown): void {
    const text = `Failed to create pod sandbox: ${describeError(error)}`;
    this.#worked.event("Warning", "FailedCreatePodSandBox", text);
  }
}
