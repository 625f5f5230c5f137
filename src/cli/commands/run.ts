import { Command, Option } from "@commander-js/extra-typings";
import { sleep } from "../../env/clock.ts";
import type { Pod } from "../../kinds/core/pod.ts";
import { podKind } from "../../kinds/core/pod.ts";
import { serviceKind } from "../../kinds/core/service.ts";
import type { Observed } from "../../kinds/kind.ts";
import { query, resourcePath } from "../api_connection.ts";
import type { Cli, Session } from "../cli.ts";
import { channelProtocols, pump, streamQuery } from "../container_stream.ts";
import { createObject } from "../create_object.ts";
import { ExitWith, UsageError } from "../failure.ts";
import { collect, dryRunOption, outputOption, wholeNumber } from "../flags.ts";
import { readObject } from "../object.ts";
import { labelPairs } from "../pairs.ts";
import { usableTty } from "../usable_tty.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Start one pod with one container")
    .argument("<name>")
    .argument("[args...]", 'after "--": arguments of the image\'s program, or with --command the command')
    .requiredOption("--image <image>", "the container's image")
    .option("--port <port>", "the port that the container listens on", wholeNumber)
    .option("--env <name=value>", "an environment variable; may be given more than once", collect)
    .option("-l, --labels <labels>", "the pod's labels (run=NAME)")
    .option("--annotations <key=value>", "an annotation; may be given more than once", collect)
    .option("--command", "what stands after -- is the command, not its arguments")
    .addOption(
      new Option("--restart <policy>", "Always, OnFailure or Never")
        .choices(["Always", "OnFailure", "Never"])
        .default("Always"),
    )
    .addOption(
      new Option("--image-pull-policy <policy>", "Always, IfNotPresent or Never").choices([
        "Always",
        "IfNotPresent",
        "Never",
      ]),
    )
    .option("--privileged", "a privileged container")
    .option("--expose", "a ClusterIP Service for the pod; wants --port")
    .option("-i, --stdin", "keep standard input open, and attach to the container")
    .option("-t, --tty", "with a terminal")
    .option("--attach", "attach to the container once it runs")
    .option("--rm", "delete the pod when its container has ended; wants -i or --attach")
    .option("-q, --quiet", "no word about what is done")
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addHelpText(
      "after",
      "\nExample:\n  wherry run web --image=nginx --port=80\n  wherry run -it --rm shell --image=busybox -- sh",
    )
    .action(async (name, args, flags) => {
      const attached = flags.attach === true || flags.stdin === true;
      if (flags.rm === true && !attached) throw new UsageError("--rm should only be used for attached containers");
      if (flags.expose === true && flags.port === undefined)
        throw new UsageError("--port must be set when exposing a service");
      if (!/^\S+$/.test(flags.image))
        throw new UsageError(
          `--image "${flags.image}" is not an image's name: write NAME, NAME:TAG or REGISTRY/NAME:TAG`,
        );
      const labels = flags.labels === undefined ? { run: name } : labelPairs(flags.labels);
      const tty = flags.tty === true;
      const container = {
        name,
        image: flags.image,
        resources: {},
        ...(flags.env === undefined ? {} : { env: flags.env.map(variable) }),
        ...(args.length === 0 ? {} : flags.command === true ? { command: args } : { args }),
        ...(flags.port === undefined ? {} : { ports: [{ containerPort: flags.port }] }),
        ...(flags.imagePullPolicy === undefined ? {} : { imagePullPolicy: flags.imagePullPolicy }),
        ...(flags.stdin === true ? { stdin: true, stdinOnce: flags.restart === "Never" || flags.rm === true } : {}),
        ...(tty ? { tty: true } : {}),
        ...(flags.privileged === true ? { securityContext: { privileged: true } } : {}),
      };
      const annotations = Object.assign({}, ...(flags.annotations ?? []).map(labelPairs));
      const metadata = { name, labels, ...(flags.annotations === undefined ? {} : { annotations }) };
      const spec = { containers: [container], restartPolicy: flags.restart, dnsPolicy: "ClusterFirst" };
      const quiet = attached && flags.dryRun === undefined && flags.output === undefined;
      if (flags.expose === true) {
        const ports = [{ port: flags.port, protocol: "TCP", targetPort: flags.port }];
        const service = { metadata: { name }, spec: { ports, selector: labels } };
        await createObject(cli, serviceKind, service, flags, { fieldManager: "kubectl-run" });
        if (flags.output === "yaml") await cli.print("---");
      }
      const { api, namespace } = await cli.session();
      if (!quiet) {
        await createObject(cli, podKind, { metadata, spec }, flags, { fieldManager: "kubectl-run" });
        return;
      }
      await api.json({
        method: "POST",
        path: resourcePath(podKind, namespace),
        query: query({ fieldManager: "kubectl-run" }),
        body: { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, namespace }, spec },
      });
      let code = 1;
      try {
        code = await attach(cli, { api, namespace }, name, {
          stdin: flags.stdin === true,
          tty: tty && (await usableTty(cli)),
        });
      } finally {
        if (flags.rm === true) {
          await api.json({
            method: "DELETE",
            path: resourcePath(podKind, namespace, name),
            body: { propagationPolicy: "Background" },
          });
          if (flags.quiet !== true) await cli.print(`pod "${name}" deleted from ${namespace} namespace`);
        }
      }
      if (code !== 0) throw new ExitWith(code);
    });
}

function variable(text: string): { name: string; value: string } {
  const equals = text.indexOf("=");
  if (equals < 1) throw new UsageError(`invalid env: "${text}" is not NAME=VALUE`);
  return { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

/** Waits for the container, ties it to the terminal, and resolves to its exit code. */
async function attach(
  cli: Cli,
  { api, namespace }: Session,
  name: string,
  options: { readonly stdin: boolean; readonly tty: boolean },
): Promise<number> {
  const { clock, terminal } = cli.env;
  const running = (pod: Observed<Pod>) => pod.status.containerStatuses?.[0]?.state?.running !== undefined;
  const ended = (pod: Observed<Pod>) => pod.status.phase === "Succeeded" || pod.status.phase === "Failed";
  const until = async (condition: (pod: Observed<Pod>) => boolean): Promise<Observed<Pod>> => {
    for (;;) {
      const pod = await readObject(api, podKind, namespace, name);
      if (condition(pod)) return pod;
      await sleep(clock, 100);
    }
  };
  const pod = await until((now) => running(now) || ended(now));
  if (ended(pod)) {
    // It was over before we could attach: its log is all there is.
    const path = resourcePath(podKind, namespace, name, "log");
    for await (const chunk of await api.stream({ method: "GET", path, accept: "*/*" })) await terminal.write(chunk);
  } else {
    if (options.tty) await cli.warn("If you don't see a command prompt, try pressing enter.");
    const path = resourcePath(podKind, namespace, name, "attach");
    await pump(await api.webSocket(path, streamQuery(name, options), channelProtocols), terminal, options);
  }
  if (pod.spec.restartPolicy === "Always") return 0;
  const last = await until(ended);
  return last.status.containerStatuses?.[0]?.state?.terminated?.exitCode ?? 0;
}
