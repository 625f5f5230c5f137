import type { WorkedPod } from "./worked_pod.ts";

const longestMs = 10_000;

/** No container gets SIGTERM while the proxy may still send it new connections; bounded, so that a pod can always end. */
export async function withdraw(
  { context, identity }: WorkedPod,
  address: string,
  graceSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const limit = new AbortController();
  const stop = () => limit.abort();
  signal.addEventListener("abort", stop, { once: true });
  const timer = context.clock.schedule(Math.max(1000, Math.min(graceSeconds * 1000, longestMs)), stop);
  try {
    await context.gate.withdrawn(address, limit.signal, identity.uid);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", stop);
  }
}
