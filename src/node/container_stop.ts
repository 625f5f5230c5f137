/** Ends containers of one pod: hook, SIGTERM, grace period. */
import type { Pod } from "../kinds/core/pod.ts";
import type { Observed } from "../kinds/kind.ts";
import { graceLabel } from "./container_config.ts";
import { runHook } from "./lifecycle_hook.ts";
import { isSidecar } from "./pod_actions.ts";
import type { AnyContainer } from "./pod_environment.ts";
import { containerSpec, type WorkedPod } from "./worked_pod.ts";

/** Kubernetes gives so long even after a hook that took all of the grace period. */
const afterHookMs = 2000;

export async function stopContainer(
  worked: WorkedPod,
  pod: Observed<Pod> | undefined,
  spec: AnyContainer | undefined,
  id: string,
  graceSeconds?: number,
): Promise<void> {
  const { runtime, clock } = worked.context;
  const graceMs = 1000 * (graceSeconds ?? pod?.spec.terminationGracePeriodSeconds ?? 30);
  const startedMs = clock.monotonicMs();
  const hook = spec?.lifecycle?.preStop;
  if (hook && spec && graceMs > 0) {
    const podIp = (pod && worked.podIp(pod)) ?? "";
    const { ok, message } = await runHook(worked, hook, spec, id, podIp, graceMs);
    if (!ok) worked.event("Warning", "FailedPreStopHook", `PreStopHook failed: ${message}`, spec.name);
  }
  const leftMs = Math.max(graceMs - (clock.monotonicMs() - startedMs), hook ? afterHookMs : 0);
  await runtime.stopContainer(id, Math.ceil(leftMs / 1000));
}

/** Ends what runs, main containers before sidecars. */
export async function stopContainers(
  worked: WorkedPod,
  pod: Observed<Pod> | undefined,
  graceSeconds?: number,
): Promise<void> {
  const running = worked.observation().containers.filter(({ state }) => state === "running");
  const sidecars = new Set((pod?.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  for (const group of [
    running.filter(({ name }) => !sidecars.has(name)),
    running.filter(({ name }) => sidecars.has(name)),
  ])
    await Promise.all(
      group.map(({ id, name, labels }) => {
        worked.event("Normal", "Killing", `Stopping container ${name}`, name);
        const kept = Number(labels[graceLabel] ?? 30);
        return stopContainer(worked, pod, pod && containerSpec(pod, name), id, graceSeconds ?? kept);
      }),
    );
}
