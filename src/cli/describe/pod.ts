import type { Container } from "../../kinds/core/container.ts";
import { type Pod, podKind } from "../../kinds/core/pod.ts";
import type { Observed } from "../../kinds/kind.ts";
import type { DeepReadonly } from "../../kinds/schema.ts";
import { type AnyMeta, readObject } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, controlledBy, longTime, pairLines } from "./lines.ts";
import { commandLines, imageLines, placementLines, settingLines, volumeLines } from "./pod_template.ts";
import type { Subject } from "./subject.ts";

type ContainerStatus = NonNullable<Observed<Pod>["status"]["containerStatuses"]>[number];
type ContainerState = NonNullable<ContainerStatus["state"]>;

export async function describePod({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const pod = await readObject(api, podKind, namespace, name);
  const { metadata, spec, status } = pod;
  const lines = [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    `Priority:\t${spec.priority ?? 0}`,
    ...(spec.priorityClassName ? [`Priority Class Name:\t${spec.priorityClassName}`] : []),
    ...(spec.runtimeClassName ? [`Runtime Class Name:\t${spec.runtimeClassName}`] : []),
    ...(spec.serviceAccountName ? [`Service Account:\t${spec.serviceAccountName}`] : []),
    `Node:\t${spec.nodeName ? `${spec.nodeName}/${status.hostIP ?? ""}` : "<none>"}`,
    ...(status.startTime ? [`Start Time:\t${longTime(status.startTime)}`] : []),
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    ...statusLines(pod),
    `IP:\t${status.podIP ?? ""}`,
    ...((status.podIPs?.length ?? 0) > 0
      ? ["IPs:", ...(status.podIPs ?? []).map(({ ip }) => `  IP:\t${ip}`)]
      : ["IPs:\t<none>"]),
    ...controlledBy(metadata),
  ];
  if ((spec.initContainers?.length ?? 0) > 0)
    lines.push(
      "Init Containers:",
      ...containerLines(spec.initContainers ?? [], status.initContainerStatuses ?? [], metadata),
    );
  lines.push("Containers:", ...containerLines(spec.containers, status.containerStatuses ?? [], metadata));
  if ((status.conditions?.length ?? 0) > 0)
    lines.push(
      "Conditions:",
      "  Type\tStatus",
      ...(status.conditions ?? []).map(({ type, status: state }) => `  ${type} \t${state} `),
    );
  lines.push(...volumeLines(spec.volumes, ""));
  if (status.qosClass) lines.push(`QoS Class:\t${status.qosClass}`);
  lines.push(...placementLines(spec));
  const about = { kind: "Pod", namespace: metadata.namespace, name, uids: [metadata.uid] };
  return [...lines, ...(await eventLines(api, about, nowMs))];
}

function statusLines({ metadata, status }: Observed<Pod>): string[] {
  const lines =
    metadata.deletionTimestamp === undefined
      ? [`Status:\t${status.phase ?? ""}`]
      : [
          `Status:\tTerminating (since ${longTime(metadata.deletionTimestamp)})`,
          `Termination Grace Period:\t${metadata.deletionGracePeriodSeconds ?? 0}s`,
        ];
  if (status.reason) lines.push(`Reason:\t${status.reason}`);
  if (status.message) lines.push(`Message:\t${status.message}`);
  return lines;
}

function containerLines(
  containers: readonly DeepReadonly<Container>[],
  statuses: readonly ContainerStatus[],
  pod: AnyMeta,
): string[] {
  return containers.flatMap((container) => {
    const status = statuses.find(({ name }) => name === container.name);
    const indent = "    ";
    return [
      `  ${container.name}:`,
      ...imageLines(container, indent, status === undefined ? [] : [status.containerID ?? "", status.imageID ?? ""]),
      ...commandLines(container, indent),
      ...(status === undefined
        ? []
        : [
            ...stateLines("State", status.state, indent),
            ...(Object.keys(status.lastState ?? {}).length > 0
              ? stateLines("Last State", status.lastState, indent)
              : []),
            `${indent}Ready:\t${status.ready ? "True" : "False"}`,
            `${indent}Restart Count:\t${status.restartCount}`,
          ]),
      ...settingLines(container, indent, pod),
    ];
  });
}

function stateLines(title: string, state: ContainerState | undefined, indent: string): string[] {
  const line = (name: string, value: string | number) => `${indent}  ${name}:\t${value}`;
  if (state?.running) return [`${indent}${title}:\tRunning`, line("Started", longTime(state.running.startedAt))];
  if (state?.terminated) {
    const { reason, message, exitCode, signal, startedAt, finishedAt } = state.terminated;
    return [
      `${indent}${title}:\tTerminated`,
      ...(reason ? [line("Reason", reason)] : []),
      ...(message ? [line("Message", message)] : []),
      line("Exit Code", exitCode),
      ...(signal ? [line("Signal", signal)] : []),
      line("Started", longTime(startedAt)),
      line("Finished", longTime(finishedAt)),
    ];
  }
  const { reason, message } = state?.waiting ?? {};
  return [
    `${indent}${title}:\tWaiting`,
    ...(reason ? [line("Reason", reason)] : []),
    ...(message ? [line("Message", message)] : []),
  ];
}
