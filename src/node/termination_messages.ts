/** What the ended containers of one pod left as their last words. */
import { describeError } from "../env/log.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { containerSpec, type WorkedPod } from "./worked_pod.ts";

const longestMessage = 4096;
const longestOfLogs = 2048;
const logLimitMs = 10_000;

/** `root`: where the pod's files lie. */
export function terminationFile(root: string, container: string, attempt: number): string {
  return `${root}/containers/${container}/termination-${attempt}`;
}

export class TerminationMessages {
  readonly #worked: WorkedPod;
  readonly #messages = new Map<string, string>();

  constructor(worked: WorkedPod) {
    this.#worked = worked;
  }

  of(containerId: string): string | undefined {
    return this.#messages.get(containerId);
  }

  forget(containerId: string): void {
    this.#messages.delete(containerId);
  }

  /** Reads those of containers that have ended since. */
  async read(pod: Observed<Pod>): Promise<void> {
    const { root, context } = this.#worked;
    for (const { id, name, attempt, state, exitCode } of this.#worked.observation().containers) {
      if (state !== "exited" || this.#messages.has(id)) continue;
      const spec = containerSpec(pod, name);
      const bytes = await context.files.readFile(terminationFile(root, name, attempt), longestMessage);
      let text = bytes ? new TextDecoder().decode(bytes) : "";
      if (text === "" && spec?.terminationMessagePolicy === "FallbackToLogsOnError" && exitCode !== 0)
        text = await this.#lastLogLines(id);
      this.#messages.set(id, text);
    }
  }

  async #lastLogLines(containerId: string): Promise<string> {
    const { runtime, clock } = this.#worked.context;
    const options = { follow: false, timestamps: false, tailLines: 80, stdout: true, stderr: true };
    const decoder = new TextDecoder();
    let text = "";
    // A log file that is damaged can hang the engine's answer; the pod does not wait for it.
    const limit = new AbortController();
    const timer = clock.schedule(logLimitMs, () => limit.abort());
    try {
      for await (const { bytes } of await runtime.logs(containerId, options, limit.signal))
        text = (text + decoder.decode(bytes, { stream: true })).slice(-longestOfLogs);
    } catch (error) {
      this.#worked.log.debug("the logs of an ended container are not readable", { error: describeError(error) });
    } finally {
      timer.cancel();
    }
    return text;
  }
}
