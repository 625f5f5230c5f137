import { Command, Option } from "@commander-js/extra-typings";
import { type Deployment, deploymentKind } from "../../kinds/apps/deployment.ts";
import type { Observed } from "../../kinds/kind.ts";
import { notFound, StatusError } from "../../kinds/status_error.ts";
import { query, resourcePath } from "../api_connection.ts";
import type { Cli } from "../cli.ts";
import { durationMs, wholeNumber } from "../flags.ts";
import { readObject } from "../object.ts";
import { deploymentOf, revisionAnnotation, rolloutState } from "../rollout.ts";
import { watchEvents } from "../watch.ts";

export function define(cli: Cli) {
  return new Command()
    .description("Wait until a rollout is done, telling how it goes")
    .argument("<target...>", "deployment NAME or deployment/NAME")
    .addOption(new Option("-w, --watch").hideHelp())
    .option("--no-watch", "only say how it stands now")
    .option("--timeout <duration>", "how long to wait (for ever)", durationMs, 0)
    .option("--revision <number>", "fail when it is about another revision", wholeNumber, 0)
    .addHelpText("after", "\nExample:\n  wherry rollout status deployment/web --timeout=60s")
    .action(async (args, flags) => {
      let last = "";
      /** Tells the state when it is another one; true when the rollout is done. */
      const tell = async (deployment: Observed<Deployment>): Promise<boolean> => {
        const revision = Number(deployment.metadata.annotations?.[revisionAnnotation] ?? 0);
        if (flags.revision > 0 && revision !== flags.revision)
          throw new Error(`desired revision (${flags.revision}) is different from the running revision (${revision})`);
        const state = rolloutState(deployment);
        if (state.text !== last) await cli.print(state.text);
        last = state.text;
        return state.done;
      };
      let deployment = await deploymentOf(cli, args, "status");
      if ((await tell(deployment)) || flags.watch === false) return;

      const { api } = await cli.session();
      const { name, namespace } = deployment.metadata;
      const ending = new AbortController();
      const timer = flags.timeout > 0 ? cli.env.clock.schedule(flags.timeout, () => ending.abort()) : undefined;
      try {
        for (;;) {
          const events = watchEvents(
            api,
            {
              method: "GET",
              path: resourcePath(deploymentKind, namespace),
              query: query({
                fieldSelector: `metadata.name=${name}`,
                resourceVersion: deployment.metadata.resourceVersion,
              }),
            },
            ending.signal,
          );
          try {
            for await (const { type, object } of events) {
              if (type === "BOOKMARK") continue;
              if (type === "DELETED") throw notFound(deploymentKind, name);
              // Sound: events of this watch carry Deployments.
              deployment = object as Observed<Deployment>;
              if (await tell(deployment)) return;
            }
          } catch (error) {
            if (!(error instanceof StatusError) || error.code !== 410) throw error;
          }
          // The server ended the watch: see what happened meanwhile, and watch again.
          deployment = await readObject(api, deploymentKind, namespace, name);
          if (await tell(deployment)) return;
        }
      } catch (error) {
        if (ending.signal.aborted) throw new Error("timed out waiting for the condition");
        throw error;
      } finally {
        timer?.cancel();
      }
    });
}
