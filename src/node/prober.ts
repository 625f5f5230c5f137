/** The probes of one pod's running containers: a loop for each, a state for the worker to read. */
import { sleep } from "../env/clock.ts";
import type { ObservedContainer } from "./container_runtime.ts";
import type { ProbeState } from "./pod_actions.ts";
import type { AnyContainer } from "./pod_environment.ts";
import { type AnyProbe, type ProbeEffects, type ProbeTarget, tryHandler } from "./probe_actions.ts";

export interface ProberOptions {
  readonly effects: ProbeEffects;
  /** The state of a container has changed. */
  changed(): void;
  /** A try failed: "Readiness probe failed: ...". */
  unhealthy(container: string, message: string): void;
  /** What the pod's status says of a container that this kubelet did not start: its last answer stands until the next. */
  lastKnown(containerId: string): { readonly ready: boolean; readonly started: boolean };
}

interface Probed {
  readonly stop: AbortController;
  started: boolean;
  ready: boolean;
  failed: "liveness" | "startup" | undefined;
}

const unprobed: ProbeState = { started: true, ready: true };

type ProbeName = "startup" | "readiness" | "liveness";

export class Prober {
  readonly #options: ProberOptions;
  readonly #probed = new Map<string, Probed>();

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  state(container: ObservedContainer, spec: AnyContainer): ProbeState {
    if (!spec.startupProbe && !spec.readinessProbe && !spec.livenessProbe) return unprobed;
    const probed = this.#probed.get(container.id);
    // Not probed yet by this kubelet: what the pod's status says of this very container still holds.
    if (probed === undefined) return this.#options.lastKnown(container.id);
    const { started, ready, failed } = probed;
    return { started, ready: ready && started, ...(failed === undefined ? {} : { failed: { probe: failed } }) };
  }

  /** Probes exactly these containers. */
  sync(
    running: readonly { readonly spec: AnyContainer; readonly container: ObservedContainer }[],
    podIp: string,
  ): void {
    const wanted = new Set(running.map(({ container }) => container.id));
    for (const [id, probed] of this.#probed) {
      if (wanted.has(id)) continue;
      probed.stop.abort();
      this.#probed.delete(id);
    }
    for (const { spec, container } of running) {
      if (this.#probed.has(container.id)) continue;
      if (!spec.startupProbe && !spec.readinessProbe && !spec.livenessProbe) continue;
      const known = this.#options.lastKnown(container.id);
      const probed: Probed = {
        stop: new AbortController(),
        started: spec.startupProbe === undefined || known.started,
        ready: spec.readinessProbe === undefined || known.ready,
        failed: undefined,
      };
      this.#probed.set(container.id, probed);
      const target = { container: spec, containerId: container.id, podIp };
      void this.#probe(probed, target, container.startedAtMs ?? container.createdAtMs);
    }
  }

  stop(): void {
    this.sync([], "");
  }

  async #probe(probed: Probed, target: ProbeTarget, startedAtMs: number): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = target.container;
    const { signal } = probed.stop;
    if (startupProbe && !probed.started) {
      await this.#loop("startup", startupProbe, target, startedAtMs, signal, (passed) => {
        if (passed) probed.started = true;
        else probed.failed = "startup";
        return "end";
      });
      if (!probed.started) return;
    }
    await Promise.all([
      readinessProbe &&
        this.#loop("readiness", readinessProbe, target, startedAtMs, signal, (passed) => {
          probed.ready = passed;
          return "go on";
        }),
      livenessProbe &&
        this.#loop("liveness", livenessProbe, target, startedAtMs, signal, (passed) => {
          if (!passed) probed.failed = "liveness";
          return passed ? "go on" : "end";
        }),
    ]);
  }

  /** Calls `verdict` when as many tries in a row as the thresholds ask for have passed or failed. */
  async #loop(
    name: ProbeName,
    probe: AnyProbe,
    target: ProbeTarget,
    startedAtMs: number,
    signal: AbortSignal,
    verdict: (passed: boolean) => "go on" | "end",
  ): Promise<void> {
    const { effects, unhealthy, changed } = this.#options;
    const { clock } = effects;
    const delayMs = (probe.initialDelaySeconds ?? 0) * 1000 - Math.max(0, clock.now() - startedAtMs);
    if (delayMs > 0) await sleep(clock, delayMs, signal);
    let last: boolean | undefined;
    let inRow = 0;
    while (!signal.aborted) {
      const { ok, message } = await tryHandler(effects, probe, target, (probe.timeoutSeconds ?? 1) * 1000);
      if (signal.aborted) return;
      inRow = ok === last ? inRow + 1 : 1;
      last = ok;
      if (!ok) {
        const title = name === "startup" ? "Startup" : name === "readiness" ? "Readiness" : "Liveness";
        unhealthy(target.container.name, `${title} probe failed: ${message}`);
      }
      const threshold = ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
      if (inRow === threshold) {
        const next = verdict(ok);
        changed();
        if (next === "end") return;
      }
      await sleep(clock, (probe.periodSeconds ?? 10) * 1000, signal);
    }
  }
}
