import { expect, test } from "bun:test";
import { simulate } from "../sim/simulation.ts";
import type { ObservedContainer } from "./container_runtime.ts";
import { ObservedPods } from "./observed_pods.ts";

const pod = { namespace: "default", name: "web", uid: "u1" };
const container = (state: "running" | "exited"): ObservedContainer => ({
  id: "c1",
  sandboxId: "s1",
  pod,
  name: "web",
  attempt: 0,
  state,
  image: "nginx",
  imageId: "sha256:1",
  createdAtMs: 0,
  labels: {},
});

test("a death that the engine tells of before its own list knows is seen as soon as the list does", async () => {
  await simulate(1, async ({ clock, log, signal }) => {
    let state: "running" | "exited" = "running";
    let seen: string | undefined;
    const observed: ObservedPods = new ObservedPods({
      runtime: {
        list: async () => ({ sandboxes: [], containers: [container(state)] }),
        async *events() {
          await new Promise<void>((resolve) => clock.schedule(1000, resolve));
          yield { type: "died", podUid: pod.uid, containerId: "c1" };
          // Docker 20.10 was seen to need some milliseconds more.
          clock.schedule(200, () => {
            state = "exited";
          });
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        },
      },
      clock,
      log,
      changed: () => {
        seen = observed.of(pod.uid).containers[0]?.state;
      },
      availability: () => undefined,
    });
    observed.run(signal);
    await clock.advance(500);
    expect(seen).toBe("running");
    // Long before the next poll.
    await clock.advance(1500);
    expect(seen).toBe("exited");
  });
});
