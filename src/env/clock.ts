/** A timer that was asked for; cancelling one that has fired is harmless. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as an effect. Nothing outside env/real reads a clock or sets a timer, so that the simulator can run a
 * whole cluster in virtual time.
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump; only for what people read. */
  now(): number;
  /** Never goes backwards; milliseconds from an arbitrary origin. For durations and time-outs. */
  monotonicMs(): number;
  /** Calls `callback` once, not before `delayMs` milliseconds from now. */
  schedule(delayMs: number, callback: () => void): Timer;
}

/** Resolves after `delayMs` milliseconds, or at once when `signal` is or becomes aborted. Never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      timer.cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.schedule(delayMs, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

/** RFC 3339 in whole seconds, UTC: the form of Kubernetes' metav1.Time. */
export function rfc3339(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 with microseconds, UTC: the form of Kubernetes' metav1.MicroTime. */
export function rfc3339Micro(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`;
}
