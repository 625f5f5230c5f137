import { Command, Option } from "@commander-js/extra-typings";
import { serviceKind } from "../../kinds/core/service.ts";
import { resourcePath } from "../api_connection.ts";
import type { Cli } from "../cli.ts";
import { createObject } from "../create_object.ts";
import { UsageError } from "../failure.ts";
import { dryRunOption, outputOption, wholeNumber } from "../flags.ts";
import { type AnyObject, anyObject } from "../object.ts";
import { labelPairs } from "../pairs.ts";
import { podSpecOf, selectorOf } from "../pod_owner.ts";
import { parseOne } from "../resource_args.ts";
import { portOrName } from "../service_ports.ts";

interface ExposedPort {
  readonly port: number;
  readonly protocol: string;
}

export function define(cli: Cli) {
  return new Command()
    .description("Give a pod, a Deployment, a ReplicaSet or a Service's pods a Service")
    .argument("<target...>", "TYPE NAME or TYPE/NAME")
    .option("--port <port>", "the Service's port; else the containers' ports are taken", wholeNumber)
    .option("--target-port <port>", "the pods' port, a number or a name (that of --port)")
    .option("--protocol <protocol>", "TCP, UDP or SCTP (TCP)")
    .option("--name <name>", "the Service's name (the object's)")
    .addOption(new Option("--type <type>", "ClusterIP or NodePort").choices(["ClusterIP", "NodePort", "LoadBalancer"]))
    .option("--selector <labels>", "which pods, instead of the object's own selector")
    .option("-l, --labels <labels>", "the Service's labels (the object's)")
    .option("--cluster-ip <ip>", 'the virtual IP, or "None" for a headless Service')
    .option("--session-affinity <kind>", "None or ClientIP")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText("after", "\nExample:\n  wherry expose deployment web --port=8080 --target-port=80")
    .action(async (args, flags) => {
      const { api, namespace } = await cli.session();
      const { kind, name } = parseOne(cli.kinds, args, "expose");
      const object = anyObject(await api.json({ method: "GET", path: resourcePath(kind, namespace, name) }));
      const selector = flags.selector === undefined ? selectorOf(object) : labelPairs(flags.selector);
      if (selector === undefined)
        throw new UsageError(`cannot expose a ${kind.kind}: expose a Pod, Deployment, ReplicaSet or Service`);
      if (Object.keys(selector).length === 0)
        throw new UsageError(
          `couldn't retrieve selectors via --selector flag or introspection: the ${kind.singular} has no labels and cannot be exposed`,
        );
      const ports = exposedPorts(object, flags.port, flags.protocol);
      if (ports.length === 0) throw new UsageError("couldn't find port via --port flag or introspection: give --port");
      const target = flags.targetPort === undefined ? undefined : portOrName(flags.targetPort);
      const labels = flags.labels === undefined ? object.metadata?.labels : labelPairs(flags.labels);
      await createObject(
        cli,
        serviceKind,
        {
          metadata: { name: flags.name ?? name, ...(labels ? { labels } : {}) },
          spec: {
            ports: ports.map(({ port, protocol }, index) => ({
              ...(ports.length > 1 ? { name: `port-${index + 1}` } : {}),
              port,
              protocol,
              targetPort: target ?? port,
            })),
            selector,
            ...(flags.type === undefined ? {} : { type: flags.type }),
            ...(flags.clusterIp === undefined ? {} : { clusterIP: flags.clusterIp }),
            ...(flags.sessionAffinity === undefined ? {} : { sessionAffinity: flags.sessionAffinity }),
          },
        },
        flags,
        { word: "exposed", fieldManager: "kubectl-expose" },
      );
    });
}

function exposedPorts(object: AnyObject, port: number | undefined, protocol: string | undefined): ExposedPort[] {
  const declared: ExposedPort[] =
    object.kind === "Service"
      ? // Sound: a Service's ports are as published.
        ((object.spec as { ports?: ExposedPort[] } | undefined)?.ports ?? [])
      : (podSpecOf(object)?.containers ?? []).flatMap((container) =>
          (container.ports ?? []).map((p) => ({ port: p.containerPort, protocol: p.protocol ?? "TCP" })),
        );
  if (port === undefined) return declared.map((p) => ({ port: p.port, protocol: protocol ?? p.protocol }));
  const known = declared.find((p) => p.port === port)?.protocol;
  return [{ port, protocol: protocol ?? known ?? "TCP" }];
}
