/**
 * A whole node under load and faults, all of it from the seed, and what must hold: nothing acknowledged is lost, versions grow,
 * watches neither miss nor repeat, a Deployment keeps to its strategy, no container runs twice, and when the faults end
 * everything becomes what the API says.
 */
import { sleep } from "../env/clock.ts";
import { describeError } from "../env/log.ts";
import { type ConfigMap, configMapKind } from "../kinds/core/config_map.ts";
import { StatusError } from "../kinds/status_error.ts";
import { unfinished } from "./convergence.ts";
import { Faults } from "./faults.ts";
import { Model } from "./model.ts";
import { SimulatedNode } from "./node.ts";
import { PodChecker } from "./pod_checker.ts";
import type { Simulation } from "./simulation.ts";
import { broken, Violation } from "./verdict.ts";
import { WatchChecker } from "./watch_checker.ts";
import { WorkloadClient } from "./workload_client.ts";

export interface WorkloadOptions {
  /** Virtual minutes of load and faults; what follows until everything is at rest comes on top. */
  readonly minutes: number;
  /** Changes the machine before its start: to try whether the checks catch a machine that is not what it says. */
  readonly prepare?: (node: SimulatedNode) => void;
}

export interface WorkloadReport {
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly reads: number;
  readonly starts: number;
  readonly faults: Readonly<Record<string, number>>;
  /** From the end of the faults until everything was as it shall be. */
  readonly convergedMs: number;
}

/** A container that died often waits up to five minutes for its next start. */
const convergeLimitMs = 8 * 60_000;
const fatal = /^\S+ error (A part of the node has stopped|.*this is a bug)/;

export async function runWorkload(sim: Simulation, { minutes, prepare }: WorkloadOptions): Promise<WorkloadReport> {
  const { clock, trace, random } = sim;
  const node = new SimulatedNode(sim, { images: ["nginx:1", "nginx:2"], registry: ["nginx:3"] });
  prepare?.(node);
  const model = new Model();
  const faults = new Faults(sim, node);
  const context = { node, model, clock, trace };
  const clients = ["x", "y", "z"].map((id) => new WorkloadClient(id, context, random.fork()));
  const configMaps = new WatchChecker(configMapKind, node, model, clock);
  const pods = new PodChecker(node, model, clock);
  const end = new AbortController();
  sim.signal.addEventListener("abort", () => end.abort());
  let starts = 0;

  /** What systemd does: starts the node whenever it is not there. */
  const supervise = async () => {
    while (!end.signal.aborted) {
      if (node.isRunning && node.disk.isDown) node.cutPower();
      if (!node.isRunning && !faults.isHeldDown) {
        try {
          starts++;
          await node.start();
        } catch (error) {
          const text = describeError(error);
          trace.note(`supervisor: ${text}`);
          if (/corrupt|damaged|checksum/i.test(text)) broken(`The node refuses its own disk: ${text}`);
          await sleep(clock, 1000);
        }
      }
      await sleep(clock, 20, end.signal);
    }
  };
  const work = async (): Promise<WorkloadReport> => {
    const untilMs = clock.monotonicMs() + minutes * 60_000;
    await Promise.all([faults.run(untilMs), ...clients.map((client) => client.run(untilMs))]);
    trace.note("the faults are over");
    const mendedMs = clock.monotonicMs();
    await converge(node, () => clock.monotonicMs() - mendedMs > convergeLimitMs, sim);
    const convergedMs = clock.monotonicMs() - mendedMs;
    trace.note(`everything is as it shall be after ${convergedMs} ms`);
    for (const client of clients) await client.verify();
    await compare(configMaps, clients, node, sim);
    const sum = (what: keyof WorkloadClient["counts"]) => clients.reduce((all, { counts }) => all + counts[what], 0);
    return {
      acknowledged: sum("acknowledged"),
      refused: sum("refused"),
      unknown: sum("unknown"),
      reads: sum("reads"),
      starts,
      faults: Object.fromEntries([...faults.counts].sort()),
      convergedMs,
    };
  };
  const check = async () => {
    let read = 0;
    while (!end.signal.aborted) {
      await sleep(clock, 200, end.signal);
      pods.check();
      for (; read < trace.lines.length; read++) {
        const line = trace.lines[read] ?? "";
        if (fatal.test(line)) throw new Error(`The node logged ${line}`);
      }
    }
    return new Promise<never>(() => undefined);
  };
  const follow = async (checker: { run(signal: AbortSignal): Promise<void> }) => {
    await checker.run(end.signal);
    return new Promise<never>(() => undefined);
  };
  const aside = [supervise().then(() => new Promise<never>(() => undefined)), check()];
  for (const checker of [configMaps, ...pods.checkers]) aside.push(follow(checker));
  try {
    const limitMs = minutes * 60_000 + convergeLimitMs + 600_000;
    return await clock.complete(Promise.race([work(), ...aside]), limitMs, "the workload");
  } finally {
    end.abort();
  }
}

async function converge(node: SimulatedNode, isLate: () => boolean, { clock }: Simulation): Promise<void> {
  while (true) {
    let left: string[];
    try {
      left = await unfinished(node);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      left = [`the API does not answer: ${error.message}`];
    }
    if (left.length === 0) return;
    if (isLate())
      throw new Violation("liveness", `After ${convergeLimitMs} ms without faults:\n  ${left.join("\n  ")}`);
    await sleep(clock, 250);
  }
}

/** What the watch of ConfigMaps has gathered is what is there, and every write that was acknowledged came by. */
async function compare(
  checker: WatchChecker<ConfigMap>,
  clients: readonly WorkloadClient[],
  node: SimulatedNode,
  { clock }: Simulation,
): Promise<void> {
  await sleep(clock, 1000);
  const { items } = await node.client.list(configMapKind);
  const text = (entries: Iterable<readonly [string, string]>) => [...entries].map(String).sort().join(" ");
  const listed = text(
    items.map(({ metadata: { namespace = "", name, resourceVersion } }) => [`${namespace}/${name}`, resourceVersion]),
  );
  const watched = text(checker.state);
  if (listed !== watched) broken(`ConfigMaps by list and by watch differ: ${listed} and ${watched}`);
  for (const version of clients.flatMap(({ configMapVersions }) => configMapVersions))
    if (BigInt(version) > checker.wholeFrom && !checker.versions.has(version))
      broken(`No watch told of the ConfigMap's write at version ${version}`);
}
