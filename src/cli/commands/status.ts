import { Command } from "@commander-js/extra-typings";
import { deploymentKind } from "../../kinds/apps/deployment.ts";
import { nodeKind } from "../../kinds/core/node.ts";
import { podKind } from "../../kinds/core/pod.ts";
import { serviceKind } from "../../kinds/core/service.ts";
import { ageOf } from "../../kinds/human_duration.ts";
import { StatusError } from "../../kinds/status_error.ts";
import type { Cli } from "../cli.ts";
import { alignTabs, describeStops } from "../elastic_tabs.ts";
import { ExitWith } from "../failure.ts";
import { readMembers, toleranceOf } from "../members.ts";
import { isRecord, readList } from "../object.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Is the node well, and what runs on it")
    .addHelpText("after", "\nExample:\n  wherry status")
    .action(async () => {
      const { api } = await cli.session();
      const answer = await api.json({ method: "GET", path: "/version" });
      const version = isRecord(answer) ? String(answer.gitVersion) : "unknown";
      const problems = await unready(cli);
      const [nodes, pods, services, deployments] = await Promise.all([
        readList(api, nodeKind, undefined),
        readList(api, podKind, undefined),
        readList(api, serviceKind, undefined),
        readList(api, deploymentKind, undefined),
      ]);
      const now = cli.env.clock.now();
      const lines = [
        `Server:\t${api.server}`,
        `Version:\t${version}`,
        `API:\t${problems.length === 0 ? "ready" : `not ready: ${problems.join(", ")}`}`,
      ];
      let well = problems.length === 0;
      const servers = await readMembers(api).catch(() => undefined);
      if (servers !== undefined) {
        well = well && servers.hasQuorum && servers.members.every(({ connected }) => connected);
        lines.push(`Cluster:\t${toleranceOf(servers)}`);
      }
      for (const node of nodes) {
        const ready = node.status.conditions?.find(({ type }) => type === "Ready");
        const isReady = ready?.status === "True";
        well = well && isReady;
        const address = node.status.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "no address";
        const runtime = node.status.nodeInfo?.containerRuntimeVersion ?? "no container runtime";
        const state = isReady ? "Ready" : `NotReady (${ready?.message || "no word from it"})`;
        lines.push(
          `Node ${node.metadata.name}:\t${state}, ${address}, ${runtime}, for ${ageOf(node.metadata.creationTimestamp, now)}`,
        );
      }
      if (nodes.length === 0) {
        well = false;
        lines.push("Nodes:\tnone has joined");
      }
      const running = pods.filter(({ status }) => status.phase === "Running").length;
      const ended = pods.filter(({ status }) => status.phase === "Succeeded").length;
      lines.push(
        `Pods:\t${running} running, ${ended} completed, ${pods.length - running - ended} other`,
        `Workloads:\t${deployments.length} deployments, ${services.length} services`,
      );
      await cli.print(alignTabs(lines.join("\n"), describeStops));
      if (!well) throw new ExitWith(1);
    });
}

/** The names of the checks that fail, out of /readyz. */
async function unready(cli: Cli): Promise<string[]> {
  const { api } = await cli.session();
  try {
    const stream = await api.stream({ method: "GET", path: "/readyz", query: [["verbose", "true"]], accept: "*/*" });
    for await (const _ of stream);
    return [];
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const failed = [...error.message.matchAll(/^\[-\]([\w./-]+)/gm)].map((match) => match[1] ?? "");
    return failed.length > 0 ? failed : [error.message];
  }
}
