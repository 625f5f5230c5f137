import { realClock } from "../env/real/clock.ts";
import { containerRuntimeContract } from "../node/container_runtime_contract.ts";
import { SeededRandom } from "./random.ts";
import { SimEngine } from "./runtime.ts";

let uid = 0;

// Real time: the contract waits for the runtime itself, and a virtual clock would have to be moved on by somebody.
containerRuntimeContract("the simulated engine", async () => {
  const engine = new SimEngine({ clock: realClock, random: new SeededRandom(1), images: ["busybox"] });
  return {
    runtime: engine.forCluster("ours"),
    stranger: engine.forCluster("theirs"),
    newUid: () => `uid-${++uid}`,
    programs: {
      image: "busybox:latest",
      forever: ["sim"],
      deaf: ["sim", "deaf"],
      tell: (out, err, code) => ["sim", "print", out, "print-error", err, "exit", String(code)],
      copy: ["sim", "copy"],
      absent: ["/no/such/program"],
    },
  };
});
