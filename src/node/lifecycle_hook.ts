import { sleep } from "../env/clock.ts";
import type { AnyContainer } from "./pod_environment.ts";
import { tryHandler } from "./probe_actions.ts";
import type { WorkedPod } from "./worked_pod.ts";

/** Hooks have no time-out of their own; one that hangs must not hold its pod for ever. */
export const hookLimitMs = 600_000;

/** Runs a postStart or preStop hook of a container; `message` says why it is not `ok`. */
export async function runHook(
  { context }: WorkedPod,
  hook: NonNullable<NonNullable<AnyContainer["lifecycle"]>["postStart"]>,
  container: AnyContainer,
  containerId: string,
  podIp: string,
  limitMs: number,
): Promise<{ readonly ok: boolean; readonly message: string }> {
  if (hook.sleep) {
    await sleep(context.clock, Math.min(hook.sleep.seconds * 1000, limitMs));
    return { ok: true, message: "" };
  }
  return tryHandler(context.probeEffects, hook, { container, containerId, podIp }, limitMs);
}
