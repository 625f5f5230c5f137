import { Command } from "@commander-js/extra-typings";
import type { Pod } from "../../kinds/core/pod.ts";
import { podKind } from "../../kinds/core/pod.ts";
import type { Observed } from "../../kinds/kind.ts";
import { type ApiRequest, query, resourcePath } from "../api_connection.ts";
import type { Cli } from "../cli.ts";
import { UsageError } from "../failure.ts";
import { durationMs, selectorOption, wholeNumber } from "../flags.ts";
import { readList, readObject } from "../object.ts";
import { chooseContainer, isPod, podsOf } from "../pod_owner.ts";
import { parsePodOwner } from "../resource_args.ts";
import { lines } from "../watch.ts";

interface Source {
  readonly pod: Observed<Pod>;
  readonly container: string;
}

export function define(cli: Cli) {
  return new Command()
    .description("Print what containers wrote")
    .argument("[target]", "a pod, or TYPE/NAME such as deployment/web")
    .argument("[container]")
    .option("-f, --follow", "go on until the container ends")
    .option("-p, --previous", "of the instance before the last restart")
    .option("-c, --container <name>", "the container (the first)")
    .option("--all-containers", "every container of the pod")
    .option("--all-pods", "every pod of the workload")
    .addOption(selectorOption)
    .option("--tail <lines>", "only the last lines (all; 10 with -l)", wholeNumber)
    .option("--since <duration>", "only what is newer than 5s, 2m or 3h", durationMs)
    .option("--since-time <time>", "only what is newer than that, RFC 3339")
    .option("--timestamps", "each line with its time")
    .option("--limit-bytes <bytes>", "at most so much", wholeNumber)
    .option("--prefix", "each line with its pod and container")
    .option("--max-log-requests <number>", "how many containers to follow at once", wholeNumber, 5)
    .addHelpText("after", "\nExample:\n  wherry logs -f deployment/web")
    .action(async (target, container, flags) => {
      if (target === undefined && flags.selector === undefined)
        throw new UsageError("expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'");
      if (target !== undefined && flags.selector !== undefined)
        throw new UsageError("only a selector (-l) or a POD name is allowed");
      const named = flags.container ?? container;
      if (named !== undefined && flags.allContainers === true)
        throw new UsageError(`--all-containers=true should not be specified with container name ${named}`);
      const prefixed = flags.prefix === true || flags.allPods === true;
      const pods = await podsToRead(cli, target, flags);
      const sources = await Promise.all(
        pods.map((pod) =>
          sourcesOf(cli, pod, named, { every: flags.allContainers === true, quiet: flags.allPods === true }),
        ),
      );
      const all = sources.flat();
      if (flags.follow === true && all.length > flags.maxLogRequests)
        throw new Error(
          `you are attempting to follow ${all.length} log streams, but maximum allowed concurrency is ${flags.maxLogRequests}, use --max-log-requests to increase the limit`,
        );
      const request = ({ pod, container: name }: Source): ApiRequest => ({
        method: "GET",
        path: resourcePath(podKind, pod.metadata.namespace, pod.metadata.name, "log"),
        accept: "*/*",
        query: query({
          container: name,
          follow: flags.follow,
          previous: flags.previous,
          timestamps: flags.timestamps,
          // As kubectl has it, -1 is all of them.
          tailLines: flags.tail === -1 ? undefined : (flags.tail ?? (flags.selector === undefined ? undefined : 10)),
          sinceSeconds: flags.since === undefined ? undefined : Math.max(1, Math.round(flags.since / 1000)),
          sinceTime: flags.sinceTime,
          limitBytes: flags.limitBytes,
        }),
      });
      const { api } = await cli.session();
      const copy = async (source: Source) => {
        const stream = await api.stream(request(source));
        const whole = !prefixed && (all.length === 1 || flags.follow !== true);
        // Bytes as they are, unless lines of several containers must not be mixed.
        if (whole) for await (const chunk of stream) await cli.env.terminal.write(chunk);
        else {
          const prefix = prefixed ? `[pod/${source.pod.metadata.name}/${source.container}] ` : "";
          for await (const line of lines(stream)) await cli.print(prefix + line);
        }
      };
      if (flags.follow === true) await Promise.all(all.map(copy));
      else for (const source of all) await copy(source);
    });
}

async function podsToRead(
  cli: Cli,
  target: string | undefined,
  { selector, allPods }: { readonly selector?: string | undefined; readonly allPods?: true | undefined },
): Promise<readonly Observed<Pod>[]> {
  const { api, namespace } = await cli.session();
  if (target === undefined) {
    const pods = await readList(api, podKind, namespace, { labelSelector: selector });
    if (pods.length === 0) await cli.warn(`No resources found in ${namespace} namespace.`);
    return pods;
  }
  const { kind, name } = parsePodOwner(cli.kinds, target, "logs");
  if (isPod(kind)) return [await readObject(api, podKind, namespace, name)];
  const pods = await podsOf({ api, namespace }, kind, name);
  const [first] = pods;
  if (first === undefined) throw new Error(`${kind.singular} "${name}" has no pods in the namespace ${namespace}`);
  if (allPods === true) return pods;
  if (pods.length > 1) await cli.warn(`Found ${pods.length} pods, using pod/${first.metadata.name}`);
  return [first];
}

async function sourcesOf(
  cli: Cli,
  pod: Observed<Pod>,
  named: string | undefined,
  { every, quiet }: { readonly every: boolean; readonly quiet: boolean },
): Promise<Source[]> {
  const { initContainers = [], containers } = pod.spec;
  if (every) return [...initContainers, ...containers].map(({ name }) => ({ pod, container: name }));
  const container = chooseContainer(pod, named);
  const all = [...containers, ...initContainers.map(({ name }) => ({ name: `${name} (init)` }))];
  if (named === undefined && all.length > 1 && !quiet)
    await cli.warn(`Defaulted container "${container}" out of: ${all.map(({ name }) => name).join(", ")}`);
  return [{ pod, container }];
}
