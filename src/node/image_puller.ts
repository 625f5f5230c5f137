/** Has the image of a container, or says why not: pull policies, back-off, events. */
import type { Clock } from "../env/clock.ts";
import { describeError } from "../env/log.ts";
import { BackOff } from "./back_off.ts";
import { type ContainerRuntime, type ObservedImage, type RegistryLogin, RuntimeError } from "./container_runtime.ts";
import { imageNameProblem } from "./image_reference.ts";
import type { AnyContainer } from "./pod_environment.ts";
import type { Waiting } from "./pod_status.ts";

export type ImageEvent = (type: "Normal" | "Warning", reason: string, message: string) => void;

export type ImageOutcome =
  | { readonly image: ObservedImage }
  /** Look again after `againMs`; absent: only a change of the pod can help. */
  | { readonly waiting: Waiting; readonly againMs?: number };

const soonMs = 2000;

export class ImagePuller {
  readonly #runtime: ContainerRuntime;
  readonly #clock: Clock;
  readonly #backOff = new BackOff();
  readonly #failedAtMs = new Map<string, number>();
  readonly #lastError = new Map<string, string>();

  constructor(runtime: ContainerRuntime, clock: Clock) {
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /** Rejects only when the engine is away. */
  async ensure(
    podUid: string,
    container: AnyContainer,
    event: ImageEvent,
    signal: AbortSignal,
    /** Asked only when there is something to pull. */
    login: (image: string) => Promise<RegistryLogin | undefined>,
  ): Promise<ImageOutcome> {
    const image = container.image ?? "";
    const problem = imageNameProblem(image);
    if (problem !== undefined) {
      event("Warning", "InspectFailed", `Failed to apply default image tag "${image}": ${problem}`);
      event("Warning", "Failed", "Error: InvalidImageName");
      const message = `Failed to apply default image tag "${image}": ${problem}`;
      return { waiting: { reason: "InvalidImageName", message } };
    }
    const policy = container.imagePullPolicy ?? "IfNotPresent";
    const present = await this.#runtime.imageStatus(image);
    if (present && (policy !== "Always" || !present.hasRegistryDigest)) {
      event("Normal", "Pulled", `Container image "${image}" already present on machine`);
      return { image: present };
    }
    if (policy === "Never") {
      const message = `Container image "${image}" is not present with pull policy of Never`;
      event("Warning", "ErrImageNeverPull", message);
      event("Warning", "Failed", "Error: ErrImageNeverPull");
      return { waiting: { reason: "ErrImageNeverPull", message }, againMs: 10_000 };
    }
    const key = `${podUid} ${image}`;
    const nowMs = this.#clock.monotonicMs();
    const waitMs = this.#backOff.waitMs(key, this.#failedAtMs.get(key) ?? nowMs, nowMs);
    if (waitMs > 0) {
      event("Normal", "BackOff", `Back-off pulling image "${image}"`);
      event("Warning", "Failed", "Error: ImagePullBackOff");
      const why = this.#lastError.get(key) ?? "";
      const message = `Back-off pulling image "${image}"${why === "" ? "" : `: ErrImagePull: ${why}`}`;
      return { waiting: { reason: "ImagePullBackOff", message }, againMs: waitMs };
    }
    return this.#pull(key, image, present, event, signal, login);
  }

  async #pull(
    key: string,
    image: string,
    present: ObservedImage | undefined,
    event: ImageEvent,
    signal: AbortSignal,
    login: (image: string) => Promise<RegistryLogin | undefined>,
  ): Promise<ImageOutcome> {
    const startedMs = this.#clock.monotonicMs();
    event("Normal", "Pulling", `Pulling image "${image}"`);
    try {
      await this.#runtime.pullImage(image, signal, await login(image));
      const pulled = await this.#runtime.imageStatus(image);
      if (pulled === undefined) throw new RuntimeError("ImageNotFound", `the image "${image}" is gone after its pull`);
      const took = `${Math.round(this.#clock.monotonicMs() - startedMs) / 1000}s`;
      const size = `Image size: ${pulled.sizeBytes} bytes.`;
      event("Normal", "Pulled", `Successfully pulled image "${image}" in ${took} (${took} including waiting). ${size}`);
      this.#backOff.forget(key);
      return { image: pulled };
    } catch (error) {
      const code = error instanceof RuntimeError ? error.code : "Unknown";
      if (code === "Unavailable") throw error;
      const why =
        error instanceof RuntimeError
          ? `Error response from daemon: ${error.message.replace(/^Cannot pull the image "[^"]*": /, "")}`
          : describeError(error);
      event("Warning", "Failed", `Failed to pull image "${image}": ${why}`);
      if (present && code === "RegistryUnavailable") {
        event(
          "Normal",
          "Pulled",
          `The registry does not answer: container image "${image}" already present on machine is used`,
        );
        return { image: present };
      }
      event("Warning", "Failed", "Error: ErrImagePull");
      const nowMs = this.#clock.monotonicMs();
      this.#backOff.repeated(key, this.#failedAtMs.get(key) ?? nowMs, nowMs);
      this.#failedAtMs.set(key, nowMs);
      this.#lastError.set(key, why);
      return { waiting: { reason: "ErrImagePull", message: why }, againMs: soonMs };
    }
  }

  /** The pod is gone. */
  forget(podUid: string): void {
    for (const key of [...this.#failedAtMs.keys()]) {
      if (!key.startsWith(`${podUid} `)) continue;
      this.#backOff.forget(key);
      this.#failedAtMs.delete(key);
      this.#lastError.delete(key);
    }
  }
}
